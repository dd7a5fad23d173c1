"""A run directory into the database; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.records import Manifest
from opencompass_ops.results.coverage import Coverage, cover
from opencompass_ops.results.findings import PairFinding, PartFinding, examine
from opencompass_ops.results.rows import GROUP, PairRows, PredictionRow, RunRow, SampleRow, ScoreRow
from opencompass_ops.results.scores import scores_of_pair
from opencompass_ops.results.series import series_of
from opencompass_ops.results.store import Store
from opencompass_ops.results.summary import GroupScore, group_scores
from opencompass_ops.results.timings import timings_of


@dataclass(frozen=True)
class Ingested:
    """What went into the database.

    :param predictions: prediction files recorded for reuse.
    :param scores: metrics recorded.
    :param samples: scored samples recorded.
    :param damaged: one line per planned file that is missing or cannot be trusted, and was left out.
    """

    predictions: int
    scores: int
    samples: int
    damaged: tuple[str, ...]


def ingest(store: Store, files: LocalFiles, plan: Plan) -> Ingested:
    """Record every prediction and result of a run that manifests vouch for.

    :param files: the run directory.
    :raises OpsError: the database cannot be written.
    """
    return ingest_findings(store, files, plan, examine(files, plan))


def ingest_findings(store: Store, files: LocalFiles, plan: Plan, findings: Sequence[PairFinding]) -> Ingested:
    """The same for a run directory that was examined already."""
    pairs = [_pair_rows(files, plan, finding) for finding in findings]
    pairs += _group_pairs(files, plan, findings, pairs)
    store.record_run(_run_row(files, plan, cover(plan.mode, findings)), pairs)
    store.record_timings(timings_of(files, plan, findings))
    return Ingested(
        predictions=sum(len(pair.predictions) for pair in pairs),
        scores=sum(len(pair.scores) for pair in pairs),
        samples=sum(len(pair.samples) for pair in pairs),
        damaged=tuple(line for finding in findings for line in _damaged(plan, finding)),
    )


def _run_row(files: LocalFiles, plan: Plan, coverage: Coverage) -> RunRow:
    return RunRow(
        run_dir=_run_dir(files),
        stamp=plan.stamp,
        config=plan.config,
        config_fingerprint=plan.config_fingerprint,
        mode=plan.mode,
        state="partial" if coverage.lacking else "complete",
        pairs=len(coverage.pairs),
        scored=coverage.scored,
        coverage=coverage.line,
        created_at=_launched(plan),
    )


def _pair_rows(files: LocalFiles, plan: Plan, finding: PairFinding) -> PairRows:
    pair = finding.pair
    predictions = tuple(
        _prediction_row(files, plan, finding, part, part.manifest)
        for part in finding.parts
        if part.manifest is not None and not part.problem
    )
    return PairRows(pair.model, pair.dataset, predictions, _score_rows(files, plan, finding), _sample_rows(finding))


def _prediction_row(
    files: LocalFiles, plan: Plan, finding: PairFinding, part: PartFinding, manifest: Manifest
) -> PredictionRow:
    return PredictionRow(
        path=_absolute(files, part.path),
        run_dir=_run_dir(files),
        model=finding.pair.model,
        dataset=finding.pair.dataset,
        fingerprint=manifest.fingerprint,
        pair_fingerprint=manifest.pair_fingerprint,
        start=manifest.start,
        stop=manifest.stop,
        total=manifest.total,
        count=manifest.count,
        sha256=manifest.sha256,
        weights_id=manifest.weights_id,
        created_at=_utc(manifest.created_at, plan),
    )


def _score_rows(files: LocalFiles, plan: Plan, finding: PairFinding) -> tuple[ScoreRow, ...]:
    manifest = finding.result.manifest
    if manifest is None:
        return ()
    weights, series = {model.abbr: model.weights_id for model in plan.models}, series_of(plan)
    return tuple(
        ScoreRow(
            run_dir=_run_dir(files),
            model=score.model,
            dataset=score.dataset,
            metric=score.metric,
            value=score.value,
            stderr=score.stderr,
            n=score.n,
            version=score.version,
            mode=score.mode,
            step=score.step,
            evaluation_fingerprint=finding.pair.fingerprint,
            weights_id=manifest.weights_id or weights.get(score.model, ""),
            path=_absolute(files, finding.result.path),
            created_at=_utc(manifest.created_at, plan),
            series=series[score.model],
        )
        for score in scores_of_pair(plan, finding)
    )


def _group_pairs(
    files: LocalFiles, plan: Plan, findings: Sequence[PairFinding], pairs: Sequence[PairRows]
) -> list[PairRows]:
    """What the summary groups make of the scores; each stands beside them like a dataset of its own."""
    results = {(f.pair.model, f.pair.dataset): f.result.metrics for f in findings if not f.result.problem}
    scores = {(pair.model, pair.dataset): pair.scores[0] for pair in pairs if pair.scores}
    rows: dict[tuple[str, str], list[ScoreRow]] = {}
    for score in group_scores(plan.models, plan.datasets, results, plan.summarizer):
        own = [scores[part] for part in score.parts if part in scores]
        if own:
            rows.setdefault((score.model, score.group), []).append(_group_row(files, score, own))
    return [PairRows(model, group, scores=tuple(found)) for (model, group), found in rows.items()]


def _group_row(files: LocalFiles, score: GroupScore, own: Sequence[ScoreRow]) -> ScoreRow:
    """:param own: a score of each dataset of the group."""
    return replace(
        own[0],
        model=score.model,
        dataset=score.group,
        metric=score.metric,
        value=score.value,
        stderr=None,
        n=sum(each.n for each in own),
        version=score.version,
        mode=score.mode,
        evaluation_fingerprint=GROUP + codec.digest([score.group, [each.evaluation_fingerprint for each in own]]),
        path=_absolute(files, layout.PLAN),
        created_at=max(each.created_at for each in own),
    )


def _sample_rows(finding: PairFinding) -> tuple[SampleRow, ...]:
    if finding.result.problem:
        return ()
    fingerprint = finding.pair.fingerprint
    return tuple(
        SampleRow(fingerprint, sample.idx, sample.row, sample.correct, sample.score)
        for sample in finding.result.samples
    )


def _damaged(plan: Plan, finding: PairFinding) -> list[str]:
    lines = [part.problem for part in finding.parts if part.problem]
    if finding.result.problem and plan.mode != "infer":
        lines.append(finding.result.problem)
    if finding.result.samples_problem:
        lines.append(finding.result.samples_problem)
    return lines


def _run_dir(files: LocalFiles) -> str:
    return str(files.root.absolute())


def _absolute(files: LocalFiles, path: str) -> str:
    return str(files.path(path).absolute())


def _launched(plan: Plan) -> str:
    # The stamp is the launching host's local time, as OpenCompass writes it.
    return _iso(datetime.strptime(plan.stamp, "%Y%m%d_%H%M%S").astimezone())


def _utc(moment: str, plan: Plan) -> str:
    try:
        return _iso(datetime.fromisoformat(moment).astimezone(UTC))
    except ValueError:
        return _launched(plan)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
