"""Post-processors and evaluators judge what models really write as OpenCompass's of their name do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from family_answers import answers, material
from inference.evaluators import EVALUATORS
from inference.postprocess import open_postprocessor

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
