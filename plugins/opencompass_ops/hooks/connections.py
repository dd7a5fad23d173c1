"""Airflow connections as the clusters' login nodes."""

from __future__ import annotations

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError
from airflow.sdk.log import amask_secret

from opencompass_ops.clusters.connections import SshTarget, resolve_here, use_resolver
from opencompass_ops.errors import UnreachableError


def install() -> None:
    """Let clusters of this process find their login nodes through Airflow; more than once is no harm."""
    use_resolver(resolve)


async def resolve(connection_id: str) -> SshTarget:
    """The login node that an Airflow connection describes; its secrets are masked in logs from now on.

    An id that Airflow does not know is a host of ``~/.ssh/config``.

    :raises ConfigError: the connection's values make no target.
    :raises UnreachableError: Airflow does not answer.
    """
    try:
        connection: Connection = await BaseHook.aget_connection(connection_id)
        extra = await connection.aextra_dejson()
    except AirflowNotFoundException:
        return await resolve_here(connection_id)
    except (AirflowException, AirflowRuntimeError, OSError) as error:
        raise UnreachableError(f"Airflow does not say what connection {connection_id!r} is: {error}") from error
    target = SshTarget.from_connection(
        connection_id,
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=extra,
    )
    for secret in (target.password, target.private_key, target.passphrase, *target.secrets.values()):
        if secret:
            await amask_secret(secret)
    return target
