"""Errors whose class is a policy: who may try again, and on which budget.

OpsError
  InputError             the request is wrong; nothing was started; trying again changes nothing
    ConfigError          a config cannot be read or is not what it should be
    PlanError            the request cannot become a plan
  JobError               a submitted job did not end in evidence of success
    JobFailed            it ran and failed; tried again within the run's ``retry``
      OutOfMemory        of the device or the host; tried again with a smaller batch or more memory
    JobRefused           it would fail the same way again; never tried again
      MissingParts       an evaluation lacks predictions; scored when they exist and it is cleared
    JobCancelled         somebody stopped it; never tried again by itself
    InfrastructureError  the cluster lost, killed or could not start it; own budget
    JobInterrupted       time limit or preemption; goes on with what is missing, while progress is made
    LimitReached         a limit on time or GPU-hours stopped it or kept it from beginning; goes on with reuse
  BudgetExceeded         the run's failures are more than it may have; turns the run red
  GateFailed             a checkpoint is worse than what it was compared with; judging again changes nothing
  UnsureError            a query failed: no evidence, no state change; asked again
    UnreachableError     the cluster could not be reached; nothing ran there
    LostError            the answer was lost on the way; what was asked may have run
"""

from __future__ import annotations

from collections.abc import Sequence


class OpsError(Exception):
    """What happened, with which value, and what to do next, in one message."""


class InputError(OpsError, ValueError):
    """The request is wrong; nothing was started.

    :param culprits: one whole message for each thing that is wrong, where there are several.
    """

    def __init__(self, message: str, culprits: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.culprits = tuple(culprits) or (message,)


class ConfigError(InputError):
    """A config cannot be read or is not what it should be."""


class PlanError(InputError):
    """The request cannot become a plan."""


class HoursSpent(PlanError):
    """Nothing was begun, because limits on GPU-hours are used up.

    :param granted: a line for each of them that is not the run's own, so that time or somebody else gives more.
    """

    def __init__(self, message: str, granted: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.granted = granted


class JobError(OpsError):
    """A submitted job did not end in evidence of success.

    :param earlier: class names of how earlier submissions of the shard ended, oldest first.
    """

    def __init__(self, message: str, earlier: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.earlier = earlier


class JobFailed(JobError):
    """The job ran and failed; it is tried again within the run's ``retry``."""


class OutOfMemory(JobFailed):
    """The device or the host ran out of memory; the next try asks for less of the one or more of the other."""


class JobRefused(JobError):
    """The job would fail the same way again."""


class JobCancelled(JobError):
    """Somebody stopped the job."""


class InfrastructureError(JobError):
    """The cluster lost, killed or could not start the job; it has a budget of its own."""


class JobInterrupted(JobError):
    """The time limit or a preemption stopped the job; the next one goes on with what is missing."""


class LimitReached(JobError):
    """A limit on time or GPU-hours stopped the job or kept it from beginning; what is done counts when it goes on."""


class MissingParts(JobRefused):
    """An evaluation lacks predictions; it is scored when they exist and it is cleared."""


class BudgetExceeded(OpsError):
    """The run's failures are more than it may have."""


class GateFailed(OpsError):
    """A checkpoint is worse than what it was compared with."""


class UnsureError(OpsError):
    """A query of a cluster failed: no evidence, so no state changes."""


class UnreachableError(UnsureError):
    """The cluster could not be reached; nothing ran there."""


class LostError(UnsureError):
    """The connection ended or the time was over before the answer came; what was asked may have run."""
