"""The database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from sqlalchemy import inspect, text

from opencompass_ops.errors import InputError, OpsError
from opencompass_ops.results import engine, models
from opencompass_ops.results.migrations import MIGRATIONS
from opencompass_ops.results.rows import KnownPrediction, PairRows, PredictionRow, RunRow, SampleRow, ScoreRow
from opencompass_ops.results.store import Store

RUN = RunRow("/runs/1", "s", "c", "f", "all", "complete", 1, 1, "coverage 1/1", "2026-11-21T12:00:00+00:00")
SCORE = ScoreRow(
    "/runs/1", "m", "d", "accuracy", 50.0, 2.5, 100, "41174c", "gen", 500, "e1", "w1", "/r.json",
    "2026-11-21T12:00:00+00:00",
)  # fmt: skip


@pytest.fixture
def opened(url):
    with Store.open(url) as store:
        yield store


def prediction(path, pair="p1", created="2026-11-21T12:00:00+00:00", **changes):
    path.write_text("{}")
    row = PredictionRow(str(path), "/runs/1", "m", "d", "f1", pair, 0, 4, 8, 4, "sha", "w1", created)
    return replace(row, **changes)


def record(store, *scores, **changes):
    """Record scores, each in a run of its own."""
    for number, score in enumerate(scores):
        run = replace(RUN, run_dir=f"/runs/{number}")
        store.record_run(run, [PairRows(score.model, score.dataset, scores=(replace(score, run_dir=run.run_dir),))])


def test_predictions_are_found_by_pair_newest_first(opened, tmp_path):
    old = prediction(tmp_path / "old.json")
    new = prediction(tmp_path / "new.json", created="2026-11-22T00:00:00+00:00", start=4, stop=8, fingerprint="f2")
    opened.record_run(RUN, [PairRows("m", "d", (old, new))])
    assert opened.find_predictions(["p1", "p2"]) == {
        "p1": [KnownPrediction(4, 8, 8, "f2", new.path), KnownPrediction(0, 4, 8, "f1", old.path)]
    }


def test_of_a_loss_the_lowest_is_the_best(opened):
    losses = [replace(SCORE, model=name, metric="perplexity", value=value) for name, value in (("a", 9.0), ("b", 7.0))]
    record(opened, *losses, replace(SCORE, model="c", value=40.0), replace(SCORE, model="d", value=60.0))
    assert [(row.metric, row.model) for row in opened.leaderboard(limit=1)] == [("accuracy", "d"), ("perplexity", "b")]


def test_a_deleted_run_directory_vanishes_from_reuse(opened, tmp_path):
    row = prediction(tmp_path / "gone.json")
    opened.record_run(RUN, [PairRows("m", "d", (row,), (replace(SCORE, path=row.path),))])
    assert opened.find_results(["e1"]) == {"e1": row.path}
    (tmp_path / "gone.json").unlink()
    assert opened.find_predictions(["p1"]) == {}
    assert opened.find_results(["e1"]) == {}


def test_more_pairs_than_one_statement_may_hold_are_looked_up(opened, tmp_path):
    opened.record_run(RUN, [PairRows("m", "d", (prediction(tmp_path / "a.json", pair="p77777"),))])
    assert list(opened.find_predictions(f"p{n}" for n in range(80_000))) == ["p77777"]


def test_predictions_that_a_run_no_longer_holds_are_forgotten(opened, tmp_path):
    opened.record_run(RUN, [PairRows("m", "d", (prediction(tmp_path / "a.json"),))])
    opened.record_run(RUN, [PairRows("m", "d")])
    assert opened.find_predictions(["p1"]) == {}


def test_scores_stay_when_a_later_ingest_brings_none(opened):
    record(opened, SCORE)
    opened.record_run(replace(RUN, run_dir="/runs/0"), [PairRows("m", "d")])
    assert [row.value for row in opened.leaderboard()] == [50.0]


def test_scores_of_a_pair_are_replaced_as_a_whole(opened):
    record(opened, SCORE)
    record(opened, replace(SCORE, metric="exact_match"))
    assert [row.metric for row in opened.leaderboard()] == ["exact_match"]


def test_the_leaderboard_shows_each_model_once_by_its_fullest_then_newest_score(opened):
    later = "2026-11-22T00:00:00+00:00"
    record(
        opened,
        SCORE,
        replace(SCORE, value=55.0, created_at=later),
        replace(SCORE, value=99.0, n=5, created_at=later, evaluation_fingerprint="quick look"),
        replace(SCORE, model="best", value=70.0, weights_id="w2"),
    )
    assert [(row.model, row.value, row.n) for row in opened.leaderboard("d", "accuracy")] == [
        ("best", 70.0, 100),
        ("m", 55.0, 100),
    ]
    assert [row.model for row in opened.leaderboard(limit=1)] == ["best"]
    assert opened.leaderboard("other") == []


def test_prompt_versions_are_separate_boards(opened):
    record(opened, SCORE, replace(SCORE, version="68740b", value=90.0))
    assert [(row.version, row.value) for row in opened.leaderboard(limit=1)] == [("41174c", 50.0), ("68740b", 90.0)]


def test_checkpoints_come_in_order_of_steps_with_their_datasets(opened):
    record(
        opened,
        replace(SCORE, model="m", step=1000, weights_id="w3"),
        replace(SCORE, step=500, created_at="2026-11-23T00:00:00+00:00"),
        replace(SCORE, step=500, dataset="e"),
    )
    assert [(row.step, row.datasets, row.last_evaluated[:10]) for row in opened.checkpoints()] == [
        (500, ("d", "e"), "2026-11-23"),
        (1000, ("d",), "2026-11-21"),
    ]


def test_boards_checkpoints_and_histories_can_be_of_one_series(opened):
    of_a = replace(SCORE, series="a")
    record(opened, of_a, replace(SCORE, model="other", series="b"), replace(of_a, model="m2", weights_id="w2", step=9))
    assert {row.model for row in opened.leaderboard(series="a")} == {"m", "m2"}
    assert [(row.series, row.step, row.model) for row in opened.checkpoints("a")] == [("a", 9, "m2"), ("a", 500, "m")]
    assert [row.model for row in opened.history(series="a")] == ["m2", "m"]
    assert {row.series for row in opened.checkpoints()} == {"a", "b"}


def test_scores_of_an_older_schema_belong_to_no_series(url, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr("opencompass_ops.results.migrations.MIGRATIONS", MIGRATIONS[:2])
        Store.open(url).close()
    with engine.open_engine(url).begin() as connection:
        connection.execute(text("INSERT INTO run VALUES ('/r', 's', 'c', 'f', 'all', 'complete', 1, 1, '', '')"))
        values = "'/r', 'm', 'd', 'accuracy', 50, NULL, 4, '', 'gen', NULL, 'e', 'w', '/p', ''"
        connection.execute(text(f"INSERT INTO score VALUES ({values})"))
    with Store.open(url) as opened:
        assert [(row.series, row.origin) for row in opened.leaderboard()] == [("", "")]


def test_a_history_holds_a_series_by_step_and_takes_wildcards_literally(opened):
    record(opened, *(replace(SCORE, model=f"a_b-{step}", step=step) for step in (20, 3)), replace(SCORE, model="axb-1"))
    assert [row.step for row in opened.history("a_b", dataset="d", metric="accuracy")] == [3, 20]


def test_samples_come_back_in_order(opened):
    rows = tuple(SampleRow("e1", idx, "", idx % 2 == 0, None if idx == 3 else 0.5) for idx in (3, 0, 11))
    for _ in range(2):
        opened.record_run(RUN, [PairRows("m", "d", samples=rows)])
    assert opened.samples("e1") == sorted(rows, key=lambda row: row.idx)


def test_a_pair_is_recorded_as_a_whole_or_not_at_all(opened, tmp_path):
    good = PairRows("m", "d", (prediction(tmp_path / "a.json"),))
    foreign = replace(SCORE, dataset="e", run_dir="/runs/of-nobody")
    bad = PairRows("m", "e", (prediction(tmp_path / "b.json", pair="p2", dataset="e"),), (foreign,))
    with pytest.raises(OpsError, match="summarise again"):
        opened.record_run(RUN, [good, bad])
    assert list(opened.find_predictions(["p1", "p2"])) == ["p1"]


def test_the_migrated_schema_is_the_one_that_queries_use(opened, url):
    inspector = inspect(opened._engine)
    for table in models.metadata.sorted_tables:
        found = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        # SQLite calls a text key nullable unless it is told otherwise; nothing writes one.
        keys = {column.name for column in table.primary_key}
        assert found.keys() == {column.name for column in table.c}
        assert {n: v for n, v in found.items() if n not in keys} == {
            c.name: c.nullable for c in table.c if c.name not in keys
        }
        assert set(inspector.get_pk_constraint(table.name)["constrained_columns"]) == keys
        indexed = {index["name"]: index["column_names"] for index in inspector.get_indexes(table.name)}
        assert indexed == {str(index.name): [column.name for column in index.columns] for index in table.indexes}


def open_at_once(url, gate, answers):
    gate.wait()
    try:
        Store.open(url).close()
        answers.put("")
    except Exception as error:
        answers.put(repr(error))


def test_processes_that_open_a_new_database_at_once_all_succeed(url):
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(4), context.Queue()
    processes = [context.Process(target=open_at_once, args=(url, gate, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == [""] * 4
    for process in processes:
        process.join()
    with engine.open_engine(url).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM schema_version")).scalar() == len(MIGRATIONS)


def test_a_newer_schema_is_refused_with_the_next_step(url):
    Store.open(url).close()
    with engine.open_engine(url).begin() as connection:
        connection.execute(text("INSERT INTO schema_version VALUES (99, 'later')"))
    with pytest.raises(InputError, match=r"schema 99.*upgrade opencompass-ops"):
        Store.open(url)


def test_a_migration_that_fails_leaves_the_old_schema(url, monkeypatch):
    Store.open(url).close()
    broken = (*MIGRATIONS, ("CREATE TABLE extra (a INTEGER)", "NOT SQL"))
    monkeypatch.setattr("opencompass_ops.results.migrations.MIGRATIONS", broken)
    with pytest.raises(OpsError):
        Store.open(url)
    assert not inspect(engine.open_engine(url)).has_table("extra")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("postgresql+psycopg://ops:s3cr3t@127.0.0.1:1/none", "not be established|refused|failed"),
        ("mysql://ops:s3cr3t@host/db", "sqlite or postgresql"),
        ("post gres//ops:s3cr3t@host", "cannot be read"),
        ("nosuch://ops:s3cr3t@host/db", "cannot be read"),
        ("postgresql+nosuch://ops:s3cr3t@host/db", "cannot be read"),
        ("sqlite:////proc/none/s3cr3t.db", "proc/none"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(bad, says):
    with pytest.raises(OpsError, match=says) as caught:
        Store.open(bad)
    assert "s3cr3t@" not in str(caught.value)
    assert caught.value.__suppress_context__ or "s3cr3t@" not in repr(caught.value.__context__)


def test_a_missing_driver_says_what_to_install():
    with pytest.raises(InputError, match="psycopg"):
        Store.open("postgresql+pg8000://ops:s3cr3t@host/db")


def test_the_default_database_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", "postgresql+psycopg://host/db")
    assert engine.default_url() == "postgresql+psycopg://host/db"
    monkeypatch.delenv("OPENCOMPASS_OPS_DATABASE")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    Store.open().close()
    assert (tmp_path / "home" / "opencompass_ops.db").is_file()
    monkeypatch.delenv("AIRFLOW_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert engine.default_url() == f"sqlite:///{tmp_path}/.local/share/opencompass-ops/opencompass_ops.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_connection_of_airflow_needs_no_driver_in_its_url(scheme):
    assert engine.open_engine(f"{scheme}://ops@host/db").url.drivername == "postgresql+psycopg"


def test_sqlite_waits_for_other_writers_and_keeps_its_foreign_keys(store):
    with engine.transaction(store._engine, write=False) as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")]
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    assert pragmas == ["wal", 1]


def test_a_new_sqlite_file_that_another_one_is_just_writing_is_waited_for(tmp_path):
    other = sqlite3.connect(tmp_path / "results.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE before_us (a INTEGER)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()
    with Store.open(f"sqlite:///{tmp_path}/results.db") as opened:
        assert opened.leaderboard() == []
    release.join()
    other.close()


def test_importing_the_package_imports_neither_sqlalchemy_nor_matplotlib(repo):
    code = "import sys, opencompass_ops.results, opencompass_ops.results.report; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(repo / "plugins")}, capture_output=True)
    loaded = done.stdout.decode().split()
    assert "opencompass_ops.results.report" in loaded
    assert not {"sqlalchemy", "matplotlib", "airflow"} & set(loaded)
