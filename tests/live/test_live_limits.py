"""Limits under a live scheduler: what meets one leaves the cluster, says why once, and goes on where it stood."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest
from live_world import STANDING_IN, World, processes_of, until
from slurm_world import LIGHT, SlurmWorld

from chat_servers import ChatServer
from cluster.testbed import Testbed
from faults.evidence import Evidence
from opencompass_ops.budgets.events import told
from opencompass_ops.budgets.hours import HOUR
from opencompass_ops.clusters import attempts
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.messages.words import CHINESE, phrase
from opencompass_ops.results.store import Store

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

GENERATED = 20
"""What one row counts as for the partitioner."""


def assert_failed_once(world: World, run: str, limit: str) -> None:
    """Every inference was submitted once, if at all, and has failed; its log names the limit and the way on.

    Airflow's own tries may be more: a busy one fails a task before it has begun, and begins it again.
    """
    instances = world.instances(run, world.infer)
    assert {instance["state"] for instance in instances} == {"failed"}
    files = LocalFiles(world.run_dir(run))
    ends = [attempts.verdict(files, token) for token in files.list("jobs") if "-infer-" in token]
    submitted = [end.token for end in ends if end and end.job_id]
    assert len(submitted) == len({attempts.shard_of(token) for token in submitted})
    for instance in instances:
        log = world.log(run, world.infer, instance["map_index"], instance["try_number"])
        assert f"limit: {limit}; what is answered is kept: go on with the same request and -r " in log
        assert f"-r {world.run_dir(run).name} (form: Reuse run)" in log


def title(what: str, name: str) -> str:
    """Of a message to the bot."""
    return phrase(CHINESE, what, name=f"eval_{name}")


def assert_newest_first(files: LocalFiles, running: int) -> None:
    """So many jobs were stopped while they ran, the newest first; two may have begun at the same look."""
    stopped = {event.shard: event for event in told(files) if event.was_running}
    tokens = {attempts.shard_of(token): token for token in files.list("jobs")}
    began = [attempts.first_ran(files, tokens[shard]) for shard in stopped]
    assert began == sorted(began, key=str, reverse=True)
    assert len(began) >= running


def answered_here(run_dir: Path) -> list[str]:
    """Part and number of every row that a job of this host answered."""
    return [line for file in run_dir.glob("jobs/*/answered") for line in file.read_text().splitlines()]


def answered(evidence: Evidence) -> list[str]:
    """Part and number of every row that a job answered."""
    return [line for token in evidence.tokens() for line in evidence.lines(token, "answered")]


def gpu_seconds(bed: Testbed, jobs: list[str]) -> int:
    """What Slurm says that jobs have had of its GPUs."""
    form = ("--format=ElapsedRaw,AllocTRES%100", "--noheader", "--parsable2", "--allocations")
    lines = bed.run("sacct", f"--jobs={','.join(jobs)}", *form).splitlines()
    assert len(lines) == len(jobs)
    assert all(",gres/gpu=1," in f",{line.partition('|')[2]}," for line in lines), lines
    return sum(int(line.partition("|")[0]) for line in lines)


@pytest.mark.slurm
@pytest.mark.soak
@pytest.mark.fault(
    "the GPU-hours of a run are used up while its jobs run",
    "the newest are cancelled first, none is tried again; -r answers only what is missing",
)
def test_used_up_gpu_hours_stop_the_newest_first_and_a_resumed_run_answers_the_rest(slurm_world: SlurmWorld):
    world, shards, rows = slurm_world, 3, 4
    config = world.config("gpu-hours", rows=shards * rows, gpus=1)
    hold = world.gates / "hold"
    hold.write_text("1")  # rows that each job answers before it waits
    how = {"cluster": LIGHT, "max_num_workers": shards, "max_partition_size": rows * GENERATED, "retry": 2}
    run = world.start(config, gpu_hours="0.02", **how)
    evidence = world.evidence(run)
    assert world.wait(run) == "failed"

    assert_failed_once(world, run, "0.02 GPU-hours of the run")
    until(lambda: not evidence.live, "the end of every job", 30)
    files = LocalFiles(evidence.folder)
    assert_newest_first(files, 2)  # on a slow machine the last may not begin
    assert {event.kind for event in told(files)} == {"run"}
    first = answered(evidence)
    assert len(first) == len(set(first)) == sum(event.was_running for event in told(files))

    used = gpu_seconds(world.bed, [row.job_id for row in evidence.rows()])
    with Store.open(f"sqlite:///{world.folder / 'results.db'}") as store:
        booked = store.gpu_seconds(run_dir=str(evidence.folder))
    assert booked == pytest.approx(used, abs=5 * shards)
    assert 0.02 * HOUR <= booked <= 0.02 * HOUR + 10 * shards

    hold.unlink()
    again = world.start(config, gpu_hours="1", reuse=evidence.folder.name, **how)
    world.assert_green(again)
    assert world.run_dir(again) == evidence.folder
    rest = answered(evidence)
    assert len(rest) == len(set(rest)) == shards * rows
    assert set(first) < set(rest)


@pytest.mark.soak
@pytest.mark.fault(
    "the GPU-hours that a site grants a series are used up while a job of it runs on this host",
    "the newest stop first; another run is refused before it begins; once more is granted, -r answers what is missing",
)
def test_what_a_site_grants_a_series_stops_its_newest_jobs_and_bars_the_next_run(world: World):
    shards, rows, folder = 3, 4, world.folder / "configs"
    config = world.config("granted", rows=shards * rows, gpus=1)
    hold = world.gates / "hold"
    hold.write_text("1")
    how = {"cluster": STANDING_IN, "max_num_workers": shards, "max_partition_size": rows * GENERATED, "retry": 2}
    how |= {"series": "granted"}
    grants = folder / "budgets.yaml"
    grants.write_text("series: {granted: {total: 10}}")
    try:
        run = world.start(config, **how)
        found = world.run_dir(run)
        until(lambda: len(answered_here(found)) == shards, "one answer of each job", 240)
        grants.write_text("series: {granted: {total: 0.0001}}")
        assert world.wait(run) == "failed"
        assert_failed_once(world, run, "0.0001 GPU-hours of series 'granted'")
        assert not processes_of(found)
        assert {event.kind for event in told(LocalFiles(found))} == {"series"}
        assert_newest_first(LocalFiles(found), shards)

        barred = world.start(config, **how)
        assert world.wait(barred) == "failed"
        assert "GPU-hours are used up" in world.log(barred, "plan")
        grants.write_text("series: {granted: {total: 1}}")
        hold.unlink()
        again = world.start(config, reuse=found.name, **how)
        world.assert_green(again)
    finally:
        grants.unlink()
    lines = answered_here(found)
    assert len(lines) == len(set(lines)) == shards * rows


@pytest.mark.soak
@pytest.mark.fault(
    "the time of a shard, or of a run, is over while its job runs",
    "the job is stopped, what waits is not begun, none is tried again; one message says which limit; -r goes on",
)
def test_the_end_of_a_shard_s_and_of_a_run_s_time_is_told_once_and_gone_on_from(world: World, chat: ChatServer):
    world.hold()
    how = {"max_partition_size": 4 * GENERATED, "retry": 2, "lark": True}
    shard = world.start(world.config("shard-hours", rows=8), shard_hours="0.002", max_num_workers=2, **how)
    whole = world.start(world.config("run-hours", rows=8), run_hours="0.02", max_num_workers=1, **how)
    ends = {"shard-hours": (shard, "0.002 h of the clock per shard", [True, True])}
    ends |= {"run-hours": (whole, "0.02 h of the clock per run", [True, False])}
    for name, (run, limit, was_running) in ends.items():
        assert world.wait(run) == "failed"
        assert_failed_once(world, run, limit)
        assert not processes_of(world.run_dir(run))
        events = told(LocalFiles(world.run_dir(run)))
        assert sorted((event.was_running for event in events), reverse=True) == was_running
        assert {(event.event, event.limit) for event in events} == {("budget exceeded", limit)}
        (text,) = [unescape(text) for text in chat.texts if title("budget", name) in text]
        assert f"budget exceeded: {limit}: {was_running.count(True)} shards stopped" in text
        assert f"-r {world.run_dir(run).name} (form: Reuse run)" in text
    assert sorted(chat.titles) == sorted(title(what, name) for name in ends for what in ("start", "budget"))

    for gate in world.gates.iterdir():
        gate.unlink()
    again = {name: world.start(str(world.folder / f"configs/eval_{name}.py"), reuse=world.run_dir(run).name, **how)
             for name, (run, _, _) in ends.items()}  # fmt: skip
    for name, run in again.items():
        world.assert_green(run)
        assert world.run_dir(run) == world.run_dir(ends[name][0])
        starts = world.starts(world.run_dir(run))
        assert sum(starts.values()) == 2 + 1, "a held job answers nothing: two shards, one evaluation"
        assert title("success", name) in chat.titles
