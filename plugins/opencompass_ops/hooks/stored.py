"""Airflow's connections for a program that is no task, such as the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from opencompass_ops.clusters.connections import SshTarget, read, resolve_here, variable
from opencompass_ops.errors import UnreachableError

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
    if variable(connection_id) in os.environ or not is_set_up():
        return await resolve_here(connection_id)
    # Only Airflow's own processes may open its database (Airflow 3); its command line is the documented way.
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "airflow", "connections", "get", connection_id, "--output", "json"),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await asked.communicate()
    if asked.returncode == 0:
        return read(connection_id, _value(stdout))
    said = stderr.decode(errors="replace").strip()
    if NOT_FOUND in said:
        return await resolve_here(connection_id)
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
