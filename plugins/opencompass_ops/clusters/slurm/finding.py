"""What one look tells about one token: the row that counts, the traces of the job, and their sum; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.slurm.queue import Choice, choose
from opencompass_ops.clusters.slurm.rows import End, Row
from opencompass_ops.clusters.slurm.states import is_live, needs_accounting, status_of
from opencompass_ops.contract.codec import SchemaError
from opencompass_ops.contract.records import Heartbeat

NEVER = "this account never submitted it"


@dataclass(frozen=True)
class Traces:
    """What a job left in its folder.

    :param files: kind -> content: ``job`` the recorded id, ``holder`` the id that has claimed the token, ``end`` the
        batch script's last word, ``cancelled`` when somebody asked for that, ``beat`` the heartbeat.
    :param log: what was printed since the last look.
    """

    files: dict[str, str]
    log: str = ""

    @property
    def job_id(self) -> str:
        """The job that counts, whatever the queue says."""
        return (self.files.get("holder") or self.files.get("job") or "").strip()

    @property
    def progress(self) -> Heartbeat | None:
        """How far the job says it is."""
        try:
            return Heartbeat.from_json(self.files["beat"])
        except (KeyError, SchemaError):
            return None


@dataclass(frozen=True)
class Finding:
    """One token's evidence.

    :param traces: None when nothing was ever submitted under the token.
    :param preemptible: whether the job's partition may have cancelled it to make room.
    """

    token: str
    traces: Traces | None
    choice: Choice = field(default_factory=lambda: Choice(None))
    preemptible: bool = False

    @classmethod
    def of(cls, token: str, rows: Sequence[Row], traces: Traces | None) -> Finding:
        """Choose among the rows of one token.

        :param rows: of the queue.
        """
        if traces is None:
            return cls(token, None)
        files = traces.files
        return cls(token, traces, choose(rows, files.get("job", "").strip(), files.get("holder", "").strip()))

    @property
    def asks_accounting(self) -> bool:
        """Whether the queue has forgotten the job, or does not say who cancelled it."""
        if self.traces is None or not self.traces.job_id or "cancelled" in self.traces.files:
            return False
        row = self.choice.row
        return needs_accounting(row) if row else self._end is None

    @property
    def is_unexplained(self) -> bool:
        """Whether the job was cancelled and accounting has not said by whom."""
        return self.choice.row is not None and self.asks_accounting

    @property
    def waits(self) -> bool:
        """Whether Slurm may still start the job."""
        return self.choice.row is not None and is_live(self.choice.row)

    @property
    def status(self) -> JobStatus:
        """The sum of all evidence."""
        if self.traces is None:
            return JobStatus(JobState.UNKNOWN, NEVER)
        status = status_of(self.choice.row, self._end, job_id=self.traces.job_id, preemptible=self.preemptible)
        if "cancelled" in self.traces.files and not self.waits and status.state is not JobState.SUCCEEDED:
            status = replace(status, state=JobState.CANCELLED, reason="cancelled")
        return replace(status, progress=self.traces.progress, log=self.traces.log)

    def explained(self, past: Sequence[Row], preemptible: frozenset[str] = frozenset()) -> Finding:
        """With accounting's rows; one of another job that had the same id before does not count.

        Nor does one that still lives: accounting may miss the end of a job that the queue has forgotten.

        :param preemptible: partitions whose jobs may have to make room.
        """
        if self.traces is None or not self.asks_accounting:
            return self
        ended = (row for row in past if row.token == self.token and not is_live(row))
        row = next((row for row in ended if row.job_id == self.traces.job_id), None)
        if row is None:
            return self
        return replace(self, choice=replace(self.choice, row=row), preemptible=row.partition in preemptible)

    @property
    def _end(self) -> End | None:
        return End.from_text(self.traces.files.get("end", "")) if self.traces else None
