import argparse
import subprocess
import sys

import pytest

from opencompass_ops.errors import InputError
from opencompass_ops.planning import params
from opencompass_ops.planning.request import Request

EVERY_FLAG = [
    "eval.py",
    *("-m", "infer"),
    *("-r", "20260101_000000"),
    *("-w", "out"),
    *("--cluster", "big"),
    *("--limit", "7"),
    *("-p", "llmeval"),
    *("-q", "spot"),
    *("--qos", "high"),
    *("--account", "nlp"),
    *("--reservation", "tuesday"),
    *("--minutes", "90"),
    *("--mem", "64G"),
    *("--exclude", "n[1-3],n7"),
    *("--extra-args=--exclusive", "--extra-args=--tmp=10G"),
    *("--max-num-workers", "3"),
    *("--max-partition-size", "2000"),
    *("--retry", "4"),
    "--debug",
    "--dry-run",
    *("--cfg-options", "a.b=1", "c=[1,2]"),
    *("--cfg-options", "d=x"),
    *("--model-override", "path=/c/step-1,abbr=one"),
    *("--model-override", "path=/c/a,b,tokenizer_path=/t"),
]


def parse(*argv):
    parser = argparse.ArgumentParser(exit_on_error=False)
    params.add_arguments(parser)
    return params.from_arguments(parser.parse_args(list(argv)))


def test_every_parameter_has_one_row_a_title_and_a_description():
    names = [parameter.name for parameter in params.PARAMETERS]
    assert len(set(names)) == len(names)
    assert all(entry["title"] and entry["description"] for entry in params.form().values())


def test_the_form_opens_with_what_a_first_run_needs():
    # Airflow shows parameters without a section at once, and folds the others.
    shown = [name for name, entry in params.form().items() if "section" not in entry]
    assert shown == ["config", "model_overrides", "limit", "max_num_workers", "mode"]
    assert shown == list(params.form())[: len(shown)]


def test_a_form_left_alone_says_what_an_empty_command_line_says():
    assert {name: entry["default"] for name, entry in params.form().items()} == parse()


def test_every_flag_reaches_the_request():
    assert Request.from_params(parse(*EVERY_FLAG)) == Request.from_params(
        {
            "config": "eval.py",
            "mode": "infer",
            "reuse": "20260101_000000",
            "work_dir": "out",
            "cluster": "big",
            "limit": 7,
            "partition": "llmeval",
            "quotatype": "spot",
            "qos": "high",
            "account": "nlp",
            "reservation": "tuesday",
            "minutes": 90,
            "mem": "64G",
            "exclude": "n[1-3],n7",
            "extra_args": ["--exclusive", "--tmp=10G"],
            "max_num_workers": 3,
            "max_partition_size": 2000,
            "retry": 4,
            "debug": True,
            "dry_run": True,
            "cfg_options": ["a.b=1", "c=[1,2]", "d=x"],
            "model_overrides": [
                {"path": "/c/step-1", "abbr": "one"},
                {"path": "/c/a,b", "tokenizer_path": "/t"},
            ],
        }
    )


def test_a_bare_reuse_flag_means_the_latest_run():
    assert parse("eval.py", "-r")["reuse"] == "latest"


def test_slurm_is_short_for_the_cluster_of_that_name():
    assert parse("eval.py", "--slurm")["cluster"] == "slurm"
    assert parse("eval.py", "--dlc")["cluster"] == "dlc"
    assert parse("eval.py")["cluster"] is None


def test_slurm_beside_another_cluster_is_refused():
    with pytest.raises(argparse.ArgumentError, match="not allowed with argument --cluster"):
        parse("eval.py", "--cluster", "big", "--slurm")


def test_what_is_asked_of_the_cluster_is_folded_in_a_section_of_its_own():
    folded = [name for name, entry in params.form().items() if entry.get("section") == "Cluster resources"]
    assert folded[:4] == ["partition", "quotatype", "qos", "account"]
    assert Request.from_params({"config": "c"}).resources == {}
    assert list(Request.from_params(parse(*EVERY_FLAG)).resources) == folded


def test_a_choice_that_may_be_left_empty_takes_null_too():
    assert params.form()["quotatype"]["enum"] == ["auto", "reserved", "spot", None]
    assert params.form()["mode"]["enum"] == ["all", "infer", "eval", "viz"]


@pytest.mark.parametrize("text", ["/c/step-1", "pth=/c", "path=/c,abr=x", "path=/c,path=/d"])
def test_a_malformed_override_flag_is_refused(text):
    with pytest.raises(argparse.ArgumentError, match="path=, tokenizer_path=, abbr="):
        parse("eval.py", "--model-override", text)


def test_a_form_left_alone_is_refused_for_what_it_lacks():
    with pytest.raises(InputError, match="config: is empty; name a config, or models"):
        Request.from_params(parse())


def test_what_has_no_effect_is_no_field_of_the_form_and_is_warned_of_only_when_it_is_said():
    assert not {"read_from_station", "min_out_len", "num_gpus"} & set(params.form())
    assert params.in_vain(parse("eval.py")) == ()
    (warning,) = params.in_vain(parse("eval.py", "--min-out-len", "3"))
    assert warning.startswith("--min-out-len (min_out_len) has no effect: ")


def test_details_are_kept_unless_the_word_false_is_said():
    said = [parse("e", *more)["dump_eval_details"] for more in ((), ("--dump-eval-details",))]
    said += [parse("e", "--dump-eval-details", word)["dump_eval_details"] for word in ("True", "0", "False", "false")]
    assert said == [True, True, True, True, False, False]


def test_the_form_offers_sorted_proposals():
    assert params.form({"config": ["b.py", "a.py"]})["config"]["examples"] == ["a.py", "b.py"]


def test_a_changed_form_does_not_change_the_table():
    params.form()["cfg_options"]["default"].append("x=1")
    assert params.form()["cfg_options"]["default"] == []


def test_the_table_imports_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); import opencompass_ops.planning.params\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'opencompass_ops'}))"
    )
    environment = {"PYTHONPATH": "plugins"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.airflow
def test_airflow_takes_what_the_request_takes_and_refuses_what_it_refuses():
    from airflow.sdk import Param
    from airflow.sdk.exceptions import ParamValidationError

    fields = {name: Param(**entry) for name, entry in params.form().items()}
    for name, value in parse(*EVERY_FLAG).items():
        assert fields[name].resolve(value) == value
    for entry in params.form().values():
        if "default" in entry:
            assert Param(**entry).resolve() == entry["default"]
    wrong = {
        "mode": "train",
        "limit": 0,
        "retry": 11,
        "debug": "yes",
        "reuse": "../x",
        "cluster": "a/b",
        "quotatype": "cheap",
        "minutes": 0,
        "mem": "64 GB",
        "extra_args": "--exclusive",
        "max_num_workers": "3",
        "cfg_options": "a=1",
        "model_overrides": [{"abbr": "x"}],
    }
    for name, value in wrong.items():
        with pytest.raises(ParamValidationError):
            fields[name].resolve(value)
