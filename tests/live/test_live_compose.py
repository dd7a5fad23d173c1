"""The processes that compose.yaml names, with the environment that it names, on a real PostgreSQL and a real Redis.

There is no container: service names become 127.0.0.1 and fixed ports free ones. Everything else is what Compose would
start, the scripts and health checks included. The virtualenv is made for it, or ``$OPENCOMPASS_OPS_TEST_AIRFLOW`` names
the interpreter of one that has the wheel, its extra ``compose`` and Airflow's FAB provider, as Airflow's image has.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from cluster import packages
from cluster.fixtures import provide
from compose_file import ComposeFile
from installation import add_evaluation, bare_venv
from postgres import Postgres
from scripts.airflow_rest import AirflowRest
from scripts.compose_env import completed, variables

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

REDIS = {"redis-server": ("redis-server", "redis-cli")}
GIVEN = "OPENCOMPASS_OPS_TEST_AIRFLOW"
DAG = "opencompass_eval"
UNPINNED = "python-dateutil"  # Flask-AppBuilder wants one before 3; Airflow's image has that
AIRFLOW = """#!{python}
import sys
from airflow.__main__ import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def python(repo: Path, wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with all that our image has, Airflow's own providers included."""
    if given := os.environ.get(GIVEN):
        return Path(given)
    folder = tmp_path_factory.mktemp("compose-venv")
    python = bare_venv(folder / "venv")
    pins = folder / "pins.txt"
    lines = (repo / "constraints.txt").read_text().splitlines()
    pins.write_text("\n".join(line for line in lines if not line.startswith(UNPINNED)))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
    wanted = [f"{wheel_file}[compose]", "apache-airflow-providers-fab>=3.10", f"{UNPINNED}<3"]
    subprocess.run([*pip, "install", "-c", str(pins), *wanted], check=True, timeout=900)
    program = python.parent / "airflow"
    program.write_text(AIRFLOW.format(python=python))
    program.chmod(0o755)
    return python


@dataclass
class Stack:
    """What Compose would run, as processes of this host.

    :param folder: stands for ``/opt/airflow``.
    :param names: what the file says -> what is so here.
    """

    file: ComposeFile
    folder: Path
    python: Path
    names: dict[str, str]
    extra: dict[str, str]
    said: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """A value of the file as it is on this host."""
        for there, here in self.names.items():
            text = text.replace(there, here)
        return text

    def environment(self, service: str) -> dict[str, str]:
        """The whole environment of a service's process."""
        told = {name: self.here(value) for name, value in self.file.environment(service).items()}
        path = f"{self.python.parent}:{os.environ['PATH']}"
        base = {"PATH": path, "HOME": str(self.folder), "AIRFLOW_HOME": str(self.folder), "LANG": "C.UTF-8"}
        return base | told | self.extra

    def run(self, service: str, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command as in a service."""
        return subprocess.run(
            argv, env=self.environment(service) | more, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def start(self, service: str) -> None:
        """Start the command of a service."""
        argv = [self.here(word) for word in self.file.services[service]["command"]]
        with self.log(service).open("ab") as log:
            self.processes[service] = subprocess.Popen(
                argv, env=self.environment(service), cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def is_healthy(self, service: str) -> bool:
        """Whether the service's own health check says so."""
        how, *words = (self.here(word) for word in self.file.services[service]["healthcheck"]["test"])
        argv = ["sh", "-c", *words] if how == "CMD-SHELL" else words
        return self.run(service, *argv, HOSTNAME=socket.gethostname()).returncode == 0

    def log(self, service: str) -> Path:
        """What a service printed."""
        return self.folder.parent / f"{service}.log"

    def stop(self) -> None:
        """SIGTERM as Compose sends it, then whatever is left."""
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            for left in _session(process.pid):
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            process.wait()


def _session(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == leader:
                found.append(process)
    return found


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@pytest.fixture(scope="module")
def stack(repo: Path, python: Path, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All services, healthy, after `init` has ended."""
    provide(REDIS, packages.Host(packages.missing(REDIS), packages.told(), os.geteuid() == 0, (), ()))
    shared = tmp_path_factory.mktemp("compose")
    text, _ = completed("", variables(shared))
    said = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    server = conninfo_to_dict(postgres.url)
    api, health, redis, worker_logs, trigger_logs = _free_ports(5)
    names = {
        "api-server:8080": f"127.0.0.1:{api}",
        "localhost:8080": f"127.0.0.1:{api}",
        "localhost:8974": f"127.0.0.1:{health}",
        "postgres:5432": f"127.0.0.1:{server['port']}",
        "redis:6379": f"127.0.0.1:{redis}",
        "requirepass": f"bind 127.0.0.1\nport {redis}\nrequirepass",
        "redis-cli": f"redis-cli -p {redis}",
        "/opt/opencompass-ops/init.sh": str(repo / "compose/init.sh"),
        "/opt/airflow": str(shared / "airflow"),
        said["SHARED_DIR"]: str(shared / "airflow"),
    }
    extra = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(health),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # in a container it is the only name
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",  # sixteen are for machines with more cores
        "OMP_NUM_THREADS": "1",
    }
    (shared / "airflow").mkdir()
    stack = Stack(ComposeFile.read(repo / "compose.yaml", said), shared / "airflow", python, names, extra, said)
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        try:
            _make_databases(admin, stack, server, repo)
            stack.run("init", "opencompass-ops", "init", str(stack.folder)).check_returncode()
            add_evaluation(stack.folder)
            stack.start("redis")
            _await(stack, "redis")
            done = stack.run("init", *(stack.here(word) for word in stack.file.services["init"]["command"]))
            assert done.returncode == 0, done.stdout + done.stderr
            for service in set(stack.file.airflow()) - {"init"}:
                stack.start(service)
            for service in set(stack.file.airflow()) - {"init"}:
                _await(stack, service)
            yield stack
        finally:
            stack.stop()
            for name in ("airflow", "opencompass"):
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _make_databases(admin: psycopg.Connection, stack: Stack, server: dict[str, str], repo: Path) -> None:
    """As the image of PostgreSQL does: a superuser with a database of its name, then the scripts."""
    told = stack.file.environment("postgres")
    secret = sql.Literal(told["POSTGRES_PASSWORD"])
    admin.execute(sql.SQL("CREATE ROLE airflow SUPERUSER LOGIN PASSWORD {}").format(secret))
    admin.execute("CREATE DATABASE airflow OWNER airflow")
    client = {"PGHOST": server["host"], "PGPORT": server["port"], "PGPASSWORD": told["POSTGRES_PASSWORD"]}
    env = {"PATH": os.environ["PATH"], **told, **client}
    subprocess.run(["bash", repo / "compose/results-database.sh"], env=env, check=True)


def _await(stack: Stack, service: str, timeout: float = 400) -> None:
    deadline = time.monotonic() + timeout
    while not stack.is_healthy(service):
        ended = stack.processes[service].poll()
        said = stack.log(service).read_text(errors="replace")[-3000:]
        assert ended is None, f"{service} ended with {ended}: {said}"
        assert time.monotonic() < deadline, f"{service} is not healthy after {timeout:.0f} s: {said}"
        time.sleep(1)


def test_an_evaluation_goes_through_all_of_it(stack: Stack) -> None:
    url = stack.here("http://localhost:8080")
    rest = AirflowRest(url, stack.said["ADMIN_USER"], stack.said["ADMIN_PASSWORD"])
    rest.wait_for_dag(DAG, timeout=300)
    run = rest.trigger(DAG, {"config": "eval_mine", "cluster": "local"})
    state = rest.wait(DAG, run, timeout=900)
    failed = [(ti["task_id"], ti["state"]) for ti in rest.instances(DAG, run) if ti["state"] == "failed"]
    assert state == "success", failed
    assert "execute_workload" in stack.log("worker").read_text()
    board = stack.run("worker", "opencompass-ops", "leaderboard", "--dataset", "sums")
    assert board.returncode == 0, board.stderr
    assert "tiny" in board.stdout
    assert not list(stack.folder.glob("*.db")), "everything is in PostgreSQL"
    rest.close()


def test_a_wrong_password_is_refused(stack: Stack) -> None:
    rest = AirflowRest(stack.here("http://localhost:8080"), stack.said["ADMIN_USER"], "admin")
    with pytest.raises(Exception, match="401"):
        rest.token()
    rest.close()


def test_starting_it_again_changes_nothing(stack: Stack) -> None:
    done = stack.run("init", *(stack.here(word) for word in stack.file.services["init"]["command"]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"user {stack.said['ADMIN_USER']} is there" in done.stdout


def test_every_setting_and_command_is_known_where_the_extra_is_installed(stack: Stack) -> None:
    names = [name for service in stack.file.airflow() for name in stack.file.environment(service) if "__" in name]
    ask = (
        "import sys; from airflow.configuration import conf; from airflow.providers_manager import ProvidersManager;"
        "ProvidersManager().initialize_providers_configuration();"
        "known = conf.configuration_description;"
        "pairs = [name.removeprefix('AIRFLOW__').lower().split('__') for name in sys.argv[1:]];"
        "print([p for p in pairs if p[1] not in known.get(p[0], {}).get('options', ())])"
    )
    done = stack.run("worker", str(stack.python), "-c", ask, *names)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
    for command in (["celery", "worker"], ["users", "create"]):
        assert stack.run("worker", "airflow", *command, "--help").returncode == 0


def test_a_worker_ends_when_compose_stops_it(stack: Stack) -> None:
    """The last test: it takes the worker away."""
    worker = stack.processes["worker"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0, stack.log("worker").read_text()[-2000:]
