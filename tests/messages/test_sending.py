"""One message to a service that speaks its documented protocol, and to one that does not feel like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chat_servers import CUT, SILENCE, ChatServer, Reply, chat_server, lark_error
from opencompass_ops.messages import transport
from opencompass_ops.messages.answers import Answer
from opencompass_ops.messages.channels import Channel, lark_channel, slack_channel
from opencompass_ops.messages.lark import Lark, sign
from opencompass_ops.messages.message import Line, Message, Tone
from opencompass_ops.messages.sending import Clock, Outcome
from opencompass_ops.messages.telling import deliver, render

MESSAGE = Message("Evaluation failed: eval_tiny", Tone.BAD, (Line("3 x <at id=all></at> *boom* [x](y)", "Failed"),))
Make = Callable[[ChatServer], Channel]


def lark(chat: ChatServer) -> Channel:
    return lark_channel("opencompass_lark", host=chat.address, password=chat.token, extra={"secret": chat.secret})


def slack(chat: ChatServer) -> Channel:
    return slack_channel("opencompass_slack", chat.slack_url, {})


class Fast:
    """A clock whose sleeping costs nothing and is remembered."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._started = Clock().now()

    def clock(self) -> Clock:
        return Clock(now=self._now, sleep=self.slept.append, jitter=lambda: 1.0, reserve=lambda *a, **k: 0.0)

    def _now(self) -> float:
        return self._started + sum(self.slept)


def sent(channel: Channel, fast: Fast | None = None, seconds: float = 60) -> Outcome:
    return deliver(channel, render(MESSAGE, channel), seconds=seconds, clock=(fast or Fast()).clock())


BOTH = pytest.mark.parametrize("make", [lark, slack])


@BOTH
def test_a_message_is_delivered_once_and_at_the_first_try(chat: ChatServer, make: Make):
    assert sent(make(chat)) == Outcome(delivered=True, tries=1)
    assert len(chat.taken) == 1
    assert "eval_tiny" in chat.texts[0]


def test_a_name_formats_nothing_and_mentions_nobody(chat: ChatServer):
    sent(lark(chat))
    sent(slack(chat))
    card, blocks = chat.texts
    assert "<at" not in card
    assert "&#60;at id=all&#62;" in card
    assert "[x](y)" not in card
    assert "&lt;at id=all&gt;" in blocks


def test_the_signature_is_that_of_the_guide():
    assert sign("1599360473", "demo") == "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="


def test_a_signed_message_is_taken_by_a_bot_that_checks(tmp_path):
    with chat_server(secret="demo") as chat:
        assert sent(lark(chat)).delivered
        wrong = sent(replace(lark(chat), secret="other"))
        unsigned = sent(replace(lark(chat), secret=""))
    assert len(chat.taken) == 1
    for outcome in (wrong, unsigned):
        assert (outcome.delivered, outcome.tries) == (False, 1)
        assert "19021" in outcome.reason
        assert "secret" in outcome.reason


def test_an_error_in_an_answer_with_http_200_is_no_delivery(chat: ChatServer):
    chat.faults = [lark_error(19024, "Key Words Not Found")]
    outcome = sent(lark(chat))
    assert (outcome.delivered, outcome.tries) == (False, 1)
    assert "keyword" in outcome.reason


@pytest.mark.parametrize(
    "fault",
    [
        lark_error(11232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]"),
        lark_error(11232, "create message trigger rate limit", 400),
        lark_error(230020, "chat rate limit", 400),
        Reply(500, "Internal Server Error"),
        Reply(502, "<html>bad gateway</html>"),
        CUT,
    ],
)
def test_what_passes_is_tried_again_with_growing_pauses(chat: ChatServer, fault):
    chat.faults = [fault, fault, fault]
    fast = Fast()
    assert sent(lark(chat), fast) == Outcome(delivered=True, tries=4)
    assert fast.slept == [0, 1, 2, 4]


def test_the_gateway_says_how_long_to_wait(chat: ChatServer):
    limited = {"code": 99991400, "msg": "request trigger frequency limit"}
    chat.faults = [Reply(429, limited, {"x-ogw-ratelimit-reset": "17"})]
    fast = Fast()
    assert sent(lark(chat), fast).delivered
    assert fast.slept == [0, 17]


def test_slack_says_how_long_to_wait(chat: ChatServer):
    chat.faults = [Reply(429, "rate_limited", {"Retry-After": "30"}), Reply(503, "service_unavailable")]
    fast = Fast()
    assert sent(slack(chat), fast) == Outcome(delivered=True, tries=3)
    assert fast.slept == [0, 30, 2]


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (404, "no_service", "make a new one"),
        (404, "no_team", "workspace"),
        (400, "invalid_blocks", "malformed"),
        (410, "channel_is_archived", "archived"),
        (403, "action_prohibited", "administrator"),
    ],
)
def test_what_slack_refuses_for_good_is_not_repeated_and_the_next_step_is_named(chat, status, said, hint):
    chat.faults = [Reply(status, said)]
    outcome = sent(slack(chat))
    assert (outcome.delivered, outcome.tries) == (False, 1)
    assert said in outcome.reason
    assert hint in outcome.reason


@pytest.mark.parametrize(
    ("code", "said"), [(19001, "access token invalid"), (9499, "Bad Request"), (19022, "Ip Not Allowed")]
)
def test_what_lark_refuses_for_good_is_not_repeated(chat: ChatServer, code: int, said: str):
    chat.faults = [lark_error(code, said)]
    outcome = sent(lark(chat))
    assert (outcome.delivered, outcome.tries) == (False, 1)
    assert str(code) in outcome.reason


def test_a_page_that_is_no_bot_is_no_delivery(chat: ChatServer):
    chat.faults = [Reply(200, "<html>welcome</html>")]
    outcome = sent(lark(chat))
    assert not outcome.delivered
    assert "not that of a Lark bot" in outcome.reason


@BOTH
def test_a_wrong_token_is_refused_and_no_secret_is_in_the_reason(chat: ChatServer, make: Make):
    channel = make(chat)
    channel = replace(channel, url=channel.url.replace(chat.token, "wrong-token"))
    outcome = sent(channel)
    assert not outcome.delivered
    assert "wrong-token" not in outcome.reason


@BOTH
def test_silence_ends_with_the_time_for_all_tries(chat: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transport, "TRY_SECONDS", 1)
    chat.faults = [SILENCE] * 9
    fast = Fast()
    outcome = sent(make(chat), fast, seconds=5)
    assert not outcome.delivered
    assert outcome.tries == 3  # at 0, 1 and 3 seconds of waiting; the next pause would end too late
    assert "no answer" in outcome.reason


@BOTH
def test_a_lost_answer_is_followed_by_another_try(chat: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transport, "TRY_SECONDS", 1)
    chat.faults = [SILENCE]
    assert sent(make(chat)) == Outcome(delivered=True, tries=2)


@BOTH
def test_nobody_listens_and_nothing_is_raised(make: Make):
    with chat_server() as gone:
        channel = make(gone)
    outcome = sent(channel, seconds=3)
    assert not outcome.delivered
    assert gone.token not in outcome.reason


@BOTH
def test_a_wait_that_is_longer_than_the_time_left_is_not_begun(chat: ChatServer, make: Make):
    chat.faults = [Reply(429, "rate_limited", {"Retry-After": "3600"})]
    fast = Fast()
    outcome = sent(make(chat), fast)
    assert (outcome.delivered, outcome.tries) == (False, 1)
    assert sum(fast.slept) == 0


def test_only_code_zero_is_a_delivery():
    judge = Lark().judge
    assert judge(Answer(200, '{"StatusCode":0,"StatusMessage":"success"}')).is_delivered
    assert not judge(Answer(200, "{}")).is_delivered
    assert not judge(Answer(302, '{"code":0}')).is_delivered
    assert not judge(Answer(200, "[]")).is_delivered
    assert not judge(Answer(200, '{"code":"many"}')).is_delivered
