"""How much of a large results database a gate reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import event

from gate_lab import right
from opencompass_ops.gates.judging import judge_run
from opencompass_ops.gates.policy import GatePolicy
from opencompass_ops.gates.references import named
from opencompass_ops.results.rows import PairRows, RunRow

STRANGERS, CURVE = 2_000, 5


@pytest.fixture
def crowded(lab):
    """Five checkpoints of one series, of two datasets, among two thousand scores of others."""
    for step in range(1, CURVE):
        for dataset in ("sum", "facts"):
            lab.run(step, right(0.6, n=20), dataset=dataset)
    lab.run(CURVE, right(0.6, n=20), dataset="facts")
    judged = lab.run(CURVE, right(0.6, n=20))
    (row,) = lab.store.history(run_dir=judged)
    strangers = [
        replace(
            row, run_dir="/strangers", model=f"model-{number}", series=f"series-{number % 20}", step=number,
            dataset=("sum", "facts")[number % 2], evaluation_fingerprint=f"stranger-{number}", weights_id=f"s{number}",
        )
        for number in range(STRANGERS)
    ]  # fmt: skip
    run = RunRow("/strangers", "20261121_120000", "c", "c", "all", "complete", 1, 1, "", row.created_at)
    lab.store.record_run(run, [PairRows("", "", (), tuple(strangers), ())])
    return lab, judged


@pytest.fixture
def reading(crowded, monkeypatch):
    """Statements on the table of scores, each with how many rows it gave."""
    lab, judged = crowded
    statements, counts = [], []
    rows_of = lab.store._scores

    def counted(query):
        rows = rows_of(query)
        counts.append(len(rows))
        return rows

    monkeypatch.setattr(lab.store, "_scores", counted)

    @event.listens_for(lab.store._engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, many):
        if "FROM score" in statement and not statement.startswith("EXPLAIN"):
            statements.append((statement, parameters))

    return lab, judged, statements, counts


def plans(lab, statements):
    """What SQLite says it does for each statement."""
    with lab.store._engine.connect() as connection:
        return [
            str(row[-1])
            for statement, parameters in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_a_gate_reads_the_run_and_its_curves_and_nothing_else_of_two_thousand_scores(reading):
    lab, judged, statements, counts = reading
    record = judge_run(lab.store, judged, GatePolicy(baseline="tiny-step-1", promote="better"))
    assert [one.kinds for one in record.datasets]
    run, curve, baseline = 1, CURVE, 1
    assert sum(counts) == run + curve + baseline
    assert not [plan for plan in plans(lab, statements) if plan.startswith("SCAN")]
    assert len(lab.store.history()) > STRANGERS


def test_a_name_or_a_run_directory_is_looked_up_without_reading_the_others(reading):
    lab, judged, statements, counts = reading
    assert [row.dataset for row in named(lab.store, "model-7")] == ["facts"]
    assert [row.dataset for row in named(lab.store, judged)] == ["sum"]
    assert sum(counts) == 2
    assert not [plan for plan in plans(lab, statements) if plan.startswith("SCAN")]
