"""What the next try asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.adaptation import Adaptation, adapt
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.judgement import DEVICE, HOST


def ended(state: JobState, *, node: str = "", cause: str = "") -> Outcome:
    return Outcome("oc-a-e1", 1, state, node=node, cause=cause)


OUTCOMES = st.lists(
    st.builds(
        ended,
        st.sampled_from([state for state in JobState if state.is_terminal]),
        node=st.sampled_from(["", "n01", "n02", "n03", "n04", "n05"]),
        cause=st.sampled_from(["", HOST, DEVICE]),
    ),
    max_size=20,
)


def test_a_first_try_is_as_asked():
    assert adapt(()) == Adaptation((), 1.0, 1.0)


def test_a_failed_node_is_avoided_and_one_that_was_only_preempted_is_not():
    previous = [ended(JobState.NODE_FAIL, node="n01"), ended(JobState.PREEMPTED, node="n02"), ended(JobState.NODE_FAIL)]
    assert adapt(previous).exclude == ("n01",)


def test_only_the_latest_failed_nodes_are_avoided():
    previous = [ended(JobState.NODE_FAIL, node=node) for node in ("n01", "n02", "n03", "n02", "n04")]
    assert adapt(previous).exclude == ("n04", "n02", "n03")


def test_each_lack_of_host_memory_doubles_it_up_to_eight_times():
    previous = [ended(JobState.OUT_OF_MEMORY, cause=HOST)] * 5
    assert [adapt(previous[:number]).memory_factor for number in range(6)] == [1, 2, 4, 8, 8, 8]
    assert adapt(previous).batch_scale == 1


def test_each_lack_of_device_memory_halves_the_batch_down_to_an_eighth():
    previous = [ended(JobState.FAILED, cause=DEVICE)] * 5
    assert [adapt(previous[:number]).batch_scale for number in range(6)] == [1, 1 / 2, 1 / 4, 1 / 8, 1 / 8, 1 / 8]
    assert adapt(previous).memory_factor == 1


@given(OUTCOMES, OUTCOMES)
def test_a_later_try_never_asks_for_less_memory_or_bigger_batches(earlier, later):
    before, after = adapt(earlier), adapt([*earlier, *later])
    assert 1 <= before.memory_factor <= after.memory_factor <= 8
    assert 1 / 8 <= after.batch_scale <= before.batch_scale <= 1
    assert len(after.exclude) == len(set(after.exclude)) <= 3
