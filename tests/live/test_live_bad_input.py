"""Wrong requests under a live scheduler: red, in words that name the culprit, and without one job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from live_world import World

pytestmark = pytest.mark.live

NONE_SELECTED = "model_dataset_combinations = [dict(models=[], datasets=[])]\n"
EDITS = {
    "a syntax error": ("models = [", "models = = [", "syntax error"),
    "an unknown type": ("'AccEvaluator'", "'AkkEvaluator'", "did you mean AccEvaluator"),
    "a duplicate abbr": ("datasets = [", "models = models * 2\ndatasets = [", "share an abbr"),
    "a missing file": ("/data/", "/nowhere/", "does not exist"),
    "an abbr that leaves the run directory": ("abbr='sums'", "abbr='../sums'", "cannot be a file name"),
    "a missing column": ("output_column='answer'", "output_column='solution'", "has no column 'solution'"),
    "no pair": ("datasets = [", f"{NONE_SELECTED}datasets = [", "model_dataset_combinations"),
}


def edited(world: World, number: int, old: str, new: str) -> str:
    """A config with one fault."""
    path = Path(world.config(f"fault{number}", rows=8))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return str(path)


def test_every_fault_of_a_request_is_named_by_the_task_that_plans(world: World):
    cases: dict[str, tuple[str, dict[str, Any], str]] = {
        what: (edited(world, number, old, new), {}, message)
        for number, (what, (old, new, message)) in enumerate(EDITS.items())
    }
    good = world.config("faultless", rows=8)
    cases |= {
        "an unknown config": ("eval_faultles", {}, "did you mean eval_faultless"),
        "eval without predictions": (good, {"mode": "eval"}, "reuse"),
        "an unknown cluster": (good, {"cluster": "gatet"}, "did you mean gated"),
        "a missing checkpoint": (good, {"model_overrides": [{"path": "/nowhere/step-1"}]}, "/nowhere/step-1"),
    }
    runs = {what: world.start(config, **params) for what, (config, params, _) in cases.items()}
    for what, run in runs.items():
        assert world.wait(run, timeout=400) == "failed", what
        assert cases[what][2] in world.log(run, "plan"), what
        assert world.instances(run, "infer_local")[0]["state"] == "upstream_failed", what
    assert not list((world.folder / "outputs").glob("eval_fault*/*"))


@pytest.mark.parametrize(
    "params",
    [{"model_overrides": [{"abbr": "no-path"}]}, {"max_num_workers": "many"}, {"limit": 0}, {"mode": "evaluate"}],
)
def test_a_malformed_param_is_refused_before_there_is_a_run(world: World, params: dict[str, Any]):
    with pytest.raises(RuntimeError, match="400"):
        world.start(world.config("params", rows=8), **params)


def test_a_truncated_prediction_is_inferred_again_and_nothing_else_is(world: World):
    config = world.config("truncated", rows=40)
    first = world.start(config, max_num_workers=2, max_partition_size=20 * 20)
    world.assert_green(first)
    folder = world.run_dir(first)
    part = folder / "predictions/tiny/sums_1.json"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    second = world.start(config, max_num_workers=2, max_partition_size=20 * 20, reuse=folder.name)
    world.assert_green(second)
    assert world.run_dir(second) == folder
    assert part.read_bytes() == whole
    again = sorted(world.starts(folder))
    assert sum("-infer-" in token for token in again) == 3  # two at first, one again
