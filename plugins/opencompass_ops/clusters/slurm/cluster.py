"""Jobs of one Slurm account: submitted once, looked at together, believed on evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm import watching
from opencompass_ops.clusters.slurm.account import Account, account_for
from opencompass_ops.clusters.slurm.stopping import stop
from opencompass_ops.clusters.slurm.submitter import Submitter


class SlurmCluster:
    """One cluster config; the account behind it is shared.

    :param config: kind ``slurm``.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._submitter = Submitter(config)

    def preview(self, request: JobRequest) -> str:
        """The words of ``sbatch``; the script that it is given ends in the job's own command."""
        return self._submitter.preview(request)

    async def submit(self, request: JobRequest) -> Admission:
        """Send the job unless its token is known or its group is full; a quota that is used up is FULL too."""
        return await self._submitter.submit(self._account, request)

    async def find(self, token: str) -> JobStatus | None:
        """The job's status if this account submitted it."""
        found = await watching.statuses(self._account, [token], logs=False, umask=self._config.umask)
        return None if found[token].state is JobState.UNKNOWN else found[token]

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, JobStatus]:
        """One look for all.

        :param tokens: also ``job:ID`` and ``name:NAME`` of jobs that were submitted elsewhere.
        """
        if not tokens:
            return {}
        statuses = await watching.statuses(self._account, tokens, logs=True, umask=self._config.umask)
        await watching.reap(self._account, tokens, self._config.umask)
        return statuses

    async def cancel(self, tokens: Sequence[str]) -> None:
        """scancel by id and by token until squeue no longer has them."""
        await stop(self._account, tokens, self._config.umask)

    @property
    def _account(self) -> Account:
        return account_for(self._config)
