"""A real PostgreSQL for tests: one server per session, a fresh database for each test.

Take the fixture ``postgres_url`` for the URL of an empty database of your own, ``database_url`` for one of SQLite and
one of PostgreSQL in turn, and ``postgres`` for the server, whose
``database()`` gives as many as a test needs. The server comes from Debian's package, listens on loopback only, asks for
a password, and ends with the session, however that ends. ``$OPENCOMPASS_OPS_TEST_POSTGRES_URL`` names a server of your
own instead, by a role that may create databases.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from cluster import packages
from cluster.fixtures import provide

GIVEN = "OPENCOMPASS_OPS_TEST_POSTGRES_URL"
PACKAGES = {"postgresql": ("usr/lib/postgresql/*/bin/initdb",)}
PLACE = Path("/tmp")  # pytest's own folders are closed to other users
PREFIX = "opencompass-ops-postgres-"
ROLE, USER = "ops", "nobody"
PORTS = 3
START_SECONDS = 60
# What a test writes need not survive the machine.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "50",
}


class Postgres:
    """A running server.

    :param url: of its database ``postgres``, by a role that may create databases.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database, which goes with the context."""
        name = f"ops_{secrets.token_hex(6)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self._at(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _at(self, name: str) -> str:
        place, mark, options = self.url.partition("?")
        return f"{place.rpartition('/')[0]}/{name}{mark}{options}"

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's server; without Debian's package it skips and says what to install."""
    if given := os.environ.get(GIVEN):
        yield Postgres(given)
        return
    provide(PACKAGES, _look())
    _sweep()
    with _serve() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    return str(request.getfixturevalue("postgres_url"))


def _look() -> packages.Host:
    """This host as far as PostgreSQL goes: its package brings a server of its own beside others, and starts none."""
    return packages.Host(packages.missing(PACKAGES), packages.told(), os.geteuid() == 0, configured=(), running=())


@contextmanager
def _serve() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=PLACE))
    try:
        password = secrets.token_hex(16)
        _make(folder, password)
        with _started(folder) as port:
            yield Postgres(f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/postgres")
    finally:
        shutil.rmtree(folder)


def _make(folder: Path, password: str) -> None:
    """An empty cluster of databases whose one role needs the password."""
    secret = folder / "password"
    secret.write_text(password)
    if os.geteuid() == 0:
        for path in (folder, secret):
            shutil.chown(path, USER)
    where = ["-D", str(folder / "data"), "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
    whose = [f"--username={ROLE}", f"--pwfile={secret}", "--auth=scram-sha-256"]
    subprocess.run([*_unprivileged(), _program("initdb"), *where, *whose], check=True, capture_output=True, cwd="/")
    secret.unlink()


@contextmanager
def _started(folder: Path) -> Iterator[int]:
    """The server on a free port; another process may take the port first, so it is tried again."""
    for _ in range(PORTS):
        port = _free_port()
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [*_unprivileged(), _program("postgres"), "-D", str(folder / "data"), "-p", str(port), *options]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            if _answers(process, port):
                yield port
                return
        finally:
            _end(process)
    raise RuntimeError(f"PostgreSQL does not start: {(folder / 'log').read_text()[-2000:]}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server accepts connections; False when it ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(f"postgresql://{ROLE}@127.0.0.1:{port}/postgres", password="none").close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                return True
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)  # its immediate shutdown: nothing is kept
        with suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
    process.kill()
    process.wait()


def _unprivileged() -> list[str]:
    """Run as a plain user, as PostgreSQL demands, and end with whoever started it."""
    whose = ["--reuid", USER, "--regid", str(pwd.getpwnam(USER).pw_gid), "--clear-groups"]
    return ["setpriv", "--pdeathsig", "QUIT", *(whose if os.geteuid() == 0 else [])]


def _program(name: str) -> str:
    """The newest release's: Debian keeps each in a folder of its own, off the PATH."""
    (*_, newest) = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(newest)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sweep() -> None:
    """Remove what killed sessions left; their servers ended with them."""
    for folder in PLACE.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
