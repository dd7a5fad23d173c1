"""MATH: competition problems whose answer stands in a LaTeX box."""

from __future__ import annotations

import re
from typing import Any

from inference.evaluators import EVALUATORS, Scored, package, requires, scored
from inference.loaders import LOADERS, Find, Row, Splits, parse_object, read_text
from inference.math_answers import STRIPPERS, boxed_answer, boxed_or_spoken_answer, equivalent, spoken_answer
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/math", "data/math", archive="math.zip")

POSTPROCESSORS.add("math_postprocess")(spoken_answer)
POSTPROCESSORS.add("math_postprocess_v2")(boxed_or_spoken_answer)


@POSTPROCESSORS.add("math_judement_preprocess")  # OpenCompass spells it so
def answer_line(text: str) -> str:
    """What follows the first ``ANSWER:``, in any case, up to the end of its line; nothing when there is none."""
    match = re.search(r"(?i)ANSWER\s*:\s*([^\n]+)", text)
    return match.group(1) if match else ""


@LOADERS.add("MATHDataset")
def load(find: Find, path: str, *, file_name: str = "math.json", **ignored: Any) -> Splits:
    """A JSON object of ``problem`` and ``solution``; of the solution only what is boxed is kept.

    The same rows are ``train`` and ``test``. Other options are ignored, as OpenCompass does.
    """
    file = find(path) / file_name
    rows = [_row(problem, f"{file}: {key}") for key, problem in parse_object(read_text(file), str(file)).items()]
    return {"train": rows, "test": rows}


def _row(problem: Any, where: str) -> Row:
    if not isinstance(problem, dict) or not {"problem", "solution"} <= set(problem):
        raise InputProblem(f"{where} is no object with 'problem' and 'solution'; it is no MATH file")
    return {"problem": problem["problem"], "solution": boxed_answer(str(problem["solution"]))}


@EVALUATORS.add("MATHEvaluator")
def score(predictions: list[Any], references: list[Any], *, version: str = "v1") -> Scored:
    """The same answer once both sides are reduced; see :mod:`inference.math_answers`."""
    if version not in STRIPPERS:
        raise InputProblem(f"MATHEvaluator has the versions {', '.join(STRIPPERS)}, not {version!r}")
    details = [
        {"pred": prediction, "answer": reference, "correct": equivalent(prediction, reference, version)}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return scored("accuracy", details)


@EVALUATORS.add("MATHVerifyEvaluator")
@requires(package("math_verify", "math-verify[antlr4_13_2]"))
def verify(predictions: list[Any], references: list[Any]) -> Scored:
    """The same value by computer algebra, of what is boxed in a prediction (the package math-verify).

    OpenCompass leaves a row out whose reference cannot be read, which shifts its details; here it is wrong.
    """
    return scored(
        "accuracy", [_verified(str(said), wanted) for said, wanted in zip(predictions, references, strict=True)]
    )


def _verified(prediction: str, reference: Any) -> dict[str, Any]:
    from latex2sympy2_extended import NormalizationConfig
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse
    from math_verify import verify as same

    boxed = LatexExtractionConfig(
        normalization_config=NormalizationConfig(
            nits=False, malformed_operators=False, basic_latex=True, boxed="all", units=True
        ),
        boxed_match_priority=0,
        try_extract_without_anchor=False,
    )
    gold = [LatexExtractionConfig(), ExprExtractionConfig()]
    try:
        wanted = parse(f"${reference}$", extraction_mode="first_match", extraction_config=gold)
        said = parse(prediction, extraction_mode="first_match", extraction_config=[boxed])
        correct = bool(wanted) and bool(same(said, wanted))
    except Exception as error:  # what a model writes makes sympy raise anything; the row is wrong, the rest counts
        return {"pred": str(error), "answer": reference, "correct": False}
    return {"pred": str(said), "answer": str(wanted) if wanted else reference, "correct": correct}
