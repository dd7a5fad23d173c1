"""The folder of an embedded Airflow: its settings, its secrets and its migrated database."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USER = "admin"


@dataclass(frozen=True)
class Home:
    """Where an embedded Airflow keeps everything.

    :param folder: AIRFLOW_HOME.
    :param dags: folder with the DAG files.
    :param plugins: folder with the plugin or its shim.
    :param port: of web UI and API, on loopback.
    """

    folder: Path
    dags: Path
    plugins: Path
    port: int

    @property
    def url(self) -> str:
        """Base address of web UI and API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        """Airflow's own settings file; ``AIRFLOW_HOME=... airflow`` on a terminal reads the same one."""
        return self.folder / "airflow.cfg"

    @property
    def local_settings(self) -> Path:
        """What Airflow imports at its start; see ``scripts/local_settings.py``."""
        return self.folder / "config" / "airflow_local_settings.py"

    @property
    def database(self) -> Path:
        """Airflow's SQLite file."""
        return self.folder / "airflow.db"

    @property
    def passwords(self) -> Path:
        """The password file of Airflow's simple auth manager."""
        return self.folder / "passwords.json"

    @property
    def logs(self) -> Path:
        """Logs of the components and of the tasks."""
        return self.folder / "logs"

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """Variables for every component.

        The caller's ``AIRFLOW_*`` variables are dropped: they would win over the settings file. The checkout
        comes first on the path, so that what is tested is what lies here.

        :param extra: added last.
        """
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        paths = [str(ROOT), str(self.plugins), *filter(None, [env.get("PYTHONPATH")])]
        env["AIRFLOW_HOME"] = str(self.folder)
        env["PYTHONPATH"] = os.pathsep.join(paths)
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
        return env | (extra or {})


def prepare(home: Home, cache: Path) -> str:
    """Write settings and secrets, and migrate the database unless it is there.

    :param cache: folder that keeps one empty migrated database per Airflow version; migrating takes about 20 s.
    :returns: the password of user ``admin``.
    """
    home.folder.mkdir(parents=True, exist_ok=True)
    home.logs.mkdir(exist_ok=True)
    known = _secrets(home.folder / "secrets.json")
    _write_private(home.config, _settings(home, known))
    home.local_settings.parent.mkdir(exist_ok=True)
    _write_private(home.local_settings, (Path(__file__).parent / "local_settings.py").read_text())
    _write_private(home.passwords, json.dumps({USER: known["password"]}))
    if not home.database.exists():
        _copy_database(_migrated(cache), home.database)
    return known["password"]


def _secrets(path: Path) -> dict[str, str]:
    """The secrets of this home, made once."""
    if not path.exists():
        fresh = {
            "password": secrets.token_urlsafe(12),
            "jwt_secret": secrets.token_urlsafe(64),
            "api_secret_key": secrets.token_urlsafe(32),
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        _write_private(path, json.dumps(fresh))
    known: dict[str, str] = json.loads(path.read_text())
    return known


def _settings(home: Home, known: dict[str, str]) -> str:
    """The text of airflow.cfg; what is not named here is Airflow's default."""
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": home.dags,
            "plugins_folder": home.plugins,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "parallelism": 8,  # LocalExecutor forks that many idle workers at start
            "fernet_key": known["fernet_key"],
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": home.passwords,
            # falls back to localhost:8080 whatever the port is
            "execution_api_server_url": f"{home.url}/execution/",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home.database}"},
        "api": {
            "host": "127.0.0.1",
            "port": home.port,
            "base_url": home.url,
            "workers": 1,
            "expose_config": False,
            "secret_key": known["api_secret_key"],
        },
        "api_auth": {"jwt_secret": known["jwt_secret"]},
        "dag_processor": {"refresh_interval": 5, "min_file_process_interval": 10},
        "logging": {"base_log_folder": home.logs},
    }
    lines = []
    for section, options in sections.items():
        lines += [f"[{section}]", *(f"{name} = {_escaped(value)}" for name, value in options.items()), ""]
    return "\n".join(lines)


def _escaped(value: object) -> str:
    """``value`` as ConfigParser reads it back."""
    return str(value).replace("%", "%%")


def _write_private(path: Path, text: str) -> None:
    """Replace ``path`` as a whole, readable by its owner only."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    aside.replace(path)


def _migrated(cache: Path) -> Path:
    """An empty database with this Airflow's schema, made once per version."""
    ready = cache / f"airflow-{version('apache-airflow-core')}.db"
    if ready.exists():
        return ready
    cache.mkdir(parents=True, exist_ok=True)
    print("Preparing Airflow's database (once, about 20 s)", flush=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        empty = Path(folder) / "empty"
        scratch = Home(Path(folder), dags=empty, plugins=empty, port=1)
        _write_private(scratch.config, _settings(scratch, _secrets(Path(folder) / "secrets.json")))
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=scratch.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not scratch.database.exists():
            raise RuntimeError(f"airflow db migrate failed ({done.returncode}):\n{(done.stdout + done.stderr)[-2000:]}")
        _copy_database(scratch.database, ready)
    return ready


def _copy_database(source: Path, target: Path) -> None:
    """Copy through SQLite, which includes what is still in the write-ahead log, then rename."""
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(aside)) as new:
        old.backup(new)
    aside.replace(target)
