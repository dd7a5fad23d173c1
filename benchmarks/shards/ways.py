"""Ways of running the same shards, each from the plan to the last job's end."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.shards import pool
from benchmarks.shards.diagnostics import Rpcs, Stall, stalls
from benchmarks.shards.meters import Meter
from benchmarks.shards.site import AT_GATE, TIMED, Site
from benchmarks.shards.trivial import SECONDS_VARIABLE
from cluster.daemons import wait_until
from opencompass_ops.jobs import shard_is_done
from opencompass_ops.prepare import Prepared, prepare

HOLD_SECONDS = 120
"""So long that the pauses between two looks have grown to what they stay at."""
NOOP_HOLD_SECONDS = 20
RUN_SECONDS = 3600


@dataclass(frozen=True)
class Measured:
    """One way, measured.

    :param planned: when the plan was ready; seconds since the epoch, as all times.
    :param submitted: when the last shard was.
    :param released: when the jobs were let go; ``ended`` where nothing held them.
    :param connections: that sshd accepted.
    :param accounting: what slurmdbd counted.
    :param stalls: of the triggerer's event loop.
    """

    way: str
    shards: int
    planned: float
    submitted: float
    released: float
    ended: float
    connections: int
    accounting: Rpcs
    meter: Meter = field(repr=False)
    stalls: list[Stall] = field(repr=False)


@dataclass(frozen=True)
class _Times:
    planned: float
    submitted: float
    released: float
    ended: float


def through_the_dag(site: Site, shards: int) -> Measured:
    """SlurmOperator; all jobs wait at the gate until every shard is submitted and then some."""
    name = f"dag_{shards}"
    site.trivial.shut()

    def run() -> _Times:
        dag = "opencompass_eval"
        run_id = site.airflow.rest.trigger(dag, site.params(name, shards, AT_GATE))
        wait_until("the run is planned", lambda: any((site.outputs / name).glob("*/plan.json")), RUN_SECONDS)
        jobs = site.run_dir(name) / "jobs"
        wait_until("all is submitted", _count(jobs, "*/slurm.job", shards), RUN_SECONDS)
        released = _hold_and_open(site, HOLD_SECONDS)
        _succeed(site, dag, run_id)
        _check_once(site, name, shards)
        return _Times(_end_of(site, dag, run_id, "plan"), _last(jobs, "*/slurm.job"), released, time.time())

    return _measure(site, "SlurmOperator", shards, run)


def noop(site: Site, shards: int) -> Measured:
    """The same graph; its triggers submit nothing."""
    marks = site.folder / f"noop_{shards}"
    marks.mkdir()
    site.trivial.shut()

    def run() -> _Times:
        conf = {"shards": shards, "marks": str(marks), "gate": str(site.trivial.gate)}
        run_id = site.airflow.rest.trigger("noop", conf)
        wait_until("all is deferred", _count(marks, "*", shards), RUN_SECONDS)
        released = _hold_and_open(site, NOOP_HOLD_SECONDS)
        _succeed(site, "noop", run_id)
        return _Times(_end_of(site, "noop", run_id, "plan"), _last(marks, "*"), released, time.time())

    return _measure(site, "no-op", shards, run)


def timed(site: Site, shards: int) -> Measured:
    """SlurmOperator with jobs that take their time."""
    name = f"timed_{shards}"

    def run() -> _Times:
        dag = "opencompass_eval"
        run_id = site.airflow.rest.trigger(dag, site.params(name, shards, TIMED))
        _succeed(site, dag, run_id)
        _check_once(site, name, shards)
        jobs = site.run_dir(name) / "jobs"
        return _without_hold(_end_of(site, dag, run_id, "plan"), _last(jobs, "*/slurm.job"))

    return _measure(site, "SlurmOperator", shards, run)


def ssh_operator(site: Site, shards: int) -> Measured:
    """One SSHOperator per shard, each with srun."""
    prepared = _prepare(site, f"sshoperator_{shards}", shards)
    commands = site.folder / "commands.json"
    commands.write_text(json.dumps([_line(site, prepared, shard) for shard in _shards(prepared)]))

    def run() -> _Times:
        run_id = site.airflow.rest.trigger("srun", {"commands": str(commands)})
        _succeed(site, "srun", run_id)
        _check_done(prepared)
        return _without_hold(_end_of(site, "srun", run_id, "commands"), _last(prepared.run_dir / "jobs", "*/starts"))

    return _measure(site, "SSHOperator + srun", shards, run)


def opencompass_way(site: Site, shards: int) -> Measured:
    """A pool of blocking srun clients on the login node."""
    prepared = _prepare(site, f"pool_{shards}", shards)
    logs = site.bed.make_folder("pool")
    commands = [{"line": _line(site, prepared, shard), "log": f"{logs}/{shard}.out"} for shard in _shards(prepared)]
    script = site.bed.shared / "pool.py"
    script.write_text(Path(pool.__file__).read_text())

    def run() -> _Times:
        begun = time.time()
        said = site.bed.ssh(str(site.bed.python), str(script), stdin=json.dumps(commands), timeout=RUN_SECONDS)
        if any(json.loads(said)):
            raise RuntimeError(f"srun's exit codes: {said}; see {logs}")
        _check_done(prepared)
        return _without_hold(begun, _last(prepared.run_dir / "jobs", "*/starts"))

    return _measure(site, "OpenCompass's way", shards, run)


def _measure(site: Site, way: str, shards: int, run: Callable[[], _Times]) -> Measured:
    site.reset()
    connections, logged = site.bed.connections, site.triggerer_log.stat().st_size
    with site.meter() as meter:
        times = run()
    with site.triggerer_log.open("rb") as log:
        log.seek(logged)
        said = log.read().decode(errors="replace")
    return Measured(
        way=way,
        shards=shards,
        planned=times.planned,
        submitted=times.submitted,
        released=times.released,
        ended=times.ended,
        connections=site.bed.connections - connections,
        accounting=site.accounting_rpcs(),
        meter=meter,
        stalls=stalls(said),
    )


def _hold_and_open(site: Site, seconds: float) -> float:
    """Let everybody wait for a while, for whoever looks at how little that takes; returns when that was over."""
    time.sleep(seconds)
    released = time.time()
    site.trivial.open()
    return released


def _without_hold(planned: float, submitted: float) -> _Times:
    ended = time.time()
    return _Times(planned, submitted, ended, ended)


def _prepare(site: Site, name: str, shards: int) -> Prepared:
    prepared = prepare(
        site.params(name, shards, TIMED),
        database_url=site.database,
        say=lambda line: None,
        on_claim=lambda folder: None,
    )
    return prepared


def _shards(prepared: Prepared) -> list[str]:
    return [shard.id for shard in prepared.plan.shards]


def _line(site: Site, prepared: Prepared, shard: str) -> str:
    """What somebody would type on the login node for one shard."""
    words = ["srun", "-N1", "-u", "-J", f"trivial-{shard}", str(site.trivial.interpreter), "-m", "inference", "infer"]
    words += [f"{prepared.run_dir}/shards/{shard}.json", "--run-dir", str(prepared.run_dir), "--token", shard]
    return f"umask 002; PYTHONPATH={site.trivial.code} {SECONDS_VARIABLE}={site.seconds} {shlex.join(words)}"


def _count(folder: Path, pattern: str, wanted: int) -> Callable[[], bool]:
    def is_so() -> bool:
        time.sleep(1)  # the folder is large, and whoever is measured needs the processors
        return sum(1 for _ in folder.glob(pattern)) >= wanted

    return is_so


def _last(folder: Path, pattern: str) -> float:
    return max(path.stat().st_mtime for path in folder.glob(pattern))


def _succeed(site: Site, dag: str, run_id: str) -> None:
    state = site.airflow.rest.wait(dag, run_id, timeout=RUN_SECONDS)
    if state != "success":
        raise RuntimeError(f"run {run_id} of {dag}: {state}; see {site.airflow.home.logs}")


def _end_of(site: Site, dag: str, run_id: str, task: str) -> float:
    instances = site.airflow.rest.instances(dag, run_id)
    found: dict[str, Any] = next(instance for instance in instances if instance["task_id"] == task)
    return datetime.fromisoformat(found["end_date"]).timestamp()


def _check_once(site: Site, name: str, shards: int) -> None:
    """Every shard ran once and left its evidence, which is why the run succeeded.

    :raises RuntimeError: not so.
    """
    starts = [len(path.read_text().splitlines()) for path in site.run_dir(name).glob("jobs/*/starts")]
    if starts != [1] * shards:
        raise RuntimeError(f"{shards} shards, and their jobs started {sorted(starts)} times")


def _check_done(prepared: Prepared) -> None:
    """:raises RuntimeError: a shard's outputs are not all there."""
    missing = [shard for shard in _shards(prepared) if not shard_is_done(str(prepared.run_dir), shard)]
    if missing:
        raise RuntimeError(f"{len(missing)} shards are not done: {', '.join(missing[:5])}")
