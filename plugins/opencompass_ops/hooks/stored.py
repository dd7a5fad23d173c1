"""Airflow's connections for a program that is no task, such as the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from opencompass_ops.clusters.connections import SshTarget, fields, read, resolve_here, variable
from opencompass_ops.errors import ConfigError, UnreachableError
from opencompass_ops.series.keys import Keys

NOT_FOUND = "Connection not found"
"""What Airflow's command line says of an id that neither a secrets backend nor the database knows."""
DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
"""With ``_CMD`` or ``_SECRET`` behind it, or without: how an Airflow without a settings file names its database."""


async def resolve(connection_id: str) -> SshTarget:
    """What a task would be told: the environment's variable, then Airflow's secrets backends and database.

    An id that none of them knows is a host of ``~/.ssh/config``, and so is every id where no Airflow is set up.

    :raises ConfigError: the connection's values make no target.
    :raises UnreachableError: Airflow does not say, e.g. because its database is away.
    """
    known = await value(connection_id)
    return read(connection_id, known) if known else await resolve_here(connection_id)


async def keys_of(connection_id: str) -> Keys:
    """The keys of an object store or a hub that a connection says, looked for in the same places.

    :raises ConfigError: nobody knows it.
    :raises UnreachableError: Airflow does not say.
    """
    text = await value(connection_id)
    if text is None:
        raise ConfigError(
            f"there is no connection {connection_id!r}; add one of type aws, or set {variable(connection_id)}"
        )
    known = fields(connection_id, text)
    return Keys.from_connection(**{name: known[name] for name in ("host", "login", "password", "extra")})


async def value(connection_id: str) -> str | None:
    """The connection's text, as JSON or a URI; None when nobody knows it, or no Airflow is set up.

    :raises UnreachableError: Airflow does not say.
    """
    if variable(connection_id) in os.environ or not is_set_up():
        return os.environ.get(variable(connection_id))
    # Only Airflow's own processes may open its database (Airflow 3); its command line is the documented way.
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "airflow", "connections", "get", connection_id, "--output", "json"),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await asked.communicate()
    if asked.returncode == 0:
        return _value(stdout)
    said = stderr.decode(errors="replace").strip()
    if NOT_FOUND in said:
        return None
    last = said.splitlines()[-1:] or [f"`airflow connections get` ended with {asked.returncode}"]
    raise UnreachableError(f"Airflow does not say what connection {connection_id!r} is: {last[0]}")


def is_set_up() -> bool:
    """Whether this user has an Airflow; asking where there is none would make one, in ``~/airflow``."""
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    return (home / "airflow.cfg").exists() or any(name.startswith(DATABASE) for name in os.environ)


def _value(stdout: bytes) -> str:
    """The answer as a connection's variable would have it."""
    (entry,) = json.loads(stdout[stdout.index(b"[") :])
    return json.dumps({**entry, "extra": entry["extra_dejson"]})
