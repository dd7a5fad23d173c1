"""One run directory into everything people look at; the only writer of the results database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from opencompass_ops.contract import evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import ShardSpec
from opencompass_ops.errors import OpsError
from opencompass_ops.results import plots
from opencompass_ops.results.coverage import INFER_ONLY, Coverage, cover
from opencompass_ops.results.findings import PairFinding, examine, notes_on
from opencompass_ops.results.scores import Score, scores_of
from opencompass_ops.results.summary import Summary, summarize

if TYPE_CHECKING:
    from opencompass_ops.results.store import Store

Look = Callable[[Sequence[plots.Point]], list[plots.Point]]

PLOT = "scores"
XCOM_BYTES = 8000
"""Airflow keeps XComs in its metadata database; a table stays small there."""


@dataclass(frozen=True)
class Report:
    """What a run found out.

    :param table: the OpenCompass-style table; "" in mode infer, which has no scores.
    :param files: run-relative paths of what was written.
    :param failures: one line per thing that the run promised and lacks; empty means green.
    :param notes: what people should know before they trust the numbers.
    :param scores: every metric with its error bar, as plain values.
    """

    run_dir: str
    table: str
    files: tuple[str, ...]
    coverage: Coverage
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    scores: list[dict[str, Any]]

    @property
    def headline(self) -> str:
        """The one line that says how the run went: coverage, and what else failed."""
        covered = set(self.coverage.failures())
        return "; ".join([self.coverage.line, *(line for line in self.failures if line not in covered)])

    @property
    def text(self) -> str:
        """What is printed: the table, the coverage below it, notes, and where the files are."""
        where = [f"{self.run_dir}/{path}" for path in self.files]
        blocks = [self.table, self.headline, "\n".join(f"note: {note}" for note in self.notes), "\n".join(where)]
        return "\n\n".join(block for block in blocks if block)

    def small(self) -> dict[str, Any]:
        """The same for an XCom: JSON values, the table cut to :data:`XCOM_BYTES` with a note."""
        return {
            "run_dir": self.run_dir,
            "table": _cut(self.table, XCOM_BYTES),
            "coverage": _cut(self.headline, XCOM_BYTES // 4),
            "failed": len(self.failures),
            "files": list(self.files),
        }


def report(files: LocalFiles, plan: Plan, store: Store | None = None, *, look: Look = list) -> Report:
    """Read what a run left, write summary, plot and coverage, and record it in the database.

    Partial runs are reported with what they lack. A database that cannot be written is a failure in
    the report, after everything else has been written.

    :param files: the run directory.
    :param store: the results database; None records nothing.
    :param look: marks the points of a curve at which the detector raises an alarm.
    :raises ConfigError: a summary group that applies to this run is malformed.
    """
    findings = examine(files, plan)
    coverage = cover(plan.mode, findings)
    scores = scores_of(plan, findings)
    files.write(layout.COVERAGE, coverage.to_json())
    table, written = "", [layout.COVERAGE]
    foreign, lacking = _tables(files, plan)
    if plan.mode != INFER_ONLY:
        summary = _summarize(plan, findings)
        table = summary.table()
        written = [*_write_summary(files, summary), *_write_plot(files, plan, scores, store, look), *written, *foreign]
    return Report(
        run_dir=str(files.root),
        table=table,
        files=tuple(written),
        coverage=coverage,
        failures=(*coverage.failures(), *_record(store, files, plan, findings), *lacking),
        notes=(*plan.warnings, *(note for finding in findings for note in notes_on(finding))),
        scores=[asdict(score) for score in scores],
    )


def _summarize(plan: Plan, findings: Sequence[PairFinding]) -> Summary:
    results = {(f.pair.model, f.pair.dataset): f.result.metrics for f in findings if f.result.metrics}
    return summarize(plan.stamp, plan.models, plan.datasets, results, plan.summarizer)


def _write_summary(files: LocalFiles, summary: Summary) -> list[str]:
    texts = {"txt": summary.text(), "csv": summary.csv(), "md": summary.markdown()}
    for suffix, text in texts.items():
        files.write(layout.summary(summary.stamp, suffix), text)
    return [layout.summary(summary.stamp, suffix) for suffix in texts]


def _write_plot(files: LocalFiles, plan: Plan, scores: Sequence[Score], store: Store | None, look: Look) -> list[str]:
    points = plots.points_of(plan, scores)
    if not points:
        return []
    title = PurePosixPath(plan.config).stem
    if store is not None and (series := str(plan.params.get("series") or "")):
        with suppress(OpsError):  # a database that cannot be read cannot be written either, and that is told
            points = plots.with_curve(plan, points, store.history(series=series))
            title = ", ".join([title, *_versions(plan, series, store)])
    files.write(layout.plot(PLOT), plots.render(look(points), title))
    return [layout.plot(PLOT)]


def _versions(plan: Plan, series: str, store: Store) -> list[str]:
    """What the run's checkpoints are called within their series; none of those that it does not know."""
    known = store.versions(series)
    found = (known.of(series, model.weights_id, model.step) for model in plan.models)
    return [f"{series} {version}" for version in found if version]


def _tables(files: LocalFiles, plan: Plan) -> tuple[list[str], list[str]]:
    """What summarizers of OpenCompass's have written, and one line for each that has not."""
    written: list[str] = []
    lacking: list[str] = []
    for shard in plan.tables:
        spec = ShardSpec.from_json(files.read(layout.shard_spec(shard.id)))
        problem = evidence.result_problem(files, spec)
        if not problem:
            written += json.loads(files.read(layout.tables(shard.id)))
            continue
        name = spec.parts[0].name
        lacking.append(
            f"{name} of OpenCompass made no tables: {_why(files, shard.id) or problem}; its log is "
            f"{layout.log(spec.kind, spec.model_abbr, name)}. The scores stand; -m viz -r {files.root.name} tries again"
        )
    return written, lacking


def _why(files: LocalFiles, shard: str) -> str:
    """What the shard's last job said; "" when it said nothing."""
    records = [evidence.read_exit(files, token) for token in files.list("jobs") if shard in token]
    return next((record.error for record in reversed(records) if record), "")


def _record(store: Store | None, files: LocalFiles, plan: Plan, findings: Sequence[PairFinding]) -> tuple[str, ...]:
    if store is None:
        return ()
    from opencompass_ops.results.ingest import ingest_findings

    try:
        ingest_findings(store, files, plan, findings)
    except OpsError as error:
        return (f"scores are not in the database: {error}",)
    return ()


def _cut(text: str, limit: int) -> str:
    if len(text.encode()) <= limit:
        return text
    kept = text.encode()[:limit].decode(errors="ignore").rpartition("\n")[0] or text[: limit // 4]
    return f"{kept}\n... cut here; the whole text stands in the task's log and below summary/"
