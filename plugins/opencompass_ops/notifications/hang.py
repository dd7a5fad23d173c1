"""A job that hangs, told from a triggerer: once for a run, however many of its jobs hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from airflow.utils.types import DagRunType
from asgiref.sync import sync_to_async

from opencompass_ops.notifications.runs import AirflowRun

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opencompass_ops.messages.channels import Channel
    from opencompass_ops.messages.digest import Digest

Say = Callable[[str], None]


async def tell_hang(run_dir: str, shard: str, silence: str, ti: Any, say: Say) -> None:
    """Send what is wanted; nothing else changes.

    :param silence: how the shard's job hangs, for people.
    :param ti: the shard's task instance.
    :param say: called with one line per message.
    """
    digest, wanting = await sync_to_async(_wanted)(run_dir, shard, silence, ti, say)
    # Not in the one thread that Airflow's own calls share: a chat may be slow to answer.
    await asyncio.to_thread(_send, run_dir, digest, wanting, say)


def _wanted(run_dir: str, shard: str, silence: str, ti: Any, say: Say) -> tuple[Digest, list[Channel]]:
    from opencompass_ops.messages.collecting import hanging, params_of

    run = AirflowRun(_context(ti, params_of(run_dir)), say)
    digest = hanging(run_dir, run.seen(log=f"{ti.task_id}/mapped/{ti.map_index}"), [shard], silence)
    return digest, run.wanting(digest)


def _context(ti: Any, params: Mapping[str, Any]) -> Context:
    """What a trigger knows of its run; the run's type is read from its id, as Airflow does where it has no more."""
    dag_run = SimpleNamespace(run_type=DagRunType.from_run_id(ti.run_id), triggering_user_name=None)
    return cast("Context", {"dag": ti, "run_id": ti.run_id, "dag_run": dag_run, "params": params})


def _send(run_dir: str, digest: Digest, wanting: list[Channel], say: Say) -> None:
    from opencompass_ops.messages.ledger import RunLedger
    from opencompass_ops.messages.telling import tell

    ledger = RunLedger(run_dir)
    if wanting and ledger.claim(digest.moment, digest.launch):
        tell(digest, wanting, ledger, say)
