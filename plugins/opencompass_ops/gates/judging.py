"""A run before its gate: newest checkpoints against their references, their series, and their health."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from opencompass_ops.errors import InputError
from opencompass_ops.gates import detector
from opencompass_ops.gates.beside import details, loses_by_rising
from opencompass_ops.gates.comparison import Comparison, paired, unpaired
from opencompass_ops.gates.detector import Score, SeriesDetector
from opencompass_ops.gates.flips import Items, align, flips_of
from opencompass_ops.gates.health import HealthAlarm, alarms_of, casts_doubt
from opencompass_ops.gates.multiplicity import benjamini_hochberg
from opencompass_ops.gates.policy import BETTER, GatePolicy
from opencompass_ops.gates.record import Alert, Finding, GateRecord, Promotion, Scored
from opencompass_ops.gates.references import (
    Reference,
    baselines_of,
    check_baseline,
    comparable,
    earlier,
    first_metrics,
    named,
    references_of,
    siblings_of,
)
from opencompass_ops.gates.table import by_step
from opencompass_ops.gates.verdict import FAIL, INCONCLUSIVE, PASS, SKIPPED, Judged, judge, overall
from opencompass_ops.results.rows import SampleRow, ScoreRow
from opencompass_ops.results.scores import ROUNDING, SCALES
from opencompass_ops.results.store import Store

UNHEALTHY = "{model} is not promoted: the evaluation of {where} is unhealthy, so its score says little of the model"
NOTHING = "there is no earlier checkpoint and no baseline with the same datasets to compare with"


@dataclass(frozen=True)
class _Pairing:
    """A candidate's score beside one reference's, and what their items say."""

    candidate: ScoreRow
    reference: Reference
    comparison: Comparison
    allowed: float
    items: Items | None
    is_loss: bool


Curves = Mapping[ScoreRow, Sequence[ScoreRow]]
"""By candidate the comparable scores of its series at other steps."""


def judge_run(store: Store, run_dir: str, policy: GatePolicy) -> GateRecord:
    """Judge the newest checkpoint of each series in a run, and each model without a step.

    :param run_dir: absolute, as the database knows it.
    """
    return judge_rows(store, newest(first_metrics(store.history(run_dir=run_dir))), policy)


def judge_rows(store: Store, candidates: Sequence[ScoreRow], policy: GatePolicy) -> GateRecord:
    """Judge these scores, each against its references."""
    curves = {row: siblings_of(store, row) for row in candidates}
    baselines = baselines_of(store, candidates, policy.baseline)
    found = {
        row: references_of(row, earlier(row, siblings), baselines[row], policy) for row, siblings in curves.items()
    }
    signs = [sign for row, some in found.items() for sign in _signs(row, some, policy)]
    pairs = [(row, reference) for row, some in found.items() for reference in some]
    findings, notes = compare_rows(store, pairs, policy, signs)
    record = GateRecord(
        outcome=overall(one.outcome for one in findings if one.counts),
        mode=policy.mode,
        datasets=tuple(findings),
        alerts=tuple(_alerts(curves, policy)),
        health=tuple(signs),
        scores=tuple(_scored(row) for row in candidates),
        notes=(*notes, *([] if findings else [NOTHING]), *_unmet(baselines, policy), *_unmatched(candidates, policy)),
    )
    promotion = _promotion(store, curves, record, policy)
    doubts = sorted({f"{sign.model}/{sign.dataset}" for sign in signs if policy.counts(sign.dataset)})
    if promotion is None or not doubts:
        return replace(record, promotion=promotion)
    return replace(record, notes=(*record.notes, UNHEALTHY.format(model=promotion.model, where=", ".join(doubts))))


def compare_named(
    store: Store, reference: str, candidate: str, policy: GatePolicy, *, dataset: str | None = None
) -> GateRecord:
    """Compare what two names have in common, the newest score of each dataset.

    :param reference: a model's name in the tables, or a run directory with one model.
    :raises InputError: a name is not known, or names several models, or they have nothing in common.
    """
    old, new = _scores_of(store, reference), _scores_of(store, candidate)
    pairs = [
        (row, Reference((), old[key]))
        for key, row in new.items()
        if key in old and dataset in (None, row.dataset) and comparable(old[key], row)
    ]
    if not pairs:
        what = dataset or "any dataset"
        raise InputError(
            f"{reference!r} and {candidate!r} have no scores of {what} in the same version over as many samples; "
            "evaluate both with the same config"
        )
    signs = [sign for row, one in pairs for sign in _signs(row, [one], policy)]
    findings, notes = compare_rows(store, pairs, policy, signs)
    notes += _unmatched(new.values(), policy)
    outcome = overall(one.outcome for one in findings)
    return GateRecord(outcome, policy.mode, tuple(findings), health=tuple(signs), notes=tuple(notes))


def _scores_of(store: Store, name: str) -> dict[tuple[str, str], ScoreRow]:
    check_baseline(store, name, "")
    rows = named(store, name)
    models = sorted({row.model for row in rows})
    if len(models) != 1:
        what = f"has the models {', '.join(models)}; name one" if models else "is no evaluated model and no stored run"
        raise InputError(f"{name!r} {what}; opencompass-ops checkpoints lists them")
    return {(row.dataset, row.version): row for row in first_metrics(rows)}


def newest(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Of each series and dataset the score with the largest step; every score without a step."""
    last: dict[tuple[str, str], ScoreRow] = {}
    for row in rows:
        key = (row.series if row.step is not None else row.model, row.dataset)
        if key not in last or (row.step or 0) > (last[key].step or 0):
            last[key] = row
    return list(last.values())


def compare_rows(
    store: Store,
    pairs: Sequence[tuple[ScoreRow, Reference]],
    policy: GatePolicy,
    signs: Sequence[HealthAlarm] = (),
) -> tuple[list[Finding], list[str]]:
    """A finding per pair that can be compared, and a line per pair that cannot.

    :param signs: health alarms; where they are new, a drop is not held against the checkpoint.
    """
    paired_up = [(row, reference, _pairing(store, row, reference, policy)) for row, reference in pairs]
    kept = [pairing for _, _, pairing in paired_up if pairing is not None]
    judged = judge(
        [Judged(one.comparison, one.allowed, policy.counts(one.candidate.dataset)) for one in kept], policy.alpha
    )
    doubted = {(sign.model, sign.dataset) for sign in signs if casts_doubt(sign, policy.unhealthy)}
    findings = [_finding(one, verdict, doubted) for one, verdict in zip(kept, judged, strict=True)]
    notes = [
        f"{row.model}/{row.dataset} has neither the same items as {reference.row.model} nor standard errors"
        for row, reference, pairing in paired_up
        if pairing is None
    ]
    return findings, notes


def _pairing(store: Store, row: ScoreRow, reference: Reference, policy: GatePolicy) -> _Pairing | None:
    is_loss, old = loses_by_rising(row), reference.row
    new_samples = store.samples(row.evaluation_fingerprint)
    items = align(store.samples(old.evaluation_fingerprint), new_samples)
    scale = _scale(row, new_samples)
    if items is not None and scale is not None:
        compared = paired(items.reference, items.candidate, lower_is_better=is_loss).scaled(scale)
    elif row.stderr is not None and old.stderr is not None:
        items, sign = None, -1.0 if is_loss else 1.0
        compared = unpaired((sign * old.value, old.stderr), (sign * row.value, row.stderr), row.n)
    else:
        return None
    whole = abs(old.value) if is_loss else scale or (SCALES[0] if max(row.value, old.value) > 1 else SCALES[1])
    return _Pairing(row, reference, compared, policy.allowed(row.dataset) / 100 * whole, items, is_loss)


def _scale(row: ScoreRow, samples: Sequence[SampleRow]) -> float | None:
    """What turns a sample's score into the metric's unit; None when samples do not explain the value."""
    scores = [sample.score for sample in samples if sample.score is not None]
    if not scores or len(scores) != len(samples):
        return None
    mean = fmean(scores)
    return next((scale for scale in SCALES if abs(row.value / scale - mean) <= ROUNDING + 1e-9), None)


def _finding(one: _Pairing, verdict: Judged, doubted: set[tuple[str, str]]) -> Finding:
    row, old, compared = one.candidate, one.reference.row, verdict.comparison
    is_doubted = verdict.outcome == FAIL and (row.model, row.dataset) in doubted
    flips = flips_of(one.items, old, row, lower_is_better=one.is_loss) if one.items else []
    return Finding(
        model=row.model,
        dataset=row.dataset,
        metric=row.metric,
        outcome=INCONCLUSIVE if is_doubted else verdict.outcome,
        counts=verdict.counts,
        reference=old.model,
        kinds=one.reference.kinds,
        step=row.step,
        reference_step=old.step,
        value=row.value,
        reference_value=old.value,
        difference=compared.difference,
        low=compared.low,
        high=compared.high,
        p_value=compared.p_value,
        adjusted=verdict.adjusted,
        allowed=verdict.allowed,
        mde=verdict.mde,
        needed=verdict.needed,
        n=compared.n,
        lost=compared.lost,
        gained=compared.gained,
        method=compared.method,
        reason="the evaluation is unhealthy, so its drop says nothing of the model" if is_doubted else "",
        flips=tuple(flips),
    )


def _scored(row: ScoreRow) -> Scored:
    return Scored(row.model, row.dataset, row.metric, row.step, row.value, row.stderr, row.n)


def _signs(row: ScoreRow, references: Sequence[Reference], policy: GatePolicy) -> list[HealthAlarm]:
    before = [details(reference.row) for reference in references]
    return alarms_of(row.model, row.dataset, details(row), before, policy.unhealthy)


def _alerts(curves: Curves, policy: GatePolicy) -> list[Alert]:
    """The detector's alarms of the candidates' series that hold when corrected over all of them."""
    found = [(row, finding) for row, siblings in curves.items() if (finding := _look(row, siblings)) is not None]
    adjusted = benjamini_hochberg([finding.p_value for _, finding in found])
    return [
        Alert(
            row.model,
            row.dataset,
            row.metric,
            finding.step,
            finding.value,
            finding.since,
            finding.reference_step,
            finding.reference_value,
            finding.p_value,
            p,
        )
        for (row, finding), p in zip(found, adjusted, strict=True)
        if finding.is_alarm and p <= policy.alert_q
    ]


def _look(row: ScoreRow, siblings: Sequence[ScoreRow]) -> detector.Finding | None:
    if row.step is None:
        return None
    watch = SeriesDetector(lower_is_better=loses_by_rising(row))
    scores = [Score(one.step, one.value, one.stderr) for one in [*earlier(row, siblings), row] if one.step is not None]
    return [watch.observe(score) for score in by_step(scores)][-1]


def _unmet(baselines: Mapping[ScoreRow, Sequence[ScoreRow]], policy: GatePolicy) -> list[str]:
    if not policy.baseline or not baselines or any(baselines.values()):
        return []
    return [f"baseline {policy.baseline!r} has no scores of the same datasets, versions and numbers of samples"]


def _unmatched(candidates: Iterable[ScoreRow], policy: GatePolicy) -> list[str]:
    names = {*policy.datasets, *policy.thresholds} - {row.dataset for row in candidates}
    return [
        f"the gate's settings name {name!r}, which is no dataset scored here; of a summary group, name the datasets"
        for name in sorted(names)
    ]


def _promotion(store: Store, curves: Curves, record: GateRecord, policy: GatePolicy) -> Promotion | None:
    """The run's checkpoint, when it passed and no other one of its series is better on average."""
    deciding = {row: siblings for row, siblings in curves.items() if policy.counts(row.dataset)}
    if policy.promote != BETTER or record.outcome not in (PASS, SKIPPED) or not deciding:
        return None
    first = next(iter(deciding))
    if first.step is None or len({(row.series, row.model) for row in deciding}) != 1 or not _is_best(deciding):
        return None
    version = store.versions(first.series).of(first.series, first.weights_id, first.step)
    asked = (policy.approval, policy.approval_days)
    return Promotion(first.series, first.model, first.step, first.weights_id, *asked, version)


def _is_best(curves: Curves) -> bool:
    """Whether no checkpoint that has all these datasets has a better mean over them, ratios to these scores.

    Later ones are asked too: they may have been evaluated first, and an old run may be judged again. Of equals the
    later one is the best.
    """
    step = next(iter(curves)).step or 0
    others: dict[int, list[float]] = {}
    for row, siblings in curves.items():
        for other in siblings:
            ratio = other.value / row.value if row.value else float(other.value > 0) + 1
            others.setdefault(other.step or 0, []).append(2 - ratio if loses_by_rising(row) else ratio)
    whole = {at: fmean(some) for at, some in others.items() if len(some) == len(curves)}
    return all(mean < 1 or (mean == 1 and at < step) for at, mean in whole.items())
