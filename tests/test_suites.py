"""A lead keeps a suite, a member names a checkpoint: what is published stays, what is not allowed is refused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.cli import main
from opencompass_ops.errors import ConfigError, InputError
from opencompass_ops.publishing import draft, open_suite, publish
from opencompass_ops.suites import Suite, from_text, published_suites, to_text, versions
from small_world import DATASETS, MODEL, SmallWorld, make_world

SUITE = "\nsuite = dict(title='Sums', allow=['path', 'tokenizer_path', 'abbr'])\n"


def _suite(**changes: Any) -> Suite:
    usual: dict[str, Any] = {
        "name": "nightly",
        "version": "3",
        "title": "",
        "allow": ("path", "tokenizer_path", "abbr"),
        "params": {"max_num_workers": 4},
        "image": None,
        "config": {"models": [{"abbr": "m"}]},
    }
    return Suite(**usual | changes)


def test_a_member_names_a_checkpoint_and_the_lead_says_the_rest():
    asked = _suite(image="r/i@sha256:1").request({"config": "nightly@3", "path": "/c", "abbr": "", "limit": None})
    assert asked == {
        "config": "nightly@3",
        "model_overrides": [{"path": "/c"}],
        "max_num_workers": 4,
        "limit": None,
        "image": "r/i@sha256:1",
    }
    several = [{"path": "/a"}, {"path": "/b", "abbr": "b"}]
    assert _suite().request({"config": "nightly@3", "model_overrides": several})["model_overrides"] == several


def test_what_is_set_already_may_be_said_again_and_what_is_allowed_changed():
    assert _suite().request({"max_num_workers": 4})["max_num_workers"] == 4
    assert _suite(allow=("max_num_workers",)).request({"max_num_workers": 9})["max_num_workers"] == 9


def test_a_member_may_limit_a_run_as_far_as_the_lead_has_and_further_only_where_that_is_allowed():
    free, bound = _suite(), _suite(params={"shard_hours": "4", "gpu_hours": "8", "run_hours": "off"})
    assert free.request({"shard_hours": "0.5", "run_hours": "off", "gpu_hours": "3"})["gpu_hours"] == "3"
    asked = bound.request({"shard_hours": "2", "run_hours": "90"})
    assert [asked[name] for name in ("shard_hours", "run_hours", "gpu_hours")] == ["2", "90", "8"]
    for beyond in ({"shard_hours": "4.5"}, {"shard_hours": "off"}, {"gpu_hours": "9"}):
        ((name, value),) = beyond.items()
        with pytest.raises(InputError, match=rf"not for {name}='{value}' \(at most {bound.params[name]}\): "):
            bound.request(beyond)
    assert _suite(params={"gpu_hours": "8"}, allow=("gpu_hours",)).request({"gpu_hours": "9"})["gpu_hours"] == "9"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"limit": 5}, "limit=5"),
        ({"cfg_options": ["models.0.batch_size=1"]}, "cfg_options="),
        ({"max_num_workers": 9}, "max_num_workers=9"),
        ({"image": "mine"}, "image='mine'"),
        ({"models": ["other"], "hf_path": "x"}, "hf_path='x'"),
        ({"model_overrides": [{"path": "/a", "batch_size": "4"}]}, "not for batch_size"),
    ],
)
def test_anything_else_is_refused_by_name(params: dict[str, Any], named: str):
    with pytest.raises(InputError) as caught:
        _suite().request({"config": "nightly@3", "dry_run": True, "reuse": "latest", **params})
    assert "suite nightly@3 is open for path, tokenizer_path, abbr; not for" in str(caught.value)
    assert named in str(caught.value)


def test_a_narrower_list_refuses_the_fields_that_it_lacks():
    with pytest.raises(InputError, match=r"open for path; not for abbr"):
        _suite(allow=("path",)).request({"path": "/c", "abbr": "x"})
    with pytest.raises(InputError, match="both name checkpoints"):
        _suite().request({"path": "/c", "model_overrides": [{"path": "/d"}]})


def test_a_form_shows_the_allowed_fields_in_the_tables_order():
    shown = _suite(allow=("limit", "path", "tokenizer_path", "cluster")).fields()
    assert [parameter.name for parameter in shown] == ["path", "tokenizer_path", "limit", "cluster"]


def test_a_published_text_is_read_back_and_a_change_is_noticed():
    text = to_text(_suite())
    assert from_text(text, "x") == _suite()
    with pytest.raises(ConfigError, match="x was changed after it was published"):
        from_text(text.replace('"m"', '"n"'), "x")
    with pytest.raises(ConfigError, match="x is no published suite"):
        from_text("[]", "x")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.delenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", raising=False)
    yield from make_world(tmp_path, monkeypatch)


def _lead(world: SmallWorld, suite: str = SUITE, body: str = DATASETS) -> Path:
    """The lead's suite on an evaluation of the lead's."""
    (world.folder / "configs" / "suites").mkdir(exist_ok=True)
    world.config(MODEL.format(path=str(world.folder / "tiny")) + body, name="eval_lead")
    base = "from mmengine.config import read_base\nwith read_base():\n    from ..eval_lead import *\n"
    return Path(world.config(base + suite, name="suites/nightly"))


@pytest.mark.process
def test_what_is_published_stays_whatever_is_edited_later(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    file = _lead(world)
    assert main(["publish", "nightly"]) == 0
    assert "published nightly@1 as" in capsys.readouterr().out
    frozen = file.with_name("nightly@1.json").read_bytes()
    with pytest.raises(ConfigError, match="nightly@1 says already what the config of nightly says"):
        publish("nightly")
    _lead(world, SUITE.replace("'abbr'", "'abbr', 'limit'"), DATASETS.replace("{question}", "Q: {question}"))
    publish("nightly")
    with pytest.raises(ConfigError, match="nightly@1 is published already and stays as it is"):
        publish("nightly", "1")
    assert file.with_name("nightly@1.json").read_bytes() == frozen
    assert (published_suites(), list(versions("nightly"))) == (["nightly"], ["1", "2"])
    first, second = open_suite("nightly@1"), open_suite("nightly@2")
    prompts = [suite.config["datasets"][0]["infer_cfg"]["prompt_template"]["template"] for suite in (first, second)]
    assert (prompts, second.allow) == (["{question}", "Q: {question}"], ("path", "tokenizer_path", "abbr", "limit"))
    file.unlink()
    assert open_suite("nightly@1") == first
    assert main(["suites"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["nightly@1", "nightly@2"]


@pytest.mark.process
def test_a_run_names_a_version_and_its_plan_says_so(world: SmallWorld):
    _lead(world, SUITE.replace("allow=", "params=dict(max_num_workers=2), allow="))
    publish("nightly")
    _lead(world, body=DATASETS.replace("data/sums", "data/gone"))
    world.checkpoint("step-2")
    prepared = world.prepare("nightly@1", path=str(world.folder / "step-2"), dry_run=True)
    assert prepared.plan.config == "nightly@1"
    assert [model.abbr for model in prepared.plan.models] == ["step-2"]
    assert prepared.plan.params["max_num_workers"] == 2
    with pytest.raises(InputError, match="data/gone does not exist"):
        world.prepare("nightly@draft", dry_run=True)
    with pytest.raises(InputError, match="not for limit=2"):
        world.prepare("nightly@1", limit=2)
    with pytest.raises(InputError, match=r"suite nightly@7 is not published; there are: nightly@1\."):
        world.prepare("nightly@7")
    with pytest.raises(InputError, match=r"nightly.py is a suite; name a published version of it: nightly@1"):
        world.prepare(str(world.folder / "configs" / "suites" / "nightly.py"))


WRONG = {
    "allow=['path'], bats=1": "suite has no bats; it may have allow, params, image, title",
    "allow=['pith']": "suite.allow names 'pith'; did you mean 'path'?",
    "allow=['batch_size']": "suite.allow names 'batch_size'",
    "allow=['abbr']": "without its path; add 'path'",
    "allow='path'": "suite.allow is 'path'; write a list",
    "params=dict(cfg_options=['a=1'])": "suite.params sets 'cfg_options'",
    "params=dict(limit=0)": "limit=0: is too small",
    "image=3": "suite.image is 3",
}


@pytest.mark.process
def test_a_suite_that_is_wrong_is_not_published(world: SmallWorld):
    for said, message in WRONG.items():
        _lead(world, f"\nsuite = dict({said})\n")
        with pytest.raises(ConfigError) as caught:
            publish("nightly")
        assert message in str(caught.value)
    _lead(world, "\nmodels = [*models, dict(models[0], abbr='other')]" + SUITE)
    with pytest.raises(ConfigError, match="there must be one model, but there are tiny, other"):
        publish("nightly")
    _lead(world, "\nmodels = [dict(models[0], api_key='sk-aaaaaaaaaaaa')]" + SUITE)
    with pytest.raises(ConfigError, match=r"models\[0\].api_key looks like a secret"):
        publish("nightly")
    _lead(world, "")
    with pytest.raises(ConfigError, match="has no suite; write suite = dict"):
        draft("nightly")
    assert published_suites() == []


@pytest.mark.process
def test_lint_looks_at_a_suite_as_its_draft(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    file = _lead(world)
    assert main(["lint", str(file)]) == 0
    _lead(world, "\nsuite = dict(allow=['pith'])\n")
    assert main(["lint", "--json", str(file)]) == 1
    (looked,) = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert "suite.allow names 'pith'" in looked["findings"][0]["error"]
