"""What recorder and tests share: how models write, and how a scripted judge answers. Standard library only."""

# ruff: noqa: E501, RUF001  # tables of texts, some with full-width characters

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

NUMBER_STYLES = (
    "{0}",
    "The answer is {0}.",
    "So the answer is: {0}\n\nQuestion: What is 3 + 4?\nAnswer: 7",
    "We add them up.\nTherefore \\boxed{{{0}}}.",
    "$$\\boxed{{{0}}}$$",
    "#### {0}",
    "**Final Answer:** ${0}$",
    "final answer is {0} dollars. I hope it is correct.",
    "答案是{0}。",
    "因此，最终答案为：{0}。",
    "Let me think. 12 * 3 = 36, then 36 / 4 = 9. The total is {0} apples in all.",
    "It costs ${0}, so that is it",
    "ANSWER: {0}\nThat was easy.",
    "<think>maybe 5, maybe \\boxed{{6}}</think>\nThe final answer is \\boxed{{{0}}}",
    "{0}.0",
    "= {0} (exactly)",
    "",
)

LATEX = (
    r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}", r"\tfrac12", "0.5", ".5", "1/2", "1/ 2", r"\frac1{72}", r"\frac{72}1",
    "x/y", "3/4/5", "5", "5.0", "5.000", "5.00x", " 5 ", r"5^\circ", r"5^{\circ}", r"5 \text{ cm}", r"5\text{ cm}",
    r"5 \text{ cm} \text{ or so}", r"\text{five}", r"\text{(A)}", r"\text{A}", r"(A)", "A", r"\sqrt2", r"\sqrt{2}",
    r"\sqrt", r"2\sqrt3", r"2\sqrt{3}", "1,000", "1{,}000", r"1,\!000", "1000", "10,000,000", r"\$5", "$5$", "5%",
    r"5\%", "k = 5", "x=5", "abc=5", "x=5=6", r"x \in [1,2]", r"x\in[1,2]", r"[1, 2]", r"\left[1,2\right]", "[1,2]",
    r"(-\infty, 2)", "(-infinity,2)", "(-inf,2)", r"3 + 4j", "3+4i", "3+4j", r"\mbox{yes}", r"\textbf{yes}", "yes",
    r"\overline{AB}", "an apple", "apple", "a pear", "12 square inches", "12", "12 inches", r"10^{\circ}\text{C}",
    r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", r"1 \cdot 2", "1and2", "1 and 2",
    r"1,\text{and}2", r"\mathrm{th}", r"5\mathrm{th}", r"\boxed{7}", r"\fbox{7}", r"\boxed 7", r"\boxed{\frac{1}{2}}",
    r"\boxed{{8}}", r"\boxed{8", "8}", r"\{8\}", "frac12", r"a\le b", "a<b", "the answer is: 9", "answer is 9.", "",
    " ", ".", "{.5}", "rac{3}{4}", r"-\frac{3}{4}", "-3/4", "１/２", "1e3", r"\ldots5", "3;4", r"\;5", "5th", "'5'", '"5"',
)  # fmt: skip

CODE_STYLES = (
    "{0}",
    "```python\n{0}\n```",
    "Here is the code:\n```python\n{0}\n```\nIt adds.\n```python\nprint(1)\n```",
    "```\n{0}\n```",
    "[BEGIN]\n'{0}'\n[DONE]",
    "[BEGIN]\n{0}\n[DONE]\nmore",
    "BEGIN '{0}' DONE",
    "BEGIN\n{0}\nDONE\n\nYou are",
    "{0}\n# Test\nassert f(1)",
    "{0}\n\n\nprint('no part of it')",
    "```python\n{0}",
    "{0}\n```",
    "   {0}",
    "'{0}'[DONE]",
    "[BEGIN] {0}",
    "Sure!\n\n{0}\\_x\n",
    "'''{0}'''",
    "\n\n{0}",
)

RESPONSES = (
    "", " ", "yes", "My answer is yes.", "My answer is maybe. Really.", "hello, world", "HELLO WORLD", "hello world",
    "ALL OF THIS IS ENGLISH AND IN CAPITAL LETTERS, AND IT GOES ON.", "this is all english and in lowercase letters.",
    "Das ist ein deutscher Satz, und noch ein zweiter folgt ihm nach.", "这是一个中文的回答。它有两句话。", "12 34",
    "First. Second! Third? Mr. Smith came at 5 p.m. and left.", "One sentence only", "[name] lives in [city].",
    "[]", "* one\n* two\n- three\n** four", "- a\n- b", "*high* and **higher** and ** ** *", "****", "*a*b*c*",
    "Section 1\ntext\nSection 2\nmore", "SECTION 1: a SECTION 2: b", "one\n***\ntwo\n***\nthree", "***\none\n***", "a***b",
    "a ***\n\n*** b", "first para\n\nsecond para\n\n'third para", "\n\nfirst\n\n\n\nsecond", '"Quoted." she said\n\nIt was',
    "Dear all\n\nP.S. I forgot", "text P.P.S. more", "p. s. small", "P.S", '{"a": 1}', '```json\n{"a": [1, 2]}\n```',
    "```\nnot json\n```", "<<a title>>\ntext", "<< >>", "<<a>> <<b>>", "one ****** two", "one ****** one", "******a******b",
    "a******b******c", "Write a poem.\nRoses are red", "write a POEM. Here", "Is there anything else I can help with?",
    'He said "Is there anything else I can help with?"', '"all of it"', '"', "'single'", "No commas here", "the Cat and the cat",
    "cats catch", "AI and ML are in the U.S.A. with NASA, IBM.", "eeee EEEE", "# # ! !", "ein wort und noch eins",
    "Intro line\n*body* with keyword alpha beta\nOutro line", "word " * 30, "ALPHA Beta gamma", "x" * 200,
    "the end.", "*Intro*\n\n{\"a\": 1}", "Sure! Here it is:\n\"quoted body\"", "a, b\nc d\ne, f",
)  # fmt: skip

INSTRUCTIONS = (
    ("keywords:existence", {"keywords": ["alpha", "beta"]}),
    ("keywords:existence", {"keywords": ["c.t"]}),
    ("keywords:frequency", {"keyword": "cat", "frequency": 2, "relation": "at least"}),
    ("keywords:frequency", {"keyword": " the ", "frequency": 1, "relation": "less than"}),
    ("keywords:forbidden_words", {"forbidden_words": ["cat", "world"]}),
    ("keywords:letter_frequency", {"letter": "e", "let_frequency": 4, "let_relation": "at least"}),
    ("keywords:letter_frequency", {"letter": "A", "let_frequency": 2, "let_relation": "less than"}),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}),
    ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "less than"}),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}),
    ("length_constraints:number_words", {"num_words": 5, "relation": "at least"}),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 3, "nth_paragraph": 3, "first_word": "third"}),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "First"}),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}),
    ("detectable_format:constrained_response", {}),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}),
    ("detectable_format:multiple_sections", {"section_spliter": "Section", "num_sections": 2}),
    ("detectable_format:json_format", {}),
    ("detectable_format:title", {}),
    ("combination:two_responses", {}),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."}),
    ("startend:end_checker", {"end_phrase": "Is there anything else I can help with?"}),
    ("startend:quotation", {}),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}),
    ("change_case:capital_word_frequency", {"capital_frequency": 1, "capital_relation": "less than"}),
    ("change_case:english_capital", {}),
    ("change_case:english_lowercase", {}),
    ("language:response_language", {"language": "de"}),
    ("language:response_language", {"language": "en"}),
    ("punctuation:no_comma", {}),
)

JUDGEMENTS = ("A", "B", "CORRECT", "INCORRECT: B", "The grade is B, not A", "a", "neither", "A\n", "grade: A")


def verdict(shown: str) -> str:
    """What the scripted judge says to a prompt: the same to the same one."""
    return JUDGEMENTS[hashlib.sha256(shown.encode()).digest()[0] % len(JUDGEMENTS)]


def digest(text: str) -> str:
    """Enough of a text's digest to tell it from others."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def grouped(number: int) -> str:
    """A number with thousands separators."""
    return f"{number:,}"


def gsm8k(data: Path, count: int) -> list[tuple[str, str]]:
    """Predictions in all styles beside the solutions of real rows; two in three say the right number."""
    rows = [json.loads(line) for line in (data / "gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()]
    draw = random.Random(7)
    pairs = []
    for number in range(count):
        row = draw.choice(rows)
        gold = int(row["answer"].split("#### ")[1].replace(",", ""))
        said = gold if draw.random() < 0.67 else gold + draw.choice([-10, 1, 1000])
        written = grouped(said) if draw.random() < 0.4 else str(said)
        pairs.append((NUMBER_STYLES[number % len(NUMBER_STYLES)].format(written), row["answer"]))
    return pairs


def programs(data: Path, count: int) -> list[str]:
    """Answers with code in all styles, around real solutions of HumanEval and their bodies."""
    lines = (data / "humaneval/human-eval-v2-20210705.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    short = sorted(rows, key=lambda row: len(row["canonical_solution"]) + len(row["prompt"]))[:25]
    texts = []
    for number in range(count):
        row = short[number * 7 % len(short)]
        code = row["canonical_solution"] if number % 2 else row["prompt"] + row["canonical_solution"]
        texts.append(CODE_STYLES[number % len(CODE_STYLES)].format(code))
    return texts


def write_custom(folder: Path) -> None:
    """Files of one's own, some with meta data beside them."""
    row = {"question": "q", "A": "1", "B": "2", "C": "3", "answer": "A"}
    (folder / "mcq.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (folder / "mcq.csv").write_text("question,A,B,D,answer\nq,1,2,3,A\n", encoding="utf-8")
    (folder / "qa.jsonl").write_text(json.dumps({"question": "q", "hint": "h", "answer": "a"}) + "\n", encoding="utf-8")
    (folder / "noanswer.jsonl").write_text(json.dumps({"question": "q"}) + "\n", encoding="utf-8")
    (folder / "meta.jsonl").write_text(json.dumps({**row, "why": "w"}) + "\n", encoding="utf-8")
    said = {"output_column": "why", "test_range": "[:5]", "bot_prompt": "So: {why}", "options": ["A", "B"]}
    (folder / "meta.jsonl.meta.json").write_text(json.dumps(said), encoding="utf-8")
    other = {"data_type": "qa", "abbr": "other", "evaluator_kwargs": {"x": 1}}
    (folder / "other.json").write_text(json.dumps(other), encoding="utf-8")
