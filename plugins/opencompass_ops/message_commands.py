"""The command line's messages: those of a run here and now (``-l``), and what was told of any run."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from opencompass_ops.errors import OpsError
from opencompass_ops.hooks import stored

if TYPE_CHECKING:
    from opencompass_ops.messages.channels import Channel
    from opencompass_ops.messages.digest import Digest


def add_commands(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    told = commands.add_parser(
        "notifications", help="what was told of a run, to which chat, and what was not delivered"
    )
    told.add_argument("run_dir", type=Path)
    told.set_defaults(command=_notifications)


@contextmanager
def reporting(run_dir: Path, params: Mapping[str, Any]) -> Iterator[Reporter]:
    """Tells of a run in this process, beside its work; leaving waits until all is told, an error or a signal included.

    What is killed outright tells nothing: whoever attaches to the run tells its end.

    :param params: of the request; silent unless they say ``lark``.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="messages") as thread:
        reporter = Reporter(run_dir, params, thread)
        try:
            with _told_to_end():
                yield reporter
        except SystemExit as error:
            reporter.abandon(str(error))
            raise
        except Exception as error:
            reporter.abandon(f"{type(error).__name__}: {error}")
            raise


@contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM and SIGHUP, which would end the process where it stands, as errors."""

    def end(number: int, _frame: Any) -> NoReturn:
        raise SystemExit(f"the command was stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Reporter:
    """See :func:`reporting`.

    :param thread: does the telling, one message after the other.
    """

    def __init__(self, run_dir: Path, params: Mapping[str, Any], thread: ThreadPoolExecutor) -> None:
        self._run_dir = str(run_dir)
        self._params = dict(params)
        self._thread = thread
        self._channels: list[Channel] | None = None

    def start(self) -> None:
        """The plan stands."""
        from opencompass_ops.messages.collecting import started

        self._later(lambda: started(self._run_dir, _seen()), lambda channel: True)

    def stage(self, kind: str) -> None:
        """All shards of a stage are over, which OpenCompass reports by itself."""
        from opencompass_ops.messages.collecting import stage_ended

        self._later(lambda: stage_ended(self._run_dir, _seen(), kind), lambda channel: channel.reports)

    def end(self, problem: str) -> None:
        """Nothing runs any more.

        :param problem: what the run lacks, "" when it lacks nothing.
        """
        from opencompass_ops.messages.collecting import ended

        self._later(lambda: ended(self._run_dir, _seen(problem)), lambda channel: True)

    def abandon(self, problem: str) -> None:
        """This process sees the run through no more.

        :param problem: why.
        """
        from opencompass_ops.messages.collecting import abandoned

        self._later(lambda: abandoned(self._run_dir, _seen(problem)), lambda channel: True)

    def _later(self, make: Callable[[], Digest], fits: Callable[[Channel], bool]) -> None:
        if self._params.get("lark"):
            self._thread.submit(self._tell, make, fits)

    def _tell(self, make: Callable[[], Digest], fits: Callable[[Channel], bool]) -> None:
        from opencompass_ops.messages.ledger import RunLedger
        from opencompass_ops.messages.telling import tell

        try:
            if self._channels is None:
                self._channels = _channels(self._params)
            wanting = [channel for channel in self._channels if fits(channel)]
            tell(make(), wanting, RunLedger(self._run_dir), _say)
        except Exception as error:  # the edge of a thread; the run goes on
            _say(f"not told: {type(error).__name__}: {error}")


def _channels(params: dict[str, Any]) -> list[Channel]:
    """The config's own chat, and those of Airflow's connections as this user sees them."""
    from opencompass_ops.messages.channels import (
        LARK_CONNECTION,
        SLACK_CONNECTION,
        configured_channel,
        lark_channel,
        slack_channel,
        slack_url,
    )
    from opencompass_ops.resolved import configured_address

    def configured() -> Channel | None:
        url = configured_address(params)
        return configured_channel(url) if url else None

    def lark() -> Channel | None:
        known = _fields(LARK_CONNECTION)
        if known is None:
            return None
        return lark_channel(LARK_CONNECTION, **{key: known[key] for key in ("host", "password", "extra")})

    def slack() -> Channel | None:
        known = _fields(SLACK_CONNECTION)
        if known is None:
            return None
        url = slack_url(SLACK_CONNECTION, **{key: known[key] for key in ("schema", "host", "password")})
        return slack_channel(SLACK_CONNECTION, url, known["extra"], proxy=str(known["extra"].get("proxy") or ""))

    found = []
    for read in (configured, lark, slack):
        try:
            found.append(read())
        except OpsError as error:
            _say(f"not told: {error}")
    channels = [channel for channel in found if channel]
    if not channels:
        _say(
            "-l: there is no chat to tell; set the connection opencompass_lark or opencompass_slack, or lark_bot_url "
            "in the config"
        )
    return channels


def _fields(connection_id: str) -> dict[str, Any] | None:
    from opencompass_ops.clusters.connections import fields

    known = asyncio.run(stored.value(connection_id))
    return fields(connection_id, known) if known else None


def _seen(problem: str = "") -> Any:
    from opencompass_ops.messages.collecting import Circumstances

    return Circumstances(user=getpass.getuser(), problem=problem)


def _notifications(arguments: argparse.Namespace) -> int:
    """Returns 1 when something was not delivered and not told later."""
    from opencompass_ops.liveness import read_plan
    from opencompass_ops.messages.ledger import RunLedger

    run_dir = arguments.run_dir.resolve()
    read_plan(run_dir)  # a mistyped folder is no run of which nothing was told
    entries = RunLedger(str(run_dir)).entries()
    for entry in entries:
        print(f"{entry.time}  {entry.line}")
    if not entries:
        print("nothing was told of this run")
    last = {(entry.channel, entry.moment): entry.delivered for entry in entries}
    return 0 if all(last.values()) else 1


def _say(line: str) -> None:
    print(f"message: {line}", flush=True)
