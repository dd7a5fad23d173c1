"""Who has the last word about what a job needs: the cluster config, the model, the person who starts the run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opencompass_ops.asked import cluster_for, models_for, with_all_asked
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import Stage, infer_stage
from opencompass_ops.planning.shards import devices


def request(**params: Any) -> Request:
    return Request.from_params({"config": "c", **params})


def slurm(**resources: Any) -> ClusterConfig:
    return ClusterConfig.from_values("slurm", {"kind": "slurm", "resources": resources})


def test_the_request_is_stronger_than_the_cluster_config_and_leaves_the_rest():
    config = slurm(partition="big", account="nlp")
    assert cluster_for(request(partition="llmeval"), config).resources.to_values() == {
        "partition": "llmeval",
        "account": "nlp",
    }


def test_without_a_partition_the_cluster_configs_own_is_taken():
    config = slurm(partition="big")
    assert cluster_for(request(), config) == config


def test_the_request_is_stronger_than_a_models_run_cfg():
    models = [{"abbr": "a", "run_cfg": {"num_gpus": 2, "num_procs": 2, "partition": "big"}}, {"abbr": "b"}]
    assert models_for(request(partition="llmeval"), models) == [
        {"abbr": "a", "run_cfg": {"num_gpus": 2, "partition": "llmeval", "num_procs": 2}},
        {"abbr": "b", "run_cfg": {"partition": "llmeval"}},
    ]


def test_a_model_that_asks_for_nothing_stays_as_it_is():
    assert models_for(request(), [{"abbr": "b", "path": "p"}]) == [{"abbr": "b", "path": "p"}]


def test_other_peoples_names_in_a_run_cfg_become_ours():
    (model,) = models_for(request(), [{"abbr": "a", "run_cfg": {"GPUS": 4, "SRUN_ARGS": ["--exclusive"]}}])
    assert model["run_cfg"] == {"num_gpus": 4, "extra_args": ["--exclusive"]}


@pytest.mark.parametrize(
    "run_cfg", [{"num_gpus": 2}, {"GPUS": 2}, {"gpus": "h100:2"}, {"gres": "gpu:h100:2"}, {"gres": "gpu:2,tmpfs:10G"}]
)
def test_the_plan_counts_gpus_however_a_run_cfg_says_them(run_cfg: dict[str, Any]):
    (model,) = models_for(request(), [{"abbr": "a", "run_cfg": run_cfg}])
    assert devices(model, slurm(num_gpus=8).to_values()) == (2, 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"partition": "llmeval"}, "partition='llmeval' was asked for; cluster 'local': resources.partition has no"),
        ({"quotatype": "spot", "mem": "4G"}, "quotatype='spot', mem='4G' was asked for; cluster 'local'"),
    ],
)
def test_what_a_host_does_not_have_is_refused_by_name(params, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        cluster_for(request(**params), ClusterConfig("local"))


def test_a_quotatype_that_the_site_does_not_have_is_refused_before_any_job():
    config = ClusterConfig.from_values("hpc", {"kind": "slurm"})
    with pytest.raises(ConfigError, match="quotatype='spot' was asked for; cluster 'hpc': quotatype 'spot', but"):
        cluster_for(request(quotatype="spot"), config)
    assert cluster_for(request(quotatype="auto"), config).resources.quotatype == "auto"


def test_a_time_limit_is_honoured_on_this_host_too():
    assert cluster_for(request(minutes=5), ClusterConfig("local")).resources.minutes == 5


@pytest.mark.parametrize(
    ("run_cfg", "message"),
    [
        ({"num_gpu": 1}, "model a: run_cfg: unknown key 'num_gpu'; did you mean 'num_gpus'?"),
        ({"mem": "lots"}, "model a: run_cfg: mem must be a size like '64G', not 'lots'"),
    ],
)
def test_a_wrong_run_cfg_is_refused_before_anything_runs(run_cfg, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        models_for(request(), [{"abbr": "a", "run_cfg": run_cfg}])


def test_an_option_that_is_not_allowed_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=re.escape("'--exclusiv' is not allowed; did you mean '--exclusive'?")):
        models_for(request(extra_args=["--exclusiv"]), [{"abbr": "a"}])


RUNNER = {"type": "SlurmRunner", "partition": "a", "qos": "q", "quotatype": "auto"}


def staged(runner: dict[str, Any], kind: str = "slurm", name: str = "infer", **params: Any) -> Stage:
    asked = request(**params)
    return with_all_asked(name, infer_stage({"runner": runner}, asked), asked, kind)


def test_options_go_over_the_runners_own_keys_and_what_is_typed_over_both():
    runner = {**RUNNER, "extra_command": ["-p b", "-x n1", "-t 10"]}
    assert staged(runner, minutes=5, qos="high").resources == {
        "partition": "b",
        "qos": "high",
        "quotatype": "auto",
        "exclude": ["n1"],
        "minutes": 5,
    }


@pytest.mark.parametrize(
    ("kind", "heard"), [("slurm", {"partition": "b", "mem": "4G", "minutes": 5}), ("local", {"minutes": 5})]
)
def test_what_is_typed_reaches_a_stage_whose_cluster_is_of_a_kind_that_knows_it_whatever_its_name(kind, heard):
    assert staged({"type": "LocalRunner"}, kind, partition="b", mem="4G", minutes=5).resources == heard


@pytest.mark.parametrize(("name", "named"), [("infer", {"cluster": "box"}), ("eval", {"eval_cluster": "box"})])
def test_a_cluster_that_was_named_is_asked_all_and_may_refuse_it(name: str, named: dict[str, str]):
    asked = request(partition="b", **named)
    assert with_all_asked(name, Stage("box", 1, 0), asked, "local").resources == {"partition": "b"}


def test_a_stage_on_another_cluster_than_what_was_typed_for_is_asked_nothing_of_it():
    stage = Stage("small", 1, 0, is_asked=False)
    assert with_all_asked("eval", stage, request(cluster="big", partition="b"), "slurm").resources == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("partition", 5, "infer.runner.partition must be a string, not 5"),
        ("partition", "a b", "infer.runner.partition must be a name, or several with commas between, not 'a b'"),
        ("quotatype", "free", "infer.runner.quotatype must be 'auto' or 'reserved' or 'spot', not 'free'"),
        ("qos", ["x"], "infer.runner.qos must be a string, not ['x']"),
        ("retry", -1, "infer.runner.retry is -1; give a whole number of at least 0"),
        ("max_num_workers", "8", "infer.runner.max_num_workers is '8'; give a whole number of at least 1"),
        ("extra_command", "-c 12", "infer.runner.extra_command is '-c 12', not a list"),
    ],
)
def test_a_wrong_value_of_a_runner_is_refused_by_its_path_in_the_config(key: str, value: Any, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        staged({**RUNNER, key: value})
    if key == "partition":
        assert staged({**RUNNER, key: value}, partition="typed").resources["partition"] == "typed"
