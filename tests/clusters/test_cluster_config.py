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
from opencompass_ops.clusters.slurm.cluster import SlurmCluster
from opencompass_ops.errors import ConfigError

FULL = {
    "kind": "local",
    "work_dir": "/work",
    "data_dir": "/data",
    "python": "/opt/python",
    "code_dir": ["/code", "/more"],
    "mounts": {"/a": "/b"},
    "setup": ["module use /opt/modules"],
    "modules": ["cuda/12.4"],
    "conda": {"way": "path", "env": "llm", "root": "/opt/conda", "libraries": True},
    "library_path": ["/opt/lib"],
    "nccl_interface": "ib0",
    "offline": True,
    "secrets": ["HF_TOKEN"],
    "umask": "002",
    "group": "llm",
    "probe_on": "login",
    "has_quotatype": True,
    "env": {"HF_HOME": "/models", "TOKENIZERS_PARALLELISM": "false"},
    "resources": {"num_gpus": 1},
    "limits": {"max_num_workers": 3, "minutes": 60},
    "max_workers_per_gpu": 2,
    "poll_interval": 5,
    "state_dir": "/state",
}


CONTAINER = {
    "runtime": "podman",
    "image": "localhost/inference:1",
    "archive": "/images/inference.tar",
    "mounts": {"/models": "/models:ro"},
    "gpu_args": [],
    "args": ["--shm-size=16g"],
    "program": "/usr/bin/podman",
}


@pytest.mark.parametrize("values", [{}, FULL, {"kind": "slurm", "container": CONTAINER}])
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
        ({"modules": ["a b"]}, r"modules\[0\] must be a module's name"),
        ({"library_path": ["lib"]}, "absolute folder"),
        ({"library_path": ["/a:/b"]}, "absolute folder without ':'"),
        ({"nccl_interface": "ib 0"}, "interface"),
        ({"offline": "yes"}, "offline must be True or False"),
        ({"secrets": ["A B"]}, "no name of an environment variable"),
        ({"umask": "9"}, "octal umask"),
        ({"probe_on": "node"}, "'host' or 'login'"),
        ({"resources": {"partiton": "x"}}, "resources: unknown key 'partiton'; did you mean 'partition'"),
        ({"container": {"runtime": "podman"}}, "runtime and image must be given"),
        ({"container": {"runtime": "crun", "image": "x"}}, "'apptainer' or 'pyxis' or 'docker' or 'podman'"),
        ({"container": {"runtime": "apptainer", "image": "/x.sif", "archive": "/x"}}, "archive is for docker"),
        ({"container": {"runtime": "podman", "image": "--rm"}}, "image must be"),
        ({"container": {**CONTAINER, "mounts": {"data": "/data"}}}, "'data' must be an absolute path"),
        ({"container": {**CONTAINER, "mounts": {"/a,b": "/data"}}}, "without ':' and ','"),
        ({"container": CONTAINER, "conda": {"env": "/opt/env"}}, "conda has no meaning in a container"),
        ({"container": CONTAINER, "library_path": ["/opt/lib"]}, "library_path has no meaning in a container"),
        ({"container": {"runtime": "pyxis", "image": "ubuntu"}}, "must be a file's absolute path or an address"),
        ({"conda": {"way": "activate", "env": "/opt/env"}}, "'variables' or 'python' or 'path' or 'run'"),
        ({"conda": {"way": "path"}}, "env must be the environment's name or folder"),
        ({"conda": {"way": "path", "env": "llm"}}, "'llm' is a name; give root"),
        ({"conda": {"way": "variables", "env": "llm"}}, "give env as a name and root"),
        ({"connection_id": "hpc", "work_dir": "outputs"}, "work_dir 'outputs' is relative"),
        ({"connection_id": "hpc", "state_dir": "~/state"}, "state_dir '~/state' is relative"),
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


def test_of_all_secrets_only_the_judges_reach_a_job_of_this_host(monkeypatch):
    for name in ("OC_JUDGE_API_KEY", "OC_JUDGE_MODEL", "OPENAI_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "x")
    seen = ClusterConfig.from_values("mine", {}).job_environment()
    assert {"OC_JUDGE_API_KEY", "OC_JUDGE_MODEL"} <= set(seen)
    assert not {"OPENAI_API_KEY", "HF_TOKEN"} & set(seen)
    without = ClusterConfig.from_values("mine", {}).job_environment(has_secrets=False)
    assert "OC_JUDGE_API_KEY" not in without


def test_another_host_has_its_own_python_and_pace():
    config = ClusterConfig.from_values("hpc", {"kind": "slurm", "connection_id": "hpc"})
    assert config.interpreter == "python3"
    assert config.code_folders == ()
    assert config.poll_seconds == 60
    assert ClusterConfig.from_values("mine", {}).poll_seconds == 2
    assert ClusterConfig.from_values("mine", {"poll_interval": 7}).poll_seconds == 7


def test_the_longest_mount_translates_a_path():
    mounts = {"/mnt": "/gpfs", "/mnt/team": "/scratch/team/", "/srv/": "/"}
    config = ClusterConfig.from_values("hpc", {"mounts": mounts})
    assert config.on_cluster("/mnt/runs/1") == "/gpfs/runs/1"
    assert config.on_cluster("/mnt/team") == "/scratch/team"
    assert config.on_cluster("/mnt/team/runs") == "/scratch/team/runs"
    assert config.on_cluster("/mnt/teams") == "/gpfs/teams"
    assert config.on_cluster("/srv/a") == "/a"
    assert config.on_cluster("/elsewhere") == "/elsewhere"


@pytest.mark.parametrize("path", ["/mnt/runs/1", "/mnt/team", "/mnt/team/runs", "/elsewhere", "acme/tiny", "./data"])
def test_a_path_that_went_to_the_cluster_finds_its_way_back(path):
    config = ClusterConfig.from_values("hpc", {"mounts": {"/mnt": "/gpfs", "/mnt/team": "/scratch/team/"}})
    assert config.on_host(config.on_cluster(path)) == path


def test_configs_of_one_account_share_a_connection():
    one = {"kind": "slurm", "connection_id": "hpc", "work_dir": "/a"}
    account = ClusterConfig.from_values("a", one).account
    assert account == ClusterConfig.from_values("b", {**one, "work_dir": "/b"}).account
    assert account != ClusterConfig.from_values("c", {**one, "state_dir": "/other"}).account


def test_switches_are_variables_of_the_job_and_env_is_stronger():
    config = ClusterConfig.from_values("mine", {"offline": True, "nccl_interface": "ib0", "code_dir": []})
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"}
    assert config.variables == {"NCCL_SOCKET_IFNAME": "ib0", **dict.fromkeys(offline, "1")}
    online = ClusterConfig.from_values("mine", {"offline": True, "env": {"HF_HUB_OFFLINE": "0"}})
    assert online.variables["HF_HUB_OFFLINE"] == "0"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        *(({key: FULL[key]}, key) for key in ("setup", "modules", "conda", "library_path", "umask", "group")),
        *(({key: FULL[key]}, key) for key in ("mounts", "probe_on", "has_quotatype")),
        ({"container": CONTAINER}, "container"),
        ({"resources": {"partition": "gpu"}}, "resources.partition"),
        ({"resources": {"num_gpus": 1, "qos": "high"}}, "resources.qos"),
    ],
)
def test_local_refuses_what_it_cannot_honour(values, key):
    with pytest.raises(ConfigError, match=f"'mine': {key} has no meaning for kind 'local'"):
        open_cluster(ClusterConfig.from_values("mine", values))


def test_backends_are_found_by_their_file():
    cluster: Cluster = open_cluster(ClusterConfig.from_values("mine", {}))
    assert isinstance(cluster, LocalCluster)


@pytest.mark.parametrize("kind", ["slrum", "config", "registry", "", "../x"])
def test_an_unknown_kind_lists_the_known_ones(kind):
    with pytest.raises(ConfigError, match=r"known kinds: .*local"):
        open_cluster(ClusterConfig.from_values("mine", {"kind": kind}))


@pytest.mark.parametrize(
    ("name", "kind"), [("local", LocalCluster), ("slurm", SlurmCluster), ("slurm_ssh", SlurmCluster)]
)
def test_the_shipped_clusters_are_valid(repo, name, kind):
    settings = runpy.run_path(str(repo / f"include/configs/clusters/{name}.py"))
    values = {key: value for key, value in settings.items() if not key.startswith("__")}
    assert isinstance(open_cluster(ClusterConfig.from_values(name, values)), kind)
