"""Record what OpenCompass 0.5.4's own evaluators and post-processors say.

Run in an OpenCompass virtualenv (``make opencompass-venv``) that also has langdetect and math-verify:

    PYTHONPATH=tests python tests/recorders/scoring.py DATA_FOLDER tests/golden/scoring [NAME ...]

``DATA_FOLDER`` holds OpenCompass's ``gsm8k/`` and ``humaneval/``. Records are JSON files of inputs and outputs;
the tests in tests/inference/test_recorded_scoring.py give the same inputs to ours.
"""

# ruff: noqa: E501, RUF001  # long calls of a table, some with full-width characters

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from recorders import scripted
from recorders.punkt import write_untrained

os.environ["NLTK_DATA"] = str(write_untrained(Path(tempfile.mkdtemp())))

import langdetect
from datasets import Dataset
from opencompass.datasets.generic import (
    generic_llmjudge_academic_postprocess,
    generic_llmjudge_postprocess,
)
from opencompass.datasets.IFEval import evaluation_main
from opencompass.datasets.IFEval.ifeval import IFEvaluator
from opencompass.evaluator import CascadeEvaluator, GenericLLMEvaluator, MATHVerifyEvaluator
from opencompass.models.base_api import BaseAPIModel
from opencompass.openicl.icl_evaluator import (
    AccEvaluator,
    BleuEvaluator,
    EMEvaluator,
    RougeEvaluator,
    icl_base_evaluator,
)
from opencompass.registry import MODELS
from opencompass.utils import code_execution, text_postprocessors

langdetect.DetectorFactory.seed = 0
# by import_module: the package's own namespace has other things of these names
(
    custom,
    drop_simple_eval,
    gsm8k,
    humaneval,
    lcsts,
    math,
    mathbench,
    mbpp,
    mgsm,
    natural_question,
    strategyqa,
    triviaqa,
    xsum,
) = (
    import_module(f"opencompass.datasets.{name}")
    for name in (
        "custom",
        "drop_simple_eval",
        "gsm8k",
        "humaneval",
        "lcsts",
        "math",
        "mathbench",
        "mbpp",
        "mgsm",
        "natural_question",
        "strategyqa",
        "triviaqa",
        "xsum",
    )
)


@MODELS.register_module()
class ScriptedJudge(BaseAPIModel):
    """Says what scripted.verdict says to what it is shown."""

    is_api = True

    def __init__(self, path: str = "scripted", **kwargs):
        super().__init__(path=path, **{"max_seq_len": 4096, **kwargs})

    def generate(self, inputs, max_out_len=512, **kwargs):
        return [scripted.verdict(str(one) if isinstance(one, str) else one[-1]["prompt"]) for one in inputs]


def plain(value):
    """Without numpy's types."""
    return json.loads(json.dumps(value, default=lambda one: one.item() if hasattr(one, "item") else list(one)))


def evaluated(evaluator, predictions, references, rows=None, n=1, k=1, **material):
    """A whole result through OpenCompass's envelope."""
    columns = rows or [{"question": str(number)} for number in range(len(predictions) // n)]
    stacked = [{**row, "subdivision": "toy_test", "idx": number} for number, row in enumerate(columns)] * n
    dataset = Dataset.from_list(stacked)
    if material.pop("with_rows", False):
        material["test_set"] = dataset
    return plain(evaluator.evaluate(k, n, dataset, predictions=predictions, references=references, **material))


def texts(data: Path) -> dict:
    """Post-processors over pools of texts; of code, the digests of what they leave."""
    answers = [said for said, _ in scripted.gsm8k(data, 220)] + list(scripted.LATEX)
    wrapped = [f"So the final answer is ${one}$. I hope" for one in scripted.LATEX[:60]]
    pools = {
        "answers": answers,
        "maths": answers + wrapped + [f"Thus $\\boxed{{{one}}}$." for one in scripted.LATEX[:60]],
        "solutions": [solution for _, solution in scripted.gsm8k(data, 200)],
        "code": scripted.programs(data, 216),
    }
    lead = {"re_pattern": r"answer is:? ?(.*)"}
    line = {"answer_pattern": r"(?i)ANSWER\s*:\s*([^\n]+)"}
    tag = {"tag": "<think>"}
    outputs = [
        processed("gsm8k", gsm8k.gsm8k_postprocess, pools, "answers"),
        processed("gsm8k_dataset", gsm8k.gsm8k_dataset_postprocess, pools, "solutions"),
        processed("math_postprocess", math.math_postprocess, pools, "maths"),
        processed("math_postprocess_v2", math.math_postprocess_v2, pools, "maths"),
        processed("math_judement_preprocess", math.math_judement_preprocess, pools, "maths"),
        processed("general", text_postprocessors.general_postprocess, pools, "answers"),
        processed("extract-non-reasoning-content", text_postprocessors.extract_non_reasoning_content, pools, "answers"),
        processed("think_pred", text_postprocessors.think_pred_postprocess, pools, "answers", **lead),
        processed("match_answer_pattern", text_postprocessors.match_answer_pattern, pools, "answers", **line),
        processed("specific-xml-tag", text_postprocessors.xml_tag_postprocessor, pools, "answers", **tag),
        processed("humaneval_postprocess_v2", humaneval.humaneval_postprocess_v2, pools, "code"),
        processed("humaneval_postprocess_v3", humaneval.humaneval_postprocess_v3, pools, "code"),
        processed("humaneval_internal_v1_postprocess", humaneval.humaneval_internal_v1_postprocess, pools, "code"),
        processed("humaneval_internal_v2_postprocess", humaneval.humaneval_internal_v2_postprocess, pools, "code"),
        processed("MBPPEvaluator", mbpp.MBPPEvaluator()._process_answer, pools, "code"),
        processed("MBPPEvaluator2", mbpp.MBPPEvaluator2()._process_answer, pools, "code"),
    ]
    lines = [f"Answer: {said}" if number % 3 else f"答案: {said}" for number, said in enumerate(answers)]
    lines = [
        line.replace("answer is", "The answer is yes, no") if number % 5 == 0 else line
        for number, line in enumerate(lines)
    ]
    pools["lines"] = [*lines, "“摘要，不错。”", "1. first 1. second", "- a - b\nmore", "No, the answer is Yes"]
    outputs += [
        processed("mgsm_postprocess", mgsm.mgsm_postprocess, pools, "lines", lang="en"),
        processed("mgsm_postprocess", mgsm.mgsm_postprocess, pools, "lines", lang="zh"),
        processed("mathbench_postprocess", mathbench.mathbench_postprocess, pools, "lines", name="college"),
        processed("mathbench_postprocess", mathbench.mathbench_postprocess, pools, "lines", name="college_cn"),
        processed("strategyqa", strategyqa.strategyqa_pred_postprocess, pools, "lines"),
        processed("Xsum", xsum.Xsum_postprocess, pools, "lines"),
        processed("lcsts", lcsts.lcsts_postprocess, pools, "lines"),
    ]
    return {"pools": pools, "outputs": outputs}


def processed(type_, call, pools, pool, **options):
    left = [call(text, **options) for text in pools[pool]]
    left = [scripted.digest(text) for text in left] if pool == "code" else left
    return {"type": type_, "pool": pool, "options": options, "left": left}


def numbers(data: Path) -> list:
    """Evaluators that compare answers; each record is one whole result."""
    pairs = scripted.gsm8k(data, 240)
    said = [gsm8k.gsm8k_postprocess(text) for text, _ in pairs]
    wanted = [gsm8k.gsm8k_dataset_postprocess(text) for _, text in pairs]
    boxed = [math.math_postprocess_v2(text) for text, _ in pairs]
    draw = random.Random(3)
    latex = [(draw.choice(scripted.LATEX), draw.choice(scripted.LATEX)) for _ in range(200)]
    latex += [(one, other) for one, other in zip(scripted.LATEX, scripted.LATEX[1:], strict=False)]
    latex += [(one, one) for one in scripted.LATEX] + [("5", None)]
    ours, theirs = [one for one, _ in latex], [other for _, other in latex]
    return [
        record("Gsm8kEvaluator", gsm8k.Gsm8kEvaluator(), said, wanted),
        record("MATHEvaluator", math.MATHEvaluator(), boxed, wanted),
        record("MATHEvaluator", math.MATHEvaluator(), ours, theirs, options={"version": "v1"}),
        record("MATHEvaluator", math.MATHEvaluator("v2"), ours, theirs, options={"version": "v2"}),
        record("AccEvaluator", AccEvaluator(), said, wanted),
        record("Gsm8kEvaluator", gsm8k.Gsm8kEvaluator(), said[:60] * 2 + said[60:180], wanted[:60] * 4, n=4, k=[2, 4]),
        record("MATHEvaluator", math.MATHEvaluator(), boxed[:60], wanted[:20] * 3, n=3, k=1),
    ]


def algebra(data: Path) -> dict:
    """Values by computer algebra; None where OpenCompass leaves a row out."""
    draw = random.Random(3)
    wanted = [one for one in scripted.LATEX if one.strip()]
    said = [one if draw.random() < 0.4 else draw.choice(wanted) for _ in range(3) for one in wanted][:210]
    references = (wanted * 3)[:210]
    predictions = [f"So \\boxed{{{one}}}" for one in said]
    told = [
        MATHVerifyEvaluator().score([one], [other])["details"]
        for one, other in zip(predictions, references, strict=True)
    ]
    return {
        "predictions": predictions,
        "references": references,
        "correct": [each[0]["correct"] if each else None for each in told],
    }


def record(name, evaluator, predictions, references, options=None, n=1, k=1, **more):
    result = evaluated(evaluator, predictions, references, n=n, k=k, **more)
    return {"type": name, "options": options or {}, "n": n, "k": k, "predictions": predictions,
            "references": references, "result": result}  # fmt: skip


def names(data: Path) -> list:
    """Evaluators over lists of accepted answers."""
    accepted = [["Paris", "City of Paris"], ["the Beatles"], ["1969", "in 1969"], ["J. R. R. Tolkien", "Tolkien"],
                ["An apple"], ["New York City", "NYC", "New York"], ["42"], ["Müller"], ["北京"], ["a-ha"]]  # fmt: skip
    styles = ("{0}", "The answer is {0}.", "A: {0}", "answer: {0}\nQ: next", "It is the {0}, I think.", "{0} is it", "so {0}",
              "答案是{0}。", "I do not know", "**{0}**", "Answer: the answer is {0}, of course", "\n{0}")  # fmt: skip
    draw = random.Random(5)
    predictions, references = [], []
    for number in range(216):
        wanted = accepted[number % len(accepted)]
        said = draw.choice(wanted) if draw.random() < 0.7 else draw.choice(accepted)[0]
        predictions.append(styles[number % len(styles)].format(said.upper() if draw.random() < 0.2 else said))
        references.append(wanted)
    return [
        record("TriviaQAEvaluator", triviaqa.TriviaQAEvaluator(), predictions, references),
        record(
            "DropOpenAIEvaluator",
            drop_simple_eval.DropOpenAIEvaluator(),
            predictions,
            ["|".join(each) for each in references],
        ),
        record("NQEvaluator", natural_question.NQEvaluator(), predictions, references),
        record("EMEvaluator", EMEvaluator(), predictions, references),
    ]


def overlap(data: Path) -> list:
    """ROUGE and BLEU: a corpus, and many of few items."""
    lines = (data / "gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:200]]
    references = [row["answer"].split("\n")[0] for row in rows]
    draw = random.Random(2)
    predictions = []
    for text in references:
        words = text.split()
        draw.shuffle(words) if draw.random() < 0.3 else None
        predictions.append(" ".join(word for word in words if draw.random() < 0.8))
    records = []
    for evaluator in (RougeEvaluator, BleuEvaluator):
        records.append(record(evaluator.__name__, evaluator(), predictions, references))
        for start in range(0, 200, 5):
            part = slice(start, start + 5)
            records.append(
                {
                    "part": [start, start + 5],
                    **record(evaluator.__name__, evaluator(), predictions[part], references[part]),
                }
            )
    for each in records[1:]:
        if "part" in each:
            del each["predictions"], each["references"]
    return records


def obeyed(data: Path) -> dict:
    """IFEval: each instruction over all responses, to the letter and loosely, and one whole result."""
    table = []
    for instruction, arguments in scripted.INSTRUCTIONS:
        example = evaluation_main.InputExample(1, [instruction], "Write a poem.", [arguments])
        strict = [evaluation_main.test_instruction_following_strict(example, one) for one in scripted.RESPONSES]
        loose = [evaluation_main.test_instruction_following_loose(example, one) for one in scripted.RESPONSES]
        table.append({
            "instruction": instruction, "arguments": arguments,
            "strict": "".join(str(int(one.follow_all_instructions)) for one in strict),
            "loose": "".join(str(int(one.follow_all_instructions)) for one in loose),
        })  # fmt: skip
    draw = random.Random(11)
    simple = [
        item for item in scripted.INSTRUCTIONS if item[0].split(":")[0] in ("keywords", "detectable_format", "startend")
    ]
    references, predictions = [], []
    for number in range(200):
        chosen = draw.sample(simple, 2)
        references.append({"key": number, "prompt": "Write.", "instruction_id_list": [one for one, _ in chosen],
                           "kwargs": [dict(arguments) for _, arguments in chosen]})  # fmt: skip
        predictions.append(draw.choice(scripted.RESPONSES))
    prompts = [f"prompt {number}" for number in range(200)]
    kept = json.loads(json.dumps(references))
    result = evaluated(IFEvaluator(), predictions, references, origin_prompt=prompts)
    return {"responses": list(scripted.RESPONSES), "table": table,
            "whole": {"predictions": predictions, "references": kept, "prompts": prompts, "result": result}}  # fmt: skip


def options_said(data: Path) -> list:
    """Custom multiple choice: the option a text means."""
    rows = [
        {"A": "Paris", "B": "London", "C": "New York", "D": "the moon"},
        {"A": "3", "B": "33", "C": "13", "D": "0.3"},
    ]
    styles = ("{0}", "{0}. {1}", "The answer is ({0}).", "I think it is {1}", "答案是{0}。", "选{0}", "{1}!", "londn", "Tokyo",
              "It could be A or {1}", "({0})", "the {1} of course, not another one", "")  # fmt: skip
    draw = random.Random(8)
    predictions, references, shown = [], [], []
    for number in range(208):
        row = rows[number % 2]
        letter = draw.choice("ABCD")
        predictions.append(styles[number % len(styles)].format(letter, row[letter]))
        references.append(letter if draw.random() < 0.7 else draw.choice("ABCD"))
        shown.append(row)
    evaluator = custom.OptionSimAccEvaluator(options=["A", "B", "C", "D"])
    result = evaluated(evaluator, predictions, references, rows=shown, with_rows=True)
    return [{"type": "OptionSimAccEvaluator", "options": {"options": ["A", "B", "C", "D"]}, "n": 1, "k": 1, "rows": shown,
             "predictions": predictions, "references": references, "result": result}]  # fmt: skip


TEMPLATE = {
    "type": "PromptTemplate",
    "template": {
        "begin": [{"role": "SYSTEM", "fallback_role": "HUMAN", "prompt": "You grade."}],
        "round": [{"role": "HUMAN", "prompt": "Q: {question}\nGold: {obj_gold} {answer}\nSaid: {prediction}\nA or B?"}],
    },
}
META = {"round": [{"role": "HUMAN", "api_role": "HUMAN"}, {"role": "BOT", "api_role": "BOT", "generate": True}]}


def judged(data: Path) -> dict:
    """A judge alone and after rules, through a model that says what the script says."""
    rows = [{"question": f"What is {number}?", "answer": str(number * 3 % 7)} for number in range(210)]
    predictions = [str(number * 3 % 7) if number % 3 else f"\\boxed{{{number}}}" for number in range(210)]
    references = [row["answer"] for row in rows]
    judge = {"type": "ScriptedJudge", "path": "scripted", "meta_template": META}
    graded = {"type": "generic_llmjudge_postprocess"}
    found = {"rows": rows, "predictions": predictions, "references": references, "template": TEMPLATE}
    with tempfile.TemporaryDirectory() as folder:
        alone = GenericLLMEvaluator(
            prompt_template=TEMPLATE, judge_cfg=dict(judge), dataset_cfg=None or {}, dict_postprocessor=dict(graded)
        )
        alone._out_dir = f"{folder}/alone"
        found["alone"] = evaluated(alone, predictions, references, rows=rows, with_rows=True)
        found["alone_file"] = json.loads(Path(f"{folder}/alone_replica0.json").read_text(encoding="utf-8"))
        for parallel in (True, False):
            rule = {"type": "MATHEvaluator", "version": "v2", "pred_postprocessor": {"type": "math_postprocess_v2"}}
            llm = {"type": "GenericLLMEvaluator", "prompt_template": TEMPLATE, "judge_cfg": dict(judge), "dataset_cfg": {},
                   "dict_postprocessor": dict(graded)}  # fmt: skip
            both = CascadeEvaluator(llm_evaluator=llm, rule_evaluator=rule, parallel=parallel)
            both._out_dir = f"{folder}/{parallel}"
            found[f"cascade_{parallel}"] = evaluated(both, predictions, references, rows=rows, with_rows=True)
            file = Path(f"{folder}/{parallel}_llm_judge_replica0.json")
            found[f"cascade_{parallel}_file"] = json.loads(file.read_text(encoding="utf-8"))
    draw = random.Random(4)
    said = [draw.choice(scripted.JUDGEMENTS) for _ in range(210)]
    output = {str(number): {"prediction": text, "gold": "x"} for number, text in enumerate(said)}
    bare = lambda result: {name: value for name, value in result.items() if name != "details"}  # noqa: E731
    found["said"] = said
    found["generic"] = plain(bare(generic_llmjudge_postprocess(dict(output), "")))
    found["tags"] = plain(bare(generic_llmjudge_postprocess(dict(output), "", "CORRECT", "INCORRECT")))
    found["academic"] = plain(bare(generic_llmjudge_academic_postprocess(dict(output), "", "share")))
    return found


CUSTOM = (
    {"path": "mcq.jsonl"}, {"path": "mcq.csv", "infer_method": "ppl"}, {"path": "qa.jsonl"}, {"path": "noanswer.jsonl"},
    {"path": "mcq.jsonl", "abbr": "mine", "data_type": "qa"}, {"path": "meta.jsonl"},
    {"path": "mcq.csv", "data_type": "circular-mcq"}, {"path": "mcq.csv", "data_type": "circular-mcq", "infer_method": "ppl"},
    {"path": "meta.jsonl", "human_prompt": "{question}!", "meta_path": "other.json"},
)  # fmt: skip


def customs(data: Path) -> list:
    """Dataset configs that OpenCompass makes of files without a type."""
    with tempfile.TemporaryDirectory() as folder:
        scripted.write_custom(Path(folder))
        before = Path.cwd()
        os.chdir(folder)
        try:
            return [
                {"config": entry, "dataset": plain(custom.make_custom_dataset_config(dict(entry)))} for entry in CUSTOM
            ]
        finally:
            os.chdir(before)


def chances(data: Path) -> dict:
    """pass@k and G-Pass@k over a grid, and checks that compare types."""
    grid = [(n, c, k) for n in (1, 2, 4, 8, 16) for c in range(n + 1) for k in (1, 2, 4, 8, 16) if k <= n]
    steady = [[icl_base_evaluator.compute_g_pass_at_k(n, c, k, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
              + [icl_base_evaluator.compute_mg_pass_at_k(n, c, k)] for n, c, k in grid]  # fmt: skip
    checks = ["assert f(1) == 2", "assert f(1) == [1, 2]\nassert g(x) == 'a'", "assert f(1) != 2", "assert a == b == c", "not (",
              "assert (f(1) == 2), 'wrong'", "assert set(f([1])) == set([1])", "for i in range(3):\n    assert f(i) == i"]  # fmt: skip
    return plain({
        "grid": grid, "pass": [icl_base_evaluator.compute_pass_at_k(*each) for each in grid], "steady": steady,
        "checks": checks, "type_aware": [code_execution.make_assertions_type_aware(one) for one in checks],
    })  # fmt: skip


MADE = {
    "postprocessors": texts, "accepted": names, "overlap": overlap, "instructions": obeyed, "options": options_said,
    "judges": judged, "chances": chances, "custom": customs, "answers": numbers, "algebra": algebra,
}  # fmt: skip


def main(data: Path, target: Path, *wanted: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in wanted or MADE:
        make = MADE[name]
        text = json.dumps(make(data), ensure_ascii=False, separators=(",", ":"))
        (target / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(name, len(text), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
