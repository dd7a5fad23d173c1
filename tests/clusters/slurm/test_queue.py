"""Reading squeue, sacct and scontrol: their real answers, and whatever else may come."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.slurm import queue
from opencompass_ops.clusters.slurm.queue import choose, parse_partitions, parse_sacct, parse_squeue
from opencompass_ops.clusters.slurm.rows import End, Ending, Row
from opencompass_ops.clusters.slurm.states import BASES, FLAGS, is_live, status_of
from opencompass_ops.errors import UnsureError

GOLDEN = Path(__file__).parents[2] / "golden" / "slurm"

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,80}", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z][A-Za-z_ ]{0,30}[A-Za-z]", fullmatch=True).filter(
    lambda word: word not in ("None", "NA")
)
ROWS = st.builds(
    Row,
    job_id=st.integers(1, 67_043_328).map(str),
    name=NAMES,
    state=st.sampled_from([*BASES, *FLAGS]),
    reason=WORDS,
    ending=st.one_of(st.builds(Ending, st.integers(0, 255)), st.builds(Ending, st.just(0), st.integers(1, 126))),
    restarts=st.integers(0, 99),
    node=st.sampled_from(["", "n01", "gpu-[01-04]"]),
    partition=WORDS,
    submitted=st.just("2026-11-21T14:02:06"),
    user=WORDS,
)
ANY_LINE = st.text(st.characters(exclude_characters="\n"))


def squeue_line(row: Row) -> str:
    status = row.ending.signal or row.ending.code << 8
    fields = (row.job_id, row.state, row.reason, status, row.restarts, row.node, row.partition, row.submitted, row.user)
    return "".join(f"{field}|" for field in (*fields, row.name))


def sacct_line(row: Row) -> str:
    halves = f"{row.ending.code}:{row.ending.signal}"
    fields = (row.job_id, row.state, halves, row.node or "None assigned", row.partition, row.submitted, row.user)
    return "|".join((*fields, row.name))


def test_squeues_real_answer_is_read_and_odd_names_of_others_do_no_harm():
    rows = {row.name: row for row in parse_squeue((GOLDEN / "squeue_22.05.8.txt").read_text())}
    assert len(rows) == 31
    assert rows["fail"] == Row(
        "2", "fail", "FAILED", "NonZeroExitCode", Ending(7), 0, "n01", "gpu", "2026-11-21T14:02:06", "eval"
    )
    assert rows["e143"].ending == Ending(143)
    assert rows["k9"].ending == Ending(0, 9)
    assert rows["oom"].ending == Ending(0, 125)
    assert rows["badlog"].ending == Ending(0, 53)
    assert rows["rq"].restarts == 1
    assert not rows["gres9"].started
    assert "a|b" in rows
    assert "new" not in rows


def test_what_squeue_really_says_is_understood():
    rows = parse_squeue((GOLDEN / "squeue_22.05.8.txt").read_text())
    states = {row.name: status_of(row).state.value for row in rows}
    assert states == {
        "ok": "succeeded", "a|b": "succeeded",
        "fail": "failed", "e143": "failed", "e137": "failed", "e255": "failed", "e75": "failed", "nf127": "failed",
        "tmo": "timeout", "cxl": "cancelled", "pendcancel": "cancelled", "oom": "out_of_memory", "vic": "preempted",
        "nf": "node_fail", "k9": "node_fail",
        "badlog": "refused", "gres9": "refused", "c1000": "refused", "n9": "refused", "t99": "refused",
        "depc": "refused", "dl": "refused",
        "term": "running", "rqh": "running", "sing": "running", "susp": "running",
        "begin": "queued", "dep": "queued", "held": "queued", "spx": "queued", "rq": "queued",
    }  # fmt: skip


def test_saccts_real_answer_is_read():
    rows = {row.name: row for row in parse_sacct((GOLDEN / "sacct_22.05.8.txt").read_text())}
    assert rows["cxl"].state == "CANCELLED by 0"
    assert rows["badlog"].ending == Ending(0, 53)
    assert rows["fail"].ending == Ending(7)
    assert not rows["c1000"].started
    assert status_of(rows["rqh"]).state is JobState.QUEUED
    assert "a|b" in rows


@given(st.lists(ROWS, max_size=6))
def test_squeue_rows_come_back_whole(rows):
    assert parse_squeue("".join(squeue_line(row) + "\n" for row in rows)) == rows


@given(st.lists(ROWS, max_size=6))
def test_sacct_rows_come_back_whole_but_for_what_sacct_does_not_tell(rows):
    told = [
        Row(row.job_id, row.name, row.state, "", row.ending, 0, row.node, row.partition, row.submitted, row.user)
        for row in rows
    ]
    assert parse_sacct("".join(sacct_line(row) + "\n" for row in rows)) == told


@given(ROWS, st.lists(ANY_LINE, max_size=5), st.lists(ANY_LINE, max_size=5))
def test_our_row_is_found_whatever_stands_around_it(row, before, after):
    for line, parse, wanted in ((squeue_line, parse_squeue, row.reason), (sacct_line, parse_sacct, "")):
        found = parse("\n".join([*before, line(row), *after]))
        assert [other for other in found if other.name == row.name and other.reason == wanted]


@given(st.text())
def test_any_text_is_rows_or_no_evidence(text):
    for parse in (parse_squeue, parse_sacct):
        try:
            assert all(row.job_id.isdecimal() and row.state for row in parse(text))
        except UnsureError:
            assert text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Welcome to the cluster!\n",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
        "21||\n22||\n",  # squeue -O with a field it does not know: rc 0
        "bash: squeue: command not found",
    ],
)
@pytest.mark.parametrize("parse", [parse_squeue, parse_sacct])
def test_what_is_no_list_of_jobs_is_no_evidence(parse, text):
    with pytest.raises(UnsureError, match="no list of jobs"):
        parse(text)


@pytest.mark.parametrize("parse", [parse_squeue, parse_sacct])
def test_an_empty_list_is_an_answer(parse):
    assert parse("") == parse("\n") == []


def test_commands_survive_a_shell():
    commands = [queue.SQUEUE, *queue.sacct_argvs(["1", "2"]), queue.sacct_names_argv(["a.b"], 24)]
    for argv in (*commands, queue.SHOW_PARTITIONS):
        assert shlex.split(shlex.join(argv)) == list(argv)
    assert "|" in shlex.join(queue.SQUEUE)


def test_accounting_is_asked_about_300_jobs_at_once():
    argvs = queue.sacct_argvs([str(number) for number in range(650)])
    assert [len(argv[-1].split(",")) for argv in argvs] == [300, 300, 50]
    assert queue.sacct_argvs([]) == []


def test_partitions_whose_jobs_make_room_are_told_from_the_others():
    assert parse_partitions((GOLDEN / "show_partition_22.05.8.txt").read_text()) == {"scav", "requeue"}
    assert parse_partitions("slurm_load_partitions error: Unable to contact slurm controller") == frozenset()


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("768", Ending(3)), ("0", Ending(0)), ("9", Ending(0, 9)), ("139", Ending(0, 11)), ("3:0", Ending(3)),
        ("0:9", Ending(0, 9)), ("0:53", Ending(0, 53)), ("", None), ("N/A", None), ("-1", None), ("1:", None),
        ("²", None), ("9" * 40, None),
    ],
)  # fmt: skip
def test_both_halves_of_an_exit_code_are_read(text, ending):
    assert Ending.from_text(text) == ending


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "12", "{}", '{"job_id": "12", "restart": 0}', '{"job_id": 12, "restart": 0, "returncode": 0}'),
        *('{"job_id": "12", "restart": 0, "returncode": "0"}', '{"job_id": "12", "restart": true, "returncode": 0}'),
    ],
)
def test_half_an_end_record_is_none(text):
    assert End.from_text(text) is None


def test_an_end_record_is_read():
    text = '{"job_id": "12", "restart": 1, "returncode": 143, "why": "", "node": "n01"}\n'
    assert End.from_text(text) == End("12", 1, 143, "", "n01")


def row(job_id: str, state: str, node: str = "n01") -> Row:
    return Row(job_id, "model.oc-a-e1", state, node=node)


REFUSED = row("5", "FAILED", node="")
PENDING, RUNNING, DONE = row("7", "PENDING", node=""), row("9", "RUNNING"), row("8", "COMPLETED")


@pytest.mark.parametrize(
    ("rows", "recorded", "holder", "chosen", "surplus"),
    [
        ([], "", "", None, ()),
        ([REFUSED], "", "", None, ()),
        ([REFUSED, PENDING], "", "", PENDING, ()),
        ([REFUSED, PENDING], "7", "", PENDING, ()),
        ([REFUSED], "5", "", REFUSED, ()),
        ([DONE], "", "", None, ()),
        ([DONE], "8", "", DONE, ()),
        ([DONE, RUNNING], "8", "", DONE, (RUNNING,)),
        ([DONE, RUNNING], "9", "8", DONE, (RUNNING,)),
        ([PENDING, RUNNING], "", "", RUNNING, (PENDING,)),
        ([PENDING, RUNNING], "7", "", PENDING, (RUNNING,)),
        ([PENDING, RUNNING], "7", "9", RUNNING, (PENDING,)),
        ([PENDING, RUNNING], "7", "6", None, (RUNNING, PENDING)),
        ([RUNNING, row("9", "COMPLETED")], "9", "", RUNNING, ()),
        ([row("10", "NEWSTATE")], "", "", row("10", "NEWSTATE"), ()),
    ],
)
def test_the_job_of_a_token_is_its_holder_then_the_recorded_one_then_one_that_lives(
    rows, recorded, holder, chosen, surplus
):
    choice = choose(rows, recorded, holder)
    assert (choice.row, choice.surplus) == (chosen, surplus)


@given(st.lists(ROWS, max_size=8), st.integers(1, 9).map(str), st.integers(0, 9).map(lambda n: str(n or "")))
def test_what_is_over_and_unknown_to_us_is_never_adopted_and_no_live_job_is_forgotten(rows, recorded, holder):
    rows = [Row(str(number % 6 + 1), "m.oc-a-e1", row.state, node=row.node) for number, row in enumerate(rows)]
    choice = choose(rows, recorded, holder)
    assert choice.row is None or is_live(choice.row) or choice.row.job_id in (recorded, holder)
    firsts = {row.job_id: row for row in reversed(rows)}
    live = {row.job_id for row in firsts.values() if is_live(row)}
    assert live == {row.job_id for row in (*choice.surplus, *filter(None, [choice.row])) if is_live(row)}


def test_the_token_is_the_last_piece_of_a_name():
    assert row("1", "RUNNING").token == "oc-a-e1"
    assert Row("1", "foreign", "RUNNING").token == "foreign"
