"""All processes of a user keep a bot's limits together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import PIPE, Popen

from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.messages.pacing import next_free, reserve

TAKE = """
import sys, json
from pathlib import Path
from opencompass_ops.messages.pacing import reserve
folder = Path(sys.argv[1])
print(json.dumps([100.0 + reserve("u", 100.0, per_second=5, per_minute=100, folder=folder) for _ in range(60)]))
"""


@given(st.lists(st.floats(0, 30), max_size=150), st.integers(1, 6), st.integers(6, 40))
def test_no_second_and_no_minute_holds_more_than_it_may(pauses, per_second, per_minute):
    taken: list[float] = []
    now = 1000.0
    for pause in pauses:
        now += pause
        taken.append(next_free(taken, now, per_second, per_minute))
    for count, seconds in ((per_second, 1), (per_minute, 60)):
        assert all(later - earlier >= seconds - 1e-6 for earlier, later in zip(taken, taken[count:], strict=False))
    assert taken == sorted(taken)


def test_processes_that_post_at_once_get_moments_that_keep_the_limits(tmp_path: Path):
    started = [Popen([sys.executable, "-c", TAKE, str(tmp_path)], stdout=PIPE) for _ in range(2)]
    moments = sorted(moment for process in started for moment in json.loads(process.communicate()[0]))
    assert len(moments) == 120
    assert all(later - earlier >= 1 - 1e-6 for earlier, later in zip(moments, moments[5:], strict=False))
    assert moments[100] - moments[0] >= 60 - 1e-6


def test_a_clock_that_was_set_back_and_a_damaged_file_hold_nobody_up(tmp_path: Path):
    wait = reserve("u", 1e9, per_second=1, per_minute=1, folder=tmp_path)
    assert wait == 0
    assert reserve("u", 1e6, per_second=1, per_minute=1, folder=tmp_path) == 0
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    assert reserve("u", 1e6, per_second=1, per_minute=1, folder=tmp_path) == 0
    assert "u" not in file.name.removesuffix(".json")


def test_a_folder_that_cannot_be_used_paces_nothing(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert reserve("u", 100.0, per_second=1, per_minute=1, folder=tmp_path / "file") == 0
