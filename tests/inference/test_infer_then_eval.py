"""The whole way on one machine: infer in parts, evaluate, trust by evidence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from inference.__main__ import main
from opencompass_ops.contract import layout
from opencompass_ops.contract.evidence import job_problem, read_exit
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import EVAL, INFER

pytestmark = pytest.mark.model


def run(files, spec, token):
    files.write(layout.shard_spec(spec.id), spec.to_json())
    shard = str(files.path(layout.shard_spec(spec.id)))
    return main([spec.kind, shard, "--run-dir", str(files.root), "--token", token, "--job-id", "1"])


@pytest.mark.parametrize("kind", ["gen", "ppl"])
def test_parts_are_answered_and_scored(tmp_path, make_spec, gen_dataset, ppl_dataset, kind):
    files, dataset = LocalFiles(tmp_path), {"gen": gen_dataset, "ppl": ppl_dataset}[kind]
    halves = [make_spec(dataset, stop=9), make_spec(dataset, start=9)]
    whole = make_spec(dataset, start=0, stop=22)
    parts = tuple(half.parts[0] for half in halves)
    evaluation = replace(whole, id="eval-0000", kind=EVAL, parts=parts, evaluation_fingerprint="e")

    assert run(files, halves[0], "oc-infer-e1") == 0
    assert run(files, evaluation, "oc-eval-e1") == 1
    missing = read_exit(files, "oc-eval-e1")
    assert missing.retryable
    assert "toy-" in missing.error

    assert run(files, halves[1], "oc-infer-e2") == 0
    assert run(files, evaluation, "oc-eval-e2") == 0
    assert job_problem(files, halves[1], "oc-infer-e2") == ""
    assert job_problem(files, evaluation, "oc-eval-e2") == ""
    result = json.loads(files.read(layout.result("tiny", dataset["abbr"])))
    assert 0 <= result["accuracy"] <= 100


def test_the_answers_do_not_depend_on_the_partition(tmp_path, make_spec, ppl_dataset):
    found = []
    for name, bounds in (("whole", [(0, 22)]), ("parts", [(0, 9), (9, 22)])):
        files = LocalFiles(tmp_path / name)
        for start, stop in bounds:
            spec = make_spec(ppl_dataset, start=start, stop=stop)
            assert spec.kind == INFER
            assert run(files, spec, f"oc-{start}-e1") == 0
            body = json.loads(files.read(layout.prediction("tiny", spec.parts[0].name)))
            found += [(name, body[str(item)]) for item in range(stop - start)]
    whole = [entry for name, entry in found if name == "whole"]
    parts = [entry for name, entry in found if name == "parts"]
    for left, right in zip(whole, parts, strict=True):
        assert left["prediction"] == right["prediction"]
        assert left["label: A"]["PPL"] == pytest.approx(right["label: A"]["PPL"], abs=1e-5)
