"""The cost model against its formula written out plainly, and what it is to do for people."""

from math import exp, inf, log, log2
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.planning.costs import Measured, Work, learn, prior_load_seconds, prior_row_seconds

SEVEN_B, SEVENTY_B = 14_000_000_000, 140_000_000_000
A100 = Work("native", "A100", 1, SEVEN_B, "gsm8k", 200)


def work(device="A100", size=SEVEN_B, dataset="gsm8k", row_cost=200, engine="native", gpus=1):
    return Work(engine, device, gpus, size, dataset, row_cost)


def test_without_history_a_row_costs_opencompass_s_factor_times_the_weights():
    costs = learn()
    assert costs.row_seconds(work()) == pytest.approx(0.001 * 200 * 14.5)
    assert costs.row_seconds(work(row_cost=4)) == pytest.approx(0.001 * 4 * 14.5)
    assert costs.load_seconds(work(size=SEVENTY_B)) == pytest.approx(20 + 280)


def test_what_was_measured_often_is_believed():
    costs = learn([Measured(work(), 1319, 1319 * 0.8)])
    assert costs.row_seconds(work()) == pytest.approx(0.8, rel=0.02)


def test_a_few_rows_move_the_cost_a_little():
    before = prior_row_seconds(work())
    assert before < learn([Measured(work(), 2, 2 * before * 10)]).row_seconds(work()) < before * 4


def test_what_was_never_seen_takes_after_what_is_most_like_it():
    slow = [Measured(work(dataset=name), 500, 500 * 10 * prior_row_seconds(work())) for name in ("a", "b", "c")]
    costs = learn(slow)
    prior = prior_row_seconds(work())
    same_gpu = costs.row_seconds(work(dataset="new"))
    other_gpu = costs.row_seconds(work(dataset="new", device="H200"))
    other_engine = costs.row_seconds(work(dataset="new", engine="opencompass"))
    assert other_engine == pytest.approx(prior)
    assert prior < other_gpu < same_gpu < 10.5 * prior


def test_a_dataset_that_answers_at_length_is_known_for_it_on_another_gpu():
    expected = prior_row_seconds(work())
    seen = [Measured(work(dataset="long"), 500, 500 * 8 * expected)]
    seen += [Measured(work(dataset=name), 500, 500 * expected) for name in ("a", "b", "c", "d")]
    costs = learn(seen)
    assert costs.row_seconds(work(dataset="long", device="H200")) > 1.5 * costs.row_seconds(
        work(dataset="a", device="H200")
    )


def test_one_slow_load_among_many_is_no_rule():
    load = work(dataset="", row_cost=0)
    costs = learn(loads=[Measured(load, 1, seconds) for seconds in (50, 51, 49, 50, 900)])
    assert costs.load_seconds(load) == pytest.approx(50, rel=0.1)


def test_nonsense_teaches_nothing():
    costs = learn([Measured(work(), 0, 5.0), Measured(work(), 5, 0.0)], [Measured(work(), 1, -3.0)])
    assert costs.row_seconds(work()) == prior_row_seconds(work())


works = st.builds(
    Work,
    st.sampled_from(["native", "opencompass"]),
    st.sampled_from(["", "A100", "H200"]),
    st.sampled_from([0, 1, 8]),
    st.sampled_from([0, SEVEN_B, SEVEN_B + 1, SEVENTY_B]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([2, 20, 200]),
)
measured = st.lists(st.builds(Measured, works, st.integers(1, 2000), st.floats(0.01, 1e5)), max_size=12)


def naive_offset(history, asked, levels, prior, total):
    """The documented formula, key by key, without tables; what is added up first has the same engine ... row cost."""

    def identity(of):
        return (of.engine, of.device, of.gpus, round(log2(max(of.weights_bytes, 1))), of.dataset, of.row_cost)

    kinds = {identity(m.work): [n for n in history if identity(n.work) == identity(m.work)] for m in history}
    ratios = {kind: log(total(same, prior)) for kind, same in kinds.items()}
    items = {kind: sum(m.items for m in same) for kind, same in kinds.items()}
    weight = {kind: items[kind] / (items[kind] + 16) for kind in kinds}
    result = 0.0
    for level in levels:
        keys = {kind: tuple(kind[i] for i in level) for kind in kinds}
        offset = {
            key: sum(weight[k] * ratios[k] for k in kinds if keys[k] == key)
            / (sum(weight[k] for k in kinds if keys[k] == key) + 1)
            for key in keys.values()
        }
        ratios = {kind: ratios[kind] - offset[keys[kind]] for kind in kinds}
        result += offset.get(tuple(identity(asked)[i] for i in level), 0.0)
    return result + weight.get(identity(asked), 0.0) * ratios.get(identity(asked), 0.0)


@given(measured, works)
def test_rows_cost_what_the_formula_says(history, asked):
    def total(same, prior):
        return sum(m.seconds for m in same) / sum(prior(m.work) * m.items for m in same)

    levels = [(0,), (0, 1, 2), (0, 1, 2, 3), (0, 5), (0, 4)]
    expected = prior_row_seconds(asked) * exp(naive_offset(history, asked, levels, prior_row_seconds, total))
    assert learn(history).row_seconds(asked) == pytest.approx(expected)


@given(measured, works)
def test_loads_cost_what_the_formula_says(history, asked):
    loads = [Measured(m.work, 16, m.seconds) for m in history]

    def total(same, prior):
        return median(m.seconds / prior(m.work) for m in same)

    offset = naive_offset(loads, asked, [(0,), (0, 1, 2)], prior_load_seconds, total)
    expected = prior_load_seconds(asked) * exp(offset)
    assert learn(loads=history).load_seconds(asked) == pytest.approx(expected)


@given(measured, works)
def test_costs_are_positive_numbers_and_do_not_follow_the_order_of_history(history, asked):
    costs, reversed_ = learn(history, history), learn(history[::-1], history[::-1])
    for seconds, again in (
        (costs.row_seconds(asked), reversed_.row_seconds(asked)),
        (costs.load_seconds(asked), reversed_.load_seconds(asked)),
    ):
        assert 0 < seconds < inf
        assert again == pytest.approx(seconds)
