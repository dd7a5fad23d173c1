"""A language model that judges, behind an OpenAI-compatible server.

Each question is asked until it is answered or its tries are used up; then it stays unanswered with the reason,
and the others go on. Where every question fails for the same reason (a refused key, nobody there), the rest are
not asked any more.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Union

from inference.problems import InputProblem, NotNative
from inference.registry import build_kwargs

TYPES = ("OpenAI", "OpenAISDK")
"""OpenCompass's model types that are asked over this protocol."""
_REASONING = ("o1", "o3", "o4", "gpt-5")
"""Models whose name holds one of these take ``max_completion_tokens`` and no temperature (OpenCompass's list)."""
_TRIED_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_KEY_REFUSED = frozenset({401, 403})
_LONGEST_PAUSE = 60.0

Question = dict[str, Any]
"""The body of a request, which is all that an answer depends on."""


@dataclass(frozen=True)
class Unanswered:
    """:param reason: why there is no answer."""

    reason: str


Answer = Union[str, Unanswered]


@dataclass(frozen=True)
class Judge:
    """:param model: the model's name at its server.
    :param addresses: of the API up to ``/v1``; questions go to them in turn.
    :param settings: what every request's body says beside model and messages.
    :param keys: bearer tokens, used in turn; empty for a server that wants none.
    :param tries: how often a question is asked at most.
    :param workers: questions asked at a time.
    :param timeout: seconds until a request counts as failed.
    :param rate: requests per second at most.
    :param think_tag: stands between a model's reasoning and what it says, where the server tells them apart.
    """

    model: str
    addresses: tuple[str, ...]
    settings: Mapping[str, Any]
    keys: tuple[str, ...] = field(default=(), repr=False)
    tries: int = 5
    workers: int = 16
    timeout: float = 600.0
    rate: float = 16.0
    think_tag: str = "</think>"

    def question(self, messages: list[dict[str, Any]]) -> Question:
        """The body of a request."""
        return {"model": self.model, "messages": messages, **self.settings}


def check_judge(judge_cfg: Any) -> None:
    """Refuse a judge that is no server of this kind, before anything runs.

    :raises NotNative: another model type.
    :raises InputProblem: it has no type or no name.
    """
    if not judge_cfg:
        return  # the environment of the job names it
    type_, options = build_kwargs(judge_cfg, "judge_cfg")
    if str(type_).rsplit(".", 1)[-1] not in TYPES:
        raise NotNative(f"a judge of type {type_}")
    if not isinstance(options.get("path"), str):
        raise InputProblem(f"judge_cfg needs the model's name as path, not {options.get('path')!r}")


def open_judge(judge_cfg: Any, environ: Mapping[str, str] = os.environ) -> Judge:
    """The judge of a config; without one, that of ``OC_JUDGE_MODEL``, ``OC_JUDGE_API_BASE`` and ``OC_JUDGE_API_KEY``.

    A key in the config is not used: it would stand in files. The keys are those of ``OC_JUDGE_API_KEY``, else
    of ``OPENAI_API_KEY``, several separated by commas.

    :raises InputProblem: nothing names a model.
    """
    check_judge(judge_cfg)
    config = judge_cfg or _of_environment(environ)
    model = str(config["path"])
    keys = environ.get("OC_JUDGE_API_KEY") or environ.get("OPENAI_API_KEY") or ""
    return Judge(
        model=model,
        addresses=_addresses(config.get("openai_api_base") or environ.get("OPENAI_BASE_URL")),
        settings=_settings(model, config),
        keys=tuple(key.strip() for key in keys.split(",") if key.strip()),
        tries=max(1, int(config.get("retry") or 5)),
        workers=int(config.get("max_workers") or 16),
        timeout=float(config.get("timeout") or 600),
        rate=float(config.get("query_per_second") or 16),
        think_tag=str(config.get("think_tag", "</think>")),
    )


def leaves_judge_open(evaluator: Any) -> bool:
    """Whether an evaluator's config wants a judge and leaves it to the environment who that is."""
    if not isinstance(evaluator, dict):
        return False
    is_open = "judge_cfg" in evaluator and not evaluator["judge_cfg"]
    return is_open or leaves_judge_open(evaluator.get("llm_evaluator"))


def judge_of_environment(evaluator: Any, environ: Mapping[str, str] = os.environ) -> str:
    """Who judges for an evaluator's config that leaves it to the environment; "" where it names a judge or has none."""
    return environ.get("OC_JUDGE_MODEL", "") if leaves_judge_open(evaluator) else ""


def _settings(model: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a request says beside model and messages; what the config leaves open, the server decides."""
    reasons = any(name in model for name in _REASONING)
    limit = {"max_completion_tokens" if reasons else "max_tokens": config.get("max_out_len")}
    temperature = {} if reasons else {"temperature": config.get("temperature")}
    said = {key: value for key, value in {**limit, **temperature}.items() if value is not None}
    return {**said, **(config.get("extra_body") or {}), **(config.get("openai_extra_kwargs") or {})}


def _of_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    if not environ.get("OC_JUDGE_MODEL"):
        raise InputProblem(
            "judge_cfg names no judge, and OC_JUDGE_MODEL is not set where the evaluation runs; set it with "
            "OC_JUDGE_API_BASE and OC_JUDGE_API_KEY, or write judge_cfg=dict(type='OpenAISDK', path=..., ...)"
        )
    base = environ.get("OC_JUDGE_API_BASE")
    return {"path": environ["OC_JUDGE_MODEL"], "openai_api_base": base, "temperature": 0.001, "max_out_len": 16384}


def _addresses(base: Any) -> tuple[str, ...]:
    """The API's roots; OpenCompass also takes the whole address of chat completions."""
    bases = base if isinstance(base, (list, tuple)) else [base or "https://api.openai.com/v1"]
    roots = tuple(str(one).rstrip("/").removesuffix("/chat/completions") for one in bases)
    for root in roots:
        if not root.startswith(("http://", "https://")):
            raise InputProblem(f"the judge's address {root!r} must begin with http:// or https://")
    return roots


def ask(
    judge: Judge,
    questions: Sequence[Question],
    keep: Callable[[Question, str], None],
    pause: Callable[[float], None] = time.sleep,
) -> list[Answer]:
    """The answers in order.

    :param questions: all different.
    :param keep: is called with each answer as soon as it is there, by one thread at a time.
    :param pause: waits so many seconds.
    """
    asking = _Asking(judge, keep, pause)
    with ThreadPoolExecutor(max(1, min(judge.workers, len(questions)))) as pool:
        try:
            return list(pool.map(asking.answer, questions, range(len(questions))))
        except BaseException:  # the job is told to end, or the disk is full: what is under way is the last
            asking.give_up("the evaluation ended")
            pool.shutdown(cancel_futures=True)
            raise


class _Failure(Exception):
    """A try that failed.

    :param wait: seconds the server asks to wait, None when it says nothing.
    :param again: whether another try may do better.
    :param everybody: whether every other question would fail the same way.
    """

    def __init__(self, reason: str, wait: float | None = None, again: bool = True, everybody: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.again, self.everybody = wait, again, everybody


class _Asking:
    """Questions that are being asked of one judge."""

    def __init__(self, judge: Judge, keep: Callable[[Question, str], None], pause: Callable[[float], None]) -> None:
        self._judge, self._keep, self._pause = judge, keep, pause
        self._lock = threading.Lock()
        self._given_up = ""
        self._failed = 0
        self._next = 0.0

    def give_up(self, reason: str) -> None:
        """Ask no more."""
        self._given_up = reason

    def answer(self, question: Question, number: int) -> Answer:
        reason = ""
        for attempt in range(self._judge.tries):
            if self._given_up:
                return Unanswered(self._given_up)
            self._take_turn()
            try:
                answer = self._try(question, number + attempt)
            except _Failure as failure:
                reason = str(failure)
                self._count(failure)
                if not failure.again:
                    break
                if attempt + 1 < self._judge.tries:
                    self._pause(_wait(failure, attempt))
                continue
            self._take(question, answer)
            return answer
        return Unanswered(reason)

    def _take(self, question: Question, answer: str) -> None:
        with self._lock:
            self._failed = 0
            try:
                self._keep(question, answer)
            except BaseException:
                self.give_up("answers cannot be kept")
                raise

    def _count(self, failure: _Failure) -> None:
        """Stop asking when all that was asked lately failed."""
        with self._lock:
            self._failed += failure.again
            if failure.everybody:
                self._given_up = str(failure)
            elif self._failed >= self._judge.tries * (self._judge.workers + 1):
                self._given_up = f"not asked any more after {self._failed} failures in a row, the last: {failure}"

    def _take_turn(self) -> None:
        """Wait until the judge's rate allows another request."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now) + 1 / self._judge.rate
            wait = self._next - now - 1 / self._judge.rate
        if wait > 0:
            self._pause(wait)

    def _try(self, question: Question, number: int) -> str:
        judge = self._judge
        request = urllib.request.Request(  # noqa: S310  # open_judge lets only http and https through
            f"{judge.addresses[number % len(judge.addresses)]}/chat/completions",
            data=json.dumps(question).encode(),
            headers={"Content-Type": "application/json", **_authorization(judge.keys, number)},
        )
        try:
            with urllib.request.urlopen(request, timeout=judge.timeout) as response:  # noqa: S310
                body = response.read()
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except (OSError, ValueError) as error:  # nobody there, too slow, cut off
            raise _Failure(f"the judge cannot be reached ({getattr(error, 'reason', None) or error!r})") from error
        return _said(body, judge.think_tag)


def _authorization(keys: Sequence[str], number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys[number % len(keys)]}"} if keys else {}


def _refusal(error: urllib.error.HTTPError) -> _Failure:
    status = error.code
    reason = f"the judge answered {status} {error.reason}"
    if status in _KEY_REFUSED:
        return _Failure(f"{reason}; set OC_JUDGE_API_KEY to a key it takes", again=False, everybody=True)
    return _Failure(reason, _retry_after(error.headers), again=status in _TRIED_AGAIN, everybody=status == 404)


def _retry_after(headers: Message | None) -> float | None:
    """Seconds; None for nothing or a date, which few servers send."""
    said = headers.get("Retry-After", "") if headers else ""
    return float(said) if said.isdigit() else None


def _wait(failure: _Failure, attempt: int) -> float:
    """What the server asks for, else one, two, four seconds and so on, a little scattered."""
    wanted = failure.wait if failure.wait is not None else 2.0**attempt * random.uniform(0.75, 1.25)  # noqa: S311
    return min(max(wanted, 0.0), _LONGEST_PAUSE)


def _said(body: bytes, think_tag: str) -> str:
    """What the model says; nothing when it stopped or was filtered without a word.

    :raises _Failure: the answer is none of the protocol's.
    """
    try:
        choice = json.loads(body)["choices"][0]
        message = choice["message"]
        said, thought = message.get("content") or "", message.get("reasoning_content") or ""
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _Failure(f"the judge's answer is none of a chat completion: {body[:200]!r}") from error
    if not said and not thought and choice.get("finish_reason") not in ("stop", "content_filter"):
        raise _Failure(f"the judge said nothing (finish_reason {choice.get('finish_reason')!r})")
    return f"{thought}{think_tag}{said}" if said and thought else str(said or thought)
