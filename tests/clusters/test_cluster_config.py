"""Cluster configs are doubted once, at the border."""

from __future__ import annotations

import json
import runpy
import sys

import pytest

from opencompass_ops.clusters.base import Cluster
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.local import LocalCluster
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.errors import ConfigError

FULL = {
    "kind": "local",
    "work_dir": "/work",
    "data_dir": "/data",
    "python": "/opt/python",
    "code_dir": ["/code", "/more"],
    "mounts": {"/a": "/b"},
    "setup": ["module load cuda"],
    "env": {"HF_HOME": "/models", "TOKENIZERS_PARALLELISM": "false"},
    "resources": {"num_gpus": 1},
    "limits": {"max_num_workers": 3, "minutes": 60},
    "max_workers_per_gpu": 2,
    "poll_interval": 5,
    "state_dir": "/state",
}


@pytest.mark.parametrize("values", [{}, FULL])
def test_a_config_survives_json(values):
    config = ClusterConfig.from_values("mine", values)
    again = ClusterConfig.from_values("mine", json.loads(json.dumps(config.to_values())))
    assert again == config
    assert again.digest == config.digest
    assert config.digest != ClusterConfig.from_values("mine", {**values, "poll_interval": 9}).digest


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"knid": "local"}, "unknown key 'knid'; did you mean 'kind'"),
        ({"zzz": 1}, "unknown key 'zzz'; known keys: kind,"),
        ({"limits": {"minuts": 1}}, "limits: unknown key 'minuts'; did you mean 'minutes'"),
        ({"work_dir": 3}, "work_dir must be a string, not 3"),
        ({"python": ["a"]}, "python must be a string"),
        ({"setup": "module load x"}, "setup must be a list of strings"),
        ({"mounts": {"/a": 1}}, r"mounts\['/a'\] must be a string"),
        ({"env": {"HF_TOKEN": "x"}}, "'HF_TOKEN' looks like a secret"),
        ({"env": {"api_key": "x"}}, "'api_key' looks like a secret"),
        ({"env": {"AIRFLOW__CORE__X": "x"}}, "looks like a secret"),
        ({"env": {"A=B": "x"}}, "no name of an environment variable"),
        ({"env": {"A": "x\0"}}, "must be a string"),
        ({"resources": {"num_gpus": True}}, "resources: num_gpus must be a whole number of at least 0, not True"),
        ({"limits": {"max_num_workers": 0}}, "max_num_workers must be a whole number of at least 1"),
        ({"limits": 3}, "limits must be a dict"),
        ({"max_workers_per_gpu": 0}, "at least 1"),
        ({"poll_interval": 0}, "between 0.1 and 3600"),
        ({"poll_interval": float("nan")}, "between 0.1 and 3600"),
    ],
)
def test_a_wrong_value_is_named(values, words):
    with pytest.raises(ConfigError, match=words) as caught:
        ClusterConfig.from_values("mine", values)
    assert "cluster 'mine'" in str(caught.value)


def test_jobs_run_this_interpreter_and_this_source_tree_by_default(repo):
    config = ClusterConfig.from_values("mine", {})
    assert config.interpreter == sys.executable
    assert config.code_folders == (str(repo), str(repo / "plugins"))
    assert config.job_environment()["PYTHONPATH"] == f"{repo}:{repo / 'plugins'}"
    assert ClusterConfig.from_values("mine", {"code_dir": "/x"}).code_folders == ("/x",)


def test_backends_are_found_by_their_file():
    cluster: Cluster = open_cluster(ClusterConfig.from_values("mine", {}))
    assert isinstance(cluster, LocalCluster)


@pytest.mark.parametrize("kind", ["slrum", "config", "registry", "", "../x"])
def test_an_unknown_kind_lists_the_known_ones(kind):
    with pytest.raises(ConfigError, match=r"known kinds: .*local"):
        open_cluster(ClusterConfig.from_values("mine", {"kind": kind}))


def test_the_shipped_local_cluster_is_valid(repo):
    settings = runpy.run_path(str(repo / "include/configs/clusters/local.py"))
    values = {key: value for key, value in settings.items() if not key.startswith("__")}
    config = ClusterConfig.from_values("local", values)
    assert isinstance(open_cluster(config), LocalCluster)
