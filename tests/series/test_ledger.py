"""Who begins what, when several look at once: on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

from checkpoint_folders import write_checkpoint
from opencompass_ops.results.versions import version
from opencompass_ops.series import discovery, folder
from opencompass_ops.series.ledger import STARTED, Ledger, run_id
from series_world import SeriesWorld, in_process

FORK = multiprocessing.get_context("fork")
CHECKPOINTS = 50


def test_versions_count_within_a_series_and_stay_with_the_weights(url: str):
    with Ledger.open(url) as ledger:
        for series, digest, fingerprint in (
            ("a", "w1", "f1"), ("a", "w2", "f1"), ("b", "w2", "f1"), ("a", "w1", "f2"), ("a", "w3", "f1"),
        ):  # fmt: skip
            with ledger.exclusive(series) as book:
                book.begin(digest=digest, fingerprint=fingerprint, suite="s", name="n", step=2**40)
        rows = {(row.digest, row.fingerprint): row.version for row in ledger.evaluations("a")}
        assert rows == {("w1", "f1"): "0.0.1", ("w2", "f1"): "0.0.2", ("w1", "f2"): "0.0.1", ("w3", "f1"): "0.0.3"}
        assert [row.version for row in ledger.evaluations("b")] == ["0.0.1"]


def test_the_run_of_an_attempt_has_one_id_for_everybody():
    assert run_id("a", "sha256:w", "f" * 64, 1) == run_id("a", "sha256:w", "f" * 64, 1)
    ids = {run_id(*of) for of in [("a", "w", "f", 1), ("a", "w", "f", 2), ("a", "w", "g", 1), ("a", "v", "f", 1)]}
    assert len(ids) == 4
    assert version(12) == "0.0.12"


def test_a_transaction_that_is_given_up_leaves_nothing(url: str):
    with Ledger.open(url) as ledger:
        try:
            with ledger.exclusive("a") as book:
                book.begin(digest="w", fingerprint="f", suite="s", name="n", step=1)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert ledger.evaluations("a") == []


def test_discoveries_that_overlap_begin_each_evaluation_once(url: str, tmp_path: Path):
    with SeriesWorld.open(tmp_path, url) as world:
        for step in range(CHECKPOINTS):
            write_checkpoint(tmp_path / "ckpt" / f"step-{step}", step)
    gate = FORK.Barrier(3)

    def body() -> None:
        discovery.suite_fingerprint, folder._here = world.fingerprint, in_process
        gate.wait()
        with Ledger.open(url) as world.ledger:
            world.tick()

    processes = [FORK.Process(target=body) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with Ledger.open(url) as ledger:
        rows = ledger.evaluations("run7")
    assert [(row.step, row.attempts, row.state) for row in rows] == [(step, 1, STARTED) for step in range(CHECKPOINTS)]
    assert [row.number for row in rows] == list(range(1, CHECKPOINTS + 1))


def test_who_is_killed_while_it_writes_leaves_all_to_the_next(url: str, tmp_path: Path):
    with SeriesWorld.open(tmp_path, url) as world:
        for step in range(4):
            write_checkpoint(tmp_path / "ckpt" / f"step-{step}", step)

    def body() -> None:
        discovery.suite_fingerprint, folder._here = world.fingerprint, in_process
        seen = iter(range(2))
        begin = discovery.Book.begin

        def doomed(book, **what):
            if next(seen, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return begin(book, **what)

        discovery.Book.begin = doomed
        with Ledger.open(url) as world.ledger:
            world.tick()

    process = FORK.Process(target=body)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with Ledger.open(url) as ledger:
        assert ledger.evaluations("run7") == []
