"""One look for all who ask, and logs that are read on where they were left."""

from __future__ import annotations

import asyncio
import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm.account import Account, Record, parse
from opencompass_ops.errors import UnsureError

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1)
RECORDS = st.lists(st.builds(Record, WORD, WORD, st.integers(-1, 10**12), st.binary()), min_size=1)


def rendered(records: list[Record]) -> bytes:
    return b"".join(
        f"{each.kind} {each.token} {each.number} {len(each.content)}\n".encode() + each.content + b"\n"
        for each in records
    )


@given(RECORDS)
def test_any_content_comes_through(records):
    assert parse(rendered(records)) == records


@given(RECORDS, st.data())
def test_an_answer_that_is_cut_off_inside_a_record_is_no_answer(records, data):
    whole = rendered(records)
    cut = data.draw(st.integers(len(rendered(records[:-1])) + 1, len(whole) - 1))
    with pytest.raises(UnsureError):
        parse(whole[:cut])


def test_an_empty_answer_is_no_answer():
    with pytest.raises(UnsureError, match="empty"):
        parse(b"")


class Scripted:
    """A shell that answers each tick with the next of the given outputs."""

    def __init__(self, *outputs: list[Record]) -> None:
        self.outputs = list(outputs)
        self.asked: list[str] = []

    async def run(self, script, arguments=(), stdin=b"", *, timeout=60.0) -> Answer:
        self.asked.append(stdin.decode())
        await asyncio.sleep(0)
        return Answer(0, rendered(self.outputs.pop(0) if len(self.outputs) > 1 else self.outputs[0]), b"")


def queue(code: int = 0, text: bytes = b"") -> Record:
    return Record("queue", "-", code, text)


def log(token: str, end: int, text: bytes) -> Record:
    return Record("log", token, end, base64.b64encode(text))


async def test_those_who_ask_while_a_look_is_under_way_share_the_next_one():
    shell = Scripted([queue()])
    account = Account(shell, "")
    await asyncio.gather(*(account.look([f"oc-{number}"], logs=True) for number in range(200)))
    assert len(shell.asked) <= 2
    assert sum(len(asked.splitlines()) for asked in shell.asked) == 200


async def test_an_error_of_squeue_is_no_empty_queue():
    account = Account(Scripted([queue(1, b"slurm_load_jobs error: Unable to contact slurm controller")]), "")
    with pytest.raises(UnsureError, match="Unable to contact"):
        await account.look(["oc-a"], logs=True)


async def test_a_log_is_read_on_after_its_last_whole_line():
    known = Record("known", "oc-a", 0, b"/run/jobs/oc-a")
    shell = Scripted([queue(), known, log("oc-a", 7, b"one\ntwo")], [queue(), known, log("oc-a", 10, b"two!!\n")])
    account = Account(shell, "")
    assert (await account.look(["oc-a"], logs=True)).traces["oc-a"].log == "one\n"
    assert (await account.look(["oc-a"], logs=True)).traces["oc-a"].log == "two!!\n"
    assert shell.asked == ["oc-a -1\n", "oc-a 4\n"]


async def test_who_does_not_want_the_log_does_not_take_it_from_who_does():
    account = Account(Scripted([queue()]), "")
    await account.look(["oc-a"], logs=False)
    assert account.shell.asked == ["oc-a -\n"]
    await asyncio.gather(account.look(["oc-a"], logs=True), account.look(["oc-a"], logs=False))
    assert account.shell.asked[1] == "oc-a -1\n"
