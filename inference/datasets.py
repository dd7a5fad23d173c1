"""The rows of a dataset config: loaded, split and selected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from inference.loaders import LOADERS, Row, Splits
from inference.problems import InputProblem, MissingData
from inference.ranges import select
from inference.registry import build_kwargs, check_options, section
from inference.runs import read_runs
from inference.sources import find_data, how_to_get

OWN_KEYS = ("abbr", "reader_cfg", "infer_cfg", "eval_cfg", "n", "k")
"""Keys of a dataset config that are not the loader's."""


@dataclass(frozen=True)
class Rows:
    """:param train: rows that in-context examples come from, after ``train_range``.
    :param test: rows of the test split before ``test_range``.
    :param selected: row numbers of ``test`` that ``test_range`` leaves, in its order; all of them ``n`` times over.
    :param split: name of the test split, "" when the dataset has only one.
    """

    train: list[Row]
    test: list[Row]
    selected: list[int]
    split: str = ""

    def __getitem__(self, index: int) -> Row:
        """A selected row by its number among the selected ones."""
        return self.test[self.selected[index]]


def load_rows(dataset_cfg: dict[str, Any], data_dir: str) -> Rows:
    """Load a dataset.

    :param dataset_cfg: resolved OpenCompass dataset config.
    :param data_dir: the folder that holds ``data/``; relative paths start there (OpenCompass's
        ``COMPASS_DATA_CACHE``), "" for the working directory.
    :raises InputProblem: unknown type or option, missing or damaged file, no such split, bad range, or a
        selected row without a column that ``reader_cfg`` names.
    """
    abbr = dataset_cfg.get("abbr", "?")
    try:
        return _load(dataset_cfg, data_dir)
    except MissingData as problem:
        advice = problem.advice or how_to_get(str(dataset_cfg.get("path")), data_dir)
        raise MissingData(f"dataset {abbr}: {problem.what}", problem.folder, advice) from problem
    except InputProblem as problem:
        raise InputProblem(f"dataset {abbr}: {problem}") from problem


def output_column(dataset_cfg: dict[str, Any]) -> str | None:
    """The column with the references, None when the dataset has none.

    :raises InputProblem: it is no name.
    """
    column = section(dataset_cfg, "reader_cfg").get("output_column")
    if column is not None and not isinstance(column, str):
        raise InputProblem(f"reader_cfg.output_column must be a column's name or None, not {column!r}")
    return column or None


def input_columns(dataset_cfg: dict[str, Any]) -> list[str]:
    """The columns a template may show; a string holds several, split at spaces.

    :raises InputProblem: they are no names.
    """
    columns = section(dataset_cfg, "reader_cfg").get("input_columns", [])
    names = columns.split() if isinstance(columns, str) else columns
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InputProblem(f"reader_cfg.input_columns must be names of columns, not {columns!r}")
    return list(names)


def open_loader(dataset_cfg: dict[str, Any]) -> Callable[..., Splits]:
    """The native loader with the config's options; called with what finds data.

    :raises NotNative: there is none, or it does not know an option or several runs.
    """
    type_, options = build_kwargs(dataset_cfg, "the dataset config")
    loader = LOADERS.find(type_)
    kwargs = {key: value for key, value in options.items() if key not in OWN_KEYS}
    check_options(loader, 1, kwargs, str(type_))
    return partial(loader, **kwargs)


def _load(dataset_cfg: dict[str, Any], data_dir: str) -> Rows:
    loader = open_loader(dataset_cfg)
    try:
        splits = loader(partial(find_data, data_dir=data_dir))
    except InputProblem:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise InputProblem(
            f"{dataset_cfg['type']}: the data have not this dataset's shape ({type(error).__name__}: {error}); get "
            "them anew, or compare a row with docs/datasets.md"
        ) from error
    rows = _rows(splits, section(dataset_cfg, "reader_cfg"))
    rows = replace(rows, selected=rows.selected * read_runs(dataset_cfg).n)
    _check_columns(rows, dataset_cfg)
    return rows


def _rows(splits: Splits, reader: dict[str, Any]) -> Rows:
    named = splits if isinstance(splits, dict) else {}
    test_name, train_name = str(reader.get("test_split", "test")), str(reader.get("train_split", "train"))
    if named and (test_name not in named or ("train_split" in reader and train_name not in named)):
        raise InputProblem(f"splits {train_name!r} and {test_name!r} are wanted; there are {', '.join(sorted(named))}")
    test = named[test_name] if isinstance(splits, dict) else splits
    train = named.get(train_name, []) if isinstance(splits, dict) else splits
    return Rows(
        train=[train[number] for number in select(reader.get("train_range"), len(train))],
        test=test,
        selected=select(reader.get("test_range"), len(test)),
        split=test_name if named else "",
    )


def _check_columns(rows: Rows, dataset_cfg: dict[str, Any]) -> None:
    """Refuse a row without the reference, or without an input that other rows have.

    An input that no row has is harmless, and configs of OpenCompass's name such: templates show what there is.
    """
    output = output_column(dataset_cfg)
    there_are = {column for number in rows.selected for column in rows.test[number]}
    wanted = [*(column for column in input_columns(dataset_cfg) if column in there_are), *([output] if output else [])]
    for number in rows.selected:
        missing = next((column for column in wanted if column not in rows.test[number]), None)
        if missing is not None:
            there = ", ".join(rows.test[number]) or "none"
            raise InputProblem(
                f"row {number} has no column {missing!r}, which reader_cfg names; its columns are: {there}"
            )
