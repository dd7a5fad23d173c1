"""Weights and tokenizers are told apart by content, and half-written checkpoints are seen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from inference import identity
from inference.identity import local_model, located, model_problem, tokenizer_identity, weight_files, weights_identity
from inference.problems import InputProblem


def safetensors(content=b"\x00" * 8):
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, len(content)]}}).encode()
    return len(header).to_bytes(8, "little") + header + content


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "step-000100"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(safetensors())
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def flip_last_byte(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_one_changed_byte_is_another_model(model, tmp_path):
    cache = str(tmp_path / "cache")
    before = weights_identity(model, cache)
    assert before.startswith("sha256:")
    flip_last_byte(model / "model.safetensors")
    assert weights_identity(model, cache) != before
    assert weights_identity(model, cache) == weights_identity(model)


def test_a_changed_byte_with_the_old_mtime_is_another_model(model, tmp_path):
    file, cache = model / "model.safetensors", str(tmp_path / "cache")
    stat, before = file.stat(), weights_identity(model, cache)
    flip_last_byte(file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights_identity(model, cache) != before


def test_a_copy_elsewhere_is_the_same_model(model, tmp_path):
    twin = tmp_path / "other-name"
    twin.mkdir()
    for file in model.iterdir():
        (twin / file.name).write_bytes(file.read_bytes())
    assert weights_identity(twin) == weights_identity(model)
    assert tokenizer_identity(twin) == tokenizer_identity(model)


def test_names_and_configs_of_weights_belong_to_the_identity(model):
    before = weights_identity(model)
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    renamed = weights_identity(model)
    (model / "generation_config.json").write_text('{"eos_token_id": 1}')
    assert len({before, renamed, weights_identity(model)}) == 3


def test_optimizer_states_are_no_weights(model):
    before = weights_identity(model)
    for name in ("optimizer.pt", "training_args.bin", "scheduler.pt", "rng_state.pth"):
        (model / name).write_bytes(b"state")
    assert [file.name for file in weight_files(model)] == ["model.safetensors"]
    assert weights_identity(model) == before


def test_unchanged_files_are_read_once(model, tmp_path, monkeypatch):
    cache, read = str(tmp_path / "cache"), []
    real = identity._sha256
    monkeypatch.setattr(identity, "_sha256", lambda file: read.append(file.name) or real(file))
    assert weights_identity(model, cache) == weights_identity(model, cache)
    assert read.count("model.safetensors") == 1


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff" * 64])
def test_a_damaged_memory_is_no_memory(model, tmp_path, damage):
    cache = tmp_path / "cache"
    before = weights_identity(model, str(cache))
    (remembered,) = (cache / "sha256").iterdir()
    remembered.write_bytes(damage)
    assert weights_identity(model, str(cache)) == before


def test_very_large_weights_get_a_quick_identity(model, monkeypatch):
    monkeypatch.setattr(identity, "FULL_LIMIT", 10)
    before = weights_identity(model)
    assert before.startswith("quick:")
    assert weights_identity(model) == before
    flip_last_byte(model / "model.safetensors")
    assert weights_identity(model) != before


def test_the_chat_template_belongs_to_the_tokenizer(model):
    before, weights = tokenizer_identity(model), weights_identity(model)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    assert tokenizer_identity(model) != before
    assert weights_identity(model) == weights


def test_no_tokenizer_says_what_to_set(tmp_path):
    with pytest.raises(InputProblem, match="tokenizer_path"):
        tokenizer_identity(tmp_path)


def test_a_hub_id_is_found_when_it_was_downloaded(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(InputProblem, match="hf download org/tiny"):
        local_model("org/tiny")
    repo = tmp_path / "hub/models--org--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/main").write_text("abc")
    (repo / "snapshots").mkdir()
    model.rename(repo / "snapshots/abc")
    assert local_model("org/tiny") == repo / "snapshots/abc"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputProblem, match="does not exist"):
        local_model(str(tmp_path / "gone"))
    with pytest.raises(InputProblem, match="None is no path"):
        local_model(None)


def break_config(model):
    (model / "config.json").write_text('{"model_ty')


def break_truncated(model):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def break_shard(model):
    table = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: (model / "config.json").unlink(), "config.json is missing"),
        (break_config, "config.json is no JSON object"),
        (lambda model: (model / "model.safetensors").unlink(), "holds no weights"),
        (lambda model: (model / "model.safetensors").write_bytes(b""), "is empty"),
        (lambda model: (model / "model.safetensors").write_bytes(b"x" * 99), "no safetensors file"),
        (break_truncated, "it is truncated"),
        (break_shard, "model-00002-of-00002.safetensors, which is missing"),
        (lambda model: (model / "model.safetensors.index.json").write_text("{"), "no weight_map"),
    ],
)
def test_a_checkpoint_that_is_not_ready_says_why(model, damage, message):
    assert model_problem(model) == ""
    damage(model)
    assert message in model_problem(model)


def test_relative_folders_start_at_the_data_folder_wherever_the_job_starts(model, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    found = located({"abbr": "m", "path": "./step-000100", "tokenizer_path": str(model)}, str(tmp_path))
    assert weights_identity(found["path"]) == weights_identity(model)
    assert (found["abbr"], found["tokenizer_path"]) == ("m", str(model))
    assert located({"path": "acme/tiny"}, str(tmp_path)) == {"path": "acme/tiny"}
    with pytest.raises(InputProblem, match=str(tmp_path / "gone/at/all")):
        local_model(located({"path": "gone/at/all"}, str(tmp_path))["path"])


@pytest.mark.parametrize("path", ["~/step-000100", "./step-000100", "../{home}/step-000100", "step-000100"])
def test_every_way_to_write_a_folder_is_understood_where_the_job_runs(model, tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = located({"path": path.format(home=tmp_path.name)}, str(tmp_path))
    assert Path(found["path"]).is_absolute()
    assert model.samefile(found["path"])


@pytest.mark.parametrize("path", ["./gone", "~/gone", "../gone", "~nobody-of-this-name/gone"])
def test_what_is_marked_as_a_path_is_no_hub_id(tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputProblem, match=r"model folder /.*gone does not exist"):
        local_model(located({"path": path}, str(tmp_path / "data"))["path"])
