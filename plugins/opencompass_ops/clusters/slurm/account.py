"""What all configs of one Slurm account share in an event loop: its shell, its ticks, how far logs were read."""

from __future__ import annotations

import asyncio
import base64
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

from opencompass_ops.clusters.config import Account as Key
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import Answer, Shell, shell_for
from opencompass_ops.clusters.slurm.finding import Traces
from opencompass_ops.clusters.slurm.queue import (
    SHOW_PARTITIONS,
    SQUEUE,
    parse_partitions,
    parse_sacct,
    parse_squeue,
    sacct_argvs,
    sacct_names_argv,
)
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.errors import UnsureError

log = logging.getLogger(__name__)

_LOOK_BACK_HOURS = 14 * 24
_REMOTE = Path(__file__).with_name("remote")

_accounts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Key, Account]] = WeakKeyDictionary()


def account_for(config: ClusterConfig) -> Account:
    """The one account of this event loop that the config uses."""
    accounts = _accounts.setdefault(asyncio.get_running_loop(), {})
    if config.account not in accounts:
        accounts[config.account] = Account(shell_for(config.connection_id), config.state_dir)
    return accounts[config.account]


@dataclass(frozen=True)
class Record:
    """One thing that a remote script reported.

    :param number: a return code, or how far a log was read.
    """

    kind: str
    token: str
    number: int
    content: bytes


@dataclass(frozen=True)
class Look:
    """One look at everything.

    :param rows: of the whole queue.
    :param traces: by token; a token that was never submitted here has none.
    """

    rows: Sequence[Row]
    traces: Mapping[str, Traces]

    @cached_property
    def rows_by_token(self) -> Mapping[str, Sequence[Row]]:
        """The rows of each token; those of other people's jobs stand under words that nobody asks for."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.token, []).append(row)
        return found


class Account:
    """One user of one cluster.

    :param shell: where its commands are.
    :param state_dir: the account's folder on the cluster, "" for the default.
    :ivar doomed: tokens that can never start, as Slurm said once.
    :ivar unexplained: loop time since which a token's job is cancelled and nobody says by whom.
    :ivar queue: squeue's rows as they were at the last look.
    :ivar reaped_at: loop time of the last look for jobs that nobody wants.
    """

    def __init__(self, shell: Shell, state_dir: str) -> None:
        self.shell = shell
        self.state_dir = state_dir
        self.doomed: set[str] = set()
        self.unexplained: dict[str, float] = {}
        self.queue: Sequence[Row] = ()
        self.reaped_at = -math.inf
        self._preemptible: frozenset[str] | None = None
        self._offsets: dict[str, int] = {}
        self._wanted: dict[str, bool] = {}
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Look] | None = None

    async def look(self, tokens: Iterable[str], *, logs: bool) -> Look:
        """Queue and traces; whoever asks while a look is under way shares the next one.

        :param logs: also what the jobs printed since the last look that asked for it.
        :raises UnsureError: nobody answered, or squeue did not.
        """
        for token in tokens:
            self._wanted[token] = logs or self._wanted.get(token, False)
        if self._next is None:
            self._next = asyncio.create_task(self._look(), name="look at a Slurm account")
        return await asyncio.shield(self._next)

    async def run(
        self, name: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 60.0
    ) -> Answer:
        """Run a script of ``remote/``.

        :raises UnsureError: the answer was lost or nothing could be asked.
        """
        return await self.shell.run(script(name), arguments, stdin, timeout=timeout)

    async def explain(self, job_ids: Sequence[str], names: Sequence[str] = ()) -> list[Row]:
        """Accounting's rows of these jobs; none where accounting is disabled or does not answer."""
        rows: list[Row] = []
        by_name = [sacct_names_argv(names, _LOOK_BACK_HOURS)] if names else []
        for argv in [*(sacct_argvs(job_ids) if job_ids else []), *by_name]:
            answer = await self.shell.run('exec "$@"', argv)
            try:
                rows += parse_sacct(answer.stdout.decode(errors="replace")) if answer.returncode == 0 else []
            except UnsureError as error:
                log.warning("%s", error)
        return rows

    async def preemptible(self) -> frozenset[str]:
        """Partitions whose jobs may have to make room; asked once, none where nobody answers."""
        if self._preemptible is None:
            answer = await self.shell.run('exec "$@"', SHOW_PARTITIONS)
            if answer.returncode != 0:
                return frozenset()
            self._preemptible = parse_partitions(answer.stdout.decode(errors="replace"))
        return self._preemptible

    def forget(self, token: str) -> None:
        """The job is over; nobody reads its log on."""
        self._offsets.pop(token, None)
        self.unexplained.pop(token, None)

    async def _look(self) -> Look:
        async with self._turn:
            self._next = None
            wanted, self._wanted = self._wanted, {}
            lines = [f"{token} {self._offsets.get(token, -1) if logs else '-'}\n" for token, logs in wanted.items()]
            answer = await self.run("tick", [self.state_dir, *SQUEUE], "".join(lines).encode())
            records = parse(answer.stdout)
        first = records[0]
        if first.number != 0:
            raise UnsureError(f"squeue: {' '.join(first.content.decode(errors='replace').split())}")
        self.queue = parse_squeue(first.content.decode(errors="replace"))
        return Look(self.queue, self._traces(records[1:]))

    def _traces(self, records: Sequence[Record]) -> dict[str, Traces]:
        files: dict[str, dict[str, str]] = {}
        logs: dict[str, str] = {}
        for record in records:
            if record.kind == "log":
                logs[record.token] = self._read_on(record)
            else:
                files.setdefault(record.token, {})[record.kind] = record.content.decode(errors="replace")
        return {token: Traces(found, logs.get(token, "")) for token, found in files.items()}

    def _read_on(self, record: Record) -> str:
        """Whole lines only; what follows the last line break is read again when it is complete."""
        content = base64.b64decode(record.content)
        whole = content.rfind(b"\n") + 1 or len(content)
        self._offsets[record.token] = record.number - len(content) + whole
        return content[:whole].decode(errors="replace")


@cache
def script(name: str) -> str:
    """The text of a remote script."""
    return (_REMOTE / f"{name}.sh").read_text()


def parse(output: bytes) -> list[Record]:
    """The records of a remote script: ``KIND TOKEN NUMBER BYTES``, a line break, so many bytes, a line break.

    :raises UnsureError: the output is no such sequence, or empty.
    """
    records: list[Record] = []
    at = 0
    try:
        while at < len(output):
            end = output.index(b"\n", at)
            kind, token, number, size = output[at:end].decode("ascii").split(" ")
            at = end + 1 + int(size)
            if output[at : at + 1] != b"\n":
                raise ValueError(f"{kind} is cut off")
            records.append(Record(kind, token, int(number), output[end + 1 : at]))
            at += 1
    except ValueError as error:
        raise UnsureError(f"the login node's answer cannot be read ({error}): {output[:200]!r}") from error
    if not records:
        raise UnsureError("the login node's answer is empty")
    return records
