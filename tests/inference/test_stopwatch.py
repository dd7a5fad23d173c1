"""What a part of OpenCompass's task took, seen from outside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.bridge.stopwatch import Stopwatch, device_name
from inference.timing import Timing


def timed(wanted, ends, loaded_at=0.0, last=100):
    """The timings when files appear at ``ends`` seconds, looked at once a second."""
    now = [0.0]
    watch = Stopwatch(wanted, lambda name: ends.get(name, 1e9) <= now[0], "A100", lambda: now[0])
    for second in range(last + 1):
        now[0] = float(second)
        watch.look(loaded=second >= loaded_at)
    return watch.timings


def test_a_part_lasts_from_the_end_of_the_one_before_and_loading_is_nobodys():
    assert timed({"a": 10, "b": 4}, {"a": 30, "b": 50}, loaded_at=20) == {
        "a": Timing(10.0, 10, "A100"),
        "b": Timing(20.0, 4, "A100"),
    }


def test_parts_that_end_between_two_looks_share_the_time_by_their_items():
    assert timed({"a": 30, "b": 10}, {"a": 7.2, "b": 7.9}, loaded_at=4) == {
        "a": Timing(3.0, 30, "A100"),
        "b": Timing(1.0, 10, "A100"),
    }


def test_what_is_not_known_is_not_told():
    assert timed({"a": 3, "b": 0, "c": 5}, {"a": 0, "b": 9}) == {}, "a ended before anything was seen, c never"


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(st.integers(1, 50), st.floats(0, 60))))
def test_timings_add_up_to_the_time_between_loading_and_the_last_end(parts):
    wanted = {name: count for name, (count, _) in parts.items()}
    ends = {name: end for name, (_, end) in parts.items()}
    found = timed(wanted, ends, loaded_at=5, last=61)
    assert all(timing.seconds > 0 and timing.answered == wanted[name] for name, timing in found.items())
    total = sum(timing.seconds for timing in found.values())
    assert total <= 62
    if found and min(ends.values()) > 6:
        last = max(end for name, end in ends.items() if name in found)
        assert abs(total - (last - 5)) <= 1.0


def test_a_job_without_gpus_runs_on_the_processor():
    assert device_name(0) == "cpu"
