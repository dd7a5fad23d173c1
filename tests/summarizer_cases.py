"""Configs of OpenCompass's summarizers and what judges said, so that each has something to tabulate."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BENCH = ("数学计算", "逻辑推理", "基本任务", "中文理解", "综合问答", "文本写作", "角色扮演", "专业能力")
_TOPICS = ("Coding & Debugging", "Creative Writing")
Said = list[tuple[str, dict[str, Any]]]
"""What a judge said of each row, and the row as the summarizer finds it."""


@dataclass(frozen=True)
class Judged:
    """A dataset that a judge has seen.

    :param summarizer: of the dataset itself, where the config's calls it.
    :param compared: whether ``b`` was compared with ``a``, or each was judged alone.
    """

    said: Said
    summarizer: str = ""
    compared: bool = False


@dataclass(frozen=True)
class Case:
    """:param summarizer: as the config says it.
    :param datasets: by abbr, what judges said.
    :param scores: by abbr, the numbers of datasets that nobody judged.
    :param files: how many it writes; 0 for one that fails.
    :param error: what it says then.
    """

    summarizer: str
    datasets: dict[str, Judged] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: int = 1
    error: str = ""


def _pairs(texts: list[str], **more: Any) -> Said:
    orders = (("a", "b"), ("b", "a")) * len(texts)
    rows = ({"capability": "xy"[n // 2 % 2], "answer1": one, "answer2": two, **more}
            for n, (one, two) in enumerate(orders[: len(texts)]))  # fmt: skip
    return list(zip(texts, rows, strict=True))


def _rows(*entries: tuple[str, dict[str, Any]]) -> Said:
    return [(text, {"capability": "xy"[n % 2], "others": {}, **more}) for n, (text, more) in enumerate(entries)]


_ALIGNED = Judged(
    [(f"好。{{'事实正确性': {n}, '满足用户需求': 2, '清晰度': 3, '综合得分': {n + 1}}}", {"capability": name})
     for n, name in enumerate(_BENCH)],
    "AlignmentBenchSummarizer, judge_type='general'",
)  # fmt: skip
_TURNS = Judged(
    [(f"Rating: [[{n + 4}]]", {"capability": f"{topic}_{turn}", "others": {"round": turn}})
     for n, (topic, turn) in enumerate((topic, turn) for topic in ("writing", "math") for turn in (1, 2))],
    "MTBenchSummarizer, judge_type='single'",
)  # fmt: skip
_TASKS = Judged(
    [(f"[[{n + 3}]]", {"task": task, "multi_id": n // 2, "turn_id": 1, "capability": task})
     for n, task in enumerate(("CM", "CM", "GR", "GR"))],
    "MTBench101Summarizer, judge_type='single'",
)  # fmt: skip

CASES = {
    "subjective": Case(
        "SubjectiveSummarizer, function='subjective'",
        {"alignment_bench": _ALIGNED, "mtbench_0.0": _TURNS, "mtbench101": _TASKS},
        files=5,
    ),
    "alignbench": Case("AlignmentBenchSummarizer, judge_type='general'", {"alignment_bench": _ALIGNED}, files=2),
    "mtbench": Case("MTBenchSummarizer, judge_type='single'", {"mtbench_0.0": _TURNS}),
    "mtbench101": Case("MTBench101Summarizer, judge_type='single'", {"mtbench101": _TASKS}),
    "all_obj": Case("AllObjSummarizer", {"chat": Judged(_rows(("[Correct]", {}), ("[Incorrect]", {})))}),
    "common": Case("CommonSummarizer", {"chat": Judged(_rows(("[[5]]", {}), ("[[8]]", {})))}, files=2),
    "flames": Case("FlamesSummarizer", {"flames": Judged(_rows(("分数=3", {}), ("分数=1", {})))}),
    "fofo": Case(
        "FofoSummarizer, judge_type='single'",
        {
            "fofo": Judged(
                _rows(
                    ("{'format_correctness': 1}", {"domain": "d", "format": "f", "format_type": "general"}),
                    ("{'format_correctness': 0}", {"domain": "e", "format": "g", "format_type": "specific"}),
                )
            )
        },
    ),
    "wildbench": Case(
        "WildBenchSingleSummarizer",
        {"wildbench": Judged([(f'"score": "{n + 5}"', {"primary_tag": topic, "secondary_tag": []})
                              for n, topic in enumerate(_TOPICS)])},
    ),
    "wildbench_pair": Case(
        "WildBenchPairSummarizer",
        {"wildbench": Judged(_pairs(['"choice": "A++"', '"choice": "B"'] * 2, primary_tag=_TOPICS[0], secondary_tag=[]),
                             compared=True)},
    ),
    "alpacaeval": Case("AlpacaSummarizer", {"alpaca": Judged(_pairs(["m", "M", "m", "m"]), compared=True)}),
    "circular": Case("CircularSummarizer, metric_types=['accuracy']", scores={"sums": {"accuracy": 50.0}}, files=0,
                     error="TypeError"),
}  # fmt: skip


def config(case: Case) -> str:
    """The config file of a case, with imports from OpenCompass as its own configs have them."""
    names = {
        text.partition(",")[0] for text in (case.summarizer, *(d.summarizer for d in case.datasets.values())) if text
    }
    lines = [f"from opencompass.summarizers import {name}" for name in sorted(names)]
    lines += [
        "from opencompass.models import OpenAI, HuggingFaceBaseModel",
        "from opencompass.datasets import SubjectiveCmpDataset",
        "from opencompass.openicl.icl_inferencer import GenInferencer",
        "from opencompass.openicl.icl_prompt_template import PromptTemplate",
        "from opencompass.openicl.icl_retriever import ZeroRetriever",
        "from opencompass.partitioners.sub_naive import SubjectiveNaivePartitioner",
        "models = [dict(type=HuggingFaceBaseModel, abbr=name, path=name, max_out_len=4) for name in ('a', 'b')]",
        "judge_models = [dict(abbr='wise', type=OpenAI, path='wise')]",
        "datasets = []",
    ]
    for abbr in (*case.datasets, *case.scores):
        own = case.datasets[abbr].summarizer if abbr in case.datasets else ""
        lines.append(
            f"datasets.append(dict(abbr={abbr!r}, type=SubjectiveCmpDataset, path='p', name='n',"
            " base_models=[models[0]],"
            + (f" summarizer=dict(type={own})," if own else "")
            + " reader_cfg=dict(input_columns=['question'], output_column='judge'), eval_cfg=dict(), infer_cfg=dict("
            "prompt_template=dict(type=PromptTemplate, template='{question}'), retriever=dict(type=ZeroRetriever),"
            " inferencer=dict(type=GenInferencer))))"
        )
    judged = "models[1:]" if any(each.compared for each in case.datasets.values()) else "models"
    lines.append(
        f"eval = dict(partitioner=dict(type=SubjectiveNaivePartitioner, models={judged}, judge_models=judge_models))"
    )
    lines.append(f"summarizer = dict(type={case.summarizer})")
    return "\n".join(lines) + "\n"


def lay_down(case: Case, run: Path) -> dict[tuple[str, str], list[str]]:
    """Write the results that OpenCompass's evaluation leaves; returns the judged files of each model and dataset."""
    found: dict[tuple[str, str], list[str]] = {}
    for model in "ab":
        for abbr, numbers in case.scores.items():
            _write(run / f"results/{model}/{abbr}.json", numbers)
            found[model, abbr] = []
        for abbr, judged in case.datasets.items():
            if judged.compared and model == "a":
                continue
            name = f"results/{'a_b' if judged.compared else model}_judged-by--wise/{abbr}.json"
            _write(run / name, {str(n): {"prediction": text, "gold": row} for n, (text, row) in enumerate(judged.said)})
            found[model, abbr] = [name]
    return found


def _write(path: Path, body: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, ensure_ascii=False))
