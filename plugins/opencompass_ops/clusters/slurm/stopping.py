"""scancel, until squeue no longer has the jobs: its return code proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from opencompass_ops.clusters.slurm.account import Account
from opencompass_ops.errors import UnsureError

_INSIST_SECONDS = 20.0
_STOP_SECONDS = 60.0
"""KillWait is 30 s by default: so long a job may take to go after scancel."""


async def stop(account: Account, tokens: Sequence[str], umask: str) -> None:
    """Stop jobs by id and by token and wait until they are gone; SIGKILL to those that take too long.

    :param umask: for the marks in their folders, which keep them from being started later.
    :raises UnsureError: jobs are still there, or nobody answers.
    """
    now = asyncio.get_running_loop().time
    began = now()
    pause = 0.2
    while left := await ask_to_stop(account, tokens, umask, insist=now() - began > _INSIST_SECONDS):
        if now() - began > _STOP_SECONDS:
            raise UnsureError(f"jobs {', '.join(left)} are still queued after scancel; look at them with squeue")
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0)


async def ask_to_stop(account: Account, tokens: Sequence[str], umask: str, *, insist: bool = False) -> list[str]:
    """Mark and scancel once; returns the ids that were there.

    :param insist: SIGKILL, the batch script included.
    """
    stdin = "".join(f"{token}\n" for token in tokens).encode()
    answer = await account.run("cancel", [account.state_dir, "KILL" if insist else "", umask], stdin)
    if answer.returncode != 0:
        raise UnsureError(f"scancel: {answer.stderr.decode(errors='replace').strip() or answer.returncode}")
    return [line.split()[1] for line in answer.stdout.decode().splitlines()]
