"""From a request to a job in Slurm's queue, or to the reason why there is none."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from opencompass_ops.clusters import connections
from opencompass_ops.clusters.base import Admission, JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.account import Account
from opencompass_ops.clusters.slurm.code import code_dir
from opencompass_ops.clusters.slurm.options import job_name, sbatch_words, shape
from opencompass_ops.clusters.slurm.script import job_script
from opencompass_ops.clusters.slurm.submission import Refusal, in_words, refusal
from opencompass_ops.errors import JobRefused, UnsureError

_TOKEN = re.compile(r"[a-z0-9-]{1,64}")
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SETTLE_SECONDS = 15
"""An answer of the controller may be lost for MessageTimeout, 10 s by default, and accounting lags 5 s behind."""
_SUBMIT_SECONDS = 150.0


class Submitter:
    """Submits what one cluster config asks for.

    :param config: kind ``slurm``.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._shapes: set[str] = set()

    def preview(self, request: JobRequest) -> str:
        """The command that ``remote/submit.sh`` runs, and what the script runs in its turn."""
        name = [f"--job-name={job_name(request.title, request.token)}", f"--comment=opencompass-ops:{request.group}"]
        script = f"{request.run_dir}/{request.job_dir}/slurm.sh"
        sbatch = shlex.join(["sbatch", "--parsable", *name, *self._words(request), script])
        return f"{sbatch}  # runs {shlex.join(request.argv)}"

    async def submit(self, account: Account, request: JobRequest) -> Admission:
        """Send the job unless its token is known or its group is full; a quota that is used up is FULL too.

        :raises JobRefused: it would be refused again.
        :raises UnsureError: nobody knows whether Slurm has it.
        """
        words = self._words(request)
        new_shape = shape(words) not in self._shapes
        arguments = self._arguments(request, words, test=new_shape)
        answer = await account.run("submit", arguments, await self._parcel(account, request), timeout=_SUBMIT_SECONDS)
        verdict, _, rest = answer.stdout.decode(errors="replace").partition(" ")
        verdict = verdict.strip()
        if verdict == "SBATCH":
            return await self._not_taken(account, request, rest)
        if verdict == "REFUSED":
            raise JobRefused(rest.strip())
        if verdict == "FULL":
            return Admission.FULL
        if verdict not in ("ACCEPTED", "ADOPTED"):
            said = f"{rest} {answer.stderr.decode(errors='replace')}".strip()
            raise UnsureError(f"submission of {request.token}: {said or f'no answer ({answer.returncode})'}")
        self._shapes.add(shape(words))
        return Admission(verdict.lower())

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

    async def _parcel(self, account: Account, request: JobRequest) -> bytes:
        """What submit.sh reads: how long the secrets are, the secrets, the job script."""
        code = await code_dir(account.shell, self._config)
        config = self._config if request.has_secrets else replace(self._config, secrets=())
        secrets = await self._secrets(config.secrets)
        script = job_script(request, config, code)
        return f"{len(secrets)}\n".encode() + secrets + script.encode()

    async def _secrets(self, names: Sequence[str]) -> bytes:
        """``NAME=VALUE`` and NUL for each; they travel on stdin and lie in a file that the job removes."""
        where = "the environment of this host"
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

    async def _not_taken(self, account: Account, request: JobRequest, rest: str) -> Admission:
        head, _, said = rest.partition(" ")
        step, _, said = said.partition(" ")
        code = int(head)
        kind = refusal(code, said)
        message = f"sbatch ended with {code}: {in_words(said)}"
        if kind is Refusal.UNSURE:
            raise UnsureError(f"submission of {request.token}: {message}")
        if step == "submit":
            job_dir = f"{request.run_dir}/{request.job_dir}"
            answer = await account.run("forget", [self._config.state_dir, request.token, job_dir])
            if answer.returncode != 0:
                raise UnsureError(f"{message}; and its intent could not be taken back, so it is asked again")
        if kind is Refusal.BUSY:
            return Admission.FULL
        raise JobRefused(f"{message}; correct the resources in the cluster config, run_cfg or the form")
