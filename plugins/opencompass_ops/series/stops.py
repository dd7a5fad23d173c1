"""Whether an evaluation was stopped because GPU-hours that it shares are used up: no fault of the checkpoint's."""

from __future__ import annotations

from pathlib import Path

from opencompass_ops.budgets import events
from opencompass_ops.budgets.site import GRANTED
from opencompass_ops.contract.files import LocalFiles


def stopped_by(run_dir: str, since: str) -> str:
    """The limit that stopped a run or kept some of it from beginning; "" where none did.

    The limits on the clock and a run's own GPU-hours are no such ones: tomorrow they would stop it again.

    :param since: only what happened at this time (ISO 8601, UTC) or later: a folder may hold earlier attempts.
    """
    met = events.told(LocalFiles(Path(run_dir)), since=since)
    return next((event.limit for event in met if event.kind in GRANTED), "")
