"""Small data sets in OpenCompass's layout, with rows made for tests: quotes, Chinese, blanks, missing choices.

Standard library only: recorders lay the same files down in OpenCompass's own environment.
"""

# ruff: noqa: RUF001  # Chinese punctuation is the point

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

QUESTIONS = (
    "Which of these is a prime number?",
    'What did she mean by "soon", and when?',
    "下列哪一项最符合题意？“甲、乙”——",
    "A line\nbreak, a comma, {braces} and a tab\t.",
    "  Leading blanks and a trailing one ",
    "What is $\\frac{1}{2}$ of 1,000 — in %?",
    "naïve café №5 😀 ½",
    "x",
)
CHOICES = (
    ("2", "4", "6", "8", "9"),
    ('the "first"', "second, or third", "", "none of these", "N/A"),
    ("甲。", "乙，丙", "以上皆是", "以上皆非", "丁"),
    ("{A}", "B) b", "a\nb", "D", "e"),
    ("same", "same", "Same", "same ", " same"),
    ("\\boxed{500}", "500", "1,000", "50%", "0.5"),
    ("é", "ñ", "😀", "½", "№"),
    ("True", "False", "null", "0", "-1"),
)
ROWS = tuple(zip(QUESTIONS, CHOICES, strict=True))


def lay_down(root: Path) -> None:
    """Write every data set below ``root/data``."""
    for write in (
        _exams,
        _goals,
        _sciences,
        _superglue,
        _hub,
        _contamination,
        _agieval,
        _chinese,
        _sums,
        _idioms,
        _translated,
        _stories,
        _written,
    ):
        write(root / "data")


def _lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _csv(path: Path, records: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(records)


def _choice_records(shift: int) -> list[list[str]]:
    return [[question, *choices[:4], "ABCD"[(number + shift) % 4]] for number, (question, choices) in enumerate(ROWS)]


def _exams(data: Path) -> None:
    for split, shift in (("dev", 0), ("test", 1)):
        for subject in ("college_biology", "abstract_algebra", "anatomy"):
            _csv(data / f"mmlu/{split}/{subject}_{split}.csv", _choice_records(shift))
        records = [[number, *record] for number, record in enumerate(_choice_records(shift))]
        for subject in ("agronomy", "anatomy", "chinese_history"):
            _csv(data / f"cmmlu/{split}/{subject}.csv", [["", "Question", *"ABCD", "Answer"], *records])
    # A stray quote inside a field, as MMLU's own files have them.
    with (data / "mmlu/test/anatomy_test.csv").open("a", encoding="utf-8") as stream:
        stream.write('The 5" bone is,a,b,c,d,B\n')
    columns = {"dev": 7, "val": 6, "test": 5}
    for split, wide in columns.items():
        head = ["id", "question", *"ABCD", "answer", "explanation"][: wide + 1]
        records = [[n, *r, f"因为 {n}"][: wide + 1] for n, r in enumerate(_choice_records(2))]
        for subject in ("computer_network", "law", "operating_system"):
            _csv(data / f"ceval/formal_ceval/{split}/{subject}_{split}.csv", [head, *records])
    gpqa = [
        [*map(str, range(7)), question, *choices[:4], "why"] for question, choices in ROWS if len(set(choices[:4])) == 4
    ]
    header = [*("h" * 7), "Question", "Correct Answer", *(f"Incorrect Answer {n}" for n in (1, 2, 3)), "Explanation"]
    for name in ("gpqa_diamond", "gpqa_extended", "gpqa_main"):
        _csv(data / f"gpqa/{name}.csv", [header, *gpqa])


def _goals(data: Path) -> None:
    for stem in ("train", "dev"):
        rows = [
            {"context": f"{stem} 上下文 {n}", "question": q, "answerA": c[0], "answerB": c[1], "answerC": c[2]}
            for n, (q, c) in enumerate(ROWS)
        ]
        _lines(data / f"siqa/{stem}.jsonl", rows)
        (data / f"siqa/{stem}-labels.lst").write_text("".join(f"{1 + n % 3}\n" for n in range(len(rows))))
        goals = [
            {"id": f"{stem}{n}", "goal": g, "sol1": s1, "sol2": s2}
            for n, (g, s1, s2) in enumerate(
                [
                    ("how to open a jar?", "twist the lid", "Break it."),
                    ("Keep bread fresh", 'Put it in a "bread box"', "leave it, open"),
                    ("clean 窗户.", "用水", "use élan"),
                    ("ßtraße", "éa", "Éb"),
                ]
            )
        ]
        _lines(data / f"piqa/{stem}.jsonl", goals)
        (data / f"piqa/{stem}-labels.lst").write_text("0\n1\n1\n-1\n")
    sentences = [
        {
            "sentence": 'Ian gave _ the book because "he" asked.',
            "option1": "Dennis",
            "option2": "the cat",
            "answer": "1",
        },
        {"sentence": "_ is first, and _ again.", "option1": "甲", "option2": "乙", "answer": "2"},
        {"sentence": "The end is _", "option1": "A_B", "option2": "", "answer": ""},
    ]
    for split in ("train_xs", "dev"):
        _lines(data / f"winogrande/{split}.jsonl", sentences * 2)
    endings = [
        {"query": f"{activity}: {question}", "choices": list(choices[:4]), "gold": n % 4}
        for n, ((question, choices), activity) in enumerate(
            zip(ROWS, ["Baking", "Sports: running", "说: 话", "", "a: b: c", "X", "Y: ", "Z"], strict=True)
        )
    ]
    _lines(data / "hellaswag/hellaswag.jsonl", endings)
    _lines(data / "hellaswag/hellaswag_train_sampled25.jsonl", endings * 3)


def _asked(number: int, count: int = 4, labels: str = "ABCDE") -> dict[str, Any]:
    question, choices = ROWS[number]
    options = [{"text": text, "label": label} for text, label in zip(choices[:count], labels, strict=False)]
    return {
        "id": f"q{number}",
        "question": {"stem": question, "choices": options},
        "answerKey": labels[number % count],
    }


def _sciences(data: Path) -> None:
    rows = [
        _asked(n, count, labels)
        for n, (count, labels) in enumerate(
            [
                (4, "ABCDE"),
                (4, "12345"),
                (3, "ABCDE"),
                (5, "ABCDE"),
                (4, "ABCDE"),
                (4, "1234"),
                (4, "ABCDE"),
                (4, "ABCDE"),
            ]
        )
    ]
    for file in ("ARC-c/ARC-Challenge-Dev", "ARC-c/ARC-Challenge-Test", "ARC-e/ARC-Easy-Dev"):
        _lines(data / f"ARC/{file}.jsonl", rows)
    fives = [_asked(n, 5) for n in range(len(ROWS))]
    _lines(data / "commonsenseqa/train_rand_split.jsonl", fives)
    _lines(data / "commonsenseqa/dev_rand_split.jsonl", fives[::-1])
    chinese = [
        {
            "id": f"c{n}", "question": q, "question_concept": "概念", "answerKey": "ABCDE"[n % 5],
            "choices": {"label": list("ABCDE"), "text": list(c)},
        }
        for n, (q, c) in enumerate(ROWS)
    ]  # fmt: skip
    _lines(data / "commonsenseqa_cn/validation.jsonl", chinese)
    fours = [_asked(n) for n in range(len(ROWS))]
    _lines(data / "openbookqa/Main/test.jsonl", fours)
    facts = [{**row, "fact1": f"fact {n} “事实”"} for n, row in enumerate(fours)]
    _lines(data / "openbookqa/Additional/test_complete.jsonl", facts)
    for split in ("validation", "test"):
        for level in ("middle", "high"):
            articles = [
                {
                    "article": f"{level} {split}.\nLine two, “{n}”.",
                    "question": q,
                    "options": list(c[:4]),
                    "answer": "ABCD"[n % 4],
                    "id": n,
                }
                for n, (q, c) in enumerate(ROWS)
            ]
            _lines(data / f"race/{split}/{level}.jsonl", articles)


def _superglue(data: Path) -> None:
    root = data / "SuperGLUE"
    passages = [
        {
            "question": q.strip().lower() or "x",
            "passage": f"Title {n} -- body -- {q}",
            "idx": n,
            "label": "true" if n % 3 else "false",
        }
        for n, q in enumerate(QUESTIONS)
    ]
    _lines(root / "BoolQ/val.jsonl", passages)
    _lines(root / "BoolQ/train.jsonl", passages[::-1])
    pairs = [
        {"sentence1": q, "sentence2": c[0], "idx": n, "label": ("entailment", "not_entailment")[n % 2], "logic": "neg"}
        for n, (q, c) in enumerate(ROWS)
    ]
    _lines(root / "AX-b/AX-b.jsonl", pairs)
    premises = [
        {"premise": q, "hypothesis": c[1], "idx": n, "label": ("entailment", "not_entailment")[n % 2]}
        for n, (q, c) in enumerate(ROWS)
    ]
    _lines(root / "AX-g/AX-g.jsonl", premises)
    _lines(root / "RTE/val.jsonl", premises)
    _lines(
        root / "CB/val.jsonl",
        [{**row, "label": ("contradiction", "entailment", "neutral")[n % 3]} for n, row in enumerate(premises)],
    )
    copa = [
        {
            "premise": q,
            "choice1": c[0],
            "choice2": c[1],
            "question": ("cause", "effect")[n % 2],
            "label": n % 2,
            "idx": n,
        }
        for n, (q, c) in enumerate(ROWS)
    ]
    _lines(root / "COPA/val.jsonl", copa)
    wic = [
        {
            "word": "bank",
            "sentence1": q,
            "sentence2": c[0],
            "idx": n,
            "label": ("true", "false")[n % 2],
            "start1": 0,
            "end1": 4,
            "start2": 1,
            "end2": 5,
            "version": 1.1,
        }
        for n, (q, c) in enumerate(ROWS)
    ]
    _lines(root / "WiC/val.jsonl", wic)
    wsc = [
        {"text": "Mark told Pete many lies about himself , which Pete included .", "label": "false", "idx": 0,
         "target": {"span1_index": 0, "span1_text": "Mark", "span2_index": 9, "span2_text": "Pete"}},
        {"text": "The big old man met “him” and he left", "label": "true", "idx": 1,
         "target": {"span1_index": 0, "span1_text": "The big old man", "span2_index": 7, "span2_text": "he"}},
        {"text": "it was his dog", "label": "true", "idx": 2,
         "target": {"span1_index": 2, "span1_text": "his dog", "span2_index": 0, "span2_text": "it"}},
        {"text": "one two three", "label": "false", "idx": 3,
         "target": {"span1_index": 1, "span1_text": "two three four five", "span2_index": 2, "span2_text": "three"}},
    ]  # fmt: skip
    _lines(root / "WSC/val.jsonl", wsc)
    multirc = [
        {"idx": n, "passage": {"text": f"Sent 1: {q}<br>", "questions": [
            {"question": q, "idx": 0, "answers": [{"text": a, "idx": i, "label": i % 2} for i, a in enumerate(c[:3])]},
            {"question": "again?", "idx": 1, "answers": [{"text": "only", "idx": 9, "label": 1}]},
        ]}}
        for n, (q, c) in enumerate(ROWS[:4])
    ]  # fmt: skip
    _lines(root / "MultiRC/val.jsonl", multirc)
    record = [
        {"idx": n, "passage": {"text": f"{q}\n\n@highlight\n\nThe end @highlight\n{c[0]}", "entities": []}, "qas": [
            {"query": "He saw @placeholder and @placeholder .", "answers": [{"start": 0, "text": a} for a in c[:2]]},
            {"query": q, "answers": []},
        ]}
        for n, (q, c) in enumerate(ROWS[:4])
    ]  # fmt: skip
    _lines(root / "ReCoRD/val.jsonl", record)


def _hub(data: Path) -> None:
    """Winograd's rows as JSON lines: what reads them on either side is told to (the hub's file is Parquet)."""
    rows = [
        {
            "text": f"The city councilmen refused the demonstrators a permit because they {verb} violence, “{n}”.",
            "options": ["The city councilmen", 'The "demonstrators"'],
            "label": n % 2,
            "pronoun": "they",
            "pronoun_loc": 63,
            "quote": f"they {verb} violence",
            "quote_loc": 63,
            "source": "(Winograd 1972)",
        }
        for n, verb in enumerate(("feared", "advocated", "主张"))
    ]
    _lines(data / "winograd_wsc/wsc285/test.jsonl", rows)
    pro = [
        {
            "question_id": n, "question": q, "options": [*c, "N/A", c[0]], "answer": "ABCDEFG"[n % 7],
            "cot_content": f"A: Let's think step by step. {q} ", "category": ("math", "law")[n % 2], "src": "made",
        }
        for n, (q, c) in enumerate(ROWS)
    ]  # fmt: skip
    for split in ("validation", "test"):
        _lines(data / f"mmlu_pro/{split}.jsonl", pro)


def _contamination(data: Path) -> None:
    found = ["clean", "input contamination", "input-and-label contamination"]
    notes = {
        "mmlu/test/MMLU_test_contamination_annotations.json": "college_biology {}",
        "ceval/formal_ceval/val/ceval_contamination_annotations.json": "computer_network-{}",
        "hellaswag/hellaswag_val_contamination_annotations.json": "{}",
        "ARC/ARC-c/ARC_c_test_contamination_annotations.json": "q{}",
    }
    for file, key in notes.items():
        text = json.dumps({key.format(n): [found[n % 3], "x"] for n in range(5)})
        (data / file).write_text(text)


def _agieval(data: Path) -> None:
    def row(n: int, options: list[str] | None, label: Any, answer: Any) -> dict[str, Any]:
        passage = [None, "", "A passage.\n"][n % 3]
        return {
            "passage": passage,
            "question": QUESTIONS[n],
            "options": options,
            "label": label,
            "answer": answer,
            "other": None,
        }

    lettered = [[f"({letter}){text}" for letter, text in zip("ABCDE", choices, strict=True)] for choices in CHOICES]
    choice = [row(n, lettered[n][: 4 + n % 2], "ABCD"[n % 4], None) for n in range(len(ROWS))]
    several = [row(n, lettered[n][:4], ["A", "C"] if n % 2 else ["B"], None) for n in range(len(ROWS))]
    cloze = [row(n, None, None, f"\\frac{{{n}}}{{2}}") for n in range(len(ROWS))]
    single = [row(n, lettered[n][:1], "A", None) for n in range(2)]
    root = data / "AGIEval/data/v1"
    for name in (
        "lsat-ar",
        "logiqa-en",
        "sat-math",
        "aqua-rat",
        "gaokao-english",
        "logiqa-zh",
        "gaokao-chinese",
        "gaokao-history",
        "gaokao-mathqa",
    ):
        _lines(root / f"{name}.jsonl", choice)
    _lines(root / "sat-en.jsonl", single)
    _lines(root / "gaokao-geography.jsonl", single)
    for name in ("jec-qa-kd", "jec-qa-ca", "gaokao-physics"):
        _lines(root / f"{name}.jsonl", several)
    for name in ("math", "gaokao-mathcloze"):
        _lines(root / f"{name}.jsonl", cloze)


def _chinese(data: Path) -> None:
    documents = [
        [["男：你好。", "女：再见！"], [{"question": "谁说“再见”？", "choice": ["男", "女"], "answer": "女"}], "1"],
        [["一段，很长的 文字"], [
            {"question": q, "choice": list(c[:4]), "answer": c[1]} for q, c in ROWS[:3]
        ] + [{"question": "三", "choice": ["a", "b", "c"], "answer": "c"}], "2"],
    ]  # fmt: skip
    path = data / "CLUE/C3/dev_0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(documents, ensure_ascii=False), encoding="utf-8")
    nli = [
        {"sentence1": q, "sentence2": c[0], "label": ("entailment", "neutral", "contradiction", "-")[n % 4], "id": n}
        for n, (q, c) in enumerate(ROWS)
    ]
    _lines(data / "CLUE/cmnli/cmnli_public/dev.json", nli)
    _lines(data / "CLUE/OCNLI/dev.json", nli)
    _lines(
        data / "CLUE/AFQMC/dev.json",
        [{"sentence1": q, "sentence2": c[1], "label": "01"[n % 2]} for n, (q, c) in enumerate(ROWS)],
    )
    few = data / "FewCLUE"
    for stem in ("dev_few_all", "test_public"):
        _lines(
            few / f"bustm/{stem}.json",
            [{"sentence1": q, "sentence2": c[1], "label": "01"[n % 2], "id": n} for n, (q, c) in enumerate(ROWS)],
        )
        _lines(few / f"ocnli/{stem}.json", nli)
        _lines(
            few / f"eprstmt/{stem}.json",
            [{"id": n, "sentence": q, "label": ("Positive", "Negative")[n % 2]} for n, q in enumerate(QUESTIONS)],
        )


def _sums(data: Path) -> None:
    problems = [
        {"question": q, "answer": f"Think of {n}.\nSo <<{n}*1={n}>>.\n#### {n},000"} for n, q in enumerate(QUESTIONS)
    ]
    for split in ("train", "test"):
        _lines(data / f"gsm8k/{split}.jsonl", problems)
    for name in ("temporal_sequences", "multistep_arithmetic_two", "dyck_languages"):
        examples = [{"input": f"{q}\nOptions:\n(A) {c[0]}\n(B) {c[1]}", "target": "(B)"} for q, c in ROWS]
        file = data / f"BBH/data/{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"canary": "made for tests", "examples": examples}, ensure_ascii=False))


def _idioms(data: Path) -> None:
    few = data / "FewCLUE"
    for stem in ("dev_few_all", "test_public"):
        idioms = ["一心一意", "二话不说", "三心二意", "四面八方", "五花八门", "六神无主", "七上八下"]
        chid = [
            {"id": n, "content": f"他#idiom#，{q}，#idiom#。", "candidates": idioms, "answer": n % 7}
            for n, q in enumerate(QUESTIONS)
        ]
        _lines(few / f"chid/{stem}.json", chid)
        wsc = [
            {"target": {"span1_index": 0, "span1_text": "小明", "span2_index": 6, "span2_text": "他"}, "idx": 0,
             "text": "小明来了，“他说”你好", "label": "true"},
            {"target": {"span1_index": 0, "span1_text": "A公司", "span2_index": 2, "span2_text": "它们"}, "idx": 1,
             "text": "说：它们很大", "label": "false"},
        ]  # fmt: skip
        _lines(few / f"cluewsc/{stem}.json", wsc * 4)
        csl = [{"id": n, "abst": q, "keyword": list(c[:3]), "label": "01"[n % 2]} for n, (q, c) in enumerate(ROWS)]
        _lines(few / f"csl/{stem}.json", csl)
        sections = ("news_tech", "news_world", "news_stock", "news_agriculture")
        news = [
            {"label": "1", "label_desc": sections[n % 4], "sentence": q, "keywords": "", "id": n}
            for n, q in enumerate(QUESTIONS)
        ]
        _lines(few / f"tnews/{stem}.json", news)
    asked = [
        {"question": q, "id": str(n), "answers": [{"text": c[0], "answer_start": 0}] * 3}
        for n, (q, c) in enumerate(ROWS)
    ]
    paragraphs = [{"context": f"上下文 {n}", "qas": asked[n : n + 2]} for n in range(0, len(asked), 2)]
    for folder in ("CMRC", "DRCD"):
        file = data / f"CLUE/{folder}/dev.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"version": "1", "data": [{"paragraphs": paragraphs}]}, ensure_ascii=False))


def _translated(data: Path) -> None:
    for split in ("dev", "test"):
        _csv(data / f"MMLUArabic/{split}/college_biology_{split}.csv", _choice_records(3))
        records = [[number, *record] for number, record in enumerate(_choice_records(2))]
        _csv(data / f"FinanceIQ/{split}/保险从业资格CICE.csv", [["", "Question", *"ABCD", "Answer"], *records])
        chem = [{"question": q, **dict(zip("ABCD", c, strict=False)), "answer": "B"} for q, c in ROWS]
        file = data / f"ChemBench4K/{split}/Name_Conversion_benchmark.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(chem, ensure_ascii=False), encoding="utf-8")
    lite = [{"input": q, **dict(zip("ABCD", c, strict=False)), "target": "C", "subject": "law"} for q, c in ROWS]
    _lines(data / "mmmlu_lite/AR-XY/test.jsonl", lite)
    other = [
        {"Question": q, **dict(zip("ABCD", c, strict=False)), "Answer": "D", "Subject": "high_school_law"}
        for q, c in ROWS
    ]
    _repository(data / "MMMLU", "AR_XY", "test", other)
    six = [{"question": q, **dict(zip("ABCDEF", [*c, "f"], strict=True)), "answer": "F", "index": "i"} for q, c in ROWS]
    _repository(data / "R-Bench", "rbench-t_en", "test", six)
    earth = [{"question": f"{q} A. {c[0]}", "answer": "A", "id": n} for n, (q, c) in enumerate(ROWS)]
    _repository(data / "Earth-Silver", "default", "multiple_choice", earth)


def _repository(folder: Path, name: str, split: str, rows: list[Any]) -> None:
    """As the hub has it: files of a configuration, and a card that names them."""
    _lines(folder / f"{name}/{split}.jsonl", rows)
    card = f"configs:\n- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {name}/{split}.jsonl\n"
    (folder / "README.md").write_text(f"---\n{card}---\n")


def _stories(data: Path) -> None:
    for split in ("train", "eval"):
        stories = [
            {
                "story_id": f"{split}{n}",
                **{f"input_sentence_{k}": f"{split} {k}: {question}" for k in range(1, 5)},
                "sentence_quiz1": choices[0],
                "sentence_quiz2": choices[1],
                "answer_right_ending": 1 + n % 2,
            }
            for n, (question, choices) in enumerate(ROWS[:4])
        ]
        _lines(data / f"xstory_cloze/en_{split}.jsonl", stories)
    pairs = [{"id": n, "sent_more": q, "sent_less": c[0], "bias_type": 1} for n, (q, c) in enumerate(ROWS)]
    _lines(data / "crowspairs_cn/test.jsonl", pairs)
    _lines(data / "crows_pairs/test.jsonl", pairs)
    anli = [{"uid": str(n), "context": q, "hypothesis": c[0], "label": "cen"[n % 3]} for n, (q, c) in enumerate(ROWS)]
    _lines(data / "anli/anli_v1.0/R1/dev.jsonl", anli)


def _written(data: Path) -> None:
    risks = [
        {"question": q, "answer_matching_behavior": [" (A)", " (H) B", " x", "C"][n % 4]}
        for n, q in enumerate(QUESTIONS)
    ]
    _lines(data / "ai_risk/coordinate.jsonl", risks)
    _lines(
        data / "persona/agreeable.jsonl",
        [{**row, "answer_matching_behavior": (" Yes", " No")[n % 2]} for n, row in enumerate(risks)],
    )
    values = [
        {"prompt": f"{q}回复1：{c[0]}\n回复2：{c[1]}，回复1", "label": f"回复{1 + n % 2}"}
        for n, (q, c) in enumerate(ROWS)
    ]
    _lines(data / "cvalues_responsibility_mc.jsonl", values)
    medical = [
        {"id": n, "question": q, "option": dict(zip("ABCDE", c, strict=True)), "answer": "AB"[: 1 + n % 2]}
        for n, (q, c) in enumerate(ROWS)
    ]
    (data / "CMB").mkdir()
    (data / "CMB/val.json").write_text(json.dumps(medical, ensure_ascii=False), encoding="utf-8")
    unanswered = [{column: row[column] for column in ("id", "question", "option")} for row in medical]
    (data / "CMB/test.json").write_text(json.dumps(unanswered, ensure_ascii=False), encoding="utf-8")
    for name in ("bbeh_boolean_expressions", "bbeh_causal_understanding"):
        file = data / f"bbeh/{name}/task.json"
        file.parent.mkdir(parents=True)
        examples = [{"input": q, "target": c[0]} for q, c in ROWS]
        file.write_text(json.dumps({"canary": "made for tests", "examples": examples}, ensure_ascii=False))
