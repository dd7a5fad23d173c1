"""A config's infer and eval sections: obeyed each for its stage, replaced as a whole, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.partition import Naive, NumWorker, Size
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import Stage, eval_stage, infer_stage

# As the user guides of OpenCompass write them, types as configs name them.
SLURM = {
    "partitioner": {"type": "opencompass.partitioners.SizePartitioner", "max_task_size": 4000, "gen_task_coef": 15},
    "runner": {
        "type": "opencompass.runners.SlurmRunner",
        "max_num_workers": 16,
        "retry": 4,
        "partition": "llmeval",
        "quotatype": "auto",
        "task": {"type": "opencompass.tasks.OpenICLInferTask"},
    },
}
HERE = {
    "partitioner": {"type": "opencompass.partitioners.NaivePartitioner", "n": 10},
    "runner": {
        "type": "opencompass.runners.LocalRunner",
        "max_num_workers": 64,
        "retry": 3,  # OpenCompass's own LocalRunner ignores it with a warning
        "task": {"type": "opencompass.tasks.OpenICLEvalTask", "dump_details": True},
    },
}


def request(**params: Any) -> Request:
    return Request.from_params({"config": "c", **params})


def both(infer: Any, evaluation: Any, **params: Any) -> tuple[Stage, Stage]:
    asked = request(**params)
    stage = infer_stage(infer, asked)
    return stage, eval_stage(evaluation, asked, stage)


def test_each_stage_gets_the_partitioner_cluster_numbers_and_resources_of_its_own_section():
    infer, evaluation = both(SLURM, HERE)
    assert infer == Stage("slurm", 16, 4, Size(4000, 15), resources={"partition": "llmeval", "quotatype": "auto"})
    assert replace(evaluation, notes=()) == Stage("local", 64, 3, dump_details=True)


@pytest.mark.parametrize("name", ["slurm", "local", "our_cluster"])
def test_a_named_cluster_replaces_both_sections_and_nothing_of_them_is_left(name: str):
    infer, evaluation = both(SLURM, HERE, cluster=name, max_num_workers=5, retry=1)
    assert (infer.cluster, infer.max_num_workers, infer.retry, infer.partitioner, infer.resources) == (
        name,
        5,
        1,
        None,
        {},
    )
    assert (evaluation.cluster, evaluation.max_num_workers, evaluation.retry) == (name, 5, 1)
    assert "infer section is replaced" in infer.notes[0]
    assert "eval section is replaced" in evaluation.notes[0]


def test_a_cluster_for_evaluations_replaces_the_eval_section_alone_and_takes_no_partition_of_another_cluster():
    infer, evaluation = both(SLURM, HERE, eval_cluster="small", partition="big")
    assert (infer.cluster, infer.is_asked) == ("slurm", True)
    assert (evaluation.cluster, evaluation.resources, evaluation.is_asked) == ("small", {}, False)


def test_without_sections_everything_runs_where_and_as_the_request_says():
    infer, evaluation = both(None, None, max_num_workers=3, retry=0)
    assert infer == Stage("local", 3, 0)
    assert evaluation == infer


def test_without_an_eval_section_scores_are_made_where_answers_are():
    infer, evaluation = both(SLURM, None)
    assert (evaluation.cluster, evaluation.max_num_workers, evaluation.resources) == ("slurm", 16, infer.resources)


def test_numbers_that_are_typed_give_way_to_the_sections_and_that_is_said():
    infer, _ = both(SLURM, HERE, max_num_workers=2, retry=1)
    assert (infer.max_num_workers, infer.retry) == (16, 4)
    assert [note.partition(":")[0] for note in infer.notes] == ["max_num_workers=2", "retry=1"]


def test_jobs_per_gpu_that_are_typed_give_way_to_the_sections_and_that_is_said():
    section = {"runner": {"type": "LocalRunner", "max_workers_per_gpu": 2}}
    infer = infer_stage(section, request(max_workers_per_gpu=8))
    assert infer.max_workers_per_gpu == 2
    assert infer.notes[0].startswith("max_workers_per_gpu=8: infer.runner of the config says 2, and that holds")
    assert infer_stage(section, request(max_workers_per_gpu=2)).notes == ()
    assert infer_stage({"runner": {"type": "LocalRunner"}}, request(max_workers_per_gpu=8)).max_workers_per_gpu == 8


def test_sizes_that_are_typed_replace_the_configs_partitioner_and_that_is_said_once():
    infer, evaluation = both(SLURM, HERE, max_partition_size=100, gen_task_coef=2)
    assert infer.notes == (
        "max_partition_size=100, gen_task_coef=2: means a SizePartitioner, which replaces the config's "
        "infer.partitioner",
    )
    assert not any("SizePartitioner" in note for note in evaluation.notes)
    assert infer_stage({"runner": SLURM["runner"]}, request(gen_task_coef=2)).notes == ()


@pytest.mark.parametrize("name", ["VOLCRunner", "RJOBRunner"])
def test_a_runner_that_only_opencompass_has_is_refused_as_what_it_is(name: str):
    with pytest.raises(
        ConfigError, match=r"is OpenCompass's runner for .*not supported here.*run this config with"
    ) as e:
        infer_stage({"runner": {"type": f"opencompass.runners.{name}"}}, request())
    assert "did you mean" not in str(e.value)


@pytest.mark.parametrize(
    ("runner", "cluster", "workers"),
    [("LocalRunner", "local", 16), ("SlurmRunner", "slurm", 32), ("SlurmSequentialRunner", "slurm", 32),
     ("DLCRunner", "dlc", 32), ("LocalAPIRunner", "local", 16)],
)  # fmt: skip
def test_a_runners_class_says_where_and_how_many_where_it_says_no_more(runner: str, cluster: str, workers: int):
    stage = infer_stage({"runner": {"type": f"opencompass.runners.{runner}"}}, request())
    assert (stage.cluster, stage.max_num_workers, stage.retry) == (cluster, workers, 2)


@pytest.mark.parametrize("name", ["SizePartitioner", "NumWorkerPartitioner"])
def test_a_partitioner_that_splits_is_refused_under_eval_with_the_reason(name: str):
    section = {"partitioner": {"type": f"opencompass.partitioners.{name}"}}
    with pytest.raises(
        ConfigError, match=f"eval.partitioner: {name} would split datasets, and nobody merges the parts"
    ):
        both(None, section)


def test_a_partitioner_that_keeps_datasets_whole_may_stand_under_eval():
    whole = {"partitioner": {"type": "NumWorkerPartitioner", "num_worker": 1}}
    assert both(None, whole)[1].partitioner is None
    assert infer_stage(whole, request()).partitioner == NumWorker(1)
    assert infer_stage({"partitioner": HERE["partitioner"]}, request()).partitioner == Naive(10)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"runner": {"type": "VOLCRunner"}}, "infer.runner: VOLCRunner cannot be obeyed.*--slurm -p PARTITION"),
        ({"runner": {"type": "SlurmRuner"}}, "did you mean 'SlurmRunner'"),
        ({"runner": {"type": "SlurmRunner", "max_workers_per_gpu": 2}}, "unknown key 'max_workers_per_gpu'"),
        ({"runner": {"type": "LocalRunner", "max_num_workers": "8"}}, "max_num_workers is '8'; give a whole number"),
        (
            {"runner": {"type": "LocalRunner", "task": {"type": "OpenICLEvalTask"}}},
            "task: OpenICLEvalTask scores answers",
        ),
        ({"runner": "LocalRunner"}, "infer.runner is 'LocalRunner', not a dict"),
        ({"partitioner": {"type": "SubjectiveNaivePartitioner"}}, "infer.partitioner is of type 'SubjectiveNaiveP"),
    ],
)
def test_a_section_that_cannot_be_obeyed_is_refused_by_name(section: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        infer_stage(section, request())


def test_a_section_that_cannot_be_obeyed_is_no_matter_when_it_is_replaced():
    assert infer_stage({"runner": {"type": "VOLCRunner"}}, request(cluster="local")).cluster == "local"


def test_every_culprit_of_a_section_is_told_in_one_refusal():
    section = {
        "partitioner": {"type": "SizePartitioner", "max_task_size": 0, "gen_task_coeff": 2, "strategy": "best"},
        "runner": {
            "type": "LocalRuner",
            "max_num_workers": 0,
            "retry": "twice",
            "task": {"type": "OpenICLEvalTaks"},
            "aliyun_cfg": "~/.aliyun.cfg",
        },
    }
    with pytest.raises(ConfigError) as refused:
        infer_stage(section, request())
    assert [culprit.split(";")[0].split(". ")[0] for culprit in refused.value.culprits] == [
        "infer.runner: LocalRuner cannot be obeyed",
        "infer.runner.max_num_workers is 0",
        "infer.runner.retry is 'twice'",
        "infer.partitioner: SizePartitioner has no argument gen_task_coeff",
        "infer.partitioner: max_task_size of SizePartitioner is 0",
        "infer.partitioner: strategy of SizePartitioner is 'best'",
        "infer.runner.task: OpenICLEvalTaks cannot be obeyed",
        "infer.runner.aliyun_cfg is '~/.aliyun.cfg', not a dict",
    ]
    assert all(culprit in str(refused.value) for culprit in refused.value.culprits)


def test_every_key_that_a_runner_does_not_have_is_told():
    with pytest.raises(ConfigError) as refused:
        infer_stage({"runner": {"type": "SlurmRunner", "partion": "p", "quota": "auto"}}, request())
    assert [culprit.partition(";")[0] for culprit in refused.value.culprits] == [
        "infer.runner: unknown key 'partion'",
        "infer.runner: unknown key 'quota'",
    ]
