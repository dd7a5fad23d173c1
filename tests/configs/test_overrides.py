"""Several checkpoints from one configured model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.overrides import apply_overrides, override
from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.errors import PlanError

MODEL = {"type": "M", "abbr": "tiny", "path": "old", "run_cfg": {"num_gpus": 0}}


def test_each_override_makes_a_copy_with_its_own_path_and_name():
    first, second = apply_overrides([MODEL], [{"path": "/c/step-1/"}, {"path": "/c/step-2", "abbr": "last"}])
    assert (first["path"], first["abbr"]) == ("/c/step-1/", "step-1")
    assert (second["path"], second["abbr"]) == ("/c/step-2", "last")
    assert first["run_cfg"] == {"num_gpus": 0}
    assert first["run_cfg"] is not second["run_cfg"]
    assert MODEL["path"] == "old"


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [
        (None, None, "new"),
        ("old", None, "new"),
        ("shared", None, "shared"),
        ("shared", "mine", "mine"),
        (None, "mine", "mine"),
    ],
)
def test_the_tokenizer_follows_the_path_unless_somebody_names_another(configured, given, expected):
    template = MODEL if configured is None else {**MODEL, "tokenizer_path": configured}
    item = {"path": "new"} if given is None else {"path": "new", "tokenizer_path": given}
    assert apply_overrides([template], [item])[0]["tokenizer_path"] == expected


@pytest.mark.parametrize("count", [0, 2])
def test_it_must_be_clear_which_model_is_meant(count: int):
    models = [{**MODEL, "abbr": f"m{number}"} for number in range(count)]
    with pytest.raises(PlanError, match="exactly one") as caught:
        apply_overrides(models, [{"path": "x"}])
    assert all(model["abbr"] in str(caught.value) for model in models)


@pytest.mark.parametrize(
    ("items", "part"),
    [
        ([], "model overrides are []"),
        ("x", "model overrides are 'x'"),
        ([{"path": "a"}, "b"], "model override 2 is 'b'"),
        ([{"path": "a"}, {"path": "b", "tokeniser": "t"}], "model override 2 has the unknown key tokeniser"),
        ([{"abbr": "a"}], "model override 1 has no path"),
        ([{"path": ""}], "model override 1: path is ''"),
        ([{"path": 3}], "model override 1: path is 3"),
        ([{"path": "a", "abbr": "x//y"}], "model override 1: abbr 'x//y'"),
        ([{"path": "/"}], "model override 1: abbr ''"),
        ([{"path": ".."}], "model override 1: abbr '..'"),
        ([{"path": "/a/step"}, {"path": "/c"}, {"path": "/b/step"}], "overrides 1 and 3 are both called 'step'"),
    ],
)
def test_a_malformed_override_is_named(items: Any, part: str):
    with pytest.raises(PlanError) as caught:
        apply_overrides([MODEL], items)
    assert part in str(caught.value)


def test_combinations_and_fingerprint_follow_the_copies():
    config = EvalConfig([MODEL], [], None, None, None, None, [{"models": ["tiny"], "datasets": ["d"]}], Path("x"), "f")
    changed = override(config, [{"path": "a"}, {"path": "b"}])
    assert changed.model_dataset_combinations == [{"models": ["a", "b"], "datasets": ["d"]}]
    assert changed.fingerprint != config.fingerprint
    assert override(config, []) is config
