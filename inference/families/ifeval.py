"""IFEval: instructions whose obedience a program can tell."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored
from inference.instructions import obeyed, variants
from inference.loaders import LOADERS, Find, Splits, like_the_first, read_jsonl
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/IFEval", "data/ifeval/input_data.jsonl", archive="ifeval.zip")


@LOADERS.add("IFEvalDataset")
def load(find: Find, path: str) -> Splits:
    """A line per prompt; the reference is the whole line: ``key``, ``prompt``, ``instruction_id_list``, ``kwargs``."""
    rows = like_the_first(read_jsonl(find(path)))
    return [{"prompt": row["prompt"], "reference": row} for row in rows]


@EVALUATORS.add("IFEvaluator")
def score(predictions: list[Any], references: list[Any], *, prompts: list[Any]) -> Scored:
    """How many prompts and how many instructions are obeyed, to the letter and loosely."""
    details, strict, loose = [], [], []
    for said, wanted, prompt in zip(predictions, references, prompts, strict=True):
        strictly, loosely = _obeyed(str(said), wanted)
        strict.append(strictly)
        loose.append(loosely)
        details.append(_detail(prompt, said, wanted, all(strictly), all(loosely)))
    metrics = (
        Metric("Prompt-level-strict-accuracy", _percent([all(each) for each in strict])),
        Metric("Inst-level-strict-accuracy", _percent([one for each in strict for one in each])),
        Metric("Prompt-level-loose-accuracy", _percent([all(each) for each in loose])),
        Metric("Inst-level-loose-accuracy", _percent([one for each in loose for one in each])),
    )
    correct = [all(each) for each in strict]
    return Scored(metrics, [100.0 * each for each in correct], correct, details)


def _obeyed(response: str, reference: Any) -> tuple[list[bool], list[bool]]:
    """Of each instruction, whether the response obeys it, and whether one of its variants does."""
    try:
        wanted = list(zip(reference["instruction_id_list"], reference["kwargs"], strict=True))
    except (TypeError, KeyError, ValueError) as error:
        raise InputProblem(f"an IFEval reference needs instruction_id_list and as many kwargs: {error!r}") from error
    strict = [obeyed(instruction, response, arguments) for instruction, arguments in wanted]
    loose = [
        any(obeyed(instruction, text, arguments) for text in variants(response)) for instruction, arguments in wanted
    ]
    return strict, loose


def _detail(prompt: Any, said: Any, reference: Any, strict: bool, loose: bool) -> dict[str, Any]:
    given = [{name: value for name, value in each.items() if value is not None} for each in reference["kwargs"]]
    return {
        "prompt": prompt,
        "pred": said,
        "refer": {**reference, "kwargs": given},
        "is_strict_correct": strict,
        "is_loose_correct": loose,
        "is_correct": strict,
        "grade": "strict" if strict else "loose" if loose else "none",
    }


def _percent(flags: list[bool]) -> float:
    return sum(flags) / len(flags) * 100 if flags else 0.0
