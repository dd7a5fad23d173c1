"""A checkpoint is ready when nothing is missing, cut off, mixed up or still moving; else every reason is told."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_folders import INDEX, shard_names, truncate, write_checkpoint
from inference.checkpoints import scan
from inference.identity import model_problem
from opencompass_ops.contract.checkpoints import ScanReport, ScanRequest
from opencompass_ops.series.readiness import Rules, not_ready

HOUR = 3600


def reasons(folder: Path, rules: Rules | None = None, quiet_s: float = HOUR) -> tuple[str, ...]:
    """What is said of a folder that has been quiet for so long."""
    rules = rules or Rules()
    root, name = str(folder.parent), folder.name
    listed = scan(ScanRequest(root, pattern=name, inspect=(name,), checksums=rules.checksums))
    report = ScanReport.from_json(listed.to_json())  # as it comes from a login node
    (seen,), (inside,) = report.checkpoints, report.inside
    return not_ready(seen, inside, rules, quiet_ms=int(quiet_s * 1000))


@pytest.mark.parametrize("shards", [1, 3])
def test_a_whole_checkpoint_is_ready(tmp_path: Path, shards: int):
    assert reasons(write_checkpoint(tmp_path / "c", shards=shards)) == ()


def test_the_tensors_of_training_are_no_part_of_it(tmp_path: Path):
    folder = write_checkpoint(tmp_path / "c", shards=2)
    (folder / "optimizer.pt").write_bytes(b"")
    assert reasons(folder) == ()


def missing_shard(folder: Path) -> None:
    (folder / shard_names(3)[1]).unlink()


def truncated_shard(folder: Path) -> None:
    truncate(folder / shard_names(3)[2])


def truncated_header(folder: Path) -> None:
    truncate(folder / shard_names(3)[2], missing=(folder / shard_names(3)[2]).stat().st_size - 20)


def empty_shard(folder: Path) -> None:
    (folder / shard_names(3)[0]).write_bytes(b"")


def no_index_yet(folder: Path) -> None:
    (folder / INDEX).unlink()


def half_an_index(folder: Path) -> None:
    truncate(folder / INDEX)


def index_of_more_shards(folder: Path) -> None:
    table = json.loads((folder / INDEX).read_text())
    table["weight_map"]["layers.3.up"] = "model-00004-of-00004.safetensors"
    (folder / INDEX).write_text(json.dumps(table))


def index_of_other_tensors(folder: Path) -> None:
    table = json.loads((folder / INDEX).read_text())
    table["weight_map"]["layers.9.up"] = shard_names(3)[0]
    (folder / INDEX).write_text(json.dumps(table))


def index_hours_newer_than_a_shard(folder: Path) -> None:
    hours_ago = time.time() - 5 * HOUR
    os.utime(folder / shard_names(3)[1], (hours_ago, hours_ago))


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def half_a_config(folder: Path) -> None:
    truncate(folder / "config.json", 3)


def no_weights(folder: Path) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing_shard, "1 of 3 shards model-*.safetensors are missing"),
        (missing_shard, f"{INDEX} names model-00002-of-00003.safetensors, not there"),
        (truncated_shard, "model-00003-of-00003.safetensors has 400 bytes, and its header promises 408"),
        (truncated_header, "model-00003-of-00003.safetensors has no readable header or end; it is cut off or damaged"),
        (empty_shard, "model-00001-of-00003.safetensors is empty"),
        (no_index_yet, f"{INDEX} is missing"),
        (half_an_index, f"{INDEX} has no readable weight_map"),
        (index_of_more_shards, f"{INDEX} names model-00004-of-00004.safetensors, not there"),
        (
            index_of_other_tensors,
            f"{INDEX} is of another save than model-00001-of-00003.safetensors: that lacks layers.9.up",
        ),
        (index_hours_newer_than_a_shard, f"{INDEX} is more than 120 min newer than model-00002-of-00003.safetensors"),
        (no_tokenizer, "holds no tokenizer"),
        (no_config, "config.json is missing"),
        (half_a_config, "config.json is no JSON object"),
        (no_weights, "holds no weights (*.safetensors, *.bin, *.pt)"),
    ],
)
def test_half_of_a_checkpoint_is_refused_with_the_reason(tmp_path: Path, spoil: Callable[[Path], None], said: str):
    folder = write_checkpoint(tmp_path / "c", shards=3)
    spoil(folder)
    assert said in reasons(folder)


def test_every_reason_is_told(tmp_path: Path):
    folder = write_checkpoint(tmp_path / "c", shards=3)
    for spoil in (no_tokenizer, half_a_config, truncated_shard):
        spoil(folder)
    assert len(reasons(folder, quiet_s=0)) == 4


def test_a_torch_file_without_its_end_is_refused(tmp_path: Path):
    folder = write_checkpoint(tmp_path / "c")
    (folder / "model.safetensors").unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", b"\0" * 200_000)
    assert reasons(folder) == ()
    truncate(folder / "pytorch_model.bin", 150)
    assert reasons(folder) == ("pytorch_model.bin has no readable header or end; it is cut off or damaged",)


def test_what_changed_a_moment_ago_has_to_settle(tmp_path: Path):
    folder = write_checkpoint(tmp_path / "c")
    assert reasons(folder, quiet_s=30) == ("changed 30 s ago; it must be quiet for 2 min",)
    assert reasons(folder, quiet_s=120) == ()
    assert reasons(folder, Rules(settle_minutes=0), quiet_s=0) == ()


def test_a_tokenizer_elsewhere_need_not_be_here(tmp_path: Path):
    assert reasons(write_checkpoint(tmp_path / "c", tokenizer=False), Rules(tokenizer=False)) == ()


def test_a_marker_comes_last(tmp_path: Path):
    folder, rules = write_checkpoint(tmp_path / "c"), Rules(marker="DONE")
    assert reasons(folder, rules) == ("marker DONE is missing",)
    (folder / "DONE").touch()
    assert reasons(folder, rules) == ()
    hours_ago = time.time() - 5 * HOUR
    os.utime(folder / "DONE", (hours_ago, hours_ago))
    assert reasons(folder, rules) == ("model.safetensors is more than 120 min newer than marker DONE",)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_manifest_of_checksums_must_agree(tmp_path: Path, as_json: bool):
    folder, rules = write_checkpoint(tmp_path / "c", shards=2), Rules(checksums="sums")
    assert reasons(folder, rules) == ("checksum manifest sums is missing",)
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.safetensors")}
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (folder / "sums").write_text(json.dumps(sums) if as_json else lines)
    assert reasons(folder, rules) == ()
    shard = folder / shard_names(2)[0]
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")  # as long as before
    assert reasons(folder, rules) == (f"{shard.name} is not what sums says",)
    (folder / "sums").write_text(lines.splitlines(keepends=True)[0])
    assert any("does not name" in reason for reason in reasons(folder, rules))


@given(cut=st.integers(min_value=1))
def test_wherever_a_file_is_cut_off_it_is_noticed(tmp_path_factory: pytest.TempPathFactory, cut: int):
    folder = write_checkpoint(tmp_path_factory.mktemp("cut") / "c")
    file = folder / "model.safetensors"
    truncate(file, missing=1 + cut % file.stat().st_size)
    assert len(reasons(folder)) == 1
    assert model_problem(folder), "and by the plan, too"
