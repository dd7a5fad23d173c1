"""Airflow connections as the keys of object stores and hubs."""

from __future__ import annotations

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError
from airflow.sdk.log import amask_secret

from opencompass_ops.errors import ConfigError, UnreachableError
from opencompass_ops.series.keys import Keys


async def keys_of(connection_id: str) -> Keys:
    """What a connection of type ``aws`` says; its secrets are masked in logs from now on.

    :raises ConfigError: Airflow knows no such connection.
    :raises UnreachableError: Airflow does not answer.
    """
    try:
        connection: Connection = await BaseHook.aget_connection(connection_id)
        extra = await connection.aextra_dejson()
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"Airflow has no connection {connection_id!r}; add one of type aws, see docs/series.md"
        ) from error
    except (AirflowException, AirflowRuntimeError, OSError) as error:
        raise UnreachableError(f"Airflow does not say what connection {connection_id!r} is: {error}") from error
    keys = Keys.from_connection(host=connection.host, login=connection.login, password=connection.password, extra=extra)
    for secret in (keys.secret, keys.token):
        if secret:
            await amask_secret(secret)
    return keys
