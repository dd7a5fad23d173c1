"""Clusters find their login nodes through Airflow, and what is secret there is masked."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from opencompass_ops.clusters import connections
from opencompass_ops.clusters.connections import SshTarget
from opencompass_ops.errors import ConfigError, UnreachableError

pytestmark = pytest.mark.airflow

CONNECTION = {
    "conn_type": "ssh",
    "host": "login",
    "port": 2222,
    "login": "hpc",
    "password": "canary-password",
    "extra": {"private_key": "canary-key", "host_key": "ssh-ed25519 AAAA", "secrets": {"LICENCE": "canary-licence"}},
}


async def test_an_airflow_connection_is_a_login_node_and_its_secrets_are_masked(monkeypatch):
    from airflow.sdk.log import redact

    from opencompass_ops.hooks.connections import resolve

    monkeypatch.setenv("AIRFLOW_CONN_HOOK_TEST", json.dumps(CONNECTION))
    target = await resolve("hook_test")
    assert target == SshTarget(
        "login",
        2222,
        "hpc",
        password="canary-password",
        private_key="canary-key",
        host_key="ssh-ed25519 AAAA",
        secrets={"LICENCE": "canary-licence"},
    )
    assert redact("said canary-password, canary-key and canary-licence") == "said ***, *** and ***"


async def test_an_id_that_airflow_does_not_know_is_a_host_of_the_ssh_config():
    from opencompass_ops.hooks.connections import resolve

    assert await resolve("no-such-connection") == SshTarget("no-such-connection")


async def test_a_connection_with_wrong_values_is_refused(monkeypatch):
    from opencompass_ops.hooks.connections import resolve

    monkeypatch.setenv("AIRFLOW_CONN_HOOK_WRONG", json.dumps({"conn_type": "ssh", "login": "hpc"}))
    with pytest.raises(ConfigError, match="names no host"):
        await resolve("hook_wrong")


async def test_an_airflow_that_does_not_answer_is_no_evidence(monkeypatch):
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowRuntimeError

    from opencompass_ops.hooks.connections import resolve

    async def fails(_connection_id: str) -> None:
        raise AirflowRuntimeError(SimpleNamespace(error=SimpleNamespace(value="API_SERVER_ERROR"), detail="500"))

    monkeypatch.setattr(BaseHook, "aget_connection", fails)
    with pytest.raises(UnreachableError, match=r"connection 'big'.*500"):
        await resolve("big")


async def test_installing_lets_clusters_ask_airflow(monkeypatch):
    from opencompass_ops.hooks.connections import install

    monkeypatch.setattr(connections, "_resolver", connections.resolve_here)  # put back after the test
    monkeypatch.setenv("AIRFLOW_CONN_HOOK_TEST", json.dumps(CONNECTION | {"host": "from-airflow"}))
    install()
    install()
    assert (await connections.resolve("hook_test")).host == "from-airflow"
