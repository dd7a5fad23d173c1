"""The examples of docs/connections.md, read by Airflow and by us."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from opencompass_ops.clusters.connections import SshTarget, read

pytestmark = pytest.mark.airflow

DOCS = Path(__file__).parents[2] / "docs"
READ_BY_OURS = {
    "key_file", "private_key", "private_key_passphrase", "host_key", "known_hosts", "no_host_key_check",
    "host_proxy_cmd", "conn_timeout", "secrets",
}  # fmt: skip


def _examples() -> dict[str, str]:
    """Variable -> value of every ``export AIRFLOW_CONN_...`` in the page, as a shell would set it."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / "connections.md").read_text(), re.MULTILINE | re.DOTALL)
    words = [word for block in blocks for word in shlex.split(block)]
    return dict(word.split("=", 1) for word in words if word.startswith("AIRFLOW_CONN_"))


EXAMPLES = _examples()


def test_there_is_one_for_each_kind_of_login_and_for_the_results() -> None:
    assert len(EXAMPLES) >= 5
    assert "AIRFLOW_CONN_OPENCOMPASS_RESULTS" in EXAMPLES


@pytest.fixture
def connection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    """What Airflow makes of the variable."""
    from airflow.sdk import BaseHook

    name = request.param
    monkeypatch.setenv(name, EXAMPLES[name])
    return BaseHook.get_connection(name.removeprefix("AIRFLOW_CONN_").lower())


@pytest.mark.parametrize("connection", EXAMPLES, indirect=True)
def test_airflow_reads_it_and_has_its_type(connection: object) -> None:
    from airflow.providers_manager import ProvidersManager

    assert connection.host
    # The results database is read as a URL, without the provider of its type.
    known = {*ProvidersManager().hooks, "postgres"}
    assert connection.conn_type in known


@pytest.mark.parametrize("connection", [name for name, text in EXAMPLES.items() if '"ssh"' in text], indirect=True)
def test_we_read_a_login_as_airflow_does_and_know_every_field(connection: object) -> None:
    name = f"AIRFLOW_CONN_{connection.conn_id.upper()}"
    ours = read(connection.conn_id, EXAMPLES[name])
    theirs = SshTarget.from_connection(
        connection.conn_id,
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=connection.extra_dejson,
    )
    assert ours == theirs
    assert set(connection.extra_dejson) <= READ_BY_OURS
    if key := ours.private_key:
        assert key.splitlines()[0] == "-----BEGIN OPENSSH PRIVATE KEY-----", "line breaks came through"


@pytest.mark.parametrize("connection", ["AIRFLOW_CONN_OPENCOMPASS_RESULTS"], indirect=True)
def test_the_results_are_where_the_example_says(connection: object) -> None:
    from opencompass_ops.hooks.results import results_url

    assert results_url() == "postgresql://opencompass:...@postgres.example.org:5432/opencompass"


def test_the_chats_are_where_the_examples_say(monkeypatch: pytest.MonkeyPatch) -> None:
    from opencompass_ops.hooks.channels import channels

    for name in ("AIRFLOW_CONN_OPENCOMPASS_LARK", "AIRFLOW_CONN_OPENCOMPASS_SLACK"):
        monkeypatch.setenv(name, EXAMPLES[name])
    said: list[str] = []
    lark, slack = channels(said.append)
    assert lark.url == "https://open.feishu.cn/open-apis/bot/v2/hook/01234567-89ab-cdef-0123-456789abcdef"
    assert slack.url == "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
    assert (lark.language, {event.value for event in lark.events}, said) == ("zh", {"failure", "gate"}, [])


def test_the_page_init_prints_has_an_example_that_can_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from opencompass_ops.cli import main

    main(["init", str(tmp_path / "project")])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "AIRFLOW_CONN_HPC=" in line)
    (_, export) = shlex.split(line)
    assert read("hpc", export.split("=", 1)[1]).host == "login.example.org"


@pytest.mark.parametrize("page", ["installation.md", "connections.md"])
def test_every_variable_of_the_page_is_one_that_something_reads(page: str) -> None:
    named = set(re.findall(r"OPENCOMPASS_OPS_[A-Z_]+[A-Z]", (DOCS / page).read_text()))
    root = DOCS.parent
    sources = "".join(file.read_text() for file in [*(root / "plugins").rglob("*.py"), root / "compose.yaml"])
    assert named
    assert [name for name in named if name not in sources] == []
