"""The real scorer's files through the report: the seam between inference/ and results/."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from inference.evaluate import evaluate
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import EVAL, ShardSpec
from opencompass_ops.results.report import report

PAIR = ("tiny-step-000500", "sums")
GOLD = [str(2 * n) for n in range(8)]
SAID = [*GOLD[:6], "none", ""]


@pytest.fixture
def run(make_run, tmp_path):
    """A run whose only pair was answered, six of eight right, and scored by ``inference eval``."""
    folder = make_run(models=[PAIR[0]], datasets=[PAIR[1]])
    rows = [{"q": f"{n}+{n}=?", "a": answer} for n, answer in enumerate(GOLD)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "abbr": PAIR[1],
        "type": "JsonlDataset",
        "path": "./data",
        "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
        "eval_cfg": {"evaluator": {"type": "AccEvaluator"}, "pred_role": "BOT"},
    }
    parts = tuple(replace(part, dataset=config) for part in folder.parts(*PAIR))
    for part in parts:
        answer(folder.files, part)
    spec = ShardSpec(
        "eval-1", EVAL, {"abbr": PAIR[0]}, parts, "sha256:w", folder.evaluation(*PAIR), data_dir=str(tmp_path)
    )
    evaluate(folder.files, spec, "token-e1")
    return folder


def answer(files, part):
    entries = {
        str(n): {"origin_prompt": "", "prediction": SAID[row], "gold": GOLD[row]}
        for n, row in enumerate(range(part.start, part.stop))
    }
    path, body = layout.prediction(PAIR[0], part.name), json.dumps(entries)
    manifest = Manifest(
        f"{part.name}.json", codec.digest_bytes(body.encode()), *PAIR, "infer-1", "t", part.start, part.stop,
        part.total, part.count, part.fingerprint, part.pair_fingerprint, "sha256:w",
    )  # fmt: skip
    files.write(path, body)
    files.write(layout.manifest(path), manifest.to_json())


def test_the_scorers_result_becomes_a_row_with_the_scorers_own_error_bar(store, run):
    done = report(run.files, run.plan, store)
    doubt = "1 got an empty prediction, 1 have nothing left to score after post-processing"
    assert (done.failures, done.notes) == ((), (f"tiny-step-000500/sums: of 8 items, {doubt}",))
    (score,) = done.scores
    assert (score["metric"], score["value"], score["n"]) == ("accuracy", 75.0, 8)
    manifest = Manifest.from_json(run.files.read(layout.manifest(layout.result(*PAIR))))
    assert score["stderr"] == pytest.approx(manifest.details["metrics"][0]["stderr"])
    assert [sample.correct for sample in store.samples(run.evaluation(*PAIR))] == [True] * 6 + [False] * 2
    assert store.leaderboard()[0].weights_id == "sha256:w"


def test_samples_edited_after_scoring_cost_the_error_bar(run):
    path = layout.samples(*PAIR)
    run.files.write(path, run.files.read(path).replace(b"false", b"true"))
    done = report(run.files, run.plan)
    assert done.failures == ()
    assert done.scores[0]["stderr"] is None
    assert "not the file its result was made with" in done.notes[0]
