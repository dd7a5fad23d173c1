"""Keys of a config's infer and eval sections that nothing here reads: each is told with its path and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import Stage, eval_stage, infer_stage

JUDGES = {"type": "SubjectiveNaivePartitioner", "models": [{"abbr": "m"}], "judge_models": [{"abbr": "j"}]}


def notes(name: str, section: dict[str, Any], **params: Any) -> tuple[str, ...]:
    asked = Request.from_params({"config": "c", **params})
    if name == "infer":
        return infer_stage(section, asked).notes
    return eval_stage(section, asked, Stage("local", 1, 0)).notes


def runner(kind: str, **keys: Any) -> dict[str, Any]:
    return {"runner": {"type": f"opencompass.runners.{kind}", **keys}}


@pytest.mark.parametrize(
    ("name", "section", "path", "advice"),
    [
        ("infer", runner("LocalRunner", debug=True), "infer.runner.debug=True", "say --debug"),
        ("eval", runner("SlurmRunner", debug=True), "eval.runner.debug=True", "say --debug"),
        ("infer", runner("LocalRunner", keep_tmp_file=False), "infer.runner.keep_tmp_file=False", "always kept"),
        ("infer", runner("LocalAPIRunner", concurrent_users=8), "infer.runner.concurrent_users=8", "query_per_second"),
        ("infer", runner("SlurmSequentialRunner", task_prefix="me"), "infer.runner.task_prefix", "leave it out"),
        ("infer", runner("DLCRunner", preemptible=True), "infer.runner.preemptible=True", "leave it out"),
        ("eval", runner("DLCRunner", eval_with_gpu=["x"]), "eval.runner.eval_with_gpu", "num_gpus"),
        ("infer", runner("LocalRunner", lark_bot_url="https://x"), "infer.runner.lark_bot_url", "say -l"),
        # OpenCompass's LocalRunner takes whatever it does not know, with a warning.
        ("infer", runner("LocalRunner", max_num_worker=8), "infer.runner.max_num_worker=8", "mean 'max_num_workers'?"),
        ("infer", runner("LocalRunner", partition="p"), "infer.runner.partition", "ignores it too"),
        ("infer", runner("LocalRunner", task={"dump_details": True}), "infer.runner.task.dump_details=True", "reads"),
        ("eval", runner("LocalRunner", task={"type": "OpenICLEvalWatchTask", "watch_interval": 5.0}),
         "eval.runner.task.watch_interval=5.0", "when inference has ended"),
        ("eval", runner("LocalRunner", task={"cal_extract_rate": True}), "eval.runner.task.cal_extract_rate=True",
         "empty answers"),
        ("eval", runner("LocalRunner", task={"judge_cfg": {}}), "eval.runner.task.judge_cfg", "judge_models"),
        ("infer", {"partitioner": {"type": "NaivePartitioner", "out_dir": "o"}}, "infer.partitioner.out_dir", "-w"),
        ("infer", {"partitioner": {"type": "SizePartitioner", "dataset_size_path": "f"}},
         "infer.partitioner.dataset_size_path", "counted"),
        ("infer", {"partitioner": {"type": "NumWorkerPartitioner", "force_rebuild": True}},
         "infer.partitioner.force_rebuild=True", "counted"),
        ("infer", {"partitioner": {"type": "NaivePartitioner", "keep_keys": ["x"]}}, "infer.partitioner.keep_keys",
         "leave it out"),
        ("eval", {"partitioner": {"type": "NaivePartitioner", "n": 10}}, "eval.partitioner.n=10", "a job of its own"),
        ("eval", {"partitioner": {**JUDGES, "max_task_size": 100}}, "eval.partitioner.max_task_size=100",
         "a job of its own"),
        ("eval", {"partitioner": {**JUDGES, "base_models": [{}]}}, "eval.partitioner.base_models", "the datasets"),
        # As an example of OpenCompass's has it, from before the datasets said it.
        ("eval", {"partitioner": {**JUDGES, "mode": "singlescore"}}, "eval.partitioner.mode", "the datasets"),
        ("eval", {"given_pred": []}, "eval.given_pred", "the datasets"),
        ("infer", {"inferencer": {}}, "infer.inferencer", "partitioner and runner"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_key_that_nothing_reads_is_told_with_its_path_and_what_to_do(
    name: str, section: dict[str, Any], path: str, advice: str
):
    told = [note for note in notes(name, section) if note.startswith(f"{path} is not read: ")]
    assert len(told) == 1, notes(name, section)
    assert advice in told[0]


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("infer", runner("LocalRunner", debug=False, keep_tmp_file=True, retry=1, lark_bot_url=None)),
        ("infer", runner("SlurmRunner", partition="p", quotatype="auto", qos="q", extra_command=[], max_num_workers=2)),
        ("infer", runner("DLCRunner", preemptible=False, aliyun_cfg={})),
        ("infer", {"partitioner": {"type": "NumWorkerPartitioner", "num_worker": 8, "force_rebuild": False}}),
        ("eval", {"partitioner": {"type": "NaivePartitioner", "n": 1}}),
        ("eval", {"partitioner": JUDGES, **runner("LocalRunner", task={"type": "SubjectiveEvalTask"})}),
        ("eval", runner("LocalRunner", task={"type": "OpenICLEvalTask", "dump_details": True})),
    ],
)  # fmt: skip
def test_what_is_read_or_is_so_anyway_is_not_told(name: str, section: dict[str, Any]):
    assert notes(name, section) == ()


def test_debug_of_a_section_is_not_told_where_the_run_has_it():
    assert notes("infer", runner("LocalRunner", debug=True), debug=True) == ()


def test_a_runners_address_is_read_with_l():
    assert notes("infer", runner("LocalRunner", lark_bot_url="https://x"), lark=True) == ()


def test_what_a_key_holds_is_not_repeated_where_it_could_be_a_secret():
    (note,) = notes("infer", runner("LocalRunner", password="pa55"))
    assert note.startswith("infer.runner.password is not read: ")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"runner": {"type": "SlurmRunner", "watch_interval": 5}}, "infer.runner: unknown key 'watch_interval'"),
        (
            {"partitioner": {"type": "SizePartitioner", "max_size": 5}},
            "infer.partitioner: SizePartitioner has no argum",
        ),
    ],
)
def test_a_key_that_opencompass_refuses_is_refused(section: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        notes("infer", section)


def test_an_argument_that_a_partitioner_of_judges_has_not_is_refused():
    message = "eval.partitioner: SubjectiveNaivePartitioner has no argument 'judge_model'; did you mean 'judge_models'"
    with pytest.raises(ConfigError, match=message):
        notes("eval", {"partitioner": {**JUDGES, "judge_model": {}}})


@pytest.mark.parametrize(
    ("name", "section", "note"),
    [
        ("infer", runner("SlurmSequentialRunner"), "SlurmSequentialRunner is obeyed as SlurmRunner: up to 32 jobs"),
        ("infer", runner("LocalAPIRunner", task={"type": "OpenICLInferConcurrentTask"}),
         "OpenICLInferConcurrentTask is obeyed as OpenICLInferTask"),
    ],
)  # fmt: skip
def test_a_class_that_is_obeyed_as_another_one_is_told(name: str, section: dict[str, Any], note: str):
    assert any(note in told for told in notes(name, section))


def test_the_guides_task_of_evaluation_under_infer_is_explained():
    with pytest.raises(ConfigError, match=r"infer\.runner\.task: OpenICLEvalTask scores answers .*OpenICLInferTask"):
        notes("infer", runner("SlurmRunner", task={"type": "opencompass.tasks.OpenICLEvalTask"}))
    with pytest.raises(ConfigError, match=r"eval\.runner\.task: OpenICLInferTask answers .*OpenICLEvalTask"):
        notes("eval", runner("SlurmRunner", task={"type": "opencompass.tasks.OpenICLInferTask"}))


def test_judges_of_a_section_that_is_replaced_are_said_to_hold():
    replaced = notes("eval", {"partitioner": JUDGES}, cluster="local")
    assert replaced == ("the config's eval section is replaced, because a cluster was named; its judges hold",)
