"""HumanEval: Python functions to complete, judged by running them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inference import code_runs
from inference.code_answers import first_block, function_body, indented_body, last_block
from inference.code_runs import Outcome, Program, Sandbox, Verdict
from inference.evaluators import EVALUATORS, Metric, Scored, of_many, runs_code
from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_jsonl
from inference.pass_at_k import percentages
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/humaneval", "data/humaneval/human-eval-v2-20210705.jsonl", archive="humaneval.zip")
add_source("opencompass/humaneval_cn", "data/humaneval_cn/human-eval-cn-v2-20210705.jsonl")

POSTPROCESSORS.add("humaneval_postprocess_v2")(first_block)
POSTPROCESSORS.add("humaneval_postprocess_v3")(last_block)
POSTPROCESSORS.add("humaneval_internal_v1_postprocess")(function_body)
POSTPROCESSORS.add("humaneval_internal_v2_postprocess")(indented_body)

SECONDS = 3.0
"""What a program may take, as in OpenCompass's call of human_eval."""


@LOADERS.add("HumanevalDataset")
def load(find: Find, path: str, *, num_repeats: int = 1, local_mode: bool = False) -> Splits:
    """A line per function, each ``num_repeats`` times in a row.

    :param local_mode: is for OpenCompass's downloads; nothing is downloaded here.
    """
    return [row for row in like_the_first(read_jsonl(find(path))) for _ in range(num_repeats)]


@EVALUATORS.add("HumanEvalEvaluator")
@runs_code
@of_many
def score(
    predictions: list[Any], references: list[Any], *, rows: list[Row], sandbox: Sandbox | None, k: Any = (1, 10, 100)
) -> Scored:
    """pass@k of completions, for each k that every function has answers enough for.

    :param references: ``task_id`` of each row; rows of one task count together.
    """
    answers = list(_answers(predictions, references, rows))
    verdicts = code_runs.run(sandbox, [program(row, str(said)) for _, said, _, row in answers], SECONDS)
    tasks: dict[str, list[bool]] = {}
    by_item: dict[int, list[bool]] = {}
    details = []
    for (item, said, task, row), verdict in zip(answers, verdicts, strict=True):
        tasks.setdefault(task, []).append(verdict.passed)
        by_item.setdefault(item, []).append(verdict.passed)
        details.append(
            {"task_id": task, "completion": said, "result": _result(verdict), "passed": verdict.passed,
             "is_correct": verdict.passed, "prompt": row.get("prompt")}
        )  # fmt: skip
    metrics = tuple(Metric(f"humaneval_{name}", value) for name, value in percentages(tasks, k))
    shares = [100.0 * sum(by_item[item]) / len(by_item[item]) for item in range(len(predictions))]
    correct = [all(by_item[item]) for item in range(len(predictions))]
    return Scored(metrics, shares, correct, details if len(details) == len(predictions) else None)


def _result(verdict: Verdict) -> str:
    """In the words of the official human_eval."""
    words = {Outcome.PASS: "passed", Outcome.TIMEOUT: "timed out"}
    return words.get(verdict.outcome, f"failed: {verdict.message}")


def _answers(predictions: list[Any], references: list[Any], rows: list[Row]) -> Iterable[tuple[int, Any, str, Row]]:
    for item, (said, task, row) in enumerate(zip(predictions, references, rows, strict=True)):
        for one in said if isinstance(said, list) else [said]:
            yield item, one, str(task), row


def program(row: Row, completion: str) -> Program:
    """A completion under its prompt, and the test that calls it.

    :raises InputProblem: the row is none of HumanEval.
    """
    if not {"prompt", "test", "entry_point"} <= set(row):
        raise InputProblem(f"a HumanEval row needs prompt, test and entry_point; this one has {', '.join(row)}")
    entry = str(row["entry_point"])
    return Program(f"{row['prompt']}{completion}", f"{row['test']}\ncheck({entry})", str(row["prompt"]), entry)
