"""MBPP: short Python programs from a sentence and three assertions, judged by running them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from typing import Any

from inference import code_runs
from inference.code_answers import mbpp_answer, mbpp_block
from inference.code_runs import Outcome, Program, Sandbox
from inference.evaluators import EVALUATORS, Metric, Scored, of_many, requires, runs_code
from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_jsonl, with_columns_of_all
from inference.pass_at_k import percentages
from inference.problems import InputProblem, NotNative
from inference.sandbox.equality import TYPE_AWARE_EQUAL
from inference.sources import add_source

add_source("opencompass/mbpp", "data/mbpp/mbpp.jsonl", archive="mbpp.zip")
add_source("opencompass/sanitized_mbpp", "data/mbpp/sanitized-mbpp.jsonl", archive="mbpp.zip")
add_source("opencompass/mbpp_plus", "data/mbpp_plus/mbpp_plus.jsonl", archive="mbpp_plus.zip")

SECONDS = 9.0
"""What a program may take: one less than OpenCompass waits for its process."""


@LOADERS.add("MBPPDataset")
def load(find: Find, path: str, *, local_mode: bool = False) -> Splits:
    """Ten rows to learn from and the 500 after them; the assertions also as one text, for prompt and check."""
    return _split([_with_checks(row) for row in _read(find, path)], 10, 510)


@LOADERS.add("MBPPDatasetV2")
def load_repeated(find: Find, path: str, *, num_repeats: int = 1) -> Splits:
    """The same for pass@k: the test rows ``num_repeats`` times over."""
    return _repeated(_split([_with_column(_joined(row)) for row in _read(find, path)], 10, 510), num_repeats)


@LOADERS.add("SanitizedMBPPDataset")
def load_sanitized(find: Find, path: str, *, num_repeats: int = 1) -> Splits:
    """The 264 rows that were checked by hand: seven to learn from, 257 to test."""
    return _repeated(_split([_sanitized(row) for row in _read(find, path)], 7, 264), num_repeats)


@LOADERS.add("MBPPPlusDataset")
def load_plus(find: Find, path: str, *, num_repeats: int = 1) -> Splits:
    """Rows of EvalPlus, each ``num_repeats`` times in a row."""
    return [
        _with_column(_with_checks(row)) for row in like_the_first(read_jsonl(find(path))) for _ in range(num_repeats)
    ]


def _read(find: Find, path: str) -> list[Row]:
    return with_columns_of_all(read_jsonl(find(path)))


def _split(rows: list[Row], train: int, test: int) -> dict[str, list[Row]]:
    return {"train": rows[:train], "test": rows[train:test]}


def _repeated(splits: dict[str, list[Row]], times: int) -> Splits:
    return {**splits, "test": splits["test"] * times}


def _joined(row: Row) -> Row:
    checks = row.get("test_list")
    if not isinstance(checks, list):
        raise InputProblem(f"an MBPP row needs a list 'test_list', not {checks!r}; it is no MBPP file")
    return {**row, "test_case": checks, "test_list": "\n".join(map(str, checks))}


def _with_checks(row: Row) -> Row:
    row = _joined(row)
    return {**row, "test_list_2": row["test_list"]}


def _with_column(row: Row) -> Row:
    return {**row, "test_column": {"test_list_2": row["test_list"], "task_id": row.get("task_id")}}


def _sanitized(row: Row) -> Row:
    joined = _joined(row)
    kept = {key: value for key, value in joined.items() if key not in ("prompt", "test_case")}
    return _with_column({**kept, "text": row.get("prompt"), "test_list_2": joined["test_list"]})


def type_aware(check: str) -> str:
    """Assertions of equality as calls of :data:`TYPE_AWARE_EQUAL`; a text that is no program stays as it is."""
    try:
        tree = ast.parse(check)
    except SyntaxError:
        return check
    for node in ast.walk(tree):
        compared = node.test if isinstance(node, ast.Assert) else None
        if isinstance(node, ast.Assert) and isinstance(compared, ast.Compare) and _is_equality(compared):
            equal = ast.Name(id=TYPE_AWARE_EQUAL, ctx=ast.Load())
            node.test = ast.Call(func=equal, args=[compared.left, compared.comparators[0]], keywords=[])
    return ast.unparse(ast.fix_missing_locations(tree))


def _is_equality(compared: ast.Compare) -> bool:
    return len(compared.ops) == 1 and isinstance(compared.ops[0], ast.Eq)


def _needs(options: dict[str, Any]) -> None:
    if options.get("metric", "MBPP") != "MBPP":
        raise NotNative(f"MBPPEvaluator with metric {options['metric']!r}, which EvalPlus computes")


def _register(name: str, answer: Callable[[str], str]) -> None:
    @EVALUATORS.add(name)
    @runs_code
    @requires(_needs)
    def score(
        predictions: list[Any], references: list[Any], *, sandbox: Sandbox | None, metric: str = "MBPP"
    ) -> Scored:
        """How many programs pass, and what became of the others."""
        programs = [
            Program(answer(str(said)), type_aware(str(check)))
            for said, check in zip(predictions, references, strict=True)
        ]
        outcomes = [verdict.outcome for verdict in code_runs.run(sandbox, programs, SECONDS)]
        correct = [outcome is Outcome.PASS for outcome in outcomes]
        details = [
            {"origin": said, "programs": [each.code, each.check], "result": outcome.value, "is_correct": passed}
            for said, each, outcome, passed in zip(predictions, programs, outcomes, correct, strict=True)
        ]
        share = Metric("score", sum(correct) / len(correct) * 100)
        return Scored((share, *_counts(outcomes)), [100.0 * each for each in correct], correct, details)


_register("MBPPEvaluator", mbpp_answer)
_register("MBPPEvaluator2", mbpp_block)


def _counts(outcomes: list[Outcome]) -> tuple[Metric, ...]:
    counted = Counter(outcomes)
    order = (Outcome.PASS, Outcome.TIMEOUT, Outcome.FAILED, Outcome.WRONG)
    return tuple(Metric(each.value, counted[each], "", each is Outcome.PASS) for each in order)


@EVALUATORS.add("MBPPPassKEvaluator")
@runs_code
@of_many
def pass_k(predictions: list[Any], references: list[Any], *, sandbox: Sandbox | None, k: Any = (1, 10, 100)) -> Scored:
    """pass@k over tasks, of each k that every task has answers enough for; references are ``test_column``."""
    answers = [
        (reference, mbpp_answer(str(one)))
        for said, reference in zip(predictions, references, strict=True)
        for one in (said if isinstance(said, list) else [said])
    ]
    programs = [Program(said, type_aware(str(reference["test_list_2"]))) for reference, said in answers]
    outcomes = [verdict.outcome for verdict in code_runs.run(sandbox, programs, SECONDS)]
    tasks: dict[str, list[bool]] = {}
    for (reference, _), outcome in zip(answers, outcomes, strict=True):
        tasks.setdefault(str(reference["task_id"]), []).append(outcome is Outcome.PASS)
    shares = tuple(Metric(name, value) for name, value in percentages(tasks, k))
    return Scored((*shares, *_counts(outcomes)))
