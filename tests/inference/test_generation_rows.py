"""Every native loader of the generation families makes the rows that OpenCompass's makes of the same files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generation_data import lay_down
from inference.loaders import LOADERS
from inference.sources import find_data

GOLDEN = Path(__file__).parents[1] / "golden/families/generation_rows.json"
IN_ANY_ORDER = {"dropDataset": "answers"}
"""Columns that OpenCompass makes of a set."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generation")
    lay_down(folder)
    return folder


@pytest.mark.parametrize(
    "recorded",
    json.loads(GOLDEN.read_text(encoding="utf-8")),
    ids=lambda entry: "-".join(map(str, entry["case"].values())).replace("/", "."),
)
def test_rows_are_opencompass_s_row_by_row(recorded, data_dir):
    case = recorded["case"]
    options = {key: value for key, value in case.items() if key != "type"}
    loaded = LOADERS.find(case["type"])(lambda path: find_data(path, str(data_dir)), **options)
    splits = loaded if isinstance(loaded, dict) else {"": loaded}
    assert set(splits) == {each["split"] for each in recorded["splits"]}
    for each in recorded["splits"]:
        wanted = [dict(zip(each["columns"], row, strict=True)) for row in each["rows"]]
        mine = [without_nothing(row) for row in splits[each["split"]]]
        assert in_order(mine, case) == in_order([without_nothing(row) for row in wanted], case)
        assert all(list(row) == each["columns"] for row in splits[each["split"]])  # templates are filled in this order


def without_nothing(row):
    """IFEval's arguments without those that OpenCompass's tables fill up with None; its evaluator drops them too."""
    if not isinstance(row.get("reference"), dict):
        return row
    given = [{name: value for name, value in one.items() if value is not None} for one in row["reference"]["kwargs"]]
    return {**row, "reference": {**row["reference"], "kwargs": given}}


def in_order(rows, case):
    column = IN_ANY_ORDER.get(case["type"])
    return [{**row, column: sorted(row[column])} if column else row for row in rows]
