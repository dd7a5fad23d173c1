"""The simulation beside what can be said without it."""

from __future__ import annotations

import pytest

from benchmarks import partitioners
from benchmarks.simulated import recorded
from benchmarks.simulated.clock import lower_bound, run
from benchmarks.simulated.truth import Model, Truth, datasets
from opencompass_ops.planning.partition import Piece

LEARNED = -2
"""Place of what has learned most, before what is told the mean costs."""
SEVEN = Model("7b-0", "7b", 14.0)


def test_equal_seeds_make_equal_worlds_and_other_runs_differ_a_little():
    (dataset, *_), again = datasets(3, 5), datasets(3, 5)
    assert dataset == again[0]
    first, same, other = Truth(3, 0), Truth(3, 0), Truth(3, 1)
    assert first.row_seconds(SEVEN, dataset) == same.row_seconds(SEVEN, dataset)
    assert first.row_seconds(SEVEN, dataset) != other.row_seconds(SEVEN, dataset)
    assert first.row_seconds(SEVEN, dataset) == pytest.approx(other.row_seconds(SEVEN, dataset), rel=0.4)


def test_parts_take_together_what_the_whole_takes():
    truth, dataset = Truth(1, 0), datasets(1, 1)[0]
    cuts = [0, dataset.rows // 3, dataset.rows // 2, dataset.rows]
    parts = sum(truth.part_seconds(SEVEN, dataset, *cuts[at : at + 2]) for at in range(3))
    assert parts == pytest.approx(truth.row_seconds(SEVEN, dataset) * dataset.rows)


def test_the_next_job_goes_to_the_worker_that_is_free_first():
    truth, data = Truth(1, 0), datasets(1, 3)
    jobs = [("7b-0", (Piece(each.abbr, None, 0, each.rows),)) for each in data]
    took = [
        truth.node(n) * (truth.load_seconds(SEVEN) + truth.part_seconds(SEVEN, each, 0, each.rows))
        for n, each in enumerate(data)
    ]
    ran = run(truth, jobs, [SEVEN], data, workers=2)
    assert ran.makespan == pytest.approx(max(max(took[:2]), min(took[:2]) + took[2]))
    assert [each.seconds for each in ran.loads] == pytest.approx(
        [truth.node(n) * truth.load_seconds(SEVEN) for n in range(3)]
    )


@pytest.mark.parametrize(
    ("work", "loads", "workers", "bound"),
    [(100, {"a": 10}, 1, 110), (100, {"a": 10}, 4, 35), (100, {"a": 10, "b": 30}, 2, 70), (3, {"a": 10}, 8, 10.375)],
)
def test_the_lower_bound_shares_work_and_the_loads_that_there_must_be(work, loads, workers, bound):
    assert lower_bound(work, loads, workers) == pytest.approx(bound)


def test_nothing_undercuts_the_bound_by_more_than_the_nodes_differ_and_learning_does_not_hurt():
    measured = [partitioners.compared(partitioners.SETTINGS[1], seed) for seed in range(2)]
    for each in measured:
        assert all(ratio > 0.9 for ratio, _ in each)
        assert each[LEARNED][0] < 1.15
        assert each[LEARNED][0] <= each[0][0]


def test_the_table_has_a_line_for_each_setting():
    text = partitioners.table(partitioners.SETTINGS[-1:], worlds=1)
    assert text.splitlines()[-1].startswith(f"| {partitioners.SETTINGS[-1].name} | ")


def test_the_recording_covers_every_dataset_with_every_checkpoint():
    recording = recorded.read()
    names = {dataset.abbr for dataset in recording.datasets}
    assert len(names) > 20
    for series in {model.series for model in recording.models}:
        assert len(recorded.checkpoints(recording, series)) == partitioners.LEARNED + 1
    for model in recording.models:
        assert model.seconds.keys() == names
        assert model.load > 0
        assert all(len(quarters) == recorded.QUARTERS and min(quarters) > 0 for quarters in model.seconds.values())


def test_recorded_parts_take_together_what_the_whole_takes():
    recording = recorded.read()
    truth = recorded.RecordedTruth(recording)
    model = recorded.checkpoints(recording, "small")[0]
    for dataset in recorded.datasets(recording):
        cuts = [0, 1, dataset.rows // 3, dataset.rows]
        parts = sum(truth.part_seconds(model, dataset, *cuts[at : at + 2]) for at in range(3))
        assert parts == pytest.approx(truth.row_seconds(model, dataset) * dataset.rows)


def test_over_recorded_costs_learning_brings_one_model_within_five_percent_of_the_bound():
    setting = partitioners.RECORDED[1]
    measured = partitioners.compared_recorded(setting, recorded.read())
    assert sum(each[LEARNED][0] for each in measured) / len(measured) <= 1.05
    assert all(each[LEARNED][0] < each[0][0] for each in measured)
