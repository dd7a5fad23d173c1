"""What models say to a multiple-choice question, in the styles they really write; with the letter they mean.

Standard library only: recorders say the same in OpenCompass's own environment.
"""

# ruff: noqa: RUF001  # Chinese punctuation is the point

from __future__ import annotations

import random

STYLES = (
    "{x}",
    "{x}.",
    "({x})",
    " {x}\n",
    "{x}. {text}",
    "{x}) {text}, because of that.",
    "{x}: {text}",
    "**{x}**",
    "**{x}. {text}**",
    "The answer is {x}.",
    "The answer is: {x}",
    "the answer is ({x}).",
    "The answer is **{x}**",
    "The answer is **({x})** {text}",
    "So the answer is {x}, not {y}.",
    "The correct answer is {x}. {text}",
    "The correct answer is option {x}.",
    "The correct option is: $\\boxed{{{x}}}$",
    "The correct answer is $$\\boxed{{{x}}}$$. I hope it is correct.",
    "The answer to the question is ({x}).",
    "Answer: {x}",
    "ANSWER: {x}",
    "answer : {x}\nExplanation: {text}",
    "Let's think step by step. {y} is wrong since {text}. Therefore, the answer is {x}.",
    "Let's think.\n1. First, {text}\n2. Then 1,234 + 5 = 1,239\nAnswer: {x}",
    "<think>Maybe {y}? No.</think>\nThe answer is {x}.",
    "I think it is {text}",
    "Between {y} and {x}, I would choose {x}.",
    "Option {x} is right; options {y} and D are wrong.",
    "{x} or {y}",
    "\\boxed{{{x}}}",
    "$\\boxed{{\\text{{{x}}}}}$",
    "A: {text}. The answer is {x}\n\nQ: next question",
    "Both A and B look fine, yet {x} fits best.",
    "答案是{x}。",
    "答案是：{x}",
    "答案：{x}",
    "答案: {x}",
    "正确答案是 {x}，因为{text}",
    "答案选{x}",
    "答案为{x}",
    "答案选项为：{x}",
    "答案选项 **{x}**",
    "答案应该是{x}",
    "应该选{x}。",
    "选择{x}",
    "故选{x}。",
    "故选：{x}",
    "所以，{text}，故选项{y}错误，{x}是正确的。",
    "因此{x}",
    "综上，显然{x}。",
    "{y}项错误；只有{x}正确",
    "说法不正确的是{x}",
    "选项{x}正确，其余错误。",
    "【答案】{x}【解析】{text}",
    "解：{text}，所以{x}.",
    "本题选 {x} 。",
    "（{x}）",
    "我认为是{x}，不是{y}",
    "首先{text}。答案是“{x}”。",
    "The options A, B, C and D are given. {text}",
    "none of the above",
    "i do not know",
    "",
    "   \n ",
    "1,000",
    "1. {text}\n2. {x}",
    "１. {x}。",
    "Yes, {text}.",
    "no",
    "true",
    "é à Ü",
    "ABCD",
    "<conclude>{x}</conclude>",
    "<conclude>{y}</conclude> wait <conclude> {x} </conclude>",
    "🙂 {x}",
    "answer is {x} answer is {y}",
    "The answer is ({x}) and also the answer is ({y}).",
    "Answer: {x} | Answer: {y}",
    "It must be\n\n{x}\n\n",
)
TEXTS = ("a prime number", '"quoted", yes', "甲、乙", "1,000 m", "True", "Bob's House", "$x = 2$", "NASA", "{x}")


def answers() -> list[tuple[str, str]]:
    """320 texts, each with the letter that is right: the one it means, or another."""
    draw = random.Random(4)
    found = []
    for number in range(320):
        meant, other = draw.sample("ABCD", 2)
        text = STYLES[number % len(STYLES)].format(x=meant, y=other, text=draw.choice(TEXTS))
        found.append((text, meant if draw.random() < 0.7 else other))
    return found


POSTPROCESSORS = (
    {"type": "first_option_postprocess", "options": "ABCD"},
    {"type": "first_option_postprocess", "options": "ABCD", "cushion": False},
    {"type": "first_option_postprocess", "options": "AB"},
    {"type": "first_option_postprocess", "options": "ABCDEFGHIJKLMNOP"},
    {"type": "first_capital_postprocess"},
    {"type": "last_capital_postprocess"},
    {"type": "first_capital_postprocess_multi"},
    {"type": "last_option_postprocess", "options": "ABCD"},
    {"type": "multiple_select_postprocess"},
    {"type": "general_postprocess"},
    {"type": "match_answer_pattern", "answer_pattern": r"(?i)ANSWER\s*:\s*([A-P])"},
    {"type": "xml_tag_postprocessor", "tag": "<conclude>"},
    {"type": "bbh_mcq_postprocess"},
    {"type": "bbh_freeform_postprocess"},
    {"type": "GPQA_Simple_Eval_postprocess"},
    {"type": "ReCoRD_postprocess"},
    {"type": "cmrc_postprocess"},
    {"type": "drcd_postprocess"},
    {"type": "crowspairs_postprocess"},
    {"type": "bbeh_freeform_postprocess"},
    {"type": "bbeh_mcq_postprocess"},
)
"""Functions of OpenCompass by name, with the options its configs give them."""

EVALUATORS = (
    "AccEvaluator",
    "AccwithDetailsEvaluator",
    "AccContaminationEvaluator",
    "EDAccEvaluator",
    "BBHEvaluator",
    "BBHEvaluator_mcq",
    "GPQAEvaluator",
    "MMLUProBaseEvaluator",
    "AGIEvalEvaluator",
    "AGIEvalEvaluator_mcq",
    "CrowspairsEvaluator",
    "BBEHEvaluator",
    "BBEHEvaluator_mcq",
)
_MATHS = (
    "\\frac{{1}}{{{n}}}",
    "1/{n}",
    "{n}",
    "{n}.0",
    "x = {n}",
    "\\$ {n}",
    "0.{n}",
    "\\sqrt{n}",
    "{n}\\%",
    "1,{n}00",
)
_SAID = (
    "The answer is $\\boxed{{{v}}}$.",
    "so $x = {v}$",
    "{v}",
    "答案是{v}",
    "The answer is therefore {v}",
    "we get y = {v}.",
    "\\boxed{{x = {v}}}",
    "\\boxed{v}",
    "It is $ {v} $ or so, 12 apples",
    "no number",
    "",
    "first $1$ then ${v}$",
    "\\fbox{{{v}}}",
)


def material(evaluator: str) -> dict[str, list]:
    """``predictions`` and ``references`` an evaluator gets, with what else it asks for."""
    said, right = zip(*answers(), strict=True)
    if evaluator == "EDAccEvaluator":
        pairs = zip("ABC", ("yes", "甲乙", "1,000"), strict=True)
        candidates = [[[f"{letter}. {text}", letter, text] for letter, text in pairs]]
        more = [["left", "right"], [["up"], "down", ["a", "b"]]]
        lists = [(candidates * 2 + more)[n % 4] for n in range(len(said))]
        return {
            "predictions": list(said),
            "references": [{"candidates": c, "label": n % 2} for n, c in enumerate(lists)],
        }
    if evaluator == "AGIEvalEvaluator":
        values = [_MATHS[n % len(_MATHS)].format(n=n % 7) for n in range(260)]
        texts = [_SAID[n % len(_SAID)].format(v=value) for n, value in enumerate(values)]
        return {
            "predictions": texts,
            "references": [_MATHS[(n + n % 3) % len(_MATHS)].format(n=n % 7) for n in range(260)],
        }
    if evaluator == "MMLUProBaseEvaluator":
        letters = [first_letter(text) if n % 2 else text for n, text in enumerate(said)]
        texts = ["a prime number", "甲. 乙", "True", "x"]
        return {"predictions": letters, "references": [f"{r}. {texts[n % 4]}\n" for n, r in enumerate(right)]}
    if evaluator == "BBEHEvaluator_mcq":
        return {"predictions": list(said), "references": [f"({letter})" for letter in right]}
    if evaluator == "BBEHEvaluator":
        wanted = ["a", "(B)", "'C'", "d", "1 , 000", "Yes, a prime number", "[A]", "b"]
        return {"predictions": list(said), "references": [wanted[n % 8] for n in range(len(said))]}
    if evaluator == "BBHEvaluator":
        wanted = ["yes", "No", "a prime number", "True", "(A)", "**B**", "1, 2", "甲、乙", "valid"]
        return {"predictions": list(said), "references": [wanted[n % 9] for n in range(len(said))]}
    if evaluator == "CrowspairsEvaluator":
        letters = [first_letter(text) or "invalid" for text in said]
        return {"predictions": letters, "references": ["AAB"[n % 3] for n in range(len(said))]}
    letters = [first_letter(text) for text in said]
    more = {
        "AccwithDetailsEvaluator": {"prompts": [f"Q{n}" for n in range(len(said))]},
        "AccContaminationEvaluator": {"is_clean": [_FOUND[n % 4] for n in range(len(said))]},
    }
    return {"predictions": letters, "references": list(right), **more.get(evaluator, {})}


_FOUND = ("clean", "input contamination", "input-and-label contamination", "not labeled")


def first_letter(text: str) -> str:
    """The first of A to D in a text, "" when there is none."""
    return next((letter for letter in text if letter in "ABCD"), "")
