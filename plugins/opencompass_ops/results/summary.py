"""The summary table and its files, in the format of OpenCompass's DefaultSummarizer.

The golden files in ``tests/golden/summary`` were written by OpenCompass itself.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.culprits import Culprits
from opencompass_ops.results import groups, metrics

DEFAULT = "DefaultSummarizer"
"""The one class of summarizer whose tables are made here."""

HEADER = ("dataset", "version", "metric", "mode")
Result = Mapping[str, Any]
"""A result without its details, e.g. ``{"accuracy": 50.0}`` or ``{"error": "..."}``."""


@dataclass(frozen=True)
class Summary:
    """The table of one launch.

    :param stamp: ``YYYYmmdd_HHMMSS`` of the launch.
    :param header: ``dataset, version, metric, mode`` and the models' columns.
    :param rows: cells as text, ``-`` where there is no value.
    :param raw: per model its column and, per dataset or group, what its result says.
    """

    stamp: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[tuple[str, dict[str, Any]], ...]

    def table(self) -> str:
        """The aligned table that people read."""
        # OpenCompass would write the prompt hash 12e456 as the number that it looks like.
        words = [column for column in range(len(HEADER)) if any(_looks_real(row[column]) for row in self.rows)]
        return tabulate(self.rows, headers=self.header, floatfmt=".2f", disable_numparse=words or False)

    def csv(self) -> str:
        """Comma-separated; commas and line breaks in cells are spaces, nothing is quoted."""
        return "".join(",".join(_flat(cell).replace(",", " ") for cell in row) + "\n" for row in self._lines())

    def _plain_csv(self) -> str:
        return "\n".join(",".join(_flat(cell) for cell in row) for row in self._lines())

    def markdown(self) -> str:
        """A Markdown table."""
        header, *rows = ("| " + " | ".join(_flat(cell) for cell in row) + " |\n" for row in self._lines())
        rule = "|" + " | ".join(["-----"] * len(self.header)) + "|\n"
        return header + rule + "".join(rows)

    def text(self) -> str:
        """The ``.txt`` file: stamp, table, csv with its commas, markdown and the raw results."""
        begin, end = "^" * 128, "$" * 128
        divider = "-" * 128 + " THIS IS A DIVIDER " + "-" * 128
        lines = [self.stamp, "tabulate format", begin, self.table(), end, "", divider, ""]
        lines += ["csv format", begin, self._plain_csv(), end, ""]
        lines += ["markdown format", begin, self.markdown(), end, divider, ""]
        lines += ["raw format", begin, *self._raw_lines(), end]
        return "\n".join(lines) + "\n"

    def _lines(self) -> tuple[tuple[str, ...], ...]:
        return (self.header, *self.rows)

    def _raw_lines(self) -> list[str]:
        names = dict.fromkeys(name for _, results in self.raw for name in results)
        lines = []
        for column, results in self.raw:
            lines += ["-" * 31, f"Model: {column}", *(f"{name}: {results.get(name, {})}" for name in names)]
        return lines


@dataclass(frozen=True)
class GroupScore:
    """One metric of a summary group for one model.

    :param model: abbr; the name of the column where models share one.
    :param version: six digits over its datasets' versions, so that a group of other prompts is another board.
    :param parts: model and dataset of the results it was computed from, groups within groups resolved.
    """

    model: str
    group: str
    metric: str
    value: float
    version: str
    mode: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Board:
    """Everything the table is made of, groups included.

    :param columns: of the models, each once: models of one ``summarizer_abbr`` share theirs, and the last one counts.
    :param scores: per column: dataset or group -> metric -> value.
    :param metrics: per dataset or group: its metrics over all models, in order.
    :param raw: per column: dataset or group -> result or error.
    """

    columns: tuple[str, ...]
    scores: dict[str, groups.Scores]
    metrics: dict[str, list[str]]
    modes: dict[str, str]
    raw: dict[str, dict[str, Any]]


def summarize(
    stamp: str,
    models: Sequence[PlannedModel],
    datasets: Sequence[PlannedDataset],
    results: Mapping[tuple[str, str], Result],
    summarizer: Mapping[str, Any] | None = None,
) -> Summary:
    """The table over parsed results; pure.

    :param models: in the order of the columns.
    :param results: ``(model abbr, dataset abbr)`` -> result without details; absent where there is none.
    :param summarizer: ``dataset_abbrs`` and ``summary_groups`` of the config's summarizer; those of one that only
        OpenCompass has are not for this table, which then has everything.
    :raises ConfigError: a group that applies to these datasets is malformed.
    """
    dataset_abbrs, entries = _settings(None if foreign_summarizer(summarizer) else summarizer)
    board = _board(models, datasets, results)
    for group in groups.applicable(entries, [dataset.abbr for dataset in datasets]):
        _add_group(board, group)
    versions = {dataset.abbr: dataset.version for dataset in datasets}
    wanted = _everything(board, datasets) if dataset_abbrs is None else _chosen(board, dataset_abbrs)
    rows = tuple(_row(board, name, metric, versions) for name, metric in wanted)
    return Summary(stamp, (*HEADER, *board.columns), rows, tuple(board.raw.items()))


def group_scores(
    models: Sequence[PlannedModel],
    datasets: Sequence[PlannedDataset],
    results: Mapping[tuple[str, str], Result],
    summarizer: Mapping[str, Any] | None = None,
) -> list[GroupScore]:
    """Every finite number that the summary groups make of parsed results; see :func:`summarize`.

    :raises ConfigError: a group that applies to these datasets is malformed.
    """
    _, entries = _settings(summarizer)
    board, found = _board(models, datasets, results), []
    versions = {dataset.abbr: dataset.version for dataset in datasets}
    leaves: dict[str, tuple[str, ...]] = {abbr: (abbr,) for abbr in versions}
    # The last model of a column counts, as in the table.
    sources = {(m.column, d): (m.abbr, d) for m in models for d in versions if (m.abbr, d) in results}
    alone = {m.column: m.abbr for m in models if sum(other.column == m.column for other in models) == 1}
    for group in groups.applicable(entries, list(leaves)):
        before = {column: set(scores.get(group.name, {})) for column, scores in board.scores.items()}
        _add_group(board, group)
        own = tuple(sorted({leaf for subset in group.subsets for leaf in leaves.get(subset.name, ())}))
        leaves.setdefault(group.name, own)
        version = hashlib.sha256(",".join(versions[leaf] for leaf in own).encode()).hexdigest()[:6]
        for column, scores in board.scores.items():
            parts = tuple(sources[column, leaf] for leaf in own if (column, leaf) in sources)
            new = {name: value for name, value in scores.get(group.name, {}).items() if name not in before[column]}
            whose = (alone.get(column, column), group.name)
            found += [
                GroupScore(*whose, metric, value, version, board.modes[group.name], parts)
                for metric, value in new.items()
                if parts and math.isfinite(value)
            ]
    return found


def check_summarizer(summarizer: Mapping[str, Any] | None, datasets: Sequence[str]) -> None:
    """Refuse at the border what :func:`summarize` would refuse after the jobs have run.

    :param datasets: abbrs of the run.
    :raises ConfigError: names the setting or the group.
    """
    if foreign_summarizer(summarizer):
        return  # OpenCompass reads its settings
    _, entries = _settings(summarizer)
    groups.applicable(entries, datasets)


def unknown_names(summarizer: Mapping[str, Any] | None, datasets: Sequence[str]) -> list[str]:
    """Warnings of rows that would show dashes, and of groups without a value, for want of what the config names.

    :param summarizer: one that :func:`check_summarizer` lets pass.
    :param datasets: abbrs of the run.
    """
    if foreign_summarizer(summarizer):
        return []
    dataset_abbrs, entries = _settings(summarizer)
    found = groups.applicable(entries, datasets)
    known = [*datasets, *(str(entry.get("name")) for entry in entries)]
    rows = [name for name, _ in _choices(dataset_abbrs or ()) if _is_name(name) and name not in known]
    warnings = [f"summarizer.dataset_abbrs: rows of dashes for {_strange(rows, known)}"] if rows else []
    reached = {*datasets, *(group.name for group in found)}
    for group in found:
        lacking = [subset.name for subset in group.subsets if subset.name not in reached]
        if lacking:
            of_all = f"{len(lacking)} of its {len(group.subsets)} subsets are none of this config: "
            warnings.append(f"summary group {group.name!r} gets no value, because {of_all}{_strange(lacking, known)}")
    return warnings


def _is_name(row: str) -> bool:
    """Whether a row is meant as one of a dataset or group: titles begin with dashes and the like."""
    return row[:1].isalnum()


def _strange(names: Sequence[str], known: Sequence[str], shown: int = 5) -> str:
    """Names that nobody has, each with the nearest one that somebody has; only the first few of them."""
    said = []
    for name in list(dict.fromkeys(names))[:shown]:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        said.append(f"{name} (did you mean {near[0]}?)" if near else name)
    more = len(set(names)) - len(said)
    return ", ".join(said) + (f" and {more} more" if more else "")


def foreign_summarizer(summarizer: Mapping[str, Any] | None) -> str:
    """The class of a summarizer that only OpenCompass has; "" for :data:`DEFAULT`, named or not."""
    name = str((summarizer or {}).get("type") or DEFAULT).rpartition(".")[2]
    return "" if name == DEFAULT else name


def _settings(summarizer: Mapping[str, Any] | None) -> tuple[list[Any] | None, list[Mapping[str, Any]]]:
    settings, wrong = summarizer or {}, Culprits()
    abbrs, entries = settings.get("dataset_abbrs"), settings.get("summary_groups") or []
    if abbrs is not None and not (isinstance(abbrs, list | tuple) and all(_is_choice(entry) for entry in abbrs)):
        wrong.add(f"summarizer.dataset_abbrs is {abbrs!r}; write a list of abbrs or [abbr, metric] pairs")
    if not isinstance(entries, list | tuple):
        wrong.add(f"summarizer.summary_groups is {entries!r}; write a list of groups")
    wrong.refuse()
    return None if abbrs is None else list(abbrs), list(entries)


def _is_choice(entry: Any) -> bool:
    return isinstance(entry, str) or (isinstance(entry, list | tuple) and len(entry) == 2)


def _board(
    models: Sequence[PlannedModel], datasets: Sequence[PlannedDataset], results: Mapping[tuple[str, str], Result]
) -> _Board:
    columns = tuple(dict.fromkeys(model.column for model in models))
    modes = {dataset.abbr: dataset.mode for dataset in datasets}
    board = _Board(columns, {name: {} for name in columns}, {}, modes, {name: {} for name in columns})
    for model in models:
        found = {d.abbr: dict(results[model.abbr, d.abbr]) for d in datasets if (model.abbr, d.abbr) in results}
        board.raw[model.column] |= found
        picked = {abbr: metrics.pick(result) for abbr, result in found.items()}
        board.scores[model.column] |= {abbr: numbers for abbr, numbers in picked.items() if numbers}
    for dataset in datasets:
        names = [name for scores in board.scores.values() for name in scores.get(dataset.abbr, {})]
        if names:
            board.metrics[dataset.abbr] = metrics.order(names)
    return board


def _add_group(board: _Board, group: groups.Group) -> None:
    found_any = False
    for column, scores in board.scores.items():
        found = groups.score(group, scores, board.metrics)
        if isinstance(found, str):
            board.raw[column][group.name] = {"error": found}
        elif found:
            found_any = True
            scores.setdefault(group.name, {}).update(found)
            board.raw[column].setdefault(group.name, {}).update(found)
    if found_any:
        before = board.metrics.get(group.name, [])
        board.metrics[group.name] = list(dict.fromkeys([*before, *groups.common_metrics(group, board.metrics)]))
        board.modes[group.name] = groups.mode(group, board.modes)


def _everything(board: _Board, datasets: Sequence[PlannedDataset]) -> list[tuple[str, str]]:
    names = dict.fromkeys([*(dataset.abbr for dataset in datasets), *board.metrics])
    return [(name, metric) for name in names for metric in board.metrics.get(name, [""])]


def _chosen(board: _Board, dataset_abbrs: Sequence[Any]) -> list[tuple[str, str]]:
    return [(name, metric or next(iter(board.metrics.get(name, [])), "")) for name, metric in _choices(dataset_abbrs)]


def _choices(dataset_abbrs: Sequence[Any]) -> list[tuple[str, str]]:
    return [(entry, "") if isinstance(entry, str) else (str(entry[0]), str(entry[1])) for entry in dataset_abbrs]


def _row(board: _Board, name: str, metric: str, versions: Mapping[str, str]) -> tuple[str, ...]:
    if metric not in board.metrics.get(name, []):
        # OpenCompass shows what it cannot find as a row of dashes; configs use that for section titles.
        return (name, *["-"] * (len(HEADER) - 1 + len(board.columns)))
    values = [board.scores[column].get(name, {}).get(metric) for column in board.columns]
    cells = ["-" if value is None else f"{value:.02f}" for value in values]
    return (name, versions.get(name, "-"), metric, board.modes.get(name, "unknown"), *cells)


def _looks_real(cell: str) -> bool:
    """Whether a cell would be taken for a number that is not whole, and be written otherwise than it is."""
    try:
        float(cell)
    except ValueError:
        return False
    return not cell.strip().lstrip("+-").isdigit()


def _flat(cell: str) -> str:
    return " ".join(cell.splitlines())
