"""AGIEval: exams for people, in English and Chinese; choices, several choices and numbers.

https://arxiv.org/abs/2304.06364; the zero-shot prompts are those of its authors.
"""

# ruff: noqa: RUF001  # full-width punctuation of the Chinese prompts

from __future__ import annotations

import re
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Row, Splits, read_jsonl
from inference.math_answers import equivalent, last_boxed
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/agieval", "data/AGIEval/data/v1", archive="AGIEval.zip")

_ENGLISH = {
    *("lsat-ar", "lsat-lr", "lsat-rc", "logiqa-en", "sat-math", "sat-en", "sat-en-without-passage", "aqua-rat"),
    "gaokao-english",
}
_CHINESE = {
    *("logiqa-zh", "jec-qa-kd", "jec-qa-ca", "gaokao-chinese", "gaokao-geography", "gaokao-history"),
    *("gaokao-biology", "gaokao-chemistry", "gaokao-physics", "gaokao-mathqa"),
}


@LOADERS.add("AGIEvalDataset")
def load(find: Find, path: str, *, name: str, setting_name: str) -> Splits:
    """``id``, the whole prompt as ``problem_input``, and ``label``.

    :param name: of the exam, a file of the folder.
    :param setting_name: only ``zero-shot``.
    """
    rows = _read(find, path, name, setting_name)
    return [{"id": n, "problem_input": _prompt(row, name), "label": _label(row)} for n, row in enumerate(rows)]


@LOADERS.add("AGIEvalDataset_v2")
def load_parts(find: Find, path: str, *, name: str, setting_name: str) -> Splits:
    """``question`` after its passage, ``options`` line by line, and ``label`` as text (``AC`` for several)."""
    return [
        {
            "question": (row["passage"] or "") + row["question"],
            "options": "\n".join(row["options"] or ()),
            "label": _text(_label(row)),
        }
        for row in _read(find, path, name, setting_name)
    ]


def _read(find: Find, path: str, name: str, setting: str) -> list[Row]:
    if setting != "zero-shot":
        raise InputProblem(f"setting_name is {setting!r}; only 'zero-shot' is known, as in OpenCompass")
    return read_jsonl(find(path) / f"{name}.jsonl")


def _label(row: Row) -> Any:
    return row["label"] or row["answer"]


def _text(label: Any) -> str | None:
    if isinstance(label, list):
        return "".join(map(str, label))
    return None if label is None else str(label)


def _prompt(row: Row, exam: str) -> str:
    passage, question = row["passage"] or "", row["question"]
    if exam in _ENGLISH:
        choices = row["options"]
        last = "ABCDEFG"[(5 if len(choices) == 1 else len(choices)) - 1]
        listed = " ".join(choices)
        return f"{passage}Q: {question} Answer Choices: {listed}\nA: Among A through {last}, the answer is"
    if exam in _CHINESE:
        choices = row["options"]
        last = "ABCDEFG"[(4 if len(choices) == 1 else len(choices)) - 1]
        return f"{passage}问题：{question} 选项：{' '.join(choices)}\n答案：从A到{last}, 我们应选择"
    if exam == "math":
        return f"{passage}Q: {question}\nA: The answer is"
    if exam == "gaokao-mathcloze":
        return f"{passage}问题：{question}\n答案："
    raise InputProblem(
        f"AGIEval has no exam {exam!r}; choose one of {', '.join(sorted(_ENGLISH | _CHINESE))}, math, gaokao-mathcloze"
    )


@EVALUATORS.add("AGIEvalEvaluator")
def score(predictions: list[str], references: list[Any]) -> Scored:
    """The answer found in the text is the reference's formula or number, written alike."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said = said_answer(prediction)
        details.append({"pred": said, "answer": reference, "correct": equivalent(said, reference)})
    return scored("score", details)


@EVALUATORS.add("AGIEvalEvaluator_mcq")
def score_letters(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal, where the predictions were reduced to letters before."""
    details = [
        {"pred": prediction, "answer": reference, "correct": prediction == reference}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return scored("score", details)


def said_answer(text: str) -> str | None:
    """What stands in the last box, else between the last dollars, after the last ``=``, or the last number."""
    for prefix in ("The answer is therefore", "答案是"):
        if text.startswith(prefix):
            text = text[len(prefix) :].strip()
        elif prefix in text:
            text = text.rsplit(prefix, 1)[1].strip()
    if "\\boxed" in text:
        return _in_box(last_boxed(text))
    between = [found for found in re.findall(r"\$(.*)\$", text)[-1:] if found]
    if between:
        return _after_equals(between[0]) or _plain(text)
    return _plain(text)


def _in_box(box: str | None) -> str | None:
    if box is None or not (box.startswith("\\boxed{") and box.endswith("}")):
        return None
    return _after_equals(box[len("\\boxed{") : -1])


def _plain(text: str) -> str | None:
    if "=" in text:
        return text.split("=")[-1].lstrip(" ").rstrip(".").split("\\n")[0]
    numbers: list[str] = re.findall(r"(?:\$)?\d+(?:\.\d+)?(?![\w\d])", text)
    return numbers[-1] if numbers else None


def _after_equals(text: str) -> str:
    return text.split("=")[-1].lstrip(" ") if "=" in text else text
