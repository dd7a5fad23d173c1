"""Word problems beside GSM8K: SVAMP, GSM-Hard, MGSM in eleven languages, Math401."""

from __future__ import annotations

import re
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Splits, read_jsonl, read_text
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/SVAMP", "data/svamp/SVAMP.jsonl", archive="svamp.zip")
add_source("opencompass/gsm_hard", "data/gsm-hard/test.jsonl", archive="gsm-hard.zip")
add_source("opencompass/mgsm", "data/mgsm", archive="mgsm.zip")

_ANSWER_WORDS = {
    "en": "Answer", "bn": "উত্তর", "de": "Antwort", "es": "Respuesta", "fr": "Réponse", "ja": "答え", "ru": "Ответ",
    "sw": "Jibu", "te": "సమాధానం", "th": "คำตอบ", "zh": "答案",
}  # fmt: skip


@LOADERS.add("SVAMPDataset")
def load_svamp(find: Find, path: str) -> Splits:
    """``Body`` and ``Question`` make the question, ``Answer`` a whole number."""
    return [
        {"question": f"{row['Body']} {row['Question']}", "answer": str(int(row["Answer"]))}
        for row in read_jsonl(find(path))
    ]


@LOADERS.add("GSMHardDataset")
def load_hard(find: Find, path: str) -> Splits:
    """``input`` and ``target`` of each line."""
    return [{"question": row["input"], "answer": str(row["target"])} for row in read_jsonl(find(path))]


@LOADERS.add("MGSMSDataset")
def load_mgsm(find: Find, path: str) -> Splits:
    """A question and its number per line, with a tab between."""
    rows = []
    for number, line in enumerate(filter(None, read_text(find(path)).split("\n")), 1):
        fields = line.strip().split("\t")
        if len(fields) != 2:
            raise InputProblem(f"{path}:{number}: a question, a tab and a number are wanted; repair the line")
        rows.append({"question": fields[0], "answer": fields[1]})
    return rows


@POSTPROCESSORS.add("mgsm_postprocess")
def after_answer_word(text: str, lang: str) -> str:
    """The last number after the last word for answer of a language, without thousands separators; nothing without one.

    :param lang: two letters.
    """
    if lang not in _ANSWER_WORDS:
        raise InputProblem(f"mgsm_postprocess knows no language {lang!r}; it knows {', '.join(_ANSWER_WORDS)}")
    _, found, said = text.rpartition(_ANSWER_WORDS[lang])
    numbers: list[str] = re.findall(r"\d+\.?\d*", said.replace(",", "")) if found else []
    return numbers[-1].rstrip(".") if numbers else ""


@POSTPROCESSORS.add("mathbench_postprocess")
def after_answer_is(text: str, name: str) -> str:
    """The first number after ``The answer is`` (of Chinese subsets: ``答案是``), else the last one, else the text.

    :param name: of the subset; one with ``_cn`` is Chinese.
    """
    parts = text.split("答案是" if "_cn" in name else "The answer is")
    said = parts[1].strip() if len(parts) > 1 else text
    numbers: list[str] = re.findall(r"-?\d*\.?/?\d+|\d+", re.sub(r"(\d),(\d)", r"\1\2", said))
    return (numbers[0] if len(parts) > 1 else numbers[-1]) if numbers else said


@EVALUATORS.add("MGSM_Evaluator")
def score_mgsm(predictions: list[Any], references: list[Any]) -> Scored:
    """The same text."""
    pairs = zip(predictions, references, strict=True)
    return scored(
        "accuracy", [{"references": wanted, "predictions": said, "correct": wanted == said} for said, wanted in pairs]
    )


@EVALUATORS.add("Math401Evaluator")
def score_near(predictions: list[Any], references: list[Any]) -> Scored:
    """Numbers less than a thousandth apart."""
    pairs = zip(predictions, references, strict=True)
    return scored(
        "accuracy", [{"pred": said, "answer": wanted, "correct": _near(said, wanted)} for said, wanted in pairs]
    )


def _near(said: Any, wanted: Any) -> bool:
    try:
        return abs(float(said) - float(wanted)) < 1e-3
    except (ValueError, TypeError):
        return False
