"""A program that is no task is told of Airflow's connections as a task is."""

from __future__ import annotations

import json
import sys

import pytest

from opencompass_ops.errors import UnreachableError
from opencompass_ops.hooks import stored

pytestmark = pytest.mark.process

ENTRY = {
    "id": 1, "conn_id": "hpc", "conn_type": "ssh", "host": "login.example", "login": "eval", "password": "p%w",
    "port": "2222", "extra_dejson": {"host_key": "ssh-ed25519 AAAA", "secrets": {"TOKEN": "s"}},
}  # fmt: skip

AIRFLOW = """#!{python}
import sys
print("a warning", file=sys.stderr)
print("a line of a plugin")
{action}
"""


@pytest.fixture
def airflow(tmp_path, monkeypatch):
    """Let another program answer in Airflow's place; returns how."""
    (tmp_path / "airflow.cfg").touch()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_HPC", raising=False)

    def answer(action: str) -> None:
        program = tmp_path / "python"
        program.write_text(AIRFLOW.format(python=sys.executable, action=action))
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return answer


async def test_a_connection_of_the_database_is_read_whole(airflow):
    asked = ["-m", "airflow", "connections", "get", "hpc", "--output", "json"]
    airflow(f"assert sys.argv[1:] == {asked}\nprint({json.dumps([ENTRY])!r})")
    target = await stored.resolve("hpc")
    assert (target.host, target.user, target.port, target.password) == ("login.example", "eval", 2222, "p%w")
    assert (target.host_key, dict(target.secrets)) == ("ssh-ed25519 AAAA", {"TOKEN": "s"})


async def test_the_environment_is_asked_first(airflow, monkeypatch):
    airflow("sys.exit('nobody asks')")
    monkeypatch.setenv("AIRFLOW_CONN_HPC", "ssh://eval@other.example")
    assert (await stored.resolve("hpc")).host == "other.example"


async def test_what_airflow_does_not_know_is_a_host_of_the_ssh_config(airflow):
    airflow("sys.exit('Connection not found.')")
    assert (await stored.resolve("hpc")).host == "hpc"


async def test_a_database_that_is_away_is_no_unknown_connection(airflow):
    airflow("sys.exit('OperationalError: could not connect')")
    with pytest.raises(UnreachableError, match="connection 'hpc' is: OperationalError: could not connect"):
        await stored.resolve("hpc")


async def test_nobody_who_has_no_airflow_gets_one(airflow, tmp_path):
    airflow("sys.exit('nobody asks')")
    (tmp_path / "airflow.cfg").unlink()
    assert (await stored.resolve("hpc")).host == "hpc"
