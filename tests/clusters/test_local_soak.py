"""Many short jobs of the local cluster whose driver is killed again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path

import pytest

from opencompass_ops import jobs
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import Part, ShardSpec

pytestmark = pytest.mark.soak

JOBS, LIMIT, KILLS, SECONDS = 300, 8, 3, 240

# Stands for ``python -m inference``: says when it lives, answers its one row and leaves its records.
INTERPRETER = """#!{python} -sS
import os, sys, time
from pathlib import Path
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import ExitRecord, Manifest
from opencompass_ops.contract.spec import ShardSpec

arguments = dict(zip(sys.argv[5::2], sys.argv[6::2]))
spec = ShardSpec.from_json(Path(sys.argv[4]).read_bytes())
files, token = LocalFiles(arguments["--run-dir"]), arguments["--token"]
files.append(layout.starts(token), str(time.time()))
time.sleep(2.5)
part = spec.parts[0]
path = layout.prediction(spec.model_abbr, part.name)
files.write(path, '{{"0": {{}}}}')
manifest = Manifest(Path(path).name, codec.digest_bytes(files.read(path)), spec.model_abbr, part.dataset_abbr, spec.id,
                    token, part.start, part.stop, part.total, part.count, part.fingerprint, part.pair_fingerprint)
files.write(layout.manifest(path), manifest.to_json())
written = {{layout.manifest(path): codec.digest_bytes(files.read(layout.manifest(path)))}}
record = ExitRecord(token, os.environ["OPENCOMPASS_OPS_JOB_ID"], 0, 1, 0, manifests=written)
files.write(layout.exit_record(token), record.to_json())
files.append(layout.job(token, "ends"), str(time.time()))
"""

DRIVER = """
import asyncio, sys
from opencompass_ops import drive, jobs

async def main():
    shards = [f"infer-{n:04}" for n in range(int(sys.argv[2]))]
    outcomes = await asyncio.gather(*(drive.run_job(jobs.job_for(sys.argv[1], shard)) for shard in shards))
    sys.exit([outcome.reason for outcome in outcomes if not outcome.ok][:3] or 0)

asyncio.run(main())
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A planned run of ``JOBS`` shards."""
    interpreter = tmp_path / "python"
    interpreter.write_text(INTERPRETER.format(python=sys.executable))
    interpreter.chmod(0o755)
    values = {"python": str(interpreter), "state_dir": str(tmp_path / "state"), "poll_interval": 0.2}
    files = LocalFiles(tmp_path / "run")
    for number in range(JOBS):
        part = Part({"abbr": f"data{number}"}, None, 0, 1, 1, fingerprint=f"f{number}", pair_fingerprint="p")
        spec = ShardSpec(f"infer-{number:04}", "infer", {"abbr": "tiny"}, (part,))
        files.write(layout.shard_spec(spec.id), spec.to_json())
    plan = Plan(
        stamp="20260101_000000", run_dir=str(files.root), instance="here", mode="all", config="c",
        config_fingerprint="", params={}, cluster=ClusterConfig.from_values("test", values).to_values(),
        max_num_workers=LIMIT, retry=0, models=(), datasets=(), pairs=(), shards=(), evaluations=(),
    )  # fmt: skip
    files.write(layout.PLAN, plan.to_json())
    return files.root


def driver(run_dir: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, "-c", DRIVER, str(run_dir), str(JOBS)], env=environment)


def times(run_dir: Path, name: str) -> list[list[float]]:
    """The moments that each job's folder has in ``name``."""
    return [[float(line) for line in path.read_text().split()] for path in (run_dir / "jobs").glob(f"*/{name}")]


def most_alive(starts: list[float], ends: list[float]) -> int:
    """How many jobs lived at once."""
    changes = sorted([(moment, 1) for moment in starts] + [(moment, -1) for moment in ends])
    return max(accumulate(change for _, change in changes))


def test_jobs_survive_their_driver_and_none_is_lost_or_doubled(run_dir, record):
    begun = time.monotonic()
    process = driver(run_dir)
    for kill in range(1, KILLS + 1):
        while len(times(run_dir, "ends")) < JOBS * kill // (KILLS + 1):
            assert process.poll() is None, "the driver ended early"
            assert time.monotonic() - begun < SECONDS
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = driver(run_dir)
    assert process.wait(timeout=SECONDS) == 0
    starts, ends = times(run_dir, "starts"), times(run_dir, "ends")
    assert all(jobs.shard_is_done(str(run_dir), f"infer-{number:04}") for number in range(JOBS))
    assert [len(moments) for moments in starts] == [1] * JOBS
    alive = most_alive([moments[0] for moments in starts], [moments[0] for moments in ends])
    assert alive <= LIMIT
    seconds = time.monotonic() - begun
    record(
        "local jobs, driver killed (SIGKILL)",
        f"{JOBS} jobs, at most {LIMIT}, {KILLS} kills",
        f"0 lost, 0 doubled, {alive} alive at most, {seconds:.0f} s",
    )
