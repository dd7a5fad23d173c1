"""Every native loader makes the rows that OpenCompass's loader of its name makes of the same files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from family_data import lay_down
from inference.loaders import LOADERS
from inference.sources import find_data

GOLDEN = Path(__file__).parents[1] / "golden/families/rows.json"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    lay_down(folder)
    return folder


def load(case, data_dir):
    options = {key: value for key, value in case.items() if key != "type"}
    return LOADERS.find(f"opencompass.datasets.{case['type']}")(lambda path: find_data(path, str(data_dir)), **options)


@pytest.mark.parametrize(
    "recorded",
    json.loads(GOLDEN.read_text()),
    ids=lambda entry: "-".join(map(str, entry["case"].values())).replace("/", "."),
)
def test_rows_are_opencompass_s_row_by_row(recorded, data_dir):
    loaded = load(recorded["case"], data_dir)
    splits = loaded if isinstance(loaded, dict) else {"": loaded}
    assert set(splits) == {each["split"] for each in recorded["splits"]}
    for each in recorded["splits"]:
        rows = splits[each["split"]]
        assert len(rows) == len(each["rows"])
        for row, wanted in zip(rows, each["rows"], strict=True):
            assert row == dict(zip(each["columns"], wanted, strict=True))
            assert list(row) == each["columns"]  # templates are filled column by column, in this order
