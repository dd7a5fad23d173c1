"""What a cluster is asked to start: all paths as it sees them, resources of cluster config and model together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import RUN_CODE, Part, ShardSpec
from opencompass_ops.jobs import Job, build_request


def asked(
    run_dir: Path, cluster: dict[str, Any], kind: str = "infer", options: dict[str, Any] | None = None, **model: Any
) -> JobRequest:
    """The request for a shard in ``run_dir``."""
    part = Part({"abbr": "data"}, None, 0, 1, 1, fingerprint="f", pair_fingerprint="p")
    spec = ShardSpec("s", kind, {"abbr": "tiny", **model}, (part,), options=options or {})
    LocalFiles(run_dir).write(layout.shard_spec("s"), spec.to_json())
    values = ClusterConfig.from_values("c", {"kind": "slurm", **cluster}).to_values()
    return build_request(Job(values | {"name": "c"}, str(run_dir), "s", "t", 1, "g", 4))


def test_paths_are_those_of_the_cluster(tmp_path):
    request = asked(tmp_path / "outputs/run", {"mounts": {str(tmp_path / "outputs"): "/gpfs/eval"}})
    assert request.run_dir == "/gpfs/eval/run"
    assert request.argv[4:7] == ("/gpfs/eval/run/shards/s.json", "--run-dir", "/gpfs/eval/run")
    assert str(tmp_path) not in " ".join(request.argv[1:])


def test_without_a_mount_both_sides_see_the_same_folder(tmp_path):
    assert asked(tmp_path, {}).run_dir == str(tmp_path)


def test_the_models_run_cfg_stands_over_the_cluster_config(tmp_path):
    cluster = {"resources": {"num_gpus": 1, "mem": "8G", "partition": "p"}}
    request = asked(tmp_path, cluster, run_cfg={"num_gpus": 2, "num_procs": 2, "mem": "64G"})
    assert (request.num_gpus, request.num_procs, request.title) == (2, 2, "tiny/data")
    assert request.resources.to_values() == {"num_gpus": 2, "mem": "64G", "partition": "p"}


def test_an_evaluation_asks_for_no_devices_but_for_the_same_partition(tmp_path):
    cluster = {"resources": {"num_gpus": 1, "launcher": "slurm", "partition": "p"}}
    request = asked(tmp_path, cluster, kind="eval", run_cfg={"num_gpus": 2, "num_procs": 2})
    assert (request.num_gpus, request.num_procs) == (0, 1)
    assert request.resources.to_values() == {"partition": "p"}


def test_a_job_that_runs_what_models_wrote_is_given_no_secrets(tmp_path):
    assert asked(tmp_path, {}, kind="eval").has_secrets
    assert not asked(tmp_path, {}, kind="eval", options={RUN_CODE: "sandboxed"}).has_secrets


@pytest.mark.parametrize(
    ("limit", "wish", "minutes"), [(None, None, None), (60, None, 60), (None, 90, 90), (60, 90, 60), (60, 30, 30)]
)
def test_the_shorter_time_limit_holds(tmp_path, limit, wish, minutes):
    cluster = {"limits": {"minutes": limit}, "resources": {"minutes": wish}}
    assert asked(tmp_path, cluster).minutes == minutes
