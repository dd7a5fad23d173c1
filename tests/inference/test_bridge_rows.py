"""Rows that only OpenCompass can count are counted once, and again when what it read changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opencompass_ops.contract.probe import DatasetProbe, ProbeReport, ProbeRequest
from opencompass_ops.contract.spec import OPENCOMPASS

pytestmark = pytest.mark.process

# Like OpenCompass's: adds two columns to each row, and loads what the data folder holds.
UTILS = """
import json, os
from pathlib import Path
from types import SimpleNamespace
def build_dataset_from_cfg(config):
    with Path({folder!r}, "loads").open("a") as stream:
        stream.write(config["abbr"] + "\\n")
    with open(os.path.join(os.environ["COMPASS_DATA_CACHE"], config["path"])) as stream:
        rows = [json.loads(line) for line in stream]
    test = [row | {{"subdivision": config["abbr"], "idx": number}} for number, row in enumerate(rows)]
    return SimpleNamespace(test=test, train=rows[:1])
"""


class World:
    """A data folder, and an interpreter that has the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site("0.0.1")
        utils = folder / "site" / "opencompass" / "utils"
        utils.mkdir(parents=True)
        (utils.parent / "__init__.py").write_text("")
        (utils / "__init__.py").write_text(UTILS.format(folder=str(folder)))
        self.write(5)

    def site(self, version: str) -> None:
        info = self.folder / "site" / "opencompass-0.0.1.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: opencompass\nVersion: {version}\n")

    def write(self, rows: int) -> None:
        lines = [json.dumps({"question": f"{number}?"}) + "\n" for number in range(rows)]
        (self.folder / "odd.jsonl").write_text("".join(lines))

    @property
    def loads(self) -> int:
        """How often data were loaded."""
        path = self.folder / "loads"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def probe(self, *, limit: int | None = None, cache: str = "cache", **changes: object) -> DatasetProbe:
        config = {"abbr": "odd", "type": "Odd", "path": "odd.jsonl", **changes}
        folder = str(self.folder / cache) if cache else ""
        request = ProbeRequest((), (config,), limit, str(self.folder), folder, OPENCOMPASS)
        done = subprocess.run(
            [sys.executable, "-m", "inference", "probe"],
            input=request.to_json().encode(),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(self.folder / "site"), *sys.path])},
            capture_output=True,
            check=True,
            timeout=120,
        )
        (found,) = ProbeReport.from_json(done.stdout).datasets
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_rows_are_loaded_once_and_again_when_the_file_that_was_opened_changed(world: World):
    first = world.probe()
    assert (first.rows, first.selected, first.error) == (5, 5, "")
    assert world.probe() == first
    assert world.loads == 1
    world.write(7)
    changed = world.probe()
    assert (changed.rows, world.loads) == (7, 2)
    assert changed.digest != first.digest
    world.write(5)
    assert world.probe().digest == first.digest
    (world.folder / "odd.jsonl").unlink()
    assert "OpenCompass cannot load it (FileNotFoundError" in world.probe().error


def test_names_prompts_and_ranges_load_nothing_anew(world: World):
    first = world.probe()
    cut = world.probe(abbr="other", reader_cfg={"test_range": "[1:]"}, infer_cfg={"prompt": 1}, eval_cfg={}, limit=3)
    assert (cut.rows, cut.selected, cut.digest) == (5, 3, first.digest)
    assert world.loads == 1


def test_other_settings_of_the_loader_another_version_or_no_memory_load_anew(world: World):
    world.probe()
    world.probe(name="subset")
    world.site("0.0.2")
    world.probe()
    world.probe(cache="")
    assert world.loads == 4


def test_examples_count_in_the_digest_where_a_retriever_shows_them(world: World):
    zero = world.probe(infer_cfg={"retriever": {"type": "ZeroRetriever"}})
    shown = world.probe(infer_cfg={"retriever": {"type": "FixKRetriever"}})
    assert zero.digest != shown.digest


def test_a_damaged_memory_is_no_memory(world: World):
    first = world.probe()
    (memory,) = (world.folder / "cache" / "rows").iterdir()
    for damage in ("{", '{"rows": 9, "digest": "x", "files": []}', '{"rows": null, "files": [[]]}'):
        memory.write_text(damage)
        assert world.probe() == first
    assert world.loads == 4
