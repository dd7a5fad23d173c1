"""Daemons are known by pid and start time."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.daemons import Daemons, wait_until
from opencompass_ops.clusters.processes import ProcessId


@pytest.fixture
def daemons(tmp_path: Path) -> Daemons:
    return Daemons(tmp_path, tmp_path, {"PATH": "/usr/bin:/bin"})


def test_a_daemon_is_alive_until_it_is_stopped(daemons: Daemons) -> None:
    daemons.start("one", ["sleep", "60"])
    assert list(daemons.alive) == ["one"]
    daemons.stop("one")
    assert daemons.alive == {}
    assert daemons.started == set()


def test_another_process_can_stop_it(daemons: Daemons, tmp_path: Path) -> None:
    daemons.start("one", ["sleep", "60"])
    Daemons(tmp_path, tmp_path, {}).stop("one")
    assert daemons.alive == {}


def test_a_stopped_daemon_obeys_when_it_shall_end(daemons: Daemons) -> None:
    daemons.start("one", ["sleep", "60"])
    daemons.send("one", signal.SIGSTOP)
    daemons.stop("one", seconds=5)
    assert daemons.alive == {}


def test_a_deaf_daemon_is_killed(daemons: Daemons, tmp_path: Path) -> None:
    daemons.start("deaf", ["sh", "-c", "trap '' TERM; touch deaf; sleep 60"])
    wait_until("it is deaf", (tmp_path / "deaf").exists, 5)
    daemons.stop("deaf", seconds=0.1)
    assert daemons.alive == {}


def test_a_killed_daemon_can_be_started_again(daemons: Daemons) -> None:
    daemons.start("one", ["sleep", "60"])
    first = daemons.alive["one"]
    daemons.send("one", signal.SIGKILL)
    assert daemons.alive == {}
    daemons.start("one", ["sleep", "60"])
    assert daemons.alive["one"] != first
    daemons.stop("one")


def test_a_daemon_runs_once(daemons: Daemons) -> None:
    daemons.start("one", ["sleep", "60"])
    with pytest.raises(RuntimeError, match="one runs already as pid"):
        daemons.start("one", ["sleep", "60"])
    daemons.stop("one")


def test_a_later_process_with_its_number_is_left_alone(daemons: Daemons, tmp_path: Path) -> None:
    mine = replace(ProcessId.mine(), started=1)
    (tmp_path / "one.json").write_text(json.dumps({**vars(mine)}))
    assert daemons.alive == {}
    with pytest.raises(RuntimeError, match="one does not run"):
        daemons.send("one", signal.SIGTERM)
    daemons.stop("one")
    assert ProcessId.mine().is_alive()


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(TimeoutError, match="until pigs fly"):
        wait_until("pigs fly", lambda: False, seconds=0)
