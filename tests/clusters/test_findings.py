"""A report that people read from top to bottom and copy from."""

from __future__ import annotations

from opencompass_ops.clusters.findings import Finding, report


def test_a_next_step_stands_below_what_is_wrong_and_nothing_below_what_is_well():
    text = report([Finding("login", "me on n0"), Finding("data", "/data is gone", "correct data_dir")])
    assert text.splitlines() == [
        "ok    login          me on n0",
        "FAIL  data           /data is gone",
        "                     -> correct data_dir",
    ]


def test_long_words_are_wrapped_between_paths_never_within_one():
    path = "/a-very-long/path-of-a-cluster/" * 5
    lines = report([Finding("data", f"this and that and {path} and more of it " * 2)]).splitlines()
    assert sum(path in line for line in lines) == 2
    assert all(line.startswith(" " * 21) for line in lines[1:])
