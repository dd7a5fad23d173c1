"""An evaluation of programs as a job: in a sandbox where somebody asked for it, and not otherwise."""

from __future__ import annotations

import json

import pytest

from inference.bridge import results
from inference.evaluate import evaluate
from inference.heartbeat import Progress
from inference.problems import InputProblem
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import EVAL, OPENCOMPASS, RUN_CODE, SANDBOXED, Part, ShardSpec

ROWS = [
    {
        "task_id": f"task/{number}",
        "prompt": f'def add(x):\n    """Add {number}."""\n',
        "entry_point": "add",
        "test": f"def check(candidate):\n    assert candidate(1) == {number + 1}\n",
        "canonical_solution": f"    return x + {number}\n",
    }
    for number in range(4)
]
SAID = ["    return x + 0", "    return x + 2", "    import os\n    os._exit(0)", "    return x + 3"]


def dataset(**evaluator):
    return {
        "abbr": "humaneval",
        "type": "HumanevalDataset",
        "path": "data/humaneval/human-eval-v2-20210705.jsonl",
        "reader_cfg": {"input_columns": ["prompt"], "output_column": "task_id"},
        "eval_cfg": {"evaluator": {"type": "HumanEvalEvaluator", **evaluator}},
    }


@pytest.fixture
def place(tmp_path):
    """The run's files and the data folder, with a model's four answers."""
    file = tmp_path / "data/humaneval/human-eval-v2-20210705.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    files = LocalFiles(tmp_path / "run")
    entries = {
        str(n): {"origin_prompt": ROWS[n]["prompt"], "prediction": said, "gold": ROWS[n]["task_id"]}
        for n, said in enumerate(SAID)
    }
    body = json.dumps(entries).encode()
    manifest = Manifest(
        "humaneval.json", codec.digest_bytes(body), "tiny", "humaneval", "infer-0001", "token", 0, 4, 4, 4, "fp",
        "pair", "sha256:w",
    )  # fmt: skip
    files.write(layout.prediction("tiny", "humaneval"), body)
    files.write(layout.manifest(layout.prediction("tiny", "humaneval")), manifest.to_json())
    return files, tmp_path


def shard(folder, config, **more):
    part = Part(config, None, 0, 4, 4, "fp", "pair")
    return ShardSpec("eval-0001", EVAL, {"abbr": "tiny"}, (part,), "sha256:w", "scoring", str(folder), **more)


@pytest.mark.process
def test_programs_are_scored_in_a_sandbox_and_the_manifest_says_in_which(place, capsys):
    files, folder = place
    spec = shard(folder, dataset(k=[1]), options={RUN_CODE: SANDBOXED})
    evaluate(files, spec, "token-e1")
    path = layout.result("tiny", "humaneval")
    result = json.loads(files.read(path))
    assert result["humaneval_pass@1"] == pytest.approx(50.0)
    assert [item["result"][0] for item in result["details"]] == [
        "passed",
        "failed: ",
        "failed: the program ended before its test did",
        "passed",
    ]
    manifest = Manifest.from_json(files.read(layout.manifest(path)))
    assert "seccomp" in manifest.details["sandbox"]
    assert manifest.details["sandbox"] in capsys.readouterr().out


def test_a_job_that_was_not_told_to_run_code_runs_none(place):
    files, folder = place
    with pytest.raises(InputProblem, match=r"dataset humaneval: .*--run-code sandboxed"):
        evaluate(files, shard(folder, dataset()), "token-e1")
    assert not files.exists(layout.result("tiny", "humaneval"))


@pytest.mark.parametrize("options", [{}, {RUN_CODE: SANDBOXED}])
def test_the_bridge_runs_no_code_where_only_a_sandbox_is_allowed(place, options):
    files, folder = place
    spec = shard(folder, dataset(), options=options, engine=OPENCOMPASS)
    with pytest.raises(InputProblem, match=r"HumanEvalEvaluator .* no sandbox.*--run-code unsandboxed"):
        results.evaluate(files, spec, "token-e1", Progress())
