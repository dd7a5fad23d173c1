"""Whether an evaluation was stopped because the site's GPU-hours were used up: no fault of the checkpoint's."""

from __future__ import annotations

from pathlib import Path

from opencompass_ops.budgets import events
from opencompass_ops.contract.files import LocalFiles

_HOURS, _OF_RUN = " GPU-hours of ", " GPU-hours of the run"


def stopped_by(run_dir: str, since: str) -> str:
    """The grant that stopped a run or kept some of it from beginning; "" where none did.

    :param since: only what happened at this time (ISO 8601, UTC) or later: a folder may hold earlier attempts.
    """
    met = events.told(LocalFiles(Path(run_dir)), since=since)
    return next((event.limit for event in met if is_grant(event.limit)), "")


def refused_for(problem: str) -> str:
    """The grant for which a plan was refused, by the plan's message; "" where it was something else.

    :param problem: of :func:`opencompass_ops.prepare.prepare`.
    """
    lines = [line.removeprefix("- ") for line in problem.splitlines() if line.startswith("- ")]
    return next((line for line in lines if is_grant(line)), "") if "GPU-hours are used up" in problem else ""


def is_grant(limit: str) -> bool:
    """Whether a limit is one of the site's on GPU-hours.

    The limits on the clock and a run's own GPU-hours are not: tomorrow they would stop it again.
    """
    return _HOURS in limit and _OF_RUN not in limit
