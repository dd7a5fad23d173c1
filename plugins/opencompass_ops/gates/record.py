"""What a gate leaves in ``summary/gate.json`` of the run directory; messages and pages read it.

The file is a JSON object: ``schema_version``; ``outcome``: pass, fail, inconclusive or skipped; ``headline``: the one
line; ``mode``: report or enforce; ``scores``: what was judged, with the fields of :class:`Scored`; ``datasets``: one
object per dataset and reference with the fields of :class:`Finding`; ``alerts``: of the detector; ``health``: lines
about evaluations that are broken; ``notes``; ``promotion``: None, or the fields of :class:`Promotion`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from opencompass_ops.contract import SCHEMA_VERSION
from opencompass_ops.gates.flips import Flip
from opencompass_ops.gates.health import HealthAlarm
from opencompass_ops.gates.verdict import FAIL, INCONCLUSIVE, PASS, SKIPPED

ENFORCED = "enforce"

PROMOTION_KEY = "promotion"
"""XCom of the gate's task: which checkpoint should be promoted, None for none."""

ANSWER_KEY = "answer"
"""XCom of the approval: a value of :class:`opencompass_ops.messages.digest.Answer`."""


@dataclass(frozen=True)
class Scored:
    """A score that was judged, in the metric's unit.

    :param stderr: standard error, None when unknown.
    :param n: samples scored.
    """

    model: str
    dataset: str
    metric: str
    step: int | None
    value: float
    stderr: float | None
    n: int


@dataclass(frozen=True)
class Finding:
    """One dataset of a checkpoint against one reference; numbers in the metric's unit, above zero is better.

    :param outcome: ``pass``, ``fail`` or ``inconclusive``.
    :param counts: whether it decides the gate.
    :param reference: name of the model that it was compared with.
    :param kinds: what that is: some of baseline, previous, best.
    :param p_value: of the test alone; ``adjusted`` over all that decide (Holm).
    :param allowed: so much it may drop.
    :param mde: the smallest drop that would have been found with 80 % probability.
    :param needed: items with which a drop of ``allowed`` would be found as surely, 0 when unknown.
    :param reason: why it is inconclusive where the numbers alone do not say.
    """

    model: str
    dataset: str
    metric: str
    outcome: str
    counts: bool
    reference: str
    kinds: tuple[str, ...]
    step: int | None
    reference_step: int | None
    value: float
    reference_value: float
    difference: float
    low: float
    high: float
    p_value: float
    adjusted: float
    allowed: float
    mde: float
    needed: int
    n: int
    lost: int
    gained: int
    method: str
    reason: str = ""
    flips: tuple[Flip, ...] = ()


@dataclass(frozen=True)
class Alert:
    """The series of a dataset has fallen, says the detector.

    :param p_value: see :class:`opencompass_ops.gates.detector.Finding`; ``adjusted`` over the run's datasets
        (Benjamini and Hochberg).
    """

    model: str
    dataset: str
    metric: str
    step: int
    value: float
    since: int
    reference_step: int
    reference_value: float
    p_value: float
    adjusted: float


@dataclass(frozen=True)
class Promotion:
    """A checkpoint that should become the best of its series.

    :param approval: whether a person is asked first.
    :param approval_days: how long for.
    :param version: within its series, e.g. ``0.0.7``; "" for what no series has evaluated.
    """

    series: str
    model: str
    step: int | None
    weights_id: str
    approval: bool
    approval_days: float = 7.0
    version: str = ""


@dataclass(frozen=True)
class GateRecord:
    """The verdict over a run."""

    outcome: str
    mode: str
    datasets: tuple[Finding, ...] = ()
    alerts: tuple[Alert, ...] = ()
    health: tuple[HealthAlarm, ...] = ()
    notes: tuple[str, ...] = ()
    promotion: Promotion | None = None
    scores: tuple[Scored, ...] = ()

    @property
    def is_red(self) -> bool:
        """Whether the gate's task fails."""
        return self.outcome == FAIL and self.mode == ENFORCED

    @property
    def headline(self) -> str:
        """The one line; a failed gate names the datasets."""
        if self.outcome == SKIPPED:
            return f"gate skipped: {'; '.join(self.notes) or 'nothing to compare with'}"
        deciding = [one for one in self.datasets if one.counts]
        failed = [one for one in deciding if one.outcome == FAIL]
        if failed:
            return f"gate failed: {'; '.join(_drop(one) for one in failed)}"
        passed = sum(one.outcome == PASS for one in deciding)
        unclear = [f"{one.dataset} against {one.reference}" for one in deciding if one.outcome == INCONCLUSIVE]
        line = f"gate {self.outcome}: {passed} of {len(deciding)} comparisons passed"
        return f"{line}; not decided: {', '.join(unclear)}" if unclear else line

    def to_json(self) -> str:
        """The text of ``summary/gate.json``."""
        body = {"schema_version": SCHEMA_VERSION, "headline": self.headline, **asdict(self)}
        body["health"] = [{**asdict(alarm), "text": alarm.text} for alarm in self.health]
        return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _drop(one: Finding) -> str:
    against = ", ".join([*([" and ".join(one.kinds)] if one.kinds else []), f"{one.reference_value:.2f}"])
    return (
        f"{one.model}/{one.dataset} {one.metric} {one.value:.2f} is {-one.difference:.2f} worse than {one.reference} "
        f"({against}), allowed {one.allowed:.2f}, p {one.adjusted:.2g}"
    )
