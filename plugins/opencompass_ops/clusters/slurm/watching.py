"""What is known of many jobs after one look, and what must not go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.slurm.account import Account, Look
from opencompass_ops.clusters.slurm.finding import Finding
from opencompass_ops.clusters.slurm.foreign import ids_and_names, is_foreign, row_of
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.clusters.slurm.states import is_live, may_be_preemption, needs_accounting, status_of
from opencompass_ops.clusters.slurm.stopping import ask_to_stop

log = logging.getLogger(__name__)

_REAP_SECONDS = 60.0
_ACCOUNTING_SECONDS = 10.0
"""Accounting knows a job up to 5 s after the queue does."""


async def statuses(account: Account, tokens: Sequence[str], *, logs: bool, umask: str) -> dict[str, JobStatus]:
    """The status of each job; what only accounting can tell is asked after the look.

    :param tokens: ours, and ``job:ID`` and ``name:NAME`` of jobs that were submitted elsewhere.
    :param logs: also what the jobs printed since the last look that asked for it.
    :raises UnsureError: nobody answered.
    """
    ours = [token for token in tokens if not is_foreign(token)]
    look = await account.look(ours, logs=logs)
    found = await _findings(account, look, ours)
    await _cancel_surplus(account, [row.job_id for finding in found for row in finding.choice.surplus])
    known = {finding.token: await _doubted(account, finding, umask) for finding in found}
    return known | await _foreign(account, look, [token for token in tokens if is_foreign(token)])


async def reap(account: Account, tokens: Sequence[str], umask: str) -> None:
    """Stop live jobs of the installations that own the tokens, where somebody asked for that and nobody saw to it.

    A task may be cleared while the cluster cannot be reached; then only the wish is on disk.

    :param tokens: all that anybody waits for; theirs are left alone.
    """
    now = asyncio.get_running_loop().time()
    if now - account.reaped_at < _REAP_SECONDS:
        return
    account.reaped_at = now
    owners = tuple({f"{'-'.join(token.split('-')[:2])}-" for token in tokens if not is_foreign(token)})
    strangers = {row.token for row in account.queue if is_live(row) and row.token.startswith(owners)} - set(tokens)
    if not strangers:
        return
    answer = await account.run("unwanted", [account.state_dir], "".join(f"{each}\n" for each in strangers).encode())
    unwanted = answer.stdout.decode().split()
    if unwanted:
        log.warning("cancelling %s: somebody asked for that while the cluster was away", ", ".join(unwanted))
        await ask_to_stop(account, unwanted, umask)


async def _findings(account: Account, look: Look, tokens: Iterable[str]) -> list[Finding]:
    rows = look.rows_by_token
    found = [Finding.of(token, rows.get(token, ()), look.traces.get(token)) for token in tokens]
    forgotten = [each.traces.job_id for each in found if each.traces and each.asks_accounting]
    if not forgotten:
        return found
    past = await account.explain(forgotten)
    preemptible = await account.preemptible() if any(may_be_preemption(row) for row in past) else frozenset()
    return [finding.explained(past, preemptible) for finding in found]


async def _cancel_surplus(account: Account, job_ids: Sequence[str]) -> None:
    """Cancel live jobs of our tokens that are not the ones that count."""
    if job_ids:
        log.warning("cancelling surplus jobs %s: another job of the same token counts", ", ".join(job_ids))
        await account.shell.run('scancel --quiet "$@"', job_ids)


async def _doubted(account: Account, finding: Finding, umask: str) -> JobStatus:
    """What must be said twice before it counts.

    A job that can never start is cancelled when Slurm says so again: once may be the scheduler's haste. One that was
    cancelled is over when accounting says by whom, or had time to: it may have been preempted.
    """
    status, token = finding.status, finding.token
    if finding.is_unexplained and _is_early(account, token):
        return replace(status, state=JobState.RUNNING, reason="cancelled; accounting does not say yet by whom")
    if status.state.is_terminal:
        account.forget(token)
    if not (status.state.is_terminal and finding.waits):
        account.doomed.discard(token)
        return status
    if token not in account.doomed:
        account.doomed.add(token)
        return replace(status, state=JobState.QUEUED)
    await ask_to_stop(account, [token], umask)
    return status


def _is_early(account: Account, token: str) -> bool:
    now = asyncio.get_running_loop().time()
    return now - account.unexplained.setdefault(token, now) < _ACCOUNTING_SECONDS


async def _foreign(account: Account, look: Look, keys: Sequence[str]) -> dict[str, JobStatus]:
    found: dict[str, Row | None] = {key: row_of(key, look.rows) for key in keys}
    forgotten = [key for key, row in found.items() if row is None or needs_accounting(row)]
    if forgotten:
        past = await account.explain(*ids_and_names(forgotten))
        found |= {key: row_of(key, past) or found[key] for key in forgotten}
    return {key: status_of(row) for key, row in found.items()}
