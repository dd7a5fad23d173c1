"""Small data sets of the generation families in OpenCompass's layout, and the configs that read them.

Standard library and pyarrow only: tests/recorders/generation_rows.py lays the same files down in OpenCompass's own
environment.
"""

# ruff: noqa: E501, RUF001  # tables; Chinese punctuation is the point

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

CASES: list[dict[str, Any]] = [
    {"type": "GSM8KDataset", "path": "opencompass/gsm8k"},
    {"type": "MATHDataset", "path": "opencompass/math"},
    {"type": "MATHDataset", "path": "opencompass/math", "file_name": "test_500.json"},
    {"type": "IFEvalDataset", "path": "opencompass/IFEval"},
    {"type": "TriviaQADataset", "path": "opencompass/trivia_qa"},
    {"type": "TriviaQADatasetV2", "path": "opencompass/trivia_qa"},
    {"type": "TriviaQADatasetV3", "path": "./data/triviaqa/triviaqa-train.jsonl"},
    {"type": "NaturalQuestionDataset", "path": "opencompass/natural_question"},
    {"type": "NQOpenDataset", "path": "opencompass/nq_open"},
    {"type": "HumanevalDataset", "path": "opencompass/humaneval", "num_repeats": 2},
    {"type": "MBPPDataset", "path": "opencompass/mbpp"},
    {"type": "MBPPDatasetV2", "path": "opencompass/mbpp", "num_repeats": 2},
    {"type": "SanitizedMBPPDataset", "path": "opencompass/sanitized_mbpp", "num_repeats": 2},
    {"type": "MBPPPlusDataset", "path": "opencompass/mbpp_plus", "num_repeats": 2},
    {"type": "CustomDataset", "path": "./data/custom/mine.csv"},
    {"type": "CustomDataset", "path": "./data/custom", "file_name": "mine.jsonl", "local_mode": True},
    {"type": "CodeCustomDataset", "path": "./data/custom/mine.jsonl", "num_repeats": 2},
    {"type": "Aime2024Dataset", "path": "opencompass/aime2024"},
    {"type": "CMOFibDataset", "path": "opencompass/cmo_fib"},
    {"type": "SVAMPDataset", "path": "opencompass/SVAMP"},
    {"type": "GSMHardDataset", "path": "./data/gsm-hard/test.jsonl"},
    {"type": "MGSMSDataset", "path": "./data/mgsm/mgsm_zh.tsv"},
    {"type": "StrategyQADataset", "path": "opencompass/strategy_qa"},
    {"type": "KCLEDataset", "path": "opencompass/kcle"},
    {"type": "XsumDataset", "path": "opencompass/xsum"},
    {"type": "LCSTSDataset", "path": "opencompass/LCSTS"},
    {"type": "QASPERDataset", "path": "./data/QASPER/"},
    {"type": "QASPERCUTDataset", "path": "./data/QASPER/"},
    {"type": "TriviaQArcDataset", "path": "./data/triviaqa-rc/"},
    {"type": "DropOpenAIDataset", "path": "./data/drop_simple_eval/dev.jsonl"},
    {"type": "NarrativeQADataset", "path": "./data/narrativeqa/"},
    {"type": "dropDataset", "path": "./data/drop/drop_dataset_dev.json"},
    {"type": "dropDataset", "path": "./data/drop/drop_dataset_dev.json", "only_number": False},
    {"type": "BBHDataset", "path": "opencompass/bbh", "name": "temporal_sequences"},
    {"type": "BBHDataset", "path": "./data/BBH/data", "name": "multistep_arithmetic_two"},
    {"type": "HLEDataset", "path": "cais/hle"},
    {"type": "HLEDataset", "path": "cais/hle", "category": "Math"},
    {"type": "HLEVerifiedDataset", "path": "skylenage-ai/HLE-Verified"},
    {
        "type": "HLEVerifiedDataset",
        "path": "skylenage-ai/HLE-Verified",
        "verified_classes": "Gold subset",
        "category": "Math",
    },
    {"type": "OlymMATHDataset", "path": "RUC-AIBOX/OlymMATH", "subset": "en-easy"},
    {"type": "OlymMATHDataset", "path": "RUC-AIBOX/OlymMATH", "subset": "zh-hard"},
    {"type": "BeyondAIMEDataset", "path": "ByteDance-Seed/BeyondAIME"},
]

TEXTS = (
    "What is 2+2?",
    'He said "no", and left.',
    "小明有3个苹果，又买了2个。",
    "A line\nbreak, {braces} and a tab\t.",
    " x ",
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
"""A picture in PNG's format, in base64."""


def lay_down(root: Path) -> None:
    """Write every data set below ``root/data``, and those of the hub under their names there."""
    for write in (_maths, _questions, _code, _own, _long, _hard):
        write(root / "data")
    for write in (_last_exam, _olympiads):
        write(root)


def _lines(path: Path, rows: list[Any]) -> None:
    _text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _maths(data: Path) -> None:
    for split in ("train", "test"):
        _lines(data / f"gsm8k/{split}.jsonl",
               [{"question": text, "answer": f"{split} 1+1\n#### {number:,}"} for number, text in enumerate(TEXTS, 999)])  # fmt: skip
    solutions = (r"So \boxed{\frac{1}{2}}.", r"\boxed{3} then \boxed{{4}}", "no box", r"\fbox{5}", r"\boxed{cut")
    problems = {str(n): {"problem": text, "solution": solution, "level": n}
                for n, (text, solution) in enumerate(zip(TEXTS, solutions, strict=True))}  # fmt: skip
    _text(data / "math/math.json", json.dumps(problems))
    _text(data / "math/test_500.json", json.dumps({"7": problems["1"]}))
    for name in ("aime", "cmo"):
        _lines(data / f"{name}.jsonl",
               [{"origin_prompt": text, "gold_answer": str(number), "id": number} for number, text in enumerate(TEXTS)])  # fmt: skip
    _lines(data / "svamp/SVAMP.jsonl",
           [{"Body": text, "Question": "How many?", "Answer": 3.0 + n, "Type": "x"} for n, text in enumerate(TEXTS)])  # fmt: skip
    _lines(data / "gsm-hard/test.jsonl", [{"input": text, "target": target, "code": ""}
                                          for text, target in zip(TEXTS, (1.0, 2.5, -3.0, 1e9, 0.1), strict=True)])  # fmt: skip
    _text(data / "mgsm/mgsm_zh.tsv", "罗杰有 5 个网球。\t11\n第二题？\t1,000\n")
    _text(data / "strategyqa/strategyQA_train.json",
          json.dumps([{"qid": n, "question": text, "answer": bool(n % 2), "facts": [text]} for n, text in enumerate(TEXTS)]))  # fmt: skip


def _questions(data: Path) -> None:
    _lines(data / "ifeval/input_data.jsonl", [
        {"key": 1, "prompt": TEXTS[1], "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
        {"key": 2, "prompt": TEXTS[2], "instruction_id_list": ["keywords:existence", "startend:quotation"],
         "kwargs": [{"keywords": ["a", "b"]}, {}]},
    ])  # fmt: skip
    answers = (["4", "four"], ["O'Neil", 'the "no"'], ["5", "五"], ["a, b"], ["x"])
    rows = list(zip(TEXTS, answers, strict=True))
    table = "".join(
        '"' + text.replace('"', '""') + '"\t"' + repr(names).replace('"', '""') + '"\n' for text, names in rows
    )
    for split in ("dev", "test"):
        _text(data / f"triviaqa/trivia-{split}.qa.csv", table)
        _text(data / f"nq/nq-{split}.qa.csv", table)
    for split in ("validation", "train"):
        lines = [{"question": text, "answer": names} for text, names in rows]
        _lines(data / f"triviaqa/triviaqa-{split}.jsonl", [{**lines[0], "source": "s"}, *lines[1:]])
        _lines(data / f"nq-open/nq-open-{split}.jsonl", lines)


def _code(data: Path) -> None:
    _lines(data / "humaneval/human-eval-v2-20210705.jsonl", [
        {"task_id": f"HumanEval/{n}", "prompt": f"def f{n}():\n", "entry_point": f"f{n}", "canonical_solution": "    pass\n",
         "test": "def check(candidate):\n    assert True\n"} for n in range(3)
    ])  # fmt: skip
    rows = [{"text": text, "code": f"def f{n}():\n    return {n}", "task_id": n, "test_setup_code": "",
             "test_list": [f"assert f{n}() == {n}", 'assert f("a") == "b"'], "challenge_test_list": []}
            for n, text in enumerate(TEXTS * 3)]  # fmt: skip
    _lines(data / "mbpp/mbpp.jsonl", rows)
    _lines(data / "mbpp/sanitized-mbpp.jsonl", [
        {"source_file": "f", "task_id": row["task_id"], "prompt": row["text"], "code": row["code"], "test_imports": [],
         "test_list": row["test_list"]} for row in rows
    ])  # fmt: skip
    _lines(data / "mbpp_plus/mbpp_plus.jsonl", rows[:3])


def _own(data: Path) -> None:
    _text(data / "custom/mine.csv", '﻿question,A,B,answer\n"a, b",1,"2 ""x""",A\n题？,甲,,B\n')
    _lines(data / "custom/mine.jsonl", [{"question": text, "answer": str(n)} for n, text in enumerate(TEXTS)])


def _long(data: Path) -> None:
    _lines(data / "kcle_diamond.jsonl", [{"input": text, "target": text[:2], "id": n} for n, text in enumerate(TEXTS)])
    _lines(data / "Xsum/dev.jsonl", [{"dialogue": text, "summary": text[:3], "id": n} for n, text in enumerate(TEXTS)]
           + [{"dialogue": 0.5, "summary": "x"}])  # fmt: skip
    _text(data / "LCSTS/test.src.txt", "第一条新闻 \n second\nthird\n")
    _text(data / "LCSTS/test.tgt.txt", "摘要。\nshort\n")
    answer = {"extractive_spans": ["a span", "another"], "free_form_answer": "", "evidence": ["two", "one"]}
    paper = {
        "full_text": [{"section_name": "Intro", "paragraphs": ["one", "two"]}, {"section_name": None, "paragraphs": ["three"]}],
        "qas": [{"question": "What?", "answers": [{"answer": answer}]},
                {"question": "Why?", "answers": [{"answer": {"extractive_spans": [], "evidence": []}}]},
                {"question": "How?", "answers": [{"answer": {"extractive_spans": ["x"], "evidence": ["three"]}}]},
                {"question": "Gone?", "answers": [{"answer": {"extractive_spans": ["y"], "evidence": ["three", "four"]}}]}],
    }  # fmt: skip
    _text(data / "QASPER/qasper-dev-v0.3.json", json.dumps({"1234.5": paper}))
    _text(
        data / "narrativeqa/qaps.csv",
        'document_id,set,question,answer1,answer2\nd1,train,Who?,Ann,"Ann, she"\nd2,test,No story?,a,b\nd1,valid,?,c,d\nd1,test,Where?,e,f\n',
    )
    _text(data / "narrativeqa/tmp/d1.content", "Once upon a time " * 10)
    none = {"number": "", "date": {"day": "", "month": "", "year": ""}, "spans": []}
    pairs = [
        {"question": "How many?", "validated_answers": [{**none, "number": "3"}, {**none, "number": "3"}]},
        {"question": "When?", "validated_answers": [{**none, "date": {"day": "1", "month": "May", "year": ""}}]},
        {"question": "Who?", "validated_answers": [{**none, "spans": ["Ann"]}]},
    ]
    _text(data / "drop/drop_dataset_dev.json", json.dumps({"p1": {"passage": TEXTS[3], "qa_pairs": pairs}}))
    _lines(
        data / "drop_simple_eval/dev.jsonl", [{"context": text, "ref_text": "a|b", "completion": ""} for text in TEXTS]
    )
    named = {"Aliases": ["Paris", "City"], "HumanAnswers": ["paris"]}
    web = [{"Question": "Where?", "Answer": named, "SearchResults": [{"Filename": "1/a.txt"}]},
           {"Question": "When?", "Answer": named, "SearchResults": []}]  # fmt: skip
    wiki = [
        {
            "Question": "Who?",
            "Answer": {"Aliases": ["Ann"]},
            "EntityPages": [{"Filename": "b.txt"}, {"Filename": "c.txt"}],
        }
    ]
    _text(data / "triviaqa-rc/qa/verified-web-dev.json", json.dumps({"Data": web}))
    _text(data / "triviaqa-rc/qa/verified-wikipedia-dev.json", json.dumps({"Data": wiki}))
    _text(data / "triviaqa-rc/evidence/web/1/a.txt", "A page. " * 5)
    _text(data / "triviaqa-rc/evidence/wikipedia/b.txt", "Ein Artikel.")


def _hard(data: Path) -> None:
    listed = "\nOptions:\n(A) before noon\n(B) after noon"
    for name, ending, targets in (
        ("temporal_sequences", listed, ("(A)", "(B)")),
        ("multistep_arithmetic_two", " =", ("-12", "1,000")),
    ):
        examples = [{"input": text + ending, "target": targets[n % 2]} for n, text in enumerate(TEXTS)]
        _text(data / f"BBH/data/{name}.json", json.dumps({"canary": "made for tests", "examples": examples}))


def _last_exam(root: Path) -> None:
    """Rows with and without a picture, whose preview is kept as the hub keeps pictures."""
    picture = {"bytes": base64.b64decode(PIXEL), "path": None}
    rows = [
        {"id": f"{n:024x}", "question": text, "image": f"data:image/png;base64,{PIXEL}" if n == 1 else "",
         "image_preview": picture if n == 1 else None, "answer": text[::-1], "answer_type": ("exactMatch", "multipleChoice")[n % 2],
         "author_name": "A. Author", "rationale": "", "rationale_image": None, "raw_subject": "Algebra",
         "category": ("Math", "Biology/Medicine", "Math", "Other", "Math")[n], "canary": "made for tests"}
        for n, text in enumerate(TEXTS)
    ]  # fmt: skip
    _parquet(root / "cais/hle/data/test-00000-of-00001.parquet", rows, pictures=("image_preview", "rationale_image"))
    checked = [
        {"id": row["id"], "question": row["question"], "answer": row["answer"], "category": row["category"],
         "Verified_Classes": ("Gold subset", "Revision subset")[n // 3], "json": json.dumps({"image": row["image"]})}
        for n, row in enumerate(rows)
    ]  # fmt: skip
    _parquet(root / "skylenage-ai/HLE-Verified/data/train-00000-of-00001.parquet", checked)


def _olympiads(root: Path) -> None:
    folder, names = root / "RUC-AIBOX/OlymMATH", ("en-easy", "en-hard", "zh-easy", "zh-hard")
    for name in names:
        _lines(folder / f"data/OlymMATH-{name.upper()}.jsonl", [
            {"problem": f"{name}: {text}", "answer": f"${n}$", "subject": "Algebra", "unique_id": f"{name.upper()}-{n}"}
            for n, text in enumerate(TEXTS)
        ])  # fmt: skip
    card = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: data/OlymMATH-{name.upper()}.jsonl\n"
        for name in names
    )
    _text(folder / "README.md", f"---\nlanguage:\n- en\n- zh\nconfigs:\n{card}---\n# OlymMATH\n")
    rows = [{"problem": text, "answer": 10**n} for n, text in enumerate(TEXTS)]
    _parquet(root / "ByteDance-Seed/BeyondAIME/data/test-00000-of-00001.parquet", rows)


def _parquet(path: Path, rows: list[Any], pictures: tuple[str, ...] = ()) -> None:
    """:param pictures: columns that hold pictures, as the file's own description says."""
    import pyarrow
    import pyarrow.parquet

    stored = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    fields = [
        (name, stored if name in pictures else pyarrow.int64() if isinstance(value, int) else pyarrow.string())
        for name, value in rows[0].items()
    ]
    kinds = {
        name: {"_type": "Image"} if kind == stored else {"dtype": str(kind), "_type": "Value"} for name, kind in fields
    }
    described = json.dumps({"info": {"features": kinds}})
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist(rows, pyarrow.schema(fields, {"huggingface": described}))
    pyarrow.parquet.write_table(table, path)
