"""Ours say what OpenCompass 0.5.4's own evaluators and post-processors said of the same texts.

The records were made by tests/recorders/scoring.py. Differences on purpose are listed here and in docs/metrics.md.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from inference import code_answers
from inference.datasets import Rows
from inference.envelope import result
from inference.families.math import verify
from inference.families.mbpp import type_aware
from inference.grades import GRADINGS
from inference.instructions import obeyed, variants
from inference.pass_at_k import g_pass_at_k, mg_pass_at_k, pass_at_k
from inference.postprocess import open_postprocessor
from inference.scoring import score
from recorders import scripted
from recorders.punkt import write_untrained

GOLDEN = Path(__file__).parents[1] / "golden/scoring"


def read(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def needs(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def ours(record, court=None):
    """The whole result file of a record's predictions, as an evaluation writes it."""
    n = record["n"]
    references, predictions = record["references"], record["predictions"]
    rows = record.get("rows") or [{"question": str(number)} for number in range(len(predictions) // n)] * n
    dataset = {
        "abbr": "toy",
        "reader_cfg": {"input_columns": [], "output_column": "wanted"},
        "eval_cfg": {"evaluator": {"type": record["type"], **record["options"]}},
        "n": n,
        "k": record["k"],
    }
    stacked = [{**row, "wanted": reference} for row, reference in zip(rows, references, strict=True)]
    prompts = record.get("prompts")
    scores = score({"abbr": "m"}, dataset, predictions, stacked, prompts, court)
    size = len(predictions) // n
    entries = [{"origin_prompt": None, "prediction": said} for said in predictions]
    return result("toy", Rows([], stacked[:size], list(range(size)) * n, "test"), entries, scores)


def agree(mine, theirs):
    """Numbers to the last bits, everything else exactly."""
    if isinstance(theirs, dict):
        return (
            isinstance(mine, dict) and mine.keys() == theirs.keys() and all(agree(mine[k], theirs[k]) for k in theirs)
        )
    if isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(agree, mine, theirs))
    if isinstance(theirs, float) or (isinstance(theirs, int) and isinstance(mine, float)):
        return mine == pytest.approx(theirs, rel=1e-9, abs=1e-9)
    return mine == theirs


def same(mine, theirs):
    """Both results, item by item where they differ."""
    mine = json.loads(json.dumps(mine, default=str))
    for key in theirs:
        if key != "details":
            assert agree(mine[key], theirs[key]), key
    if "details" in theirs:
        pairs = zip(mine["details"], theirs["details"], strict=True)
        assert [pair for pair in pairs if not agree(*pair)] == []
        assert mine.keys() == theirs.keys()


PROCESSED = read("postprocessors")
MBPP = {"MBPPEvaluator": code_answers.mbpp_answer, "MBPPEvaluator2": code_answers.mbpp_block}


REAL = read("real_rows")
TEXTS = [(made["pools"], record) for made in (PROCESSED, REAL["texts"]) for record in made["outputs"]]


@pytest.mark.parametrize(("pools", "record"), TEXTS, ids=lambda value: value.get("type", ""))
def test_a_post_processor_leaves_what_opencompass_leaves(pools, record):
    texts = pools[record["pool"]]
    assert len(texts) >= 200
    reduce = MBPP.get(record["type"]) or open_postprocessor({"type": record["type"], **record["options"]}, "here")
    left = [reduce(text) for text in texts]
    left = [scripted.digest(text) for text in left] if record["pool"] == "code" else left
    differ = [item for item in zip(texts, left, record["left"], strict=True) if item[1] != item[2]]
    assert differ == []


def named(record):
    return f"{record['type']}-n{record['n']}-{len(record['predictions'])}"


@pytest.mark.parametrize("record", [*read("answers"), *read("accepted"), *read("options"), *REAL["scored"]], ids=named)
def test_an_evaluator_says_what_opencompass_says(record):
    theirs = record["result"]
    if record["type"] == "EMEvaluator":  # a list made of a set there, in any order; sorted here
        for detail in theirs["details"]:
            detail["answer"] = [sorted(answers) for answers in detail["answer"]]
    if record["type"] == "MGSM_Evaluator":  # OpenCompass loses every detail of this name
        for detail, said in zip(theirs["details"], record["predictions"], strict=True):
            detail["predictions"] = [said]
    same(ours(record), theirs)


@needs("math_verify")
def test_computer_algebra_finds_the_same_values():
    record = read("algebra")
    assert len(record["predictions"]) >= 200
    mine = verify(record["predictions"], record["references"]).correct
    told = zip(record["predictions"], record["references"], mine, record["correct"], strict=True)
    # what OpenCompass leaves out, because it cannot read the reference, is wrong here
    assert [item for item in told if item[2] != bool(item[3])] == []


@needs("rouge_score", "sacrebleu")
@pytest.mark.parametrize("kind", ["RougeEvaluator", "BleuEvaluator"])
def test_overlap_is_that_of_the_same_packages(kind):
    records = [record for record in read("overlap") if record["type"] == kind]
    whole = records[0]
    assert len(whole["predictions"]) == 200
    for record in records:
        start, stop = record.get("part", [0, 200])
        texts = {side: whole[side][start:stop] for side in ("predictions", "references")}
        mine = ours({**record, **texts})
        del mine["details"]
        assert agree(mine, record["result"])


INSTRUCTIONS = read("instructions")
NEEDS_NLTK = ("length_constraints:number_sentences", "change_case:capital_word_frequency")
NEEDS_LANGDETECT = ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """The same parameters as when the records were made."""
    if importlib.util.find_spec("nltk") is None:
        yield
        return
    import nltk

    folder = str(write_untrained(tmp_path_factory.mktemp("nltk")))
    nltk.data.path.insert(0, folder)
    yield
    nltk.data.path.remove(folder)


@pytest.mark.parametrize("number", range(len(INSTRUCTIONS["table"])),
                         ids=lambda number: f"{number}-{INSTRUCTIONS['table'][number]['instruction']}")  # fmt: skip
def test_an_instruction_is_obeyed_where_opencompass_says_so(number, sentences):
    row = INSTRUCTIONS["table"][number]
    for package, instructions in (("nltk", NEEDS_NLTK), ("langdetect", NEEDS_LANGDETECT)):
        if row["instruction"] in instructions and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} not installed")
    told = [
        (
            response,
            obeyed(row["instruction"], response, row["arguments"]),
            any(obeyed(row["instruction"], text, row["arguments"]) for text in variants(response)),
        )
        for response in INSTRUCTIONS["responses"]
    ]
    wanted = [(strict == "1", loose == "1") for strict, loose in zip(row["strict"], row["loose"], strict=True)]
    assert [(each, real) for each, real in zip(told, wanted, strict=True) if each[1:] != real] == []


def test_ifeval_counts_prompts_and_instructions_as_opencompass_does():
    whole = INSTRUCTIONS["whole"]
    same(ours({**whole, "type": "IFEvaluator", "options": {}, "n": 1, "k": 1}), whole["result"])


def test_chances_are_opencompass_own():
    record = read("chances")
    for (n, c, k), chance, steady in zip(record["grid"], record["pass"], record["steady"], strict=True):
        assert pass_at_k(n, c, k) == pytest.approx(chance, abs=1e-12)
        mine = [g_pass_at_k(n, c, k, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
        assert [*mine, mg_pass_at_k(n, c, k)] == pytest.approx(steady, abs=1e-9)
    assert len(record["grid"]) > 100
    assert [type_aware(check) for check in record["checks"]] == record["type_aware"]


@pytest.mark.parametrize(
    ("kind", "type_", "options"),
    [
        ("generic", "generic_llmjudge_postprocess", {}),
        ("tags", "generic_llmjudge_postprocess", {"true_tag": "CORRECT", "false_tag": "INCORRECT"}),
        ("academic", "generic_llmjudge_academic_postprocess", {"metric_name": "share"}),
    ],
)
def test_a_judges_words_are_graded_as_opencompass_grades_them(kind, type_, options):
    record = read("judges")
    assert len(record["said"]) >= 200
    mine = {metric.name: metric.value for metric in GRADINGS.find(type_)(dict(enumerate(record["said"])), **options)}
    assert agree(mine, record[kind])
