"""Connections as chats, and which chat wants what."""

from __future__ import annotations

import pytest
from airflow.models import Connection

from opencompass_ops.errors import ConfigError
from opencompass_ops.messages.channels import Channel, configured_channel, lark_channel, slack_channel, slack_url
from opencompass_ops.messages.digest import Digest, Gate, Kind


def lark(password: str | None = "abcd-1234", host: str | None = None, **extra: object) -> Channel:
    return lark_channel("opencompass_lark", host=host, password=password, extra=extra)


@pytest.mark.parametrize(
    ("host", "password", "url"),
    [
        (None, "abcd-1234", "https://open.feishu.cn/open-apis/bot/v2/hook/abcd-1234"),
        ("open.larksuite.com", "abcd-1234", "https://open.larksuite.com/open-apis/bot/v2/hook/abcd-1234"),
        ("https://relay.corp/lark/", "abcd-1234", "https://relay.corp/lark/abcd-1234"),
        ("http://127.0.0.1:80", "abcd-1234", "http://127.0.0.1:80/open-apis/bot/v2/hook/abcd-1234"),
        ("ignored", "https://open.feishu.cn/x/abcd", "https://open.feishu.cn/x/abcd"),
    ],
)
def test_the_address_is_server_and_token_or_all_of_it_in_the_password(host, password, url):
    assert lark(password, host).url == url


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"language": "fr"}, "language 'fr' is none of en, zh"),
        ({"events": "start, sucess"}, "events 'sucess' is none of start, success, failure, gate, hang, budget"),
        ({"format": "html"}, "format 'html' is none of card, opencompass"),
        ({"secret": 3}, "secret must be a text"),
    ],
)
def test_a_wrong_value_is_named(extra, said):
    with pytest.raises(ConfigError, match=said):
        lark(**extra)


@pytest.mark.parametrize("password", [None, "", "  "])
def test_a_connection_without_its_token_says_so(password):
    with pytest.raises(ConfigError, match="has no password"):
        lark(password)
    with pytest.raises(ConfigError, match="has no password"):
        slack_url("opencompass_slack", schema=None, host=None, password=password)


def test_an_address_that_is_none_is_refused_without_repeating_it():
    for make in (lambda: lark("ftp://secret-host/x"), lambda: configured_channel("secret-thing")):
        with pytest.raises(ConfigError) as refusal:
            make()
        assert "secret" not in str(refusal.value)


def test_no_secret_is_in_the_repr():
    channel = lark(secret="s3cret", proxy="http://u:p@proxy:3128")
    assert not [word for word in ("abcd-1234", "s3cret", "u:p") if word in repr(channel)]
    assert set(channel.secrets) == {channel.url, "abcd-1234", "s3cret"}


@pytest.mark.airflow
@pytest.mark.parametrize("fields", [{}, {"host": "hooks.slack.com/services"}, {"schema": "http", "host": "proxy/x"}])
def test_the_slack_address_is_that_of_the_provider_s_hook(fields, monkeypatch: pytest.MonkeyPatch):
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    for password in ("T0/B0/xyz", "/T0/B0/xyz", "https://hooks.slack.com/services/T0/B0/xyz"):
        connection = Connection(conn_id="opencompass_slack", conn_type="slackwebhook", password=password, **fields)
        monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_SLACK", connection.as_json())
        ours = slack_url("s", schema=connection.schema, host=connection.host, password=connection.password)
        assert ours == SlackWebhookHook(slack_webhook_conn_id="opencompass_slack").get_conn().url


GOOD = Digest(Kind.SUCCESS, "n", "r")
BAD = Digest(Kind.FAILURE, "n", "r")
START = Digest(Kind.START, "n", "r")
FAILED_GATE = Digest(Kind.SUCCESS, "n", "r", gate=Gate("fail"))
HANG = Digest(Kind.HANG, "n", "r")


@pytest.mark.parametrize("digest", [GOOD, BAD, START, FAILED_GATE, HANG])
def test_a_chat_is_silent_unless_somebody_asks(digest: Digest):
    assert not lark().wants(digest, asked=False, scheduled=False)
    assert lark().wants(digest, asked=True, scheduled=False)


def test_bad_news_of_scheduled_runs_is_always_told_and_good_news_is_not():
    wanted = [d for d in (GOOD, BAD, START, FAILED_GATE, HANG) if lark().wants(d, asked=False, scheduled=True)]
    assert wanted == [BAD, FAILED_GATE, HANG]


def test_a_connection_names_what_it_is_told_of_every_run():
    channel = slack_channel("opencompass_slack", "https://hooks.slack.com/services/x", {"events": "start, gate"})
    wanted = [d for d in (GOOD, BAD, START, FAILED_GATE) if channel.wants(d, asked=False, scheduled=False)]
    assert wanted == [START, FAILED_GATE]
