"""A whole run on a real Slurm behind a login node, where jobs are another user's than the command line."""

from __future__ import annotations

import json
import re
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.testbed import Testbed
from opencompass_ops.cli import main
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.slurm

CLUSTER = """
kind = 'slurm'
connection_id = 'bed'
work_dir = {folder!r} + '/outputs'
data_dir = {folder!r}
state_dir = {folder!r} + '/state'
python = {folder!r} + '/python'
umask = '002'
group = {group!r}
probe_on = 'login'
poll_interval = 1
"""


@pytest.fixture
def world(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setenv("AIRFLOW_CONN_BED", json.dumps(testbed.airflow_connection()))
    folder = testbed.make_folder(f"world-{uuid.uuid4().hex}")
    for world in make_world(folder, monkeypatch, interpreter=str(testbed.python)):
        cluster = CLUSTER.format(folder=str(folder), group=testbed.bed.group)
        (folder / "configs/clusters/slurm.py").write_text(cluster)
        yield world


def test_the_flags_of_open_compass_evaluate_on_slurm(
    world: SmallWorld, testbed: Testbed, capsys: pytest.CaptureFixture[str]
) -> None:
    world.rows(64)
    flags = ["--slurm", "-p", "requeue", "--qos", "normal", "--max-num-workers", "2", "--max-partition-size", "640"]
    assert main(["run", world.config(), *flags]) == 0
    out = capsys.readouterr().out
    assert "coverage 1/1 pairs, 64 rows predicted" in out
    assert len(re.findall(r"-infer-\S+-e1 is succeeded \(\d+ \S+\)", out)) == 2
    jobs = re.findall(r"is succeeded \((\d+)", out)
    asked = testbed.run("squeue", "-h", "-t", "all", f"--jobs={','.join(jobs)}", "--format=%P %q %k")
    (run_dir,) = world.runs()
    group = world.jobs(run_dir)[0].partition("-infer-")[0].partition("-eval-")[0]
    assert set(asked.splitlines()) == {f"requeue normal opencompass-ops:{group}"}


def test_what_both_users_wrote_can_be_changed_by_the_team(world: SmallWorld, testbed: Testbed) -> None:
    assert main(["run", world.config(), "--slurm"]) == 0
    (run_dir,) = world.runs()
    team = run_dir.stat().st_gid
    for path in [run_dir, *run_dir.rglob("*")]:
        entry = path.stat()
        assert entry.st_gid == team, path
        assert entry.st_mode & stat.S_IWGRP, path
    assert {path.owner() for path in run_dir.rglob("*")} == {testbed.user, Path(run_dir).owner()}


def test_a_partition_that_does_not_exist_is_refused_in_slurms_words(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", world.config(), "--slurm", "-p", "nowhere"]) == 1
    assert re.search(r"failed: infer.*invalid partition specified: nowhere", capsys.readouterr().err, re.IGNORECASE)
