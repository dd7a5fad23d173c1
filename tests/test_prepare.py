"""Bad input is refused before anything is written, with one message that names the culprit and the next step."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

import opencompass_ops.prepare
import opencompass_ops.resolved
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import InputError
from opencompass_ops.resolved import load_cluster
from small_world import DATASETS, MODEL, SmallWorld, make_world

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWorld]:
    """One world for all, whose clusters are read once: to read a config starts a process."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(opencompass_ops.resolved, "load_cluster", functools.cache(load_cluster))
        yield from make_world(tmp_path_factory.mktemp("world"), monkeypatch)


def refusal(world: SmallWorld, config: str, **params: Any) -> str:
    """The message of the refusal; nothing may be left behind."""
    with pytest.raises(InputError) as caught:
        world.prepare(config, **params)
    assert not (world.folder / "outputs").exists()
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


CONFIGS = {
    "a syntax error": ([("models = [", "models = = [")], "eval_small.py:1: syntax error"),
    "a model type": ([("HuggingFaceBaseModel", "HuggingFaceBasModel")], "did you mean HuggingFaceBaseModel"),
    "two models of one name": (
        [("datasets = [", "models = models * 2\ndatasets = [")],
        "share an abbr: tiny (2 times)",
    ),
    "a model outside": ([("abbr='tiny'", "abbr='../x'")], "models[0]: abbr '../x' cannot be a file name"),
    "a dataset in the folder above": (
        [("abbr='sums'", "abbr='a/../b'")],
        "datasets[0]: abbr 'a/../b' cannot be a file name",
    ),
    "a variable that is not set": (
        [("models = [", "import os\nos.environ['NOPE']\nmodels = [")],
        ":2: KeyError: 'NOPE'",
    ),
    "a group without subsets": (
        [("models = [", "summarizer = dict(summary_groups=[dict(name='g')])\nmodels = [")],
        "summary group {'name': 'g'} needs 'name' and 'subsets'",
    ),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_config_with(world: SmallWorld, what: str):
    pieces, message = CONFIGS[what]
    assert message in refusal(world, world.config(None, *pieces))


LOADED = {
    "loader": (("'JsonlDataset'", "'JsonDataset'"), "did you mean JsonlDataset"),
    "evaluator": (("'AccEvaluator'", "'AkkEvaluator'"), "did you mean AccEvaluator"),
    "retriever": (("'ZeroRetriever'", "'ZeroRetreever'"), "did you mean ZeroRetriever"),
    "inferencer": (("'GenInferencer'", "'GemInferencer'"), "did you mean GenInferencer"),
    "file": (("data/sums", "data/soms"), "data/soms does not exist; put the data there"),
    "batch": (("'GenInferencer'", "'GenInferencer', batch_size='many'"), "batch_size is 'many'; give a whole number"),
    "column": (("data/sums", "data/gaps"), "row 1 has no column 'answer', which reader_cfg names"),
    "line": (("data/sums", "data/torn"), "test.jsonl:2: not JSON"),
    "rows": (("reader_cfg=dict(", "reader_cfg=dict(test_range='[9:]', "), "no row is left of 6; check test_range"),
}


def test_every_dataset_that_cannot_be_used_is_named_once_in_one_message(world: SmallWorld):
    good = {"question": "1+1=", "answer": "2"}
    for name, last in {"gaps": '{"question": "2+2="}', "torn": '{"question": "2+'}.items():
        (world.folder / "data" / name).mkdir()
        for split in ("train", "test"):
            (world.folder / "data" / name / f"{split}.jsonl").write_text(f"{json.dumps(good)}\n{last}\n")
    text = MODEL.format(path=str(world.folder / "tiny"))
    for name, (piece, _) in LOADED.items():
        text += DATASETS.replace("abbr='sums'", f"abbr={name!r}").replace(*piece).replace("datasets", f"{name}_list")
    text += "datasets = " + " + ".join(f"{name}_list" for name in LOADED)
    lines = refusal(world, world.config(text)).splitlines()
    assert lines[0] == "Nothing was started, because not everything is usable:"
    assert len(lines) == 1 + len(LOADED)
    for name, (_, message) in LOADED.items():
        (line,) = (line for line in lines if line.startswith(f"- dataset {name}: "))
        assert message in line
        assert line.count(f"dataset {name}: ") == 1


def test_every_checkpoint_that_cannot_be_used_is_named_once_in_one_message(world: SmallWorld):
    half, cut = world.checkpoint("half"), world.checkpoint("cut", weights=b"\0" * 3)
    (half / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": "model-00002-of-00002.bin"}}))
    mute = world.checkpoint("mute")
    (mute / "tokenizer.json").unlink()
    wanted = {
        "gone": ({"path": str(world.folder / "gone")}, "model folder"),
        "half": ({"path": str(half)}, "names model-00002-of-00002.bin, which is missing"),
        "cut": ({"path": str(cut)}, "it is truncated"),
        "mute": ({"path": str(mute)}, "holds no tokenizer"),
        "deaf": ({"path": str(mute), "tokenizer_path": "/nowhere/at-all"}, "tokenizer folder /nowhere/at-all does not"),
    }
    overrides = [{**override, "abbr": name} for name, (override, _) in wanted.items()]
    lines = refusal(world, world.config(), model_overrides=overrides).splitlines()
    assert len(lines) == 1 + len(wanted)
    for name, (_, message) in wanted.items():
        (line,) = (line for line in lines if line.startswith(f"- model {name}: "))
        assert message in line
        assert line.count(f"model {name}: ") == 1


def test_a_generation_without_an_end_is_refused(world: SmallWorld):
    message = refusal(world, world.config(None, (", max_out_len=4", "")))
    assert "dataset sums: neither its inferencer nor model tiny has a max_out_len; give one" in message


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"config": "eval_smal"}, "config 'eval_smal' not found; did you mean eval_small?"),
        ({"limit": 0}, "limit=0: is too small; give at least 1"),
        ({"limt": 1}, "limt: there is no such parameter; did you mean 'limit'?"),
        ({"reuse": "../x"}, "reuse='../x': must be a plain name"),
        ({"reuse": "latest", "mode": "eval"}, "holds no run; mode=eval needs one: run mode=all"),
        ({"reuse": "20200101_000000"}, "is no run of"),
        ({"mode": "eval"}, "mode='eval': works on a run that exists; set reuse"),
        ({"cluster": "locl"}, "cluster config 'locl' not found; did you mean local?"),
        ({"cluster": "../x"}, "cluster='../x': must be a plain name"),
        ({"model_overrides": "tiny"}, "model_overrides='tiny': is a text; give a list"),
        ({"model_overrides": ["tiny"]}, "'tiny' is not an object"),
        ({"model_overrides": [{"abbr": "x"}]}, "has no path; name the checkpoint's folder"),
        ({"model_overrides": [{"path": 3}]}, "path is a number; give a text"),
        ({"model_overrides": [{"path": "a", "abr": "x"}]}, "'abr' is no field of an override; did you mean 'abbr'?"),
        ({"model_overrides": [{"path": "a", "abbr": "../x"}]}, "abbr '../x' cannot be a file name"),
        ({"model_overrides": [{"path": "a"}, {"path": "a"}]}, "'a' is given twice"),
        ({"model_overrides": [{"path": "x/a"}, {"path": "y/a"}]}, "model overrides 1 and 2 are both called 'a'"),
        ({"cfg_options": ["batch"]}, "'batch' is not key=value"),
        ({"cfg_options": ["datasets.7.path=x"]}, "datasets is a list of 1; use an index 0 to 0"),
        ({"cfg_options": ["models.0.batch_size=0"]}, "model tiny: batch_size is 0; give a whole number of at least 1"),
        ({"max_partition_size": 1}, "the smallest usable value is 20"),
        ({"baseline": "0.0.7"}, "'0.0.7' is a version within a series; say of which: SERIES@0.0.7"),
        ({"baseline": "0.0.7", "series": "run7"}, "series 'run7' has no version 0.0.7; there are: none"),
        ({"gate": '{"baseline": "run7@0.0.7"}'}, "series 'run7' has no version 0.0.7; there are: none"),
        ({"work_dir": "tiny/config.json"}, "tiny/config.json is a file; name a folder"),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_met(world: SmallWorld, params: dict[str, Any], message: str):
    assert message in refusal(world, **{"config": world.config(), **params})


def test_overrides_need_one_configured_model(world: SmallWorld):
    config = world.config(None, ("datasets = [", "models = [*models, dict(models[0], abbr='b')]\ndatasets = ["))
    message = refusal(world, config, model_overrides=[{"path": str(world.folder / "tiny")}])
    assert "need exactly one configured model, but the config has 2: tiny, b" in message


@pytest.mark.parametrize(
    ("number", "more", "message"),
    [
        (0, "x = [", "c0.py:8: syntax error"),
        (1, "nope = 1", "cluster 'c1': unknown key 'nope'"),
        (2, "kind = 'slurmy'", "cluster 'c2': unknown kind 'slurmy'; known kinds: local"),
        (3, "setup = ['module load x']", "cluster 'c3': setup has no meaning for kind 'local'"),
        (4, "python = '/no/python'", "python of cluster config 'c4' is /no/python; it must run the inference package"),
        (
            5,
            "python = '/bin/false'",
            "the probe on this host ended with 1; python of cluster config 'c5' is /bin/false",
        ),
    ],
)
def test_a_cluster_that_cannot_run_anything(world: SmallWorld, number: int, more: str, message: str):
    name = f"c{number}"
    world.cluster(name, more + "\n")
    assert message in refusal(world, world.config(), cluster=name)


@pytest.mark.parametrize("path", ["./tiny", "tiny", "~/tiny"])
def test_a_relative_checkpoint_is_looked_for_where_the_data_is_and_planned_as_it_was_written(
    world: SmallWorld, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(world.folder))
    config = world.config(None, (repr(str(world.folder / "tiny")), repr(path)))
    (configured,) = world.prepare(config, dry_run=True).plan.models
    (chosen,) = world.prepare(config, dry_run=True, model_overrides=[{"path": path}]).plan.models
    assert configured.path == chosen.path == path
    assert configured.weights_id == chosen.weights_id


def test_relative_folders_of_a_cluster_start_at_home_for_every_process(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    world.cluster("relative", "work_dir = 'outputs'\ndata_dir = '.'\n")
    monkeypatch.chdir(tmp_path)
    plan = world.prepare(world.config(), dry_run=True, cluster="relative").plan
    assert plan.cluster["work_dir"] == str(world.folder / "outputs")
    assert plan.cluster["data_dir"] == str(world.folder)


def test_a_dry_run_leaves_nothing_behind(world: SmallWorld):
    prepared = world.prepare(world.config(), dry_run=True)
    assert prepared.plan.shards
    assert prepared.mapping() == {
        "run_dir": str(prepared.run_dir),
        "dry_run": True,
        "mapping": {"infer": {}, "eval": {}, "viz": {}},
    }
    assert not (world.folder / "outputs").exists()


def test_two_runs_of_one_second_get_folders_of_their_own(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 1, 2, 23, 59, 59)  # noqa: DTZ001  # made aware by prepare

    monkeypatch.setattr(opencompass_ops.prepare, "datetime", Clock)
    claimed: list[Path] = []
    first, second = (world.prepare(world.config(), work_dir=str(tmp_path), on_claim=claimed.append) for _ in range(2))
    assert [first.run_dir, second.run_dir] == claimed == sorted(tmp_path.iterdir())
    assert [folder.name for folder in claimed] == ["20260102_235959", "20260103_000000"]
    for prepared in (first, second):
        assert prepared.plan.stamp == prepared.run_dir.name
        specs = LocalFiles(prepared.run_dir).list("shards")
        assert specs == sorted(f"{s.id}.json" for s in (*prepared.plan.shards, *prepared.plan.evaluations))
