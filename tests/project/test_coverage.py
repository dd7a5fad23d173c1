"""The table of what runs natively is what its command makes, and a third of OpenCompass's library is native."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inference.evaluators import package, with_every_package
from inference.native import Gaps
from inference.problems import InputProblem
from scripts.coverage import BEGIN, NATIVE, UNREADABLE, Judged, _is_alias, judge, page, table

SHARE = 0.30


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_committed_table_is_what_the_command_makes(repo: Path, opencompass_wheel: Path):
    text = (repo / "docs/coverage.md").read_text()
    judged = judge(opencompass_wheel / "opencompass" / "configs")
    assert page(text, judged) == text, "run: make coverage"
    counted = [file for file in judged if file.verdict != UNREADABLE]
    assert sum(file.verdict == NATIVE for file in counted) >= SHARE * len(counted)


def test_a_file_counts_once_by_its_worst_dataset():
    gap = Gaps("unknown dataset type 'opencompass.datasets.OddDataset'; did you mean AddDataset?", "", "")
    files = [Judged("a.py", "native"), Judged("b.py", "bridge", (gap, gap)), Judged("c.py", "unreadable")]
    text = table(files)
    assert "Of 2 files that define datasets" in text
    assert re.search(r"wholly native.*\| 1 \| 50.0 %", text)
    assert "| unknown dataset type 'OddDataset' | 1 |" in text


def test_a_page_keeps_what_stands_around_the_table():
    before, after = "# Title\n\n", "\nThe end.\n"
    made = page(f"{before}{BEGIN}\nold\n<!-- end of coverage -->{after}", [Judged("a.py", "native")])
    assert made.startswith(before)
    assert made.endswith(after)
    assert "old" not in made


def test_a_file_that_passes_on_a_base_defines_nothing(tmp_path):
    alias, own = tmp_path / "alias.py", tmp_path / "own.py"
    alias.write_text("from mmengine.config import read_base\nwith read_base():\n    from .own import x_datasets\n")
    own.write_text("x_datasets = [dict(abbr='x')]\n")
    assert _is_alias(alias)
    assert not _is_alias(own)


def test_what_is_native_does_not_depend_on_what_is_installed_here():
    needs = package("no_such_package_anywhere")
    with pytest.raises(InputProblem, match="is not installed"):
        needs({})
    with with_every_package():
        needs({})
