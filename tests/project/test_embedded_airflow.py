"""The embedded Airflow, on a DAG that defers."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scripts.embedded import EmbeddedAirflow

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> Iterator[EmbeddedAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    embedded = EmbeddedAirflow(
        home, dags=repo / "tests/project/dags", plugins=home / "no-plugins", cache=repo / ".cache"
    )
    with embedded:
        yield embedded
    assert _is_free(home), "components or workers outlived the embedded Airflow"


def _is_free(home: Path) -> bool:
    """Whether nothing of an Airflow lives: every process of it holds the lock that it inherited."""
    with (home / "lock").open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_deferring_dag_runs_to_success(airflow: EmbeddedAirflow) -> None:
    airflow.rest.wait_for_dag("tiny")
    seen: list[dict[str, str]] = []
    run = airflow.rest.trigger("tiny", {})
    state = airflow.rest.wait("tiny", run, lambda counts: seen.append({task: min(c) for task, c in counts.items()}))
    assert state == "success"
    assert seen[-1] == {"wait": "success", "say": "success"}


def test_a_killed_triggerer_is_gone_and_a_new_one_finishes_the_work(airflow: EmbeddedAirflow) -> None:
    airflow.kill("triggerer")
    assert set(airflow.pids) == {"api-server", "scheduler", "dag-processor"}
    run = airflow.rest.trigger("tiny", {})
    airflow.start("triggerer")
    airflow.start("triggerer", name="triggerer-2")
    assert airflow.rest.wait("tiny", run) == "success"
    airflow.kill("triggerer-2", signal.SIGTERM)
    assert "triggerer-2" not in airflow.pids
    assert not _is_free(airflow.home.folder)


def test_a_second_airflow_on_the_same_home_is_refused(airflow: EmbeddedAirflow) -> None:
    with pytest.raises(RuntimeError, match=rf"already runs in .* started by process {os.getpid()}"):
        EmbeddedAirflow(airflow.home.folder).__enter__()


def test_a_busy_port_is_refused_with_another_one_to_try(airflow: EmbeddedAirflow, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=rf"PORT={airflow.home.port + 1}"):
        EmbeddedAirflow(tmp_path / "home", port=airflow.home.port).__enter__()


def test_what_holds_secrets_is_readable_by_its_owner_only(airflow: EmbeddedAirflow) -> None:
    for name in ("airflow.cfg", "secrets.json", "passwords.json"):
        assert stat.S_IMODE((airflow.home.folder / name).stat().st_mode) == 0o600


def test_the_api_listens_on_loopback_only(airflow: EmbeddedAirflow) -> None:
    listening = [
        connection.laddr.ip
        for pid in airflow.pids.values()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_starting_a_component_twice_is_refused(airflow: EmbeddedAirflow) -> None:
    with pytest.raises(ValueError, match="scheduler is alive as pid"):
        airflow.start("scheduler")


def test_a_component_that_ends_at_once_is_named_with_its_log(tmp_path: Path, repo: Path) -> None:
    start = time.monotonic()
    broken = EmbeddedAirflow(
        tmp_path / "home",
        dags=repo / "tests/project/dags",
        plugins=tmp_path,
        cache=repo / ".cache",
        env={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nonexistent/airflow.db"},
    )
    with pytest.raises(RuntimeError, match="ended: "):
        broken.__enter__()
    assert time.monotonic() - start < 120
    assert _is_free(tmp_path / "home")
