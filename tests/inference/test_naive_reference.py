"""The engine against a loop that shares no code with it."""

from __future__ import annotations

import json

import naive
import pytest

from inference.heartbeat import Progress
from inference.infer import infer
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def reference(tiny_model):
    return naive.load(tiny_model)


def questions(rows_dir):
    return [json.loads(line) for line in (rows_dir / "data" / "questions.jsonl").read_text().splitlines()]


def predictions(tmp_path, spec):
    files = LocalFiles(tmp_path)
    infer(files, spec, "oc-test", Progress())
    return json.loads(files.read(layout.prediction(spec.model_abbr, spec.parts[0].name)))


@pytest.mark.parametrize("stops", [(), ("e", " s"), ("g", "\n")])
def test_generated_text_is_the_naive_text(tmp_path, make_spec, gen_dataset, rows_dir, reference, stops):
    gen_dataset["infer_cfg"]["inferencer"]["stopping_criteria"] = list(stops)
    found = predictions(tmp_path, make_spec(gen_dataset))
    rows = questions(rows_dir)
    assert len(found) == len(rows) == 22
    for number, row in enumerate(rows):
        prompt = f"{row['question']} ="
        wanted = naive.continue_text(*reference, prompt, 12, stops)
        assert found[str(number)] == {"origin_prompt": prompt, "prediction": wanted, "gold": row["answer"]}
    assert len({entry["prediction"] for entry in found.values()}) > 5


@pytest.mark.parametrize("budget", [1, 300, 2000])
def test_perplexities_are_the_naive_ones(tmp_path, make_spec, ppl_dataset, rows_dir, reference, budget):
    found = predictions(tmp_path, make_spec(ppl_dataset, model={"batch_tokens": budget}))
    for number, row in enumerate(questions(rows_dir)):
        entry = found[str(number)]
        wanted = [naive.perplexity(*reference, f"{row['question']} is {row[label]}") for label in "AB"]
        assert [entry["label: A"]["PPL"], entry["label: B"]["PPL"]] == pytest.approx(wanted, abs=1e-4)
        assert entry["prediction"] == "AB"[wanted.index(min(wanted))]
    assert {entry["prediction"] for entry in found.values()} == {"A", "B"}
