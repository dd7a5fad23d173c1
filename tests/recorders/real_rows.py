"""Record what OpenCompass 0.5.4 says of answers to real rows of BIG-Bench Hard and GSM8K, in the styles models write.

Run in an OpenCompass virtualenv that also has langdetect and math-verify::

    PYTHONPATH=tests VENV/bin/python tests/recorders/real_rows.py DATA_FOLDER tests/golden/scoring/real_rows.json

``DATA_FOLDER`` holds OpenCompass's ``BBH/`` and ``gsm8k/``, both under the MIT licence (Suzgun et al. 2022,
github.com/suzgunmirac/BIG-Bench-Hard; Cobbe et al. 2021, github.com/openai/grade-school-math); of their rows the record
holds targets only.
"""

# ruff: noqa: RUF001  # Chinese punctuation is the point

from __future__ import annotations

import json
import random
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from opencompass.openicl.icl_evaluator import JiebaRougeEvaluator

from recorders.scoring import processed, record

bbh, gsm8k, math401, mgsm, strategyqa = (
    import_module(f"opencompass.datasets.{name}") for name in ("bbh", "gsm8k", "math401", "mgsm", "strategyqa")
)

STYLES = (
    "So the answer is {0}.",
    "Let's think step by step.\n(1) We look at {1}, which is wrong.\n(2) So the answer is {0}.",
    "the answer is: {0}",
    "The answer is {0}\n\nQ: Is the answer {1}?\nA: Let's think. So the answer is {1}.",
    "**{0}**",
    "So the answer is **{0}**.",
    "$\\boxed{{{0}}}$",
    "So the answer is $\\boxed{{\\text{{{0}}}}}$.",
    "答案是{0}。",
    "因此，答案是 {0}，而不是 {1}。",
    "So the answer is {0}. I hope this helps!",
    "So the answer is {0}, because 12,345 is more than 9,876.",
    "{0}",
    "Answer: {0}\nExplanation: not {1}.",
    "I am not sure.",
    "",
    'So the answer is "{0}".',
    "<think>{1}?</think> So the answer is {0}",
)
PREFIXES = ("Answer", "উত্তর", "Antwort", "Respuesta", "Réponse", "答え", "Ответ", "Jibu", "సమాధానం", "คำตอบ", "答案")
LANGUAGES = ("en", "bn", "de", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
NUMBERS = ("{0}", "{0:,}", "{0}.0", "{0}.00001", "{0}.01", "${0}", "{0} ", "{0}%", "about {0}", "", "1e{0}", "-{0}")
CHINESE = (
    "小明有{0}个苹果，又买了{1}个。",
    "他一共走了{0}公里，花了{1}小时。",
    "{0}",
    "商店里卖出{0}件衣服，还剩下{1}件",
    "A total of {0} 元",
    "",
    "答案是{0}。第二句话：{1}",
    "一共{0}，{1}",
)


def main(data: Path, target: Path) -> None:
    """Write the record."""
    draw = random.Random(20)
    made = {"texts": bbh_texts(data, draw), "scored": scored(data, draw)}
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    target.write_text(text + "\n", encoding="utf-8")


def bbh_rows(data: Path, draw: random.Random, *, choice: bool) -> list[tuple[str, str]]:
    """Said and target, rows of every subset whose targets are options, or of every other."""
    found = []
    for file in sorted((data / "BBH" / "data").glob("*.json")):
        targets = [example["target"] for example in json.loads(file.read_text(encoding="utf-8"))["examples"]]
        if all(one.startswith("(") for one in targets) != choice:
            continue
        for number, wanted in enumerate(draw.sample(targets, 24)):
            meant = wanted if draw.random() < 0.75 else draw.choice(targets)
            found.append((STYLES[(number + len(found)) % len(STYLES)].format(meant, draw.choice(targets)), wanted))
    return found


def bbh_texts(data: Path, draw: random.Random) -> dict[str, Any]:
    """BBH's two post-processors."""
    pools = {
        "options": [said for said, _ in bbh_rows(data, draw, choice=True)],
        "words": [said for said, _ in bbh_rows(data, draw, choice=False)],
        "labels": [draw.choice((True, False, "True", "False", "true", "yes", 1)) for _ in range(200)],
    }
    outputs = [
        processed("bbh-mcq", bbh.bbh_mcq_postprocess, pools, "options"),
        processed("bbh-freeform", bbh.bbh_freeform_postprocess, pools, "words"),
        processed("strategyqa_dataset", strategyqa.strategyqa_dataset_postprocess, pools, "labels"),
    ]
    return {"pools": pools, "outputs": outputs}


def scored(data: Path, draw: random.Random) -> list[dict[str, Any]]:
    """Whole results."""
    words, options = bbh_rows(data, draw, choice=False), bbh_rows(data, draw, choice=True)
    reduce = bbh.bbh_mcq_postprocess
    lines = (data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    numbers = [gsm8k.gsm8k_dataset_postprocess(json.loads(line)["answer"]).replace(",", "") for line in lines]
    return [
        record("BBHEvaluator", bbh.BBHEvaluator(), *columns(words)),
        record("BBHEvaluator_mcq", bbh.BBHEvaluator_mcq(), *columns((reduce(a), reduce(b)) for a, b in options)),
        record("MGSM_Evaluator", mgsm.MGSM_Evaluator(), *columns(languages(numbers, draw))),
        record("Math401Evaluator", math401.Math401Evaluator(), *columns(near(numbers, draw))),
        record("JiebaRougeEvaluator", JiebaRougeEvaluator(), *columns(chinese(numbers, draw))),
    ]  # fmt: skip


def columns(pairs: Any) -> list[list[str]]:
    """Predictions and references."""
    return [list(column) for column in zip(*pairs, strict=True)]


def languages(numbers: list[str], draw: random.Random) -> list[tuple[str, str]]:
    """What MGSM's post-processor leaves of answers in eleven languages."""
    found = []
    for index, wanted in enumerate(draw.sample(numbers, 220)):
        meant = wanted if draw.random() < 0.7 else draw.choice(numbers)
        said = f"{int(float(meant)):,}" if index % 3 == 0 else meant
        text = f"1 + 2 = 3.\n{PREFIXES[index % 11]}: {said}" + (".", "。", " apples, not 7x", "")[index % 4]
        found.append((mgsm.mgsm_postprocess(text, LANGUAGES[index % 11]), wanted))
    return found


def near(numbers: list[str], draw: random.Random) -> list[tuple[str, str]]:
    """Numbers, more or less."""
    sample = draw.sample(numbers, 240)
    return [(NUMBERS[index % len(NUMBERS)].format(int(float(one))), one) for index, one in enumerate(sample)]


def chinese(numbers: list[str], draw: random.Random) -> list[tuple[str, str]]:
    """Sentences that have some words in common."""
    found = []
    for index in range(216):
        few = draw.sample(numbers, 2)
        said = draw.choice(CHINESE).format(*few)
        found.append((said, CHINESE[index % len(CHINESE)].format(*reversed(few))))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
