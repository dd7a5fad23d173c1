"""What a job does once its script has started the workload: the protocol of ``inference/job.py``, in virtual time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inference import claim
from inference.claim import Attempt
from inference.job import FAILED, TERMINATED
from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import ExitRecord, Heartbeat, Manifest
from opencompass_ops.contract.spec import ShardSpec


@dataclass
class Ledger:
    """Who did what: what must have happened once can be counted here.

    :param seconds: that one item takes.
    :param bad: shard -> how many of its jobs are to fail by themselves.
    :param journal: shard -> how many of its items are answered.
    :param answered: shard -> how often each item was answered, by ghosts not counted.
    :param ghosts: tokens of which something runs that Slurm knows nothing of: who works beside them cannot know.
    :param over: tokens that have their verdict.
    :param lose_outputs: how many jobs are to end well and to leave nothing.
    """

    seconds: float
    bad: dict[str, int] = field(default_factory=dict)
    answered: dict[str, Counter[int]] = field(default_factory=dict)
    journal: dict[str, int] = field(default_factory=dict)
    at_work: dict[str, set[str]] = field(default_factory=dict)
    ghosts: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    lose_outputs: int = 0
    problems: list[str] = field(default_factory=list)

    def begin(self, words: Sequence[str], job_id: str, restart: int) -> Execution | None:
        """Claim the token and begin; None when another job holds it.

        :param words: ``python -m inference infer SPEC --run-dir ...``
        """
        told = dict(zip(words[5::2], words[6::2], strict=True))
        files, token = LocalFiles(told["--run-dir"]), told["--token"]
        attempt = Attempt(token, int(told["--epoch"]), job_id, restart)
        if claim.take_claim(files, attempt) != job_id:
            return None
        claim.record_start(files, attempt)
        files.path(layout.exit_record(token)).unlink(missing_ok=True)
        return Execution(self, files, attempt, ShardSpec.from_json(Path(words[4]).read_bytes()))


@dataclass
class Execution:
    """One job at its work; it goes on where the shard's journal ends."""

    ledger: Ledger
    files: LocalFiles
    attempt: Attempt
    spec: ShardSpec

    def __post_init__(self) -> None:
        others = self.ledger.at_work.setdefault(self.spec.id, set())
        if others - self.ledger.ghosts:
            self.ledger.problems.append(f"{self.spec.id}: {self.attempt.token} works beside {', '.join(others)}")
        if self.attempt.token in self.ledger.over:
            self.ledger.problems.append(f"{self.attempt.token} works after its verdict")
        others.add(self.attempt.token)
        self.first = self.ledger.journal.get(self.spec.id, 0)
        self.total = self.spec.parts[0].count
        self._beat(self.first)

    @property
    def seconds(self) -> float:
        """How long it takes unless somebody stops it."""
        return self.ledger.seconds * (self.total - self.first)

    def finish(self) -> int:
        """Everything is answered: write the outputs and, last, the exit record; returns the exit code."""
        if self.ledger.bad.get(self.spec.id, 0):
            self.ledger.bad[self.spec.id] -= 1
            self._stopped(self.first)
            return self._exit(FAILED, error_type="RuntimeError", error="told to fail")
        if self.ledger.lose_outputs:
            self.ledger.lose_outputs -= 1
            self._stopped(self.first)
            return 0
        self._stopped(self.total)
        if evidence.shard_problem(self.files, self.spec):
            self._write()
        path = layout.manifest(self._output)
        return self._exit(0, manifests={path: codec.digest_bytes(self.files.read(path))})

    def terminated(self, after: float) -> int:
        """SIGTERM after so many seconds: what is finished is journaled; returns the exit code."""
        self._stopped(self._done(after))
        return self._exit(TERMINATED, error_type="Terminated", error="stopped by SIGTERM")

    def killed(self, after: float) -> None:
        """SIGKILL or a dead node after so many seconds: only the journal is left."""
        self._stopped(self._done(after))

    @property
    def _output(self) -> str:
        return layout.prediction(self.spec.model_abbr, self.spec.parts[0].name)

    def _done(self, after: float) -> int:
        return min(self.total, self.first + int(after / self.ledger.seconds))

    def _stopped(self, done: int) -> None:
        self.ledger.at_work[self.spec.id].discard(self.attempt.token)
        if self.attempt.token not in self.ledger.ghosts:
            self.ledger.answered.setdefault(self.spec.id, Counter()).update(range(self.first, done))
        self.ledger.journal[self.spec.id] = max(done, self.ledger.journal.get(self.spec.id, 0))
        self._beat(done)

    def _beat(self, done: int) -> None:
        self.files.write(layout.heartbeat(self.attempt.token), Heartbeat("running", done, self.total, "").to_json())

    def _write(self) -> None:
        part = self.spec.parts[0]
        self.files.write(self._output, json.dumps({str(number): {} for number in range(self.total)}))
        manifest = Manifest(
            file=Path(self._output).name,
            sha256=codec.digest_bytes(self.files.read(self._output)),
            model=self.spec.model_abbr,
            dataset=part.dataset_abbr,
            shard=self.spec.id,
            token=self.attempt.token,
            start=part.start,
            stop=part.stop,
            total=part.total,
            count=part.count,
            fingerprint=part.fingerprint,
            pair_fingerprint=part.pair_fingerprint,
        )
        self.files.write(layout.manifest(self._output), manifest.to_json())

    def _exit(self, code: int, **facts: object) -> int:
        facts = {"restart": self.attempt.restart, "epoch": self.attempt.epoch, "returncode": code, **facts}
        record = ExitRecord(token=self.attempt.token, job_id=self.attempt.job_id, **facts)  # type: ignore[arg-type]
        self.files.write(layout.exit_record(self.attempt.token), record.to_json())
        return code
