"""The command line of series, and what a suite is told apart by."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkpoint_folders import write_checkpoint
from opencompass_ops.cli import main
from opencompass_ops.errors import InputError
from opencompass_ops.series.config import ENVIRONMENT
from opencompass_ops.series.suite import suite_fingerprint
from opencompass_ops.suites import Suite, to_text

CONFIG = {
    "models": [{"type": "HuggingFaceBaseModel", "abbr": "m", "path": "/m", "max_out_len": 4}],
    "datasets": [{"abbr": "sums", "path": "data/sums"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder with series ``run7`` on suite ``nightly@1``."""
    for name in ("OPENCOMPASS_OPS_CONFIG_DIRS", ENVIRONMENT, "AIRFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", f"sqlite:///{tmp_path}/results.db")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    values = {
        "checkpoints": {"at": str(tmp_path / "ckpt"), "pattern": "step-{step}"},
        "suite": "nightly@1",
        "ready": {"settle_minutes": 0},
    }
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "run7.yaml").write_text(yaml.safe_dump(values))
    publish(tmp_path, "1")
    return tmp_path


def publish(folder: Path, version: str, config: dict[str, Any] | None = None, **more: Any) -> None:
    """Write a published version."""
    allow = ("path", "tokenizer_path", "abbr", "limit", "max_num_workers")
    suite = Suite("nightly", version, more.pop("title", ""), allow, more, None, config or CONFIG)
    (folder / "suites").mkdir(exist_ok=True)
    (folder / "suites" / f"{suite}.json").write_text(to_text(suite))


def test_a_suite_is_told_apart_by_what_it_asks(folder: Path):
    asked = suite_fingerprint("nightly@1", {})
    publish(folder, "2", title="Another title", max_num_workers=8)
    other_path = CONFIG | {"models": [CONFIG["models"][0] | {"path": "/n", "run_cfg": {"num_gpus": 8}}]}
    publish(folder, "3", other_path)
    assert suite_fingerprint("nightly@2", {}) == suite_fingerprint("nightly@3", {}) == asked
    assert suite_fingerprint("nightly@1", {"max_num_workers": 4}) == asked
    publish(folder, "4", CONFIG | {"datasets": [*CONFIG["datasets"], {"abbr": "facts", "path": "data/facts"}]})
    publish(folder, "5", CONFIG | {"models": [CONFIG["models"][0] | {"max_out_len": 5}]})
    others = {suite_fingerprint("nightly@4", {}), suite_fingerprint("nightly@5", {})}
    assert len(others | {asked, suite_fingerprint("nightly@1", {"limit": 5})}) == 4


def test_a_suite_that_is_not_open_for_a_param_of_the_series_is_refused(folder: Path):
    with pytest.raises(InputError, match="not for partition='p'"):
        suite_fingerprint("nightly@1", {"partition": "p"})


def test_list_shows_every_series_and_what_is_wrong_with_one(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["series", "list"]) == 0
    assert capsys.readouterr().out == f"run7  {folder}/ckpt/step-{{step}}  nightly@1  when triggered\n"
    (folder / "series" / "bad.yaml").write_text("suite: a")
    assert main(["series", "list"]) == 2
    assert "checkpoints is missing" in capsys.readouterr().err


@pytest.mark.process
def test_status_looks_where_it_is_asked_to_and_starts_nothing(folder: Path, capsys: pytest.CaptureFixture[str]):
    write_checkpoint(folder / "ckpt" / "step-100")
    write_checkpoint(folder / "ckpt" / "step-200", tokenizer=False)
    assert main(["series", "status", "run7"]) == 0
    assert "nothing was seen yet" in capsys.readouterr().out
    assert main(["series", "status", "run7", "--look"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines == [["100", "step-100", "new"], ["200", "step-200", "incomplete", "holds", "no", "tokenizer"]]


def test_a_backfill_triggers_the_dag_of_the_series(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("opencompass_ops.hooks.stored.is_set_up", lambda: False)
    assert main(["series", "backfill", "run7"]) == 2
    assert "this user has no Airflow" in capsys.readouterr().err
    monkeypatch.setattr("opencompass_ops.hooks.stored.is_set_up", lambda: True)
    asked: list[list[str]] = []

    def run(argv: list[str], check: bool) -> subprocess.CompletedProcess[bytes]:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["series", "backfill", "run7", "--suite", "nightly@9"]) == 2
    assert asked == [], "a suite that is not there is told before"
    publish(folder, "9")
    assert main(["series", "backfill", "run7", "--suite", "nightly@9", "--after-step", "5", "--checkpoint", "a"]) == 0
    (argv,) = asked
    assert argv[1:6] == ["-m", "airflow", "dags", "trigger", "opencompass_checkpoints_run7"]
    assert json.loads(argv[7]) == {
        "backfill": True, "suite": "nightly@9", "checkpoints": ["a"], "after_step": 5, "before_step": None
    }  # fmt: skip
