"""How a cluster's login node is reached: what a connection id stands for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from opencompass_ops.errors import ConfigError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class SshTarget:
    """A login node and how to get in; what is None comes from ``~/.ssh/config`` or is OpenSSH's default.

    :param host: a host name, or a ``Host`` of ``~/.ssh/config``.
    :param key_file: path of a private key on this host.
    :param private_key: the key itself.
    :param passphrase: of either key.
    :param host_key: ``TYPE BASE64`` of the only host key that is accepted.
    :param known_hosts: path of a file with known host keys.
    :param check_host_key: False accepts whoever answers.
    :param proxy_command: makes the connection in place of TCP; ``%h``, ``%p`` and ``%r`` stand for host, port and user.
    :param timeout: seconds until an attempt to connect has failed.
    :param secrets: variables for the environment of jobs, e.g. ``HF_TOKEN``.
    """

    host: str
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    key_file: str | None = None
    private_key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    host_key: str | None = None
    known_hosts: str | None = None
    check_host_key: bool = True
    proxy_command: str | None = None
    timeout: float = 30.0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> str:
        """``user@host:port``, as far as it is said here."""
        return f"{self.user}@" * bool(self.user) + self.host + f":{self.port}" * bool(self.port)

    @classmethod
    def from_connection(
        cls,
        connection_id: str,
        *,
        host: str | None,
        port: int | None,
        login: str | None,
        password: str | None,
        extra: Mapping[str, Any],
    ) -> SshTarget:
        """The target that the fields of an Airflow connection describe.

        :param extra: as apache-airflow-providers-ssh reads it (``key_file``, ``private_key``,
            ``private_key_passphrase``, ``host_key``, ``no_host_key_check``, ``known_hosts``, ``conn_timeout``),
            and ``host_proxy_cmd`` and ``secrets``.
        :raises ConfigError: a value is missing, contradicts another one or has the wrong type.
        """
        where = f"connection {connection_id!r}"
        if not host:
            raise ConfigError(f"{where} names no host; fill in the host of the cluster's login node")
        if extra.get("key_file") and extra.get("private_key"):
            raise ConfigError(f"{where}: extra has both key_file and private_key; remove one of them")
        if extra.get("host_key") and _flag(extra, "no_host_key_check"):
            raise ConfigError(f"{where}: extra has a host_key and says no_host_key_check; remove one of them")
        return cls(
            host=host,
            port=port or None,
            user=login or None,
            password=password or None,
            key_file=_text(where, extra, "key_file"),
            private_key=_text(where, extra, "private_key"),
            passphrase=_text(where, extra, "private_key_passphrase") or _text(where, extra, "passphrase"),
            host_key=_text(where, extra, "host_key"),
            known_hosts=_text(where, extra, "known_hosts"),
            check_host_key=not _flag(extra, "no_host_key_check"),
            proxy_command=_text(where, extra, "host_proxy_cmd"),
            timeout=_seconds(where, extra, "conn_timeout", cls.timeout),
            secrets=_secrets(where, extra.get("secrets") or {}),
        )


Resolver = Callable[[str], Awaitable[SshTarget]]


async def resolve_here(connection_id: str) -> SshTarget:
    """What the environment variable ``AIRFLOW_CONN_ID`` says, as JSON or URI, else a host of ``~/.ssh/config``.

    :raises ConfigError: the variable cannot be read.
    """
    value = os.environ.get(variable(connection_id))
    return read(connection_id, value) if value else SshTarget(connection_id)


def variable(connection_id: str) -> str:
    """Where Airflow looks for a connection first."""
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def read(connection_id: str, value: str) -> SshTarget:
    """The login node that the text of an Airflow connection describes.

    :param value: JSON or a URI, as such a variable holds it.
    :raises ConfigError: it is neither, or makes no target.
    """
    known = fields(connection_id, value)
    del known["schema"]
    return SshTarget.from_connection(connection_id, **known)


def fields(connection_id: str, value: str) -> dict[str, Any]:
    """``host``, ``port``, ``login``, ``password``, ``schema`` and the dict ``extra`` of an Airflow connection's text.

    :param value: JSON or a URI.
    :raises ConfigError: it is neither; the message does not repeat it.
    """
    return _from_json(connection_id, value) if value.lstrip().startswith("{") else _from_uri(connection_id, value)


_resolver: Resolver = resolve_here


def use_resolver(resolver: Resolver) -> None:
    """Let ``resolver`` say what connection ids stand for, in this whole process."""
    global _resolver
    _resolver = resolver


async def resolve(connection_id: str) -> SshTarget:
    """What a connection id stands for now; asked again for every new connection.

    :raises ConfigError: the connection's values make no target.
    :raises UnreachableError: whoever keeps the connections does not answer.
    """
    return await _resolver(connection_id)


def _from_json(connection_id: str, value: str) -> dict[str, Any]:
    try:
        fields = json.loads(value)
        extra = fields.get("extra") or {}
        port = fields.get("port")
        return {
            "host": fields.get("host"),
            "port": int(port) if port else None,
            "login": fields.get("login"),
            "password": fields.get("password"),
            "schema": fields.get("schema"),
            "extra": json.loads(extra) if isinstance(extra, str) else extra,
        }
    except (ValueError, TypeError):
        raise _unreadable(connection_id, "JSON") from None  # the value holds secrets


def _from_uri(connection_id: str, value: str) -> dict[str, Any]:
    try:
        parts = urlsplit(value)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return {
            "host": unquote(parts.hostname or ""),
            "port": parts.port,
            "login": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "schema": unquote(parts.path.lstrip("/")),
            "extra": json.loads(query["__extra__"]) if "__extra__" in query else query,
        }
    except ValueError:
        raise _unreadable(connection_id, "a URI") from None


def _unreadable(connection_id: str, form: str) -> ConfigError:
    return ConfigError(
        f"{variable(connection_id)} looks like {form}, but cannot be read as an Airflow connection; "
        "`airflow connections export` shows the form"
    )


def _flag(extra: Mapping[str, Any], name: str) -> bool:
    return str(extra.get(name)).lower() == "true"


def _text(where: str, extra: Mapping[str, Any], name: str) -> str | None:
    value = extra.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{where}: extra's {name} must be a string, not a {type(value).__name__}")
    return value or None


def _seconds(where: str, extra: Mapping[str, Any], name: str, default: float) -> float:
    try:
        return float(extra.get(name) or default)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: extra's {name} must be seconds, not {extra[name]!r}") from None


def _secrets(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: extra's secrets must be a dict of environment variables")
    for name, secret in value.items():
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise ConfigError(f"{where}: extra's secrets: {name!r} is no name of an environment variable")
        if not isinstance(secret, str) or "\0" in secret:
            raise ConfigError(f"{where}: extra's secrets: the value of {name} must be a string without NUL")
    return dict(value)
