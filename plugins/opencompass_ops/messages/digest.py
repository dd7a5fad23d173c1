"""What there is to tell of a run, in no language and for no service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from opencompass_ops.contract import codec


class Kind(str, Enum):
    """What a message can be about; the values are the words of a connection's ``events``."""

    # START: the plan stands and its jobs begin.
    # SUCCESS: everything that the run promised is there.
    # FAILURE: something is missing.
    # GATE: the checkpoint was compared with another one.
    # HANG: a job is alive and has done nothing for long.
    # BUDGET: jobs were stopped, or not started, because a budget is used up.
    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    GATE = "gate"
    HANG = "hang"
    BUDGET = "budget"


PASS, FAIL = "pass", "fail"
"""Outcomes of a gate; every other word means that it could not tell."""


@dataclass(frozen=True)
class Trouble:
    """One thing that failed, and why.

    :param label: ``model/part`` of a shard, ``model/dataset`` of a pair, or the id of a task.
    :param parts: of a shard, all of them: ``model/part,model/part``.
    """

    label: str
    reason: str
    parts: str = ""


@dataclass(frozen=True)
class Stage:
    """The shards of one stage that are over.

    :param name: ``infer``, ``eval`` or ``viz``.
    :param succeeded: their parts, as a :class:`Trouble` has them.
    :param planned: how many there are in all.
    """

    name: str
    succeeded: tuple[str, ...]
    failed: tuple[Trouble, ...]
    planned: int = 0


@dataclass(frozen=True)
class ScoreLine:
    """One score, in its metric's unit."""

    model: str
    dataset: str
    metric: str
    value: float


@dataclass(frozen=True)
class GateFinding:
    """One dataset of a gate.

    :param reference: the name of what it was compared with, "" when that is not said.
    :param p_value: the one that decides, adjusted over all comparisons of the gate.
    """

    model: str
    dataset: str
    outcome: str
    value: float | None = None
    reference_value: float | None = None
    reference: str = ""
    p_value: float | None = None


@dataclass(frozen=True)
class Gate:
    """How the comparison went.

    :param outcome: ``pass``, ``fail`` or ``inconclusive``.
    """

    outcome: str
    findings: tuple[GateFinding, ...] = ()


class Answer(str, Enum):
    """What a person has said who was asked to approve a promotion."""

    # WAITS: nothing yet. EXPIRED: nothing in time, so the checkpoint is not promoted.
    WAITS = "waits"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Promotion:
    """A checkpoint that becomes the best of its series if a person approves.

    :param checkpoint: its version and name.
    :param days: how long an answer is waited for.
    """

    checkpoint: str
    days: float
    answer: Answer = Answer.WAITS


@dataclass(frozen=True)
class Link:
    """Where to look.

    :param what: ``run``, ``log``, ``page`` or ``answer``.
    """

    what: str
    url: str


@dataclass(frozen=True)
class Digest:
    """One run, at one moment.

    :param kind: what it is about; see :attr:`kinds` for what else it tells.
    :param name: of the config.
    :param run: the run directory, else the run's id in Airflow.
    :param user: who started it.
    :param series: of the checkpoint, "" when it belongs to none.
    :param checkpoint: its version and name within the series, "" when that is not known.
    :param stages: the shards; empty when there is no plan.
    :param troubles: what failed and why; the shards of ``stages`` are not repeated.
    :param pairs: how many model x dataset pairs have what the run promised, and of how many.
    :param promotion: for which a person is, or was, asked; None for none.
    :param notes: lines to quote as they are, e.g. which budget is used up.
    :param summary: path of the score table, "" when there is none.
    :param seconds: since the launch, 0 when that is not known.
    :param launch: tells this launch from another one in the same folder, e.g. the run's id in Airflow.
    """

    kind: Kind
    name: str
    run: str
    user: str = ""
    series: str = ""
    checkpoint: str = ""
    stages: tuple[Stage, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    pairs: tuple[int, int] = (0, 0)
    scores: tuple[ScoreLine, ...] = ()
    gate: Gate | None = None
    promotion: Promotion | None = None
    notes: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    summary: str = ""
    seconds: float = 0.0
    launch: str = ""

    @property
    def kinds(self) -> frozenset[Kind]:
        """All that the message tells: a failed run may have a gate result too."""
        return frozenset({self.kind, *([Kind.GATE] if self.gate or self.promotion else [])})

    @property
    def moment(self) -> str:
        """One of :data:`ledger.MOMENTS`: at each of them a run has one message, until its news changes."""
        return self.kind.value if self.kind in (Kind.START, Kind.HANG) else "end"

    @property
    def is_bad(self) -> bool:
        """Whether something went wrong."""
        failed_gate = self.gate is not None and self.gate.outcome == FAIL
        return failed_gate or self.kind in (Kind.FAILURE, Kind.HANG, Kind.BUDGET)

    @property
    def needs_somebody(self) -> bool:
        """Whether somebody should look, or answer."""
        answer = self.promotion.answer if self.promotion else None
        return self.is_bad or answer in (Answer.WAITS, Answer.EXPIRED)

    @property
    def failed(self) -> tuple[Trouble, ...]:
        """Everything that failed: shards first, then what else."""
        return (*(trouble for stage in self.stages for trouble in stage.failed), *self.troubles)

    @property
    def key(self) -> str:
        """The same for the same news of a run, so that a retry or a clear does not tell it twice.

        Reasons do not count: they name jobs, and every retry has another one.
        """
        gate = [self.gate.outcome, [[f.model, f.dataset, f.outcome] for f in self.gate.findings]] if self.gate else []
        told = [self.kind.value, sorted(t.label for t in self.failed), gate, self.notes, self.launch]
        promotion = [[self.promotion.checkpoint, self.promotion.answer.value]] if self.promotion else []
        return codec.digest([*told, *promotion])[:16]
