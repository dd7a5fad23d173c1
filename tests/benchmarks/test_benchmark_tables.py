"""Rates, peaks and the place of the tables."""

from __future__ import annotations

import pytest

from benchmarks.shards import report
from benchmarks.shards.diagnostics import Rpcs
from benchmarks.shards.meters import Sample


def samples(*counts: int) -> list[Sample]:
    """One every two seconds, with so many calls of user 7 until then."""
    return [
        Sample(at=2.0 * number, slots=0, triggerer=0, workers=0, login=0, login_cpu=0, rpcs=Rpcs({}, {7: count}))
        for number, count in enumerate(counts)
    ]


def of_user(sample: Sample) -> int:
    return sample.rpcs.users[7]


def test_a_rate_is_per_minute_from_the_first_to_the_last_sample():
    assert report.rate(samples(5, 6, 9), of_user) == 60.0


def test_a_rate_of_one_sample_is_zero():
    assert report.rate(samples(5), of_user) == 0.0


def test_a_peak_is_the_busiest_time_not_the_mean():
    quiet, busy = [0] * 10, [20] * 10
    assert report.peak(samples(*quiet, 10, *busy), of_user, seconds=4) == 5.0


def test_tables_replace_the_earlier_ones_and_nothing_else(tmp_path):
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.put(document, "new\n")
    assert document.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"


def test_a_document_without_a_place_for_tables_is_refused(tmp_path):
    document = tmp_path / "benchmarks.md"
    document.write_text("nothing\n")
    with pytest.raises(ValueError, match="needs the lines"):
        report.put(document, "new\n")
