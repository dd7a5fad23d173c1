"""Several processes on one database, and processes that die while they write: on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest
from sqlalchemy import select, text

from opencompass_ops.results import engine, models, store
from opencompass_ops.results.migrations import MIGRATIONS
from opencompass_ops.results.rows import PairRows, PredictionRow, RunRow, SampleRow, ScoreRow
from opencompass_ops.results.store import Store

WHEN = "2026-11-21T12:00:00+00:00"
PAIRS = 4
STATEMENTS_OF_A_PAIR = 3
WHOLE = dict.fromkeys(models.metadata.tables, 0) | {"run": 1, "prediction": PAIRS, "score": PAIRS, "sample": 4 * PAIRS}
FORK = multiprocessing.get_context("fork")


def run(name="1"):
    return RunRow(f"/runs/{name}", "s", "c", "f", "all", "complete", PAIRS, PAIRS, "coverage", WHEN)


def pairs(name="1"):
    """What a run brings; runs share samples, as runs that reused a result do."""
    return [pair(name, f"d{number}") for number in range(PAIRS)]


def pair(name, dataset):
    folder, fingerprint = f"/runs/{name}", f"e-{dataset}"
    prediction = PredictionRow(
        f"{folder}/{dataset}.json", folder, "m", dataset, "f", f"p-{dataset}", 0, 4, 4, 4, "sha", "w", WHEN
    )
    score = ScoreRow(
        folder, "m", dataset, "accuracy", 50.0, 2.5, 4, "41174c", "gen", 500, fingerprint, "w", f"{folder}/r", WHEN
    )
    samples = tuple(SampleRow(fingerprint, idx, "", idx % 2 == 0, None) for idx in range(4))
    return PairRows("m", dataset, (prediction,), (score,), samples)


def content(url):
    """Every row of the database, by table."""
    with engine.open_engine(url).connect() as connection:
        tables = models.metadata.sorted_tables
        return {table.name: sorted(map(tuple, connection.execute(select(table)))) for table in tables}


def at_once(*targets):
    """Run each of these in a process of its own, begun together; returns how they ended."""
    gate = FORK.Barrier(len(targets))

    def body(target):
        gate.wait()
        target()

    processes = [FORK.Process(target=body, args=(target,)) for target in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def record(url, name="1"):
    with Store.open(url) as opened:
        opened.record_run(run(name), pairs(name))


def dying(url, statement):
    """Record a run, and be killed before the given statement that writes."""
    write, seen = store._upsert, iter(range(statement))

    def doomed(connection, table, rows):
        if next(seen, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        write(connection, table, rows)

    store._upsert = doomed
    record(url)


def test_processes_that_record_one_run_at_once_leave_it_as_one_does(url):
    assert at_once(*[lambda: record(url)] * 3) == [0, 0, 0]
    alone = content(url)
    record(url)
    assert content(url) == alone
    assert {name: len(rows) for name, rows in alone.items()} == WHOLE


def test_processes_that_migrate_and_record_runs_of_shared_samples_at_once_all_succeed(url):
    assert at_once(*[lambda name=name: record(url, name) for name in "abcd"]) == [0] * 4
    counts = {name: len(rows) for name, rows in content(url).items()}
    assert (counts["run"], counts["score"], counts["sample"]) == (4, 4 * PAIRS, 4 * PAIRS)


@pytest.mark.parametrize("statement", [0, 1, 2, 3, 4, 1 + 2 * STATEMENTS_OF_A_PAIR, PAIRS * STATEMENTS_OF_A_PAIR])
def test_a_killed_writer_leaves_whole_pairs_and_its_run_is_completed_by_recording_it_again(url, statement):
    Store.open(url).close()
    (code,) = at_once(lambda: dying(url, statement))
    assert code == -signal.SIGKILL
    left = content(url)
    whole = (statement - 1) // STATEMENTS_OF_A_PAIR if statement else 0
    assert {len(left["prediction"]), len(left["score"]), len(left["sample"]) // 4} == {whole}
    record(url)
    completed = content(url)
    record(url)
    assert content(url) == completed
    assert {name: len(rows) for name, rows in completed.items()} == WHOLE


def test_a_writer_that_is_killed_while_others_write_stops_none_of_them(url):
    codes = at_once(lambda: record(url, "a"), lambda: dying(url, 8), lambda: record(url, "b"))
    assert codes == [0, -signal.SIGKILL, 0]
    assert {row[0] for row in content(url)["run"]} == {"/runs/a", "/runs/b", "/runs/1"}


@pytest.mark.parametrize("statement", [0, 2, 5, 8])
def test_a_migration_that_is_killed_leaves_no_trace_and_the_next_one_succeeds(url, statement):
    def killed():
        seen = iter(range(statement))

        def doomed(*_):
            if next(seen, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        opened = engine.open_engine(url)
        engine.event.listen(opened, "before_cursor_execute", doomed)
        with engine.transaction(opened, write=True) as connection:
            store.migrate(connection)

    codes = at_once(killed)
    assert codes == [-signal.SIGKILL]
    Store.open(url).close()
    with engine.open_engine(url).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM schema_version")).scalar() == len(MIGRATIONS)
