"""Post-processors and evaluators judge what models really write as OpenCompass's of their name do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from family_answers import answers, material
from family_data import lay_down
from inference.datasets import load_rows
from inference.evaluators import EVALUATORS
from inference.postprocess import open_postprocessor
from inference.scoring import score

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/families/scores.json").read_text())


@pytest.mark.parametrize(("config", "wanted"), GOLDEN["postprocessed"], ids=lambda value: str(value)[:60])
def test_a_postprocessor_finds_what_opencompass_finds(config, wanted):
    texts = [text for text, _ in answers()]
    assert len(texts) == len(wanted) >= 200
    find = open_postprocessor(config, "here")
    assert {text: find(text) for text in texts} == dict(zip(texts, wanted, strict=True))


@pytest.mark.parametrize("name", GOLDEN["scored"])
def test_an_evaluator_counts_what_opencompass_counts(name):
    recorded, given = GOLDEN["scored"][name], material(name)
    if "is_clean" in given:
        given["rows"] = [{"is_clean": found} for found in given.pop("is_clean")]
    scored = EVALUATORS.find(name)(**given)
    right = "".join("01"[is_right] for is_right in scored.correct)
    assert len(right) >= 200
    assert "0" in right
    assert "1" in right
    assert right == recorded["right"]
    assert {metric.name: metric.value for metric in scored.metrics} == pytest.approx(recorded["metrics"])


def test_a_free_answer_to_social_iqa_is_scored_by_what_it_is_nearest_to(tmp_path):
    lay_down(tmp_path)
    config = {
        "abbr": "siqa",
        "type": "opencompass.datasets.siqaDataset_V2",
        "path": "opencompass/siqa",
        "reader_cfg": {
            "input_columns": ["context", "question", "answerA", "answerB", "answerC"],
            "output_column": "all_labels",
            "test_split": "validation",
        },
        "eval_cfg": {"evaluator": {"type": "opencompass.openicl.icl_evaluator.EDAccEvaluator"}, "pred_role": "BOT"},
    }
    rows = load_rows(config, str(tmp_path)).test
    right = [row[f"answer{row['label']}"] for row in rows]
    scores = score({}, config, [right[0], "C.  It is C", *right[2:]], rows)
    assert list(scores.correct) == [True, False, True, True, False, True, True, True]  # row 4 has two of the same
    assert [(metric.name, metric.value) for metric in scores.runs[0].metrics] == [("accuracy", 75.0)]
