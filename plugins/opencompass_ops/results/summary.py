"""The summary table and its files, in the format of OpenCompass's DefaultSummarizer.

The golden files in ``tests/golden/summary`` were written by OpenCompass itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.errors import ConfigError
from opencompass_ops.results import groups, metrics

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
        # A version of digits only, or like 12e456, is no number.
        return tabulate(
            self.rows, headers=self.header, floatfmt=".2f", disable_numparse=list(range(len(HEADER))), tablefmt="simple"
        )

    def csv(self) -> str:
        """Comma-separated; commas and line breaks in cells are spaces, nothing is quoted."""
        return "".join(",".join(_flat(cell).replace(",", " ") for cell in row) + "\n" for row in self._lines())

    def markdown(self) -> str:
        """A Markdown table."""
        header, *rows = ("| " + " | ".join(_flat(cell) for cell in row) + " |\n" for row in self._lines())
        rule = "|" + " | ".join(["-----"] * len(self.header)) + "|\n"
        return header + rule + "".join(rows)

    def text(self) -> str:
        """The ``.txt`` file: stamp, table, csv, markdown and the raw results."""
        begin, end = "^" * 128, "$" * 128
        divider = "-" * 128 + " THIS IS A DIVIDER " + "-" * 128
        lines = [self.stamp, "tabulate format", begin, self.table(), end, "", divider, ""]
        lines += ["csv format", begin, self.csv().removesuffix("\n"), end, ""]
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
class _Board:
    """Everything the table is made of, groups included.

    :param scores: per model abbr: dataset or group -> metric -> value.
    :param metrics: per dataset or group: its metrics over all models, in order.
    :param raw: per model abbr: dataset or group -> result or error.
    """

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
    :param summarizer: ``dataset_abbrs`` and ``summary_groups`` of the config's summarizer.
    :raises ConfigError: a group that applies to these datasets is malformed or uses ``transforms``.
    """
    dataset_abbrs, entries = _settings(summarizer)
    board = _board(models, datasets, results)
    for group in groups.applicable(entries, [dataset.abbr for dataset in datasets]):
        _add_group(board, group)
    versions = {dataset.abbr: dataset.version for dataset in datasets}
    wanted = _everything(board, datasets) if dataset_abbrs is None else _chosen(board, dataset_abbrs)
    rows = tuple(_row(board, name, metric, versions, models) for name, metric in wanted)
    header = (*HEADER, *(model.column for model in models))
    return Summary(stamp, header, rows, tuple((model.column, board.raw[model.abbr]) for model in models))


def check_summarizer(summarizer: Mapping[str, Any] | None, datasets: Sequence[str]) -> None:
    """Refuse at the border what :func:`summarize` would refuse after the jobs have run.

    :param datasets: abbrs of the run.
    :raises ConfigError: names the setting or the group.
    """
    _, entries = _settings(summarizer)
    groups.applicable(entries, datasets)


def _settings(summarizer: Mapping[str, Any] | None) -> tuple[list[Any] | None, list[Mapping[str, Any]]]:
    settings = summarizer or {}
    abbrs, entries = settings.get("dataset_abbrs"), settings.get("summary_groups") or []
    if abbrs is not None and not (isinstance(abbrs, list | tuple) and all(_is_choice(entry) for entry in abbrs)):
        raise ConfigError(f"summarizer.dataset_abbrs is {abbrs!r}; write a list of abbrs or [abbr, metric] pairs")
    if not isinstance(entries, list | tuple):
        raise ConfigError(f"summarizer.summary_groups is {entries!r}; write a list of groups")
    return None if abbrs is None else list(abbrs), list(entries)


def _is_choice(entry: Any) -> bool:
    return isinstance(entry, str) or (isinstance(entry, list | tuple) and len(entry) == 2)


def _board(
    models: Sequence[PlannedModel], datasets: Sequence[PlannedDataset], results: Mapping[tuple[str, str], Result]
) -> _Board:
    board = _Board({}, {}, {dataset.abbr: dataset.mode for dataset in datasets}, {})
    for model in models:
        found = {d.abbr: dict(results[model.abbr, d.abbr]) for d in datasets if (model.abbr, d.abbr) in results}
        board.raw[model.abbr] = dict(found)
        board.scores[model.abbr] = {abbr: picked for abbr, result in found.items() if (picked := metrics.pick(result))}
    for dataset in datasets:
        names = [name for scores in board.scores.values() for name in scores.get(dataset.abbr, {})]
        if names:
            board.metrics[dataset.abbr] = metrics.order(names)
    return board


def _add_group(board: _Board, group: groups.Group) -> None:
    for model, scores in board.scores.items():
        found = groups.score(group, scores, board.metrics)
        if isinstance(found, str):
            board.raw[model][group.name] = {"error": found}
        elif found:
            scores[group.name] = found
            board.raw[model][group.name] = found
    named = [name for scores in board.scores.values() for name in scores.get(group.name, {}) if name != group.metric]
    if any(group.name in scores for scores in board.scores.values()):
        board.metrics[group.name] = [*sorted(set(named)), group.metric]
        board.modes[group.name] = groups.mode(group, board.modes)


def _everything(board: _Board, datasets: Sequence[PlannedDataset]) -> list[tuple[str, str]]:
    names = dict.fromkeys([*(dataset.abbr for dataset in datasets), *board.metrics])
    return [(name, metric) for name in names for metric in board.metrics.get(name, [""])]


def _chosen(board: _Board, dataset_abbrs: Sequence[Any]) -> list[tuple[str, str]]:
    choices = [(entry, "") if isinstance(entry, str) else (str(entry[0]), str(entry[1])) for entry in dataset_abbrs]
    return [(name, metric or next(iter(board.metrics.get(name, [])), "")) for name, metric in choices]


def _row(
    board: _Board, name: str, metric: str, versions: Mapping[str, str], models: Sequence[PlannedModel]
) -> tuple[str, ...]:
    if metric not in board.metrics.get(name, []):
        # OpenCompass shows what it cannot find as a row of dashes; configs use that for section titles.
        return (name, *["-"] * (len(HEADER) - 1 + len(models)))
    values = [board.scores[model.abbr].get(name, {}).get(metric) for model in models]
    cells = ["-" if value is None else f"{value:.02f}" for value in values]
    return (name, versions.get(name, "-"), metric, board.modes.get(name, "unknown"), *cells)


def _flat(cell: str) -> str:
    return " ".join(cell.splitlines())
