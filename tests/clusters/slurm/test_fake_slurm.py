"""The fake Slurm says what a real one says of the same jobs: their ends, a refusal, a cancel, a rehearsal."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.testbed import Testbed
from opencompass_ops.clusters.slurm.queue import SHOW_PARTITIONS, SQUEUE, parse_partitions, parse_squeue, sacct_argvs
from tests.clusters.slurm.fake import virtual
from tests.clusters.slurm.fake.processes import Process, Reply, Stage
from tests.clusters.slurm.fake.slurm import BEGIN, FakeSlurm, Site
from tests.clusters.slurm.test_remote_quoting import Recorder

pytestmark = pytest.mark.slurm

Run = Callable[..., Awaitable[Reply]]
WAITS = ': > {started}; exec {python} -c "import time; time.sleep(600)"'
_TOO_LARGE = "Requested node configuration is not available"
OVER = ("COMPLETED", "FAILED", "CANCELLED")


async def facts(run: Run, folder: Path, python: str) -> dict[str, Any]:
    """Live through all that can be had without faults; what was said, without ids, times and nodes' names."""
    key, started = uuid.uuid4().hex[:8], folder / "started"
    waits = WAITS.format(started=started, python=python)
    scripts = {"good": "exit 0", "bad": "exit 3", "missing": "no-such-program", "stopped": waits}
    ids = {}
    for name, script in scripts.items():
        ids[name] = (await run(*sbatch(folder, f"{name}.{key}", script))).out.strip()
    # RUNNING alone may be before the node has begun, and a cancel then has no signal to tell of.
    await states(run, ids, lambda found: found["stopped"] == "RUNNING" and started.exists())
    cancelled = await run("scancel", "--quiet", ids["stopped"])
    refused = await run(*sbatch(folder, f"refused.{key}", "true", "--nodes=1", "--cpus-per-task=1", "--mem=90000G"))
    rehearsed = await run(*sbatch(folder, "opencompass-ops.test", "true", "--test-only"))
    await states(run, ids, lambda found: all(state in OVER for state in found.values()))
    rows = parse_squeue((await run(*SQUEUE)).out)
    shown = {row.name.partition(".")[0]: row for row in rows if row.token == key}
    return {
        "scancel": cancelled,
        "refused": (refused.code, re.sub(r"sbatch: error: Memory.*\n", "", refused.err)),
        "rehearsed": (rehearsed.code, re.sub(r"\d+ to start at .*\n", "", rehearsed.err)[:12]),
        "queue": {name: (row.state, row.ending, row.restarts, bool(row.node)) for name, row in shown.items()},
        "live": [line for line in (await run("squeue", "--me", "-a", "-h", "-o", "%A|%j")).out.split() if key in line],
        "accounting": await accounting(run, ids),
        "preemptible": "gpu" in parse_partitions((await run(*SHOW_PARTITIONS)).out),
    }


def sbatch(folder: Path, name: str, script: str, *more: str) -> list[str]:
    """A submission as submit.sh makes it."""
    path = folder / f"{name}.sh"
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    options = [f"--job-name={name}", "--comment=opencompass-ops:g", f"--output={folder}/{name}.out", "--no-requeue"]
    return ["sbatch", "--parsable", *options, "--dependency=singleton", *more, str(path)]


async def states(run: Run, ids: dict[str, str], condition: Callable[[dict[str, str]], bool]) -> None:
    """Wait until squeue says so."""
    for _ in range(300):
        rows = {row.job_id: row.state for row in parse_squeue((await run(*SQUEUE)).out)}
        if condition({name: rows.get(job_id, "") for name, job_id in ids.items()}):
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"squeue never said so: {rows}")


async def accounting(run: Run, ids: dict[str, str]) -> dict[str, list[str]]:
    """State, exit code and whether there was a node, once accounting has all ends."""
    (argv,) = sacct_argvs(list(ids.values()))
    for _ in range(300):
        lines = [line.split("|") for line in (await run(*argv)).out.splitlines()]
        found = {row[-1].partition(".")[0]: [row[1], row[2], str(row[3] != "None assigned")] for row in lines}
        # FAILED has been seen with 0:0 for a moment, before its code was written.
        whole = all(row[0].split()[0] in OVER and row[:2] != ["FAILED", "0:0"] for row in found.values())
        if len(found) == len(ids) and whole:
            return found
        await asyncio.sleep(0.1)
    pytest.fail(f"sacct never said so: {found}")


async def of_fake(folder: Path) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    stage = Stage(folder / "fake", lambda: BEGIN + loop.time())
    slurm = FakeSlurm(stage, Site(nodes=4), Recorder(seconds=600), lambda job, late: None)

    async def run(*argv: str) -> Reply:
        process = Process(stage, argv, stage.environment, (subprocess.DEVNULL,) * 3)
        words = process.run()
        refused = "--mem=90000G" in words  # the fake has no sizes
        reply = slurm.refuse(words, _TOO_LARGE) if refused else await slurm.answer(words, process)
        process.run(reply)
        return reply

    try:
        return await facts(run, folder, str(stage.commands / "python"))
    finally:
        slurm.close()
        stage.close()


async def of_real(testbed: Testbed, folder: Path) -> dict[str, Any]:
    async def run(*argv: str) -> Reply:
        done = await asyncio.to_thread(
            subprocess.run, argv, env=testbed.environment, capture_output=True, text=True, check=False
        )
        return Reply(done.returncode, done.stdout, done.stderr)

    return await facts(run, folder, sys.executable)


def test_the_fake_says_what_a_real_one_says(testbed, tmp_path):
    for name in ("fake", "real"):
        (tmp_path / name).mkdir()
    real = asyncio.run(of_real(testbed, tmp_path / "real"))
    assert virtual.run(of_fake(tmp_path / "fake")) == real
