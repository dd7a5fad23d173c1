"""Who may try again, and on which budget; pure."""

from __future__ import annotations

from opencompass_ops.errors import InfrastructureError, JobError, JobFailed, JobInterrupted, OutOfMemory

INFRASTRUCTURE_TRIES = 6
"""How often the cluster may lose, kill or not start one shard before people must look."""

MEMORY_RETRIES = 3
"""How often a shard that ran out of memory is tried with more memory or smaller batches."""


def may_retry(error: BaseException, *, tries: int, retry: int) -> tuple[bool, str]:
    """Whether a shard is submitted again, and why, in words.

    Budgets that do not eat each other: failures of the job (the run's ``retry``), out of memory
    (:data:`MEMORY_RETRIES`) and failures of the cluster (:data:`INFRASTRUCTURE_TRIES`). An interrupted job that made
    progress goes on without a budget: each resume has answered at least one item more, so there is an end. Errors of
    other classes would happen again and are never retried.

    :param error: what ended this try; a JobError names in ``earlier`` how the tries before it ended.
    :param tries: tries since the run started or a user cleared the task, this one included.
    :param retry: how often a failed job is submitted again.
    """
    if isinstance(error, JobInterrupted):
        return True, "go on with what is missing: the job was interrupted and had made progress"
    if not isinstance(error, JobFailed | InfrastructureError):
        return False, f"not tried again: {type(error).__name__} would happen again"
    budget, what = _budget(error, retry)
    spent = 1 + sum(name == type(error).__name__ for name in _recent(error, tries))
    if spent > budget:
        return False, f"not tried again: {what} {spent} times, {budget} retries are allowed"
    return True, f"try again ({spent} of {budget}): {what}"


def _budget(error: JobError, retry: int) -> tuple[int, str]:
    if isinstance(error, InfrastructureError):
        return INFRASTRUCTURE_TRIES - 1, "the cluster failed the job"
    if isinstance(error, OutOfMemory):
        return MEMORY_RETRIES, "the job ran out of memory"
    return retry, "the job failed"


def _recent(error: JobError, tries: int) -> tuple[str, ...]:
    return error.earlier[-(tries - 1) :] if tries > 1 else ()
