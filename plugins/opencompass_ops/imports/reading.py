"""One run while it is read, a result at a time: details of years do not fit into memory together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from opencompass_ops.contract import codec
from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.errors import ConfigError
from opencompass_ops.imports.folders import RESULTS, RunFolder, Unread
from opencompass_ops.imports.foreign import ForeignResult, ResultFile, Said, dumps_of, read_result
from opencompass_ops.imports.naming import Place
from opencompass_ops.results.rows import IMPORTED, PairRows, RunRow, SampleRow, ScoreRow
from opencompass_ops.results.scores import measure
from opencompass_ops.results.summary import GroupScore, group_scores

MODE = "import"
NEW, UNCHANGED, OURS = "imported", "unchanged", "own"

STAMP_LENGTH = len("20240101_000000")
_UNKNOWN = PlannedDataset("", "", "unknown", 0)


@dataclass
class RunImport:
    """What one run brought.

    :param state: :data:`NEW`; :data:`UNCHANGED` since the last import, and not read; :data:`OURS` for a run of
        opencompass-ops itself, recorded as its task ``summarize`` records it.
    :param places: of each model that has scores.
    :param unread: what was left out, and why.
    """

    path: Path
    state: str
    scores: int = 0
    samples: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    datasets: set[str] = field(default_factory=set)
    unread: list[Unread] = field(default_factory=list)


class RunReading:
    """:param said: what the run's configs say.
    :param places: of every model.
    :param done: what was read is noted here.
    """

    def __init__(
        self, run: RunFolder, said: Said, files: Sequence[ResultFile], places: Mapping[str, Place], done: RunImport
    ) -> None:
        self._run, self._said, self._files, self._places, self._done = run, said, files, places, done
        self._metrics: dict[tuple[str, str], dict[str, float]] = {}
        self._rows: dict[tuple[str, str], int] = {}
        self._when = _moment(run)

    def pairs(self) -> Iterator[PairRows]:
        """What every readable result brings, then what the summary groups make of them."""
        for file in self._files:
            read = read_result(self._run, file)
            if isinstance(read, Unread):
                self._done.unread.append(read)
                continue
            self._metrics[file.model, file.dataset] = read.metrics
            self._rows[file.model, file.dataset] = read.rows
            yield self._counted(self._pair(file, read))
        yield from map(self._counted, self._groups())

    def row(self, fingerprint: str) -> RunRow:
        """The run as far as it was read."""
        models, datasets = (len({names[at] for names in self._metrics}) for at in (0, 1))
        lacking = len(self._files) - len(self._metrics)
        line = f"imported: {len(self._metrics)} results of {models} models and {datasets} datasets"
        return RunRow(
            run_dir=str(self._run.path),
            stamp=self._run.stamp,
            config=self._said.config,
            config_fingerprint=fingerprint,
            mode=MODE,
            state="partial" if lacking else "complete",
            pairs=len(self._files),
            scored=len(self._metrics),
            coverage=f"{line}, {lacking} cannot be read" if lacking else line,
            created_at=self._when,
        )

    def _counted(self, pair: PairRows) -> PairRows:
        self._done.scores += len(pair.scores)
        self._done.samples += len(pair.samples)
        if pair.model in self._places:  # a group of models in one column has none of its own
            self._done.places[pair.model] = self._places[pair.model]
        self._done.datasets.add(pair.dataset)
        return pair

    def _pair(self, file: ResultFile, read: ForeignResult) -> PairRows:
        dataset = self._said.datasets.get(file.dataset, _UNKNOWN)
        fingerprint = _fingerprint(file.model, file.dataset, read.sha256)
        row = replace(
            self._blank(file.model),
            dataset=file.dataset,
            version=dataset.version,
            mode=dataset.mode,
            evaluation_fingerprint=fingerprint,
            path=str(file.path),
        )
        scores = tuple(
            replace(row, metric=score.metric, value=score.value, stderr=score.stderr, n=score.n)
            for score in measure(file.model, file.dataset, read.metrics, read.samples, read.rows)
        )
        samples = tuple(SampleRow(fingerprint, one.idx, one.row, one.correct, one.score) for one in read.samples)
        return PairRows(file.model, file.dataset, (), scores, samples)

    def _groups(self) -> Iterator[PairRows]:
        """What the summary groups make of the results; a malformed summarizer costs the groups only."""
        names = dict.fromkeys(dataset for _, dataset in self._metrics)
        datasets = [replace(self._said.datasets.get(name, _UNKNOWN), abbr=name) for name in names]
        found: dict[tuple[str, str], list[ScoreRow]] = {}
        try:
            for score in group_scores(self._models(), datasets, self._metrics, self._said.summarizer):
                found.setdefault((score.model, score.group), []).append(self._group_row(score))
        except ConfigError as error:
            self._done.unread.append(Unread(Path(self._said.config), f"summary groups are left out: {error}"))
        for (model, group), rows in found.items():
            yield PairRows(model, group, scores=tuple(rows))

    def _models(self) -> list[PlannedModel]:
        """Those that have results, in the config's order, which decides where models share a column."""
        scored = dict.fromkeys(model for model, _ in self._metrics)
        known = [model for abbr, model in self._said.models.items() if abbr in scored]
        return known + [PlannedModel(abbr, "", "", abbr) for abbr in scored if abbr not in self._said.models]

    def _group_row(self, score: GroupScore) -> ScoreRow:
        (first, _), *_ = score.parts
        return replace(
            self._blank(first),
            model=score.model,
            dataset=score.group,
            metric=score.metric,
            value=score.value,
            n=sum(self._rows[part] for part in score.parts),
            version=score.version,
            mode=score.mode,
            evaluation_fingerprint=_fingerprint(score.model, score.group, str(self._run.path)),
            path=self._said.config,
        )

    def _blank(self, model: str) -> ScoreRow:
        """What all scores of a model in this run have in common."""
        place = self._places[model]
        return ScoreRow(
            run_dir=str(self._run.path),
            model=model,
            dataset="",
            metric="",
            value=0.0,
            stderr=None,
            n=0,
            version="",
            mode="",
            step=place.step,
            evaluation_fingerprint="",
            weights_id="",
            path="",
            created_at=self._when,
            series=place.series,
            origin=IMPORTED,
        )


def _fingerprint(model: str, dataset: str, content: str) -> str:
    """Of an evaluation that nobody planned: no plan ever asks for it."""
    return f"imported:{codec.digest([model, dataset, content])}"


def _moment(run: RunFolder) -> str:
    """When the run was launched, by the local time of this host, else when its results were written; in UTC."""
    for name in (run.path.name, *(dump.name for dump in dumps_of(run))):
        try:
            moment = datetime.strptime(name[:STAMP_LENGTH], "%Y%m%d_%H%M%S").astimezone()
            break
        except ValueError:
            continue
    else:
        moment = datetime.fromtimestamp((run.path / RESULTS).stat().st_mtime, UTC)
    return moment.astimezone(UTC).isoformat(timespec="seconds")
