"""One stream, many callers: what is lost is never an answer, and nobody gets another one's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from opencompass_ops.clusters import framed
from opencompass_ops.clusters.framed import FramedShell
from opencompass_ops.clusters.framing import Answer
from opencompass_ops.errors import LostError, UnreachableError

Script = Callable[[str], bytes | None]


def echo(script: str) -> bytes | None:
    return script.encode()


class Remote:
    """The other end of one stream, which answers every frame with ``say(script)``; None is silence.

    :param cut: after how many bytes in all the stream ends.
    """

    def __init__(self, say: Script, *, cut: int | None = None, motd: bytes = b"") -> None:
        self._say = say
        self._left = cut
        self._said = asyncio.Queue[bytes]()
        self.scripts: list[str] = []
        self.ended = False
        self._tell(motd)

    async def read(self) -> bytes:
        return await self._said.get()

    async def write(self, data: bytes) -> None:
        if self.ended:
            raise BrokenPipeError("closed")
        if opened := re.search(rb"^serve (\w+); exit\n", data, re.MULTILINE):
            self._tell(opened[1] + b" ready\n")
            return
        header, _, body = data.partition(b"\n")
        nonce, number, length, _ = header.replace(b":run", b"").split(b" ")
        self.scripts.append(body[: int(length)].decode().removeprefix("set -- \n"))
        said = self._say(self.scripts[-1])
        if said is not None:
            self._tell(b"%s answer %s 0 %d 0\n%s%s end %s\n" % (nonce, number, len(said), said, nonce, number))

    def _tell(self, data: bytes) -> None:
        if self._left is not None and len(data) >= self._left:
            data = data[: self._left]
            self._said.put_nowait(data) if data else None
            self.close()
            self._left = 0
        elif data and not self.ended:
            self._left = None if self._left is None else self._left - len(data)
            self._said.put_nowait(data)

    def close(self) -> None:
        self.ended = True
        self._said.put_nowait(b"")


class Gated(Remote):
    """Is not heard before its gate opens."""

    def __init__(self, gate: asyncio.Event) -> None:
        super().__init__(echo)
        self._gate = gate

    async def read(self) -> bytes:
        await self._gate.wait()
        return await super().read()


class FakeLine:
    """Gives out the streams of a list, in order; an exception in it is raised."""

    name = "testland"

    def __init__(self, *remotes: Remote | Exception) -> None:
        self.remotes = list(remotes)
        self.opened = 0

    async def open(self) -> Remote:
        self.opened += 1
        remote = self.remotes[self.opened - 1]
        if isinstance(remote, Exception):
            raise remote
        return remote

    async def close(self) -> None:
        pass


def spoken() -> int:
    """How many bytes a remote says until its first answer is whole."""
    nonce, number = 32, 1
    return (nonce + len(" ready\n")) + (nonce + len(" answer 1 0 5 0\n")) + 5 + (nonce + len(" end \n") + number)


async def test_callers_queue_in_order_on_one_stream():
    line = FakeLine(Remote(echo))
    shell = FramedShell(line)
    answers = await asyncio.gather(*(shell.run(f"job {number}") for number in range(50)))
    assert [answer.stdout.decode() for answer in answers] == [f"job {number}" for number in range(50)]
    assert line.remotes[0].scripts == [f"job {number}" for number in range(50)]
    assert line.opened == 1


@pytest.mark.parametrize("cut", range(spoken()))
async def test_a_stream_that_ends_anywhere_before_the_end_of_the_answer_gives_no_answer(cut):
    greeting = 32 + len(" ready\n")
    shell = FramedShell(FakeLine(Remote(echo, cut=cut)))
    # As long as bash has not begun, nothing can have run.
    with pytest.raises(UnreachableError if cut < greeting else LostError):
        await shell.run("12345")


async def test_a_whole_answer_counts_though_the_stream_ends_with_it():
    shell = FramedShell(FakeLine(Remote(echo, cut=spoken())))
    assert await shell.run("12345") == Answer(0, b"12345", b"")


async def test_the_call_after_a_lost_one_has_a_new_stream():
    line = FakeLine(Remote(echo, cut=spoken() - 3), Remote(echo))
    shell = FramedShell(line)
    with pytest.raises(LostError, match="testland: the connection ended before the answer"):
        await shell.run("12345")
    assert await shell.run("again") == Answer(0, b"again", b"")
    assert line.opened == 2


async def test_a_stream_that_ended_while_idle_is_replaced_before_anything_is_sent():
    first = Remote(echo)
    shell = FramedShell(FakeLine(first, Remote(echo)))
    await shell.run("one")
    first.close()
    assert (await shell.run("two")).stdout == b"two"
    assert first.scripts == ["one"]


async def test_an_answer_that_takes_too_long_is_lost():
    line = FakeLine(Remote(lambda _: None), Remote(echo))
    shell = FramedShell(line)
    with pytest.raises(LostError, match=r"testland gave no answer within 0\.01 s"):
        await shell.run("sleep", timeout=0.01)
    assert (await shell.run("next")).stdout == b"next"
    assert line.remotes[0].ended


async def test_time_in_the_queue_is_not_time_without_an_answer():
    gate = asyncio.Event()
    shell = FramedShell(FakeLine(Gated(gate)))
    first = asyncio.create_task(shell.run("first", timeout=60))
    second = asyncio.create_task(shell.run("second", timeout=0.05))
    await asyncio.sleep(0.1)
    gate.set()
    assert ((await first).stdout, (await second).stdout) == (b"first", b"second")


async def test_a_cancelled_caller_does_not_poison_the_others():
    line = FakeLine(Remote(lambda script: None if script == "hang" else script.encode()), Remote(echo))
    shell = FramedShell(line)
    hanging = asyncio.create_task(shell.run("hang"))
    waiting = asyncio.create_task(shell.run("patient"))
    while not line.remotes[0].scripts:
        await asyncio.sleep(0)
    hanging.cancel()
    assert (await waiting).stdout == b"patient"
    assert hanging.cancelled()
    assert line.remotes[0].scripts == ["hang"]
    assert line.remotes[0].ended


async def test_a_caller_cancelled_in_the_queue_sends_nothing_and_costs_no_stream():
    gate = asyncio.Event()
    line = FakeLine(Gated(gate))
    shell = FramedShell(line)
    first, second, third = (asyncio.create_task(shell.run(name)) for name in ("first", "second", "third"))
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    assert ((await first).stdout, (await third).stdout) == (b"first", b"third")
    assert line.remotes[0].scripts == ["first", "third"]


async def test_a_profile_that_never_lets_bash_begin_is_unreachable_and_its_words_are_shown(monkeypatch):
    monkeypatch.setattr(framed, "_GREETING_SECONDS", 0.01)

    class Asking(Remote):
        async def write(self, data: bytes) -> None:
            pass

    line = FakeLine(Asking(echo, motd=b"Choose your project [1-3]: "))
    with pytest.raises(UnreachableError, match="Choose your project"):
        await FramedShell(line).run("true")
    assert line.remotes[0].ended


async def test_a_line_that_cannot_be_opened_is_unreachable_and_tried_again_by_the_next_call():
    shell = FramedShell(FakeLine(UnreachableError("no route"), Remote(echo)))
    with pytest.raises(UnreachableError, match="no route"):
        await shell.run("true")
    assert (await shell.run("true")).returncode == 0


async def test_four_scripts_run_aside_at_once_and_the_fifth_waits():
    gate = asyncio.Event()
    line = FakeLine(*(Gated(gate) for _ in range(5)))
    shell = FramedShell(line)
    calls = [asyncio.create_task(shell.run_aside(str(number))) for number in range(5)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert line.opened == 4
    gate.set()
    assert [answer.stdout for answer in await asyncio.gather(*calls)] == [b"0", b"1", b"2", b"3", b"4"]
    assert all(remote.ended for remote in line.remotes)


async def test_a_slow_script_aside_does_not_hold_up_the_queue():
    line = FakeLine(Remote(lambda _: None), Remote(echo))
    shell = FramedShell(line)
    slow = asyncio.create_task(shell.run_aside("import an image"))
    while not line.remotes[0].scripts:
        await asyncio.sleep(0)
    assert (await shell.run("poll")).stdout == b"poll"
    slow.cancel()
    await asyncio.wait([slow])
    assert line.remotes[0].ended


async def test_closing_ends_a_call_as_lost_and_the_next_call_begins_anew():
    line = FakeLine(Remote(lambda _: None), Remote(echo))
    shell = FramedShell(line)
    call = asyncio.create_task(shell.run("hang"))
    while not line.remotes[0].scripts:
        await asyncio.sleep(0)
    await shell.close()
    with pytest.raises(LostError):
        await call
    assert (await shell.run("next")).stdout == b"next"
