"""Who may try again, and on which budget; pure."""

from __future__ import annotations

from opencompass_ops.errors import InfrastructureError, JobError, JobFailed

INFRASTRUCTURE_TRIES = 6
"""How often the cluster may lose, kill or not start one shard before people must look."""


def may_retry(error: BaseException, *, tries: int, retry: int) -> tuple[bool, str]:
    """Whether a shard is submitted again, and why, in words.

    Two budgets that do not eat each other: failures of the job (the run's ``retry``) and failures of the
    cluster (:data:`INFRASTRUCTURE_TRIES`). Errors of other classes would happen again and are never retried.

    :param error: what ended this try; a JobError names in ``earlier`` how the tries before it ended.
    :param tries: tries since the run started or a user cleared the task, this one included.
    :param retry: how often a failed job is submitted again.
    """
    if not isinstance(error, JobFailed | InfrastructureError):
        return False, f"not tried again: {type(error).__name__} would happen again"
    budget = retry if isinstance(error, JobFailed) else INFRASTRUCTURE_TRIES - 1
    spent = 1 + sum(name == type(error).__name__ for name in _recent(error, tries))
    what = "the job failed" if isinstance(error, JobFailed) else "the cluster failed the job"
    if spent > budget:
        return False, f"not tried again: {what} {spent} times, {budget} retries are allowed"
    return True, f"try again ({spent} of {budget}): {what}"


def _recent(error: JobError, tries: int) -> tuple[str, ...]:
    return error.earlier[-(tries - 1) :] if tries > 1 else ()
