"""How each fault went, kept in ``docs/faults.md``: a row for every test with the marker ``fault``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tables import ROOT, Table, commit

HEAD = """# Faults

What machines and people do to runs on a Slurm cluster, made for real on the one in `tests/cluster`, and what must hold
all the same. After every fault, unless its row says otherwise, each row of the data was answered exactly once, one job
of each shard ended well, predictions and scores are byte for byte those of an undisturbed run, nothing of ours is left
in the queue, and no process of the jobs' user. Each test also proves that its fault really happened.

`make soak` writes this table; each run replaces the rows of the tests that it ran.

| class | fault | how it was made | what must hold | result | seconds | commit |
|---|---|---|---|---|---|---|
"""
_reports: list[tuple[pytest.Mark, pytest.TestReport]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--fault-table`` writes the results of this run into the docs."""
    parser.addoption("--fault-table", action="store_true", help="write docs/faults.md")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep what became of each fault."""
    report = yield
    marker = item.get_closest_marker("fault")
    if marker and (report.when == "call" or not report.passed):
        _reports.append((marker, report))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table."""
    if not session.config.getoption("--fault-table"):
        return
    table = Table(ROOT / "docs" / "faults.md", HEAD, keys=2)
    for marker, report in _reports:
        file, _, test = report.nodeid.partition("::")
        fault = test.removeprefix("test_").replace("_", " ")
        table.put(_words(file), fault, *marker.args, report.outcome, f"{report.duration:.0f}", commit())
    table.write()


def _words(file: str) -> str:
    return Path(file).stem.removeprefix("test_").replace("_", " ")
