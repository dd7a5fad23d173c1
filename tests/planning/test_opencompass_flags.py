"""Each flag of OpenCompass's run.py works, warns, or is refused with the next step; none is unknown."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from opencompass_ops.errors import InputError
from opencompass_ops.planning import params
from opencompass_ops.planning.request import Request
from scripts.flags import PAGE, page, table

WARNS, REFUSED, TYPED = "warns", "refused", "typed"
"""The last: the command run takes it, and no request."""

# Every add_argument of opencompass/cli/main.py 0.5.4, in its order, as people type it; then the two that went in 0.2.6.
FLAGS: list[tuple[list[str], str, Any]] = [
    (["eval_x.py"], "config", "eval_x.py"),
    (["--slurm"], "cluster", "slurm"),
    (["--dlc"], "cluster", "dlc"),
    (["--models", "hf_a", "hf_b"], "models", ("hf_a", "hf_b")),
    (["--datasets", "siqa_gen", "mmlu_gen/mmlu_datasets"], "datasets", ("siqa_gen", "mmlu_gen/mmlu_datasets")),
    (["--summarizer", "medium/summarizer"], "summarizer", "medium/summarizer"),
    (["--debug"], "debug", True),
    (["--dry-run"], "dry_run", True),
    (["-a", "vllm"], "accelerator", "vllm"),
    (["--accelerator", "lmdeploy"], "accelerator", "lmdeploy"),
    (["-m", "infer"], "mode", "infer"),
    (["--mode", "all"], "mode", "all"),
    (["-r"], "reuse", "latest"),
    (["--reuse", "20260102_030405"], "reuse", "20260102_030405"),
    (["-w", "out"], "work_dir", "out"),
    (["--work-dir", "out"], "work_dir", "out"),
    (["--config-dir", "mine"], "config_dir", "mine"),
    (["--config-verbose"], "config_verbose", True),
    (["-l"], "lark", True),
    (["--lark"], "lark", True),
    (["--max-num-workers", "32"], "max_num_workers", 32),
    (["--max-workers-per-gpu", "2"], "max_workers_per_gpu", 2),
    (["--retry", "5"], "retry", 5),
    (["--dump-eval-details"], "dump_eval_details", True),
    (["--dump-eval-details", "False"], "dump_eval_details", False),
    (["--dump-res-length"], "dump_res_length", True),
    (["--analysis-repeat"], "analysis_repeat", True),
    (["--dump-extract-rate"], "dump_extract_rate", WARNS),
    (["-sp", "/station"], "station_path", "/station"),
    (["--station-path", "/station"], "station_path", "/station"),
    (["--station-overwrite"], "station_overwrite", True),
    (["--read-from-station"], "read_from_station", WARNS),
    (["--dataset-num-runs", "4"], "dataset_num_runs", 4),
    (["--dump-only-message-path", "m"], "dump_only_message_path", TYPED),
    (["-p", "llmeval"], "partition", "llmeval"),
    (["--partition", "llmeval"], "partition", "llmeval"),
    (["-q", "auto"], "quotatype", "auto"),
    (["--quotatype", "reserved"], "quotatype", "reserved"),
    (["--qos", "high"], "qos", "high"),
    (["--aliyun-cfg", "a.py"], "aliyun_cfg", "a.py"),
    (["--hf-type", "base"], "hf_type", "base"),
    (["--hf-path", "facebook/opt-125m"], "hf_path", "facebook/opt-125m"),
    (["--model-kwargs", "device_map=auto", "a=1"], "model_kwargs", ("device_map=auto", "a=1")),
    (["--tokenizer-path", "t"], "tokenizer_path", "t"),
    (["--tokenizer-kwargs", "use_fast=False"], "tokenizer_kwargs", ("use_fast=False",)),
    (["--peft-path", "p"], "peft_path", "p"),
    (["--peft-kwargs", "a=b"], "peft_kwargs", ("a=b",)),
    (["--generation-kwargs", "do_sample=True"], "generation_kwargs", ("do_sample=True",)),
    (["--max-seq-len", "2048"], "max_seq_len", 2048),
    (["--max-out-len", "100"], "max_out_len", 100),
    (["--min-out-len", "3"], "min_out_len", WARNS),
    (["--batch-size", "16"], "batch_size", 16),
    (["--num-gpus", "2"], "num_gpus", REFUSED),
    (["--hf-num-gpus", "2"], "hf_num_gpus", 2),
    (["--pad-token-id", "-1"], "pad_token_id", -1),
    (["--stop-words", "###", "User:"], "stop_words", ("###", "User:")),
    (["--custom-dataset-path", "a.jsonl"], "custom_dataset_path", "a.jsonl"),
    (["--custom-dataset-meta-path", "m.json"], "custom_dataset_meta_path", "m.json"),
    (["--custom-dataset-data-type", "mcq"], "custom_dataset_data_type", "mcq"),
    (["--custom-dataset-infer-method", "ppl"], "custom_dataset_infer_method", "ppl"),
    (["--max-partition-size", "4000"], "max_partition_size", 4000),
    (["--gen-task-coef", "15"], "gen_task_coef", 15),
]


def parse(*argv: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    params.add_arguments(parser)
    return params.from_arguments(parser.parse_args(list(argv)))


@pytest.mark.parametrize(("argv", "name", "outcome"), FLAGS, ids=[" ".join(argv) for argv, _, _ in FLAGS])
def test_a_flag_of_run_py(argv: list[str], name: str, outcome: Any):
    said = parse(*(["c.py", *argv] if name != "config" else argv))
    assert params.BY_NAME[name].typed == (outcome == TYPED)
    if outcome in (REFUSED, TYPED):
        with pytest.raises(InputError, match=rf"{name}=.*\({params.BY_NAME[name].flags[-1]}\): .{{20,}}"):
            Request.from_params(said)
        return
    request = Request.from_params(said)
    if outcome == WARNS:
        (warning,) = params.in_vain(said)
        assert warning.startswith(f"{params.BY_NAME[name].flags[-1]} ({name}) has no effect: ")
        assert request == Request.from_params(parse("c.py"))
    else:
        assert getattr(request, name) == outcome
        assert params.in_vain(said) == ()


def test_a_command_line_of_the_user_guide_is_taken_as_it_stands():
    typed = "configs/eval.py --slurm -p llmeval -q auto --max-num-workers 32 --max-partition-size 4000 -l"
    said = parse(*typed.split())
    request = Request.from_params(said)
    assert (request.config, request.cluster, request.partition) == ("configs/eval.py", "slurm", "llmeval")
    assert (request.quotatype, request.max_num_workers, request.max_partition_size) == ("auto", 32, 4000)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--datasets", "siqa_gen"], "models: there are none; name model configs, or a checkpoint with hf_path"),
        (["--hf-path", "x"], "datasets: there are none; name dataset configs, or a file with custom_dataset_path"),
        (["c.py", "-m", "eval"], "mode='eval': works on a run that exists; set reuse"),
    ],
)
def test_what_is_lacking_is_said_with_the_next_step(argv: list[str], message: str):
    with pytest.raises(InputError) as caught:
        Request.from_params(parse(*argv))
    assert message in str(caught.value)


def test_slurm_and_dlc_exclude_each_other():
    with pytest.raises(argparse.ArgumentError, match="not allowed with"):
        parse("c.py", "--slurm", "--dlc")


def test_the_documented_table_of_flags_is_the_present_one():
    assert page(PAGE.read_text()) == PAGE.read_text(), "run: python -m scripts.flags"
    assert all(f"`{argv[0]}`" in table() for argv, _, _ in FLAGS if argv[0].startswith("-"))


_EVERYWHERE = set(params.BY_NAME) - {parameter.name for parameter in params.PARAMETERS if parameter.kinds}


@pytest.mark.parametrize(("argv", "name", "outcome"), FLAGS, ids=[" ".join(argv) for argv, _, _ in FLAGS])
@pytest.mark.parametrize("kind", ["local", "slurm"])
def test_a_flag_means_something_on_a_kind_of_cluster_or_warns_there(
    kind: str, argv: list[str], name: str, outcome: Any
):
    said = parse(*(["c.py", *argv] if name != "config" else argv))
    warned = params.misplaced(said, {kind})
    if name in _EVERYWHERE or kind in params.BY_NAME[name].kinds:
        assert warned == ()
    else:
        (warning,) = warned
        assert warning.startswith(
            f"{params.BY_NAME[name].flags[-1]} ({name}) has no effect: it is for clusters of the "
        )
        assert f"and this run is on {kind}; " in warning
    assert params.misplaced(said, {"local", "slurm", "dlc"}) == ()


def test_the_flags_of_one_kind_of_cluster_are_these():
    # On the local kind nothing is asked of a scheduler; max_workers_per_gpu is OpenCompass's LocalRunner's alone.
    found = {parameter.name: parameter.kinds for parameter in params.PARAMETERS if parameter.kinds}
    of_slurm = ("partition", "quotatype", "qos", "account", "reservation", "mem", "exclude", "extra_args")
    assert found == {
        **dict.fromkeys(of_slurm, ("slurm",)),
        "max_workers_per_gpu": ("local",),
        "aliyun_cfg": ("dlc",),
    }
