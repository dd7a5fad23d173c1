"""What a connection id stands for, read as Airflow and its SSH provider read it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters import connections
from opencompass_ops.clusters.connections import SshTarget, resolve, resolve_here, use_resolver
from opencompass_ops.errors import ConfigError

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def described(extra: dict | None = None, **fields) -> SshTarget:
    values = {"host": "login", "port": None, "login": None, "password": None, **fields}
    return SshTarget.from_connection("big", **values, extra=extra or {})


@pytest.fixture
def variable(monkeypatch):
    return lambda value: monkeypatch.setenv("AIRFLOW_CONN_BIG", value)


def test_every_field_of_the_providers_extra_is_read():
    target = described(
        {
            "private_key": "KEY",
            "private_key_passphrase": "sesame",
            "host_key": "ssh-ed25519 AAAA",
            "known_hosts": "/etc/hosts.known",
            "host_proxy_cmd": "nc %h %p",
            "conn_timeout": "7",
            "secrets": {"HF_TOKEN": "hf_1"},
            "compress": True,
        },
        port=2222,
        login="hpc",
        password="word",
    )
    assert target == SshTarget(
        host="login",
        port=2222,
        user="hpc",
        password="word",
        private_key="KEY",
        passphrase="sesame",
        host_key="ssh-ed25519 AAAA",
        known_hosts="/etc/hosts.known",
        proxy_command="nc %h %p",
        timeout=7.0,
        secrets={"HF_TOKEN": "hf_1"},
    )


@pytest.mark.parametrize(("value", "checks"), [(True, False), ("True", False), (False, True), ("", True), (None, True)])
def test_the_host_key_is_checked_unless_the_extra_says_no(value, checks):
    assert described({"no_host_key_check": value}).check_host_key is checks
    assert described().check_host_key is True


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"key_file": "a", "private_key": "b"}, "both key_file and private_key"),
        ({"host_key": "ssh-rsa A", "no_host_key_check": True}, "a host_key and says no_host_key_check"),
        ({"key_file": 1}, "key_file must be a string, not a int"),
        ({"conn_timeout": "soon"}, "conn_timeout must be seconds, not 'soon'"),
        ({"secrets": "HF_TOKEN=canary"}, "secrets must be a dict"),
        ({"secrets": {"a-b": "canary"}}, "'a-b' is no name"),
        ({"secrets": {"A": "canary\0"}}, "the value of A must be"),
        ({"secrets": {"A": ["canary"]}}, "the value of A must be"),
    ],
)
def test_values_that_make_no_target_are_refused_without_showing_secrets(extra, message):
    with pytest.raises(ConfigError, match=f"connection 'big'.*{message}") as caught:
        described(extra)
    assert "canary" not in str(caught.value)


def test_a_connection_without_a_host_is_refused():
    with pytest.raises(ConfigError, match="names no host"):
        described(host="")


def test_secrets_are_not_in_the_repr():
    target = described(
        {"private_key": "canary", "private_key_passphrase": "canary", "secrets": {"A": "canary"}}, password="canary"
    )
    assert "canary" not in repr(target)


@given(user=texts, password=texts, secret=texts)
async def test_json_and_uri_in_the_environment_say_the_same(user, password, secret):
    extra = {"key_file": "/k", "secrets": {"A": secret}}
    as_json = json.dumps({"host": "login", "port": "22", "login": user, "password": password, "extra": extra})
    as_uri = f"ssh://{quote(user, safe='')}:{quote(password, safe='')}@login:22/?__extra__={quote(json.dumps(extra))}"
    expected = SshTarget("login", 22, user, password=password, key_file="/k", secrets={"A": secret})
    for value in (as_json, as_uri):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_BIG", value)
            assert await resolve_here("big") == expected


async def test_the_extra_may_be_json_in_json_and_plain_in_a_uri(variable):
    variable(json.dumps({"conn_type": "ssh", "host": "login", "extra": json.dumps({"key_file": "/k"})}))
    assert (await resolve_here("big")).key_file == "/k"
    variable("ssh://hpc@login?key_file=%2Fk&no_host_key_check=true")
    assert await resolve_here("big") == SshTarget("login", user="hpc", key_file="/k", check_host_key=False)


@pytest.mark.parametrize("value", ["{canary", '{"host": "h", "port": "canary"}', '["canary"]', "ssh://h:canary/"])
async def test_a_variable_that_cannot_be_read_is_refused_without_showing_it(variable, value):
    variable(value)
    with pytest.raises(ConfigError) as caught:
        await resolve_here("big")
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_any_other_id_is_a_host_of_the_ssh_config():
    assert await resolve_here("other") == SshTarget("other")


async def test_another_resolver_can_be_put_in_its_place(monkeypatch):
    async def elsewhere(connection_id: str) -> SshTarget:
        return SshTarget(f"from-airflow-{connection_id}")

    monkeypatch.setattr(connections, "_resolver", connections.resolve_here)  # put back after the test
    use_resolver(elsewhere)
    assert (await resolve("big")).host == "from-airflow-big"


@pytest.mark.parametrize(
    ("target", "where"),
    [
        (SshTarget("login"), "login"),
        (SshTarget("login", 2222), "login:2222"),
        (SshTarget("login", user="hpc"), "hpc@login"),
    ],
)
def test_a_target_says_where_it_is(target, where):
    assert target.where == where
