"""The code that jobs run, sent once: an archive named by its content, unpacked where every node sees it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from opencompass_ops.clusters.code import pack
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import Shell
from opencompass_ops.errors import JobRefused, UnsureError

_UNPACK = Path(__file__).with_name("remote") / "unpack.sh"
_TIMEOUT = 120.0


@dataclass
class _Sent:
    """Where a shell's account has the code, by root folder."""

    folders: dict[str, str] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_sent: WeakKeyDictionary[Shell, _Sent] = WeakKeyDictionary()


async def code_dir(shell: Shell, config: ClusterConfig) -> str:
    """The folder for ``PYTHONPATH`` on the cluster, sent there unless it is there; "" where the config names its own.

    :raises JobRefused: the cluster cannot hold it.
    :raises UnsureError: the cluster could not be asked.
    """
    if config.code_dir is not None:
        return ""
    sent = _sent.setdefault(shell, _Sent())
    root = code_root(config)
    async with sent.lock:
        if root not in sent.folders:
            sent.folders[root] = await _send(shell, root, config.umask)
    return sent.folders[root]


def code_root(config: ClusterConfig) -> str:
    """The folder of ``code/`` on the cluster; "" for the account's state folder, where no work_dir is known."""
    if not config.work_dir:
        return config.state_dir
    return f"{config.on_cluster(str(Path(config.work_dir).absolute()))}/.opencompass-ops"


async def _send(shell: Shell, root: str, umask: str) -> str:
    """Ask for it, and send it only where it is missing."""
    code, script = pack(), _UNPACK.read_text()
    for archive in (b"", code.archive):
        arguments = [root, code.name, umask, str(len(archive))]
        answer = await shell.run(script, arguments, archive, timeout=_TIMEOUT)
        verdict, _, said = answer.stdout.decode(errors="replace").strip().partition(" ")
        if verdict == "THERE":
            return said
        if verdict == "REFUSED":
            raise JobRefused(f"the code cannot be sent: {said}; correct work_dir or state_dir of the cluster config")
        if verdict != "MISSING":
            raise UnsureError(f"sending the code: no answer that can be read: {answer}")
    raise UnsureError("sending the code: it was sent and is still missing")
