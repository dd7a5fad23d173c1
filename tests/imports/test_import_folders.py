"""Which folders are runs."""

from __future__ import annotations

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.imports.folders import find_runs


@pytest.fixture
def make(tmp_path):
    def make(*folders):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True)
        return tmp_path

    return make


def found(*folders):
    runs, unread = find_runs(folders)
    return [run.path.as_posix() for run in runs], [str(one) for one in unread]


def test_runs_are_found_at_any_depth_and_a_run_itself_may_be_named(make):
    root = make("a/default/20240101_000000/results", "b/c/d/renamed/results", "b/c/d/renamed/summary")
    runs = [f"{root}/a/default/20240101_000000", f"{root}/b/c/d/renamed"]
    assert found(root) == (runs, [])
    assert found(root / "a/default/20240101_000000", root / "b", root / "a") == (runs, [])


def test_a_folder_that_only_happens_to_be_called_results_is_no_run(make):
    root = make("results/20240101_000000/results/m", "results/20240101_000000/configs")
    assert found(root) == ([f"{root}/results/20240101_000000"], [])


def test_nothing_is_looked_for_below_a_run_behind_links_or_in_hidden_folders(make):
    root = make("20240101_000000/results/20240102_000000/results", ".trash/20240103_000000/results")
    (root / "latest").symlink_to(root / "20240101_000000")
    assert found(root) == ([f"{root}/20240101_000000"], [])
    assert found(root / "latest") == ([f"{root}/20240101_000000"], [])


def test_what_holds_no_run_is_named_with_the_next_step(make):
    root = make("empty", "20240101_000000/results")
    runs, unread = found(root / "empty", root / "none", root)
    assert len(runs) == 1
    assert [line.partition(": ")[0] for line in unread] == [f"{root}/empty", f"{root}/none"]
    assert "name others" in unread[0]
    assert "correct the name" in unread[1]


def test_a_run_of_our_own_is_told_by_its_plan(make):
    root = make("20240101_000000/results")
    (root / "20240101_000000" / layout.PLAN).write_text("{}")
    assert [run.is_ours for run in find_runs([root])[0]] == [True]
