"""``opencompass-ops init`` in an empty folder, again, over changed files, and where it cannot be done."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from opencompass_ops import shipped
from opencompass_ops.cli import main
from opencompass_ops.configs.library import default_config_dir, find_config, offered
from opencompass_ops.errors import InputError
from opencompass_ops.project import RECORD, Fate, lay_down, next_steps

DAG = "dags/opencompass_eval.py"
CONFIG = "include/configs/eval_gsm8k.py"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPENCOMPASS_OPS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in which they were laid down."""
    lay_down(tmp_path / "project")
    return tmp_path / "project"


def release(monkeypatch: pytest.MonkeyPatch, folder: Path, **changed: str | None) -> None:
    """Let a later release ship the DAGs in ``folder``, of which some changed, or are new, or are no more."""
    folder.mkdir(exist_ok=True)
    for name, text in changed.items():
        file = folder / f"{name}.py"
        file.write_text(text) if text is not None else file.unlink()
    monkeypatch.setattr(shipped, "dags", lambda: folder)


def files(folder: Path) -> dict[str, bytes]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def test_an_empty_folder_gets_every_dag_and_config_that_is_in_the_repository(repo: Path, project: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--", "dags", "include/configs"], cwd=repo, check=True, capture_output=True, text=True
    ).stdout.split()
    assert sorted(tracked) == sorted(files(project).keys() - {RECORD})
    assert all((project / name).read_bytes() == (repo / name).read_bytes() for name in tracked)


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert set(lay_down(tmp_path / "a" / "b").fates.values()) == {Fate.NEW}


def test_a_second_time_changes_nothing(project: Path) -> None:
    before = {name: (project / name).stat().st_mtime_ns for name in files(project)}
    laid = lay_down(project)
    assert set(laid.fates.values()) == {Fate.SAME}
    assert {name: (project / name).stat().st_mtime_ns for name in before if name != RECORD} == {
        name: time for name, time in before.items() if name != RECORD
    }


def test_a_changed_file_is_kept_and_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / CONFIG).write_text("mine = 1\n")
    for _ in range(2):
        assert main(["init", str(project)]) == 0
        said = capsys.readouterr().out
        assert f"kept, changed here: {CONFIG}\n" in said
        assert "--force" in said
    assert (project / CONFIG).read_text() == "mine = 1\n"


def test_a_file_that_was_there_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / DAG).write_text("theirs = 1\n")
    (tmp_path / "dags" / "other.py").write_text("")
    assert lay_down(tmp_path).fates[DAG] is Fate.KEPT
    assert (tmp_path / DAG).read_text() == "theirs = 1\n"
    assert (tmp_path / "dags" / "other.py").exists()


def test_a_removed_file_stays_away(project: Path) -> None:
    (project / DAG).unlink()
    assert lay_down(project).having(Fate.GONE) == [DAG]
    assert lay_down(project).having(Fate.GONE) == [DAG]
    assert not (project / DAG).exists()


def test_a_later_release_replaces_what_nobody_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, tmp_path / "new", one="1\n", two="1\n", three="1\n")
    lay_down(tmp_path)
    (tmp_path / "dags/two.py").write_text("mine\n")
    release(monkeypatch, tmp_path / "new", one="2\n", two="2\n", three=None, four="2\n")
    laid = lay_down(tmp_path)
    assert laid.fates["dags/one.py"] is Fate.UPDATED
    assert laid.fates["dags/two.py"] is Fate.KEPT
    assert laid.fates["dags/four.py"] is Fate.NEW
    texts = [(tmp_path / f"dags/{name}.py").read_text() for name in ("one", "two", "three", "four")]
    assert texts == ["2\n", "mine\n", "1\n", "2\n"]
    assert lay_down(tmp_path).fates["dags/two.py"] is Fate.KEPT, "it is still theirs"


def test_force_takes_the_release_again(project: Path) -> None:
    (project / CONFIG).write_text("mine = 1\n")
    (project / DAG).unlink()
    assert lay_down(project, force=True).having(Fate.UPDATED) == [DAG, CONFIG]
    assert set(lay_down(project).fates.values()) == {Fate.SAME}


def test_a_link_is_theirs(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, tmp_path / "new", one="1\n")
    lay_down(project)
    elsewhere = tmp_path / "elsewhere.py"
    (project / "dags/one.py").rename(elsewhere)
    (project / "dags/one.py").symlink_to(elsewhere)
    release(monkeypatch, tmp_path / "new", one="2\n")
    assert lay_down(project).fates["dags/one.py"] is Fate.KEPT
    assert elsewhere.read_text() == "1\n"


def test_suites_that_were_published_here_are_not_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = tmp_path / "configs" / "suites"
    configs.mkdir(parents=True)
    (configs / "nightly.py").touch()
    (configs / "nightly@1.json").touch()
    (configs / "__pycache__").mkdir()
    (configs / "__pycache__" / "nightly.pyc").touch()
    monkeypatch.setattr(shipped, "configs", lambda: tmp_path / "configs")
    names = lay_down(tmp_path / "project").fates
    assert [name for name in names if "suites/" in name] == ["include/configs/suites/nightly.py"]


@pytest.mark.parametrize("taken", ["", "dags", "include", "include/configs"])
def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path, taken: str) -> None:
    file = tmp_path / "project" / taken
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    with pytest.raises(InputError, match=rf"{file} is a file, and must be a folder"):
        lay_down(tmp_path / "project")
    assert file.is_file()


def test_the_source_tree_is_no_project(repo: Path) -> None:
    with pytest.raises(InputError, match="name an Airflow project"):
        lay_down(repo)
    assert not (repo / RECORD).exists()


def test_a_place_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    # root may write everywhere but here
    assert main(["init", "/proc/self/project"]) == 1
    assert "look at the disk and the permissions" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"version": "1"}'])
def test_a_damaged_record_is_told_and_nothing_is_written(project: Path, text: str) -> None:
    (project / RECORD).write_text(text)
    before = files(project)
    with pytest.raises(InputError, match="restore it, or remove it"):
        lay_down(project, force=True)
    assert files(project) == before


def test_without_a_record_only_equal_files_are_ours(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / RECORD).unlink()
    (project / DAG).write_text("mine = 1\n")
    laid = lay_down(project)
    assert laid.having(Fate.KEPT) == [DAG]
    assert DAG not in json.loads((project / RECORD).read_text())["files"]


def test_files_are_made_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        lay_down(tmp_path / "project")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "project" / DAG).stat().st_mode) == 0o640


def test_what_lies_in_airflows_home_is_found_by_name(tmp_path: Path) -> None:
    assert find_config("eval_gsm8k").is_relative_to(shipped.configs())
    lay_down(tmp_path / "airflow")
    assert find_config("eval_gsm8k") == tmp_path / "airflow" / CONFIG
    (tmp_path / "airflow/include/configs/eval_mine.py").touch()
    assert "eval_mine" in offered()
    assert "export OPENCOMPASS_OPS_CONFIG_DIR" not in next_steps(lay_down(tmp_path / "airflow"))


def test_elsewhere_it_is_found_after_the_line_that_init_prints(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exports = [
        line.split()[1] for line in next_steps(lay_down(project)).splitlines() if line.startswith("     export ")
    ]
    said = dict(export.split("=", 1) for export in exports)
    assert default_config_dir() == shipped.configs()
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", said["OPENCOMPASS_OPS_CONFIG_DIR"])
    assert find_config("eval_gsm8k") == project / CONFIG
    assert said["AIRFLOW__CORE__DAGS_FOLDER"] == str(project / "dags")


def test_a_folder_with_a_space_can_be_pasted(tmp_path: Path) -> None:
    steps = next_steps(lay_down(tmp_path / "our project"))
    assert f"export OPENCOMPASS_OPS_HOME='{tmp_path}/our project'" in steps


def test_the_command_says_how_many_and_what_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "project")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path}/project: {len(files(tmp_path / 'project')) - 1} new\n\nNext:\n  1. ")
    assert "opencompass-ops doctor" in said
    assert "AIRFLOW_CONN_" in said
