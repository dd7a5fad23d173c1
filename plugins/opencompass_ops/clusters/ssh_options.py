"""What asyncssh is told about a login node, and what its errors mean to people."""

from __future__ import annotations

import logging
import re
import shlex
import socket
from typing import Any

import asyncssh

from opencompass_ops.clusters.connections import SshTarget
from opencompass_ops.errors import ConfigError, OpsError, UnreachableError

log = logging.getLogger(__name__)

_KEEPALIVE_SECONDS = 30


def options(target: SshTarget) -> dict[str, Any]:
    """Arguments for :func:`asyncssh.connect` beside the host; what is absent comes from ``~/.ssh/config``.

    :raises ConfigError: a key of the connection's extra cannot be read.
    """
    given = {
        "port": target.port,
        "username": target.user,
        "password": target.password,
        "passphrase": target.passphrase,
        "proxy_command": _proxy_command(target),
        "client_keys": _client_keys(target),
    }
    return {
        **{name: value for name, value in given.items() if value is not None},
        **_known_hosts(target),
        "connect_timeout": target.timeout,
        "keepalive_interval": _KEEPALIVE_SECONDS,
        # A config made for people must not change what the stream carries.
        "request_pty": False,
        "agent_forwarding": False,
    }


def explained(name: str, target: SshTarget, error: Exception) -> OpsError:
    """The error of an attempt to connect, with the next step."""
    where = f"{name} ({target.where})"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return UnreachableError(f"{where}: {error.reason}. {_host_key_step(target)}")
        case asyncssh.PermissionDenied():
            return UnreachableError(f"{where}: {error.reason}, with {_credentials(target)}. {_LOGIN_STEP}")
        case asyncssh.KeyEncryptionError() | asyncssh.KeyImportError():
            return ConfigError(f"{where}: the private key cannot be read: {error}; is private_key_passphrase right?")
        case TimeoutError():
            return UnreachableError(f"{where}: no connection within {target.timeout:g} s; is a firewall in between?")
        case socket.gaierror():
            return UnreachableError(
                f"{where}: no host of this name is known ({error.strerror}); define the Airflow connection {name!r}, "
                "the variable AIRFLOW_CONN_... or a Host in ~/.ssh/config"
            )
        case ConnectionRefusedError():
            return UnreachableError(f"{where}: nobody listens there: {error}; check host and port")
        case asyncssh.ConnectionLost() | ConnectionError() if target.proxy_command:
            return UnreachableError(f"{where}: the proxy command {target.proxy_command!r} ended; try it by hand")
        case asyncssh.ConnectionLost() | ConnectionError():
            return UnreachableError(
                f"{where}: the server ended the connection before the login: {error}; it does so when too many come "
                "at once (MaxStartups), or when it has banned this address"
            )
        case asyncssh.DisconnectError():
            return UnreachableError(f"{where}: {error.reason}")
        case _:
            return UnreachableError(f"{where}: {error}")


_LOGIN_STEP = "Log in by hand with the same user and key from the triggerer's host, then compare"


def _client_keys(target: SshTarget) -> list[Any] | None:
    if target.private_key:
        try:
            return [asyncssh.import_private_key(target.private_key, target.passphrase)]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise ConfigError(
                f"{target.where}: private_key of the connection's extra cannot be read: {error}; "
                "it must be the whole text of the key file, line ends included"
            ) from error
    return [target.key_file] if target.key_file else None


def _proxy_command(target: SshTarget) -> list[str] | None:
    """The words of the command; asyncssh expands ``%h`` only in ``~/.ssh/config``, and neither runs a shell."""
    if not target.proxy_command:
        return None
    values = {"%h": target.host, "%p": str(target.port or 22), "%r": target.user or "", "%%": "%"}
    return [re.sub("%[hpr%]", lambda found: values[found[0]], word) for word in shlex.split(target.proxy_command)]


def _known_hosts(target: SshTarget) -> dict[str, Any]:
    if not target.check_host_key:
        log.warning("%s: the host key is not checked (no_host_key_check); whoever answers is trusted", target.where)
        return {"known_hosts": None}
    if target.host_key:
        return {"known_hosts": ([_public_key(target.host_key)], [], [])}
    return {"known_hosts": target.known_hosts} if target.known_hosts else {}


def _public_key(text: str) -> asyncssh.SSHKey:
    words = text.split()
    # A bare key is RSA, as apache-airflow-providers-ssh has it.
    line = " ".join(words[:2]) if len(words) > 1 else f"ssh-rsa {text.strip()}"
    try:
        return asyncssh.import_public_key(line)
    except asyncssh.KeyImportError as error:
        raise ConfigError(
            f"host_key {text!r} of the connection's extra cannot be read: {error}; it is TYPE BASE64, "
            "as ssh-keyscan prints it after the host's name"
        ) from error


def _host_key_step(target: SshTarget) -> str:
    if target.host_key:
        return "It differs from host_key in the connection's extra; ask the site whether its key was changed"
    file = target.known_hosts or "~/.ssh/known_hosts"
    port = f"-p {target.port} " if target.port else ""
    return (
        f"Compare `ssh-keyscan {port}{target.host}` with what the site publishes, then append it to {file} on the "
        "triggerer's host or put TYPE BASE64 into the connection's extra as host_key"
    )


def _credentials(target: SshTarget) -> str:
    if target.private_key:
        return "private_key of the connection's extra"
    if target.key_file:
        return f"key_file {target.key_file}"
    return "the connection's password" if target.password else "the keys of ~/.ssh and of the agent"
