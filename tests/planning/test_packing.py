"""The Cost partitioner: what must hold for any run, and how near it comes to the best there is."""

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencompass_ops.planning.packing import Cost
from opencompass_ops.planning.partition import Candidate, Piece
from opencompass_ops.planning.spread import Need, spread


def candidate(abbr, rows, seconds=1.0, load=10.0, model="m", kept=(), answered=(), engine="native", is_known=False):
    dataset = {"abbr": abbr, "reader_cfg": {}}
    return Candidate(
        dataset, rows, rows, model=model, engine=engine, row_seconds=seconds, is_known=is_known, load_seconds=load,
        kept=tuple(kept), answered=frozenset(answered),
    )  # fmt: skip


def times(cost):
    """Seconds of each job, its load included, in the order of the start."""
    rows = {(each.model, each.abbr): each.row_seconds for each in cost.candidates}
    loads = {each.model: each.load_seconds for each in cost.candidates}
    return [
        loads[model] + sum((piece.stop - piece.start) * rows[model, piece.abbr] for piece in pieces)
        for model, pieces in cost.jobs()
    ]


def makespan(jobs, workers):
    """Every worker that is free takes the next job."""
    busy = [0.0] * workers
    for seconds in jobs:
        free = busy.index(min(busy))
        busy[free] += seconds
    return max(busy)


def test_what_is_only_guessed_is_dealt_to_every_job_alike():
    cost = Cost([candidate(abbr, 100) for abbr in "abc"], workers=2)
    assert [[piece.stop - piece.start for piece in cost.tile(each)] for each in cost.candidates] == [[50, 50]] * 3
    assert times(cost) == [160, 160]


def test_what_is_known_stays_whole_while_it_is_a_small_share_of_a_job():
    cost = Cost([candidate(f"d{n}", 10 + n % 3, is_known=True) for n in range(40)], workers=2)
    assert sum(len(cost.tile(each)) for each in cost.candidates) <= 41
    first, second = times(cost)
    assert first == pytest.approx(second, rel=0.03)


def test_what_is_known_is_cut_so_that_no_job_rests_on_one_estimate():
    cost = Cost([candidate(abbr, 300, is_known=True) for abbr in "abcdefgh"], workers=8)
    assert all(len(cost.tile(each)) == 8 for each in cost.candidates)


def test_parts_are_numbered_in_order_of_their_rows_and_a_whole_dataset_has_no_number():
    cost = Cost([candidate("a", 900), candidate("b", 10)], workers=4)
    names = [piece.name for piece in cost.tile(cost.candidates[0])]
    assert names == ["a_0", "a_1", "a_2", "a_3"]
    assert cost.tile(cost.candidates[1]) == (Piece("b", None, 0, 10, None),)


def test_the_range_string_is_opencompass_s():
    dataset = {"abbr": "a", "reader_cfg": {"test_range": "[5:]"}}
    cost = Cost([Candidate(dataset, 105, 80, model="m", row_seconds=1.0, load_seconds=10.0)], workers=2)
    assert [piece.test_range for piece in cost.tile(cost.candidates[0])] == ["[5:][:80][0:40]", "[5:][:80][40:80]"]


def test_work_that_does_not_pay_for_a_load_stays_together():
    assert sorted(times(Cost([candidate(abbr, 9) for abbr in "abc"], workers=8))) == [23, 24]
    assert times(Cost([candidate("a", 19)], workers=8)) == [29]


def test_a_target_is_held_where_it_pays():
    assert max(times(Cost([candidate("a", 1000)], workers=1, target=60))) <= 60
    assert times(Cost([candidate("a", 100)], workers=1, target=15)) == [20] * 10


def test_without_a_target_a_job_is_half_an_hour_or_loads_no_more_than_a_fortieth_of_its_time():
    assert 1500 < max(times(Cost([candidate("a", 20_000)], workers=1))) <= 1800
    assert 11_000 < max(times(Cost([candidate("a", 200_000, load=300)], workers=1))) <= 12_000


def test_no_more_jobs_than_the_run_may_have():
    assert len(Cost([candidate("a", 100_000)], workers=2, target=60, most=7).jobs()) <= 7
    models = [candidate("a", 1000, model=str(n)) for n in range(5)]
    assert len(Cost(models, workers=8, target=60, most=6).jobs()) <= 6
    assert len(Cost(models, workers=8, target=60, most=2).jobs()) == 5


def test_short_jobs_of_the_model_that_loads_fastest_end_the_run_once_everything_is_known():
    known = [candidate(abbr, 3000, load=load, model=abbr, is_known=True) for abbr, load in (("slow", 90), ("fast", 5))]
    cost = Cost(known, workers=4)
    took, models = times(cost), [model for model, _ in cost.jobs()]
    assert models[-4:] == ["fast"] * 4
    assert all(0.02 * 1500 < seconds <= 0.05 * 1600 for seconds in took[-4:])
    assert min(took[:-4]) > 2 * max(took[-4:])
    guessed = Cost([candidate(each.abbr, 3000, load=5, model=each.model) for each in known], workers=4)
    assert min(times(guessed)) > 150


def test_no_short_jobs_where_their_loads_would_cost_more_than_they_save():
    assert len(Cost([candidate("a", 400, load=10, is_known=True)], workers=4).jobs()) == 4
    assert len(Cost([candidate("a", 4000, load=10, is_known=True)], workers=1).jobs()) == 3


def test_short_jobs_mend_an_estimate_that_is_wrong():
    """Rows of one dataset take a tenth longer than they were known to take."""
    known = [candidate(abbr, 2000, load=5, model=abbr, is_known=True) for abbr in "ab"]
    cost = Cost(known, workers=4)
    rows = {"a": 1.1, "b": 1.0}
    took = [5 + sum((p.stop - p.start) * rows[model] for p in pieces) for model, pieces in cost.jobs()]
    assert makespan(took, 4) < 1.035 * (2000 * 2.1 + 5 * 4) / 4  # without them 1.05: two workers have a alone


def test_as_many_workers_as_just_pay_are_all_used():
    for work in (46.8, 48.5, 51.9, 61.2, 180.0):
        jobs = spread({"a": Need(work, 1.0, 1800.0)}, 64)["a"]
        assert len(jobs) == min(64, int(work))
        assert max(job.work for job in jobs) <= work / len(jobs) * 1.01


def test_a_job_has_one_engine():
    cost = Cost([candidate("a", 5), candidate("b", 5, engine="opencompass")], workers=1)
    assert [[piece.name for piece in pieces] for _, pieces in cost.jobs()] == [["a"], ["b"]]


def test_a_part_that_is_begun_is_never_cut():
    cost = Cost([candidate("a", 100, kept=[(10, 95)])], workers=8)
    assert (10, 95) in [(piece.start, piece.stop) for piece in cost.tile(cost.candidates[0])]


def test_a_dataset_answered_in_part_is_open_for_the_rest_only():
    cost = Cost([candidate("a", 100, kept=[(0, 20), (50, 60)], answered=[(0, 20)])], workers=1)
    assert [piece.name for _, pieces in cost.jobs() for piece in pieces] == ["a_1", "a_2", "a_3"]
    assert [(p.start, p.stop) for p in cost.tile(cost.candidates[0])] == [(0, 20), (20, 50), (50, 60), (60, 100)]


@st.composite
def kept_ranges(draw, rows):
    bounds = sorted(draw(st.sets(st.integers(0, rows), max_size=6)))
    pairs = [pair for pair in pairwise(bounds) if draw(st.booleans())]
    return pairs, {pair for pair in pairs if draw(st.booleans())}


@st.composite
def runs(draw, keep=True):
    candidates = []
    for model in range(draw(st.integers(1, 4))):
        load = draw(st.floats(0.1, 200))
        for number in range(draw(st.integers(1, 5))):
            rows = draw(st.integers(1, 400))
            kept, answered = draw(kept_ranges(rows)) if keep else ((), ())
            seconds = draw(st.floats(0.001, 20))
            known = draw(st.booleans())
            candidates.append(candidate(f"d{number}", rows, seconds, load, f"m{model}", kept, answered, is_known=known))
    workers, target = draw(st.integers(1, 9)), draw(st.none() | st.floats(30, 5000))
    return Cost(candidates, workers, target, draw(st.integers(1, 60)))


@given(runs())
@settings(deadline=None)
def test_parts_tile_every_dataset_and_each_open_one_is_in_one_job(cost):
    dealt = [(model, piece.name) for model, pieces in cost.jobs() for piece in pieces]
    assert len(set(dealt)) == len(dealt)
    opened = set()
    for each in cost.candidates:
        tiles = cost.tile(each)
        assert [piece.start for piece in tiles] == [0, *(piece.stop for piece in tiles)][:-1]
        assert tiles[-1].stop == each.selected
        assert [piece.index for piece in tiles] == (list(range(len(tiles))) if len(tiles) > 1 else [None])
        ranges = {(piece.start, piece.stop): piece.name for piece in tiles}
        assert ranges.keys() >= set(each.kept)
        opened |= {(each.model, name) for rows, name in ranges.items() if rows not in each.answered}
    assert set(dealt) == opened
    assert all(pieces for _, pieces in cost.jobs())


@given(runs(keep=False))
@settings(deadline=None)
def test_there_are_never_more_jobs_than_pay_for_their_load(cost):
    jobs = [model for model, _ in cost.jobs()]
    for model in set(jobs):
        of_model = [each for each in cost.candidates if each.model == model]
        work = sum(each.rows * each.row_seconds for each in of_model)
        assert jobs.count(model) <= max(1, work / of_model[0].load_seconds)


@given(runs(keep=False))
@settings(deadline=None)
def test_the_same_run_is_always_split_the_same_way(cost):
    again = Cost([*cost.candidates], cost.workers, cost.target, cost.most)
    assert again.jobs() == cost.jobs()


needs = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(Need, st.floats(1, 1000), st.floats(0.5, 100), st.floats(100, 1e6)),
    min_size=1,
)


@given(needs, st.integers(1, 6))
@settings(deadline=None)
def test_all_work_is_spread_and_started_as_the_workers_come_free(of_models, workers):
    jobs = spread(of_models, workers)
    for model, need in of_models.items():
        assert sum(job.work for job in jobs[model]) == pytest.approx(need.work)
        assert len(jobs[model]) <= max(1, need.work / need.load)
    flat = sorted(((job.start, of_models[m].load + job.work) for m in jobs for job in jobs[m]), key=lambda j: j[0])
    planned = max(start + seconds for start, seconds in flat)
    assert makespan([seconds for _, seconds in flat], workers) <= planned * (1 + 1e-6)


def best_makespan(of_models, workers, steps):
    """The least makespan over every way to give each worker some sixths of each model's work; plainly tried."""
    names = sorted(of_models)
    shares = [s for s in product(range(steps + 1), repeat=workers) if sum(s) == steps]
    best = float("inf")
    for chosen in product(shares, repeat=len(names)):
        if not all(pays(of_models[name], share, steps) for name, share in zip(names, chosen, strict=True)):
            continue
        busy = [0.0] * workers
        for name, share in zip(names, chosen, strict=True):
            for worker, part in enumerate(share):
                if part:
                    busy[worker] += of_models[name].load + of_models[name].work * part / steps
        best = min(best, max(busy))
    return best


def pays(need, share, steps):
    parts = [need.work * part / steps for part in share if part]
    return len(parts) == 1 or min(parts) >= need.load


few = st.dictionaries(
    st.sampled_from("ab"), st.builds(Need, st.floats(50, 500), st.floats(1, 20), st.just(1e9)), min_size=1
)


@given(few, st.integers(1, 3))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_the_makespan_is_near_the_best_that_trying_everything_finds(of_models, workers):
    jobs = spread(of_models, workers)
    found = max(job.start + of_models[m].load + job.work for m in jobs for job in jobs[m])
    # At the edge where a third part just pays for its load, two parts take a quarter longer than three.
    assert found <= 1.26 * best_makespan(of_models, workers, 6)
