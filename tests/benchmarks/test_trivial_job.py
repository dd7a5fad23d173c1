"""Trivial jobs wait at the gate, and what they leave is believed like a real job's work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.shards.trivial import GATE_VARIABLE, ROW_COST, Trivial
from opencompass_ops.jobs import shard_is_done
from opencompass_ops.prepare import Prepared, prepare

pytestmark = pytest.mark.process

CLUSTER = "kind = 'local'\nwork_dir = {folder!r}\ndata_dir = {folder!r}\n"


@pytest.fixture
def trivial(tmp_path: Path, monkeypatch) -> Trivial:
    configs = tmp_path / "configs"
    (configs / "clusters").mkdir(parents=True)
    (configs / "clusters" / "here.py").write_text(CLUSTER.format(folder=str(tmp_path)))
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(configs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Trivial(tmp_path, configs)
    made.write(Path(sys.executable))
    return made


def plan(trivial: Trivial, rows: int) -> Prepared:
    given = {"config": str(trivial.config("sums", rows)), "cluster": "here", "mode": "infer"}
    given |= {"max_partition_size": ROW_COST, "max_num_workers": rows}
    database = f"sqlite:///{trivial.folder / 'results.db'}"
    return prepare(given, database_url=database, say=lambda line: None, on_claim=lambda folder: None)


def start(trivial: Trivial, prepared: Prepared, shard: str) -> subprocess.Popen[bytes]:
    words = [str(trivial.interpreter), "-m", "inference", "infer", f"{prepared.run_dir}/shards/{shard}.json"]
    words += ["--run-dir", str(prepared.run_dir), "--token", shard]
    env = {"PYTHONPATH": str(trivial.code), "PATH": "/usr/bin:/bin", GATE_VARIABLE: str(trivial.gate)}
    return subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_every_row_is_a_shard_and_its_job_leaves_all_evidence_once_the_gate_is_open(trivial):
    prepared = plan(trivial, 3)
    shards = [shard.id for shard in prepared.plan.shards]
    assert len(shards) == 3
    trivial.shut()
    jobs = [start(trivial, prepared, shard) for shard in shards[:2]]
    with pytest.raises(subprocess.TimeoutExpired):
        jobs[0].wait(timeout=0.5)
    trivial.open()
    jobs.append(start(trivial, prepared, shards[2]))  # whoever comes later finds no gate
    assert [job.wait(timeout=60) for job in jobs] == [0, 0, 0]
    assert all(shard_is_done(str(prepared.run_dir), shard) for shard in shards)
