"""Jobs of one Slurm account: submitted once, looked at together, believed on evidence."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from opencompass_ops.clusters import connections
from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.account import Account, account_for
from opencompass_ops.clusters.slurm.code import code_dir
from opencompass_ops.clusters.slurm.finding import Finding
from opencompass_ops.clusters.slurm.foreign import ids_and_names, is_foreign, row_of
from opencompass_ops.clusters.slurm.options import job_name, sbatch_words, shape
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.clusters.slurm.script import job_script
from opencompass_ops.clusters.slurm.states import needs_accounting, status_of
from opencompass_ops.clusters.slurm.submission import Refusal, in_words, refusal
from opencompass_ops.errors import JobRefused, UnsureError

log = logging.getLogger(__name__)

_TOKEN = re.compile(r"[a-z0-9-]{1,64}")
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SETTLE_SECONDS = 15
"""An answer of the controller may be lost for MessageTimeout, 10 s by default, and accounting lags 5 s behind."""
_SUBMIT_SECONDS = 150.0
_INSIST_SECONDS = 20.0
_CANCEL_SECONDS = 60.0
"""KillWait is 30 s by default: so long a job may take to go after scancel."""


class SlurmCluster:
    """One cluster config; the account behind it is shared.

    :param config: kind ``slurm``.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._shapes: set[str] = set()
        self._doomed: set[str] = set()

    async def submit(self, request: JobRequest) -> Admission:
        """Send the job unless its token is known or its group is full; a quota that is used up is FULL too."""
        words = self._words(request)
        new_shape = shape(words) not in self._shapes
        arguments = self._arguments(request, words, test=new_shape)
        answer = await self._account.run("submit", arguments, await self._parcel(request), timeout=_SUBMIT_SECONDS)
        verdict, _, rest = answer.stdout.decode(errors="replace").partition(" ")
        verdict = verdict.strip()
        if verdict == "SBATCH":
            return await self._not_taken(request, rest)
        if verdict == "REFUSED":
            raise JobRefused(rest.strip())
        if verdict == "FULL":
            return Admission.FULL
        if verdict not in ("ACCEPTED", "ADOPTED"):
            said = f"{rest} {answer.stderr.decode(errors='replace')}".strip()
            raise UnsureError(f"submission of {request.token}: {said or f'no answer ({answer.returncode})'}")
        self._shapes.add(shape(words))
        return Admission(verdict.lower())

    async def find(self, token: str) -> JobStatus | None:
        """The job's status if this account submitted it."""
        status = (await self._statuses([token], logs=False))[token]
        return None if status.state is JobState.UNKNOWN else status

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, JobStatus]:
        """One look for all; what only accounting can tell is asked after it.

        :param tokens: also ``job:ID`` and ``name:NAME`` of jobs that were submitted elsewhere.
        """
        return await self._statuses(tokens, logs=True)

    async def cancel(self, tokens: Sequence[str]) -> None:
        """scancel by id and by token until squeue no longer has them; SIGKILL to those that take too long.

        :raises UnsureError: jobs are still there, or nobody answers.
        """
        began = time.monotonic()
        pause = 0.2
        while left := await self._cancel(tokens, insist=time.monotonic() - began > _INSIST_SECONDS):
            if time.monotonic() - began > _CANCEL_SECONDS:
                raise UnsureError(f"jobs {', '.join(left)} are still queued after scancel; look at them with squeue")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    @property
    def _account(self) -> Account:
        return account_for(self._config)

    def _words(self, request: JobRequest) -> list[str]:
        """sbatch's options; refuses what no submission can mend."""
        if not _TOKEN.fullmatch(request.token):
            raise JobRefused(f"token {request.token!r} must be 1 to 64 of a-z, 0-9 and '-'")
        if not _GROUP.fullmatch(request.group):
            raise JobRefused(f"group {request.group!r} must be 1 to 64 letters, digits, '.', '_' and '-'")
        return sbatch_words(request, self._config)

    def _arguments(self, request: JobRequest, words: Sequence[str], *, test: bool) -> list[str]:
        return [
            self._config.state_dir,
            request.token,
            request.group,
            str(request.max_running),
            f"{request.run_dir}/{request.job_dir}",
            f"{request.run_dir}/{request.log_path}",
            job_name(request.title, request.token),
            self._config.umask,
            str(_SETTLE_SECONDS),
            "test" if test else "",
            "--",
            *words,
        ]

    async def _parcel(self, request: JobRequest) -> bytes:
        """What submit.sh reads: how long the secrets are, the secrets, the job script."""
        code = await code_dir(self._account.shell, self._config)
        secrets = await self._secrets()
        script = job_script(request, self._config, code)
        return f"{len(secrets)}\n".encode() + secrets + script.encode()

    async def _secrets(self) -> bytes:
        """``NAME=VALUE`` and NUL for each; they travel on stdin and lie in a file that the job removes."""
        names, where = self._config.secrets, "the environment of this host"
        if not names:
            return b""
        known: Mapping[str, str] = os.environ
        if self._config.connection_id:
            known = (await connections.resolve(self._config.connection_id)).secrets
            where = f"the extra 'secrets' of connection {self._config.connection_id!r}"
        missing = ", ".join(name for name in names if not known.get(name))
        if missing:
            raise JobRefused(f"cluster {self._config.name!r} wants the secrets {missing}; put them into {where}")
        return b"".join(f"{name}={known[name]}\0".encode() for name in names)

    async def _not_taken(self, request: JobRequest, rest: str) -> Admission:
        head, _, said = rest.partition(" ")
        step, _, said = said.partition(" ")
        code = int(head)
        kind = refusal(code, said)
        message = f"sbatch ended with {code}: {in_words(said)}"
        if kind is Refusal.UNSURE:
            raise UnsureError(f"submission of {request.token}: {message}")
        if step == "submit":
            job_dir = f"{request.run_dir}/{request.job_dir}"
            answer = await self._account.run("forget", [self._config.state_dir, request.token, job_dir])
            if answer.returncode != 0:
                raise UnsureError(f"{message}; and its intent could not be taken back, so it is asked again")
        if kind is Refusal.BUSY:
            return Admission.FULL
        raise JobRefused(f"{message}; correct the resources in the cluster config, run_cfg or the form")

    async def _statuses(self, tokens: Sequence[str], *, logs: bool) -> dict[str, JobStatus]:
        if not tokens:
            return {}
        foreign = [token for token in tokens if is_foreign(token)]
        tokens = [token for token in tokens if not is_foreign(token)]
        look = await self._account.look(tokens, logs=logs)
        rows = look.rows_by_token
        found = {token: Finding.of(token, rows.get(token, ()), look.traces.get(token)) for token in tokens}
        forgotten = [each.traces.job_id for each in found.values() if each.traces and each.asks_accounting]
        if forgotten:
            past = await self._account.explain(forgotten)
            found = {token: finding.explained(past) for token, finding in found.items()}
        await self._reap([row.job_id for finding in found.values() for row in finding.choice.surplus])
        ours = {token: await self._doubted(token, finding) for token, finding in found.items()}
        return ours | await self._foreign(foreign, look.rows)

    async def _foreign(self, keys: Sequence[str], rows: Sequence[Row]) -> dict[str, JobStatus]:
        found = {key: row_of(key, rows) for key in keys}
        forgotten = [key for key, row in found.items() if row is None or needs_accounting(row)]
        if forgotten:
            past = await self._account.explain(*ids_and_names(forgotten))
            found |= {key: row_of(key, past) or found[key] for key in forgotten}
        return {key: status_of(row) for key, row in found.items()}

    async def _reap(self, job_ids: Sequence[str]) -> None:
        """Cancel live jobs of our tokens that are not the ones that count."""
        if job_ids:
            log.warning("cancelling surplus jobs %s: another job of the same token counts", ", ".join(job_ids))
            await self._account.shell.run('scancel --quiet "$@"', job_ids)

    async def _doubted(self, token: str, finding: Finding) -> JobStatus:
        """A job that can never start is cancelled when Slurm says so twice; once may be the scheduler's haste."""
        status = finding.status
        if status.state.is_terminal:
            self._account.forget(token)
        if status.state is not JobState.REFUSED or not finding.waits:
            self._doomed.discard(token)
            return status
        if token not in self._doomed:
            self._doomed.add(token)
            return replace(status, state=JobState.QUEUED)
        await self._cancel([token], insist=False)
        return status

    async def _cancel(self, tokens: Sequence[str], *, insist: bool) -> list[str]:
        """Ask once; the ids that are still there."""
        arguments = [self._config.state_dir, "KILL" if insist else "", self._config.umask]
        answer = await self._account.run("cancel", arguments, "".join(f"{token}\n" for token in tokens).encode())
        if answer.returncode != 0:
            raise UnsureError(f"scancel: {answer.stderr.decode(errors='replace').strip() or answer.returncode}")
        return [line.split()[1] for line in answer.stdout.decode().splitlines()]
