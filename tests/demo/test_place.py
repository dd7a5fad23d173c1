"""Where the demo's jobs run."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from demo.place import Place, place, slurm


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    (tmp_path / "bed" / "shared").mkdir(parents=True)
    (tmp_path / "bed" / "connection.json").write_text("{}")
    return tmp_path / "bed"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "step-1"
    folder.mkdir()
    (folder / "weights").write_text("w")
    (folder / "weights").chmod(0o600)
    return folder


def test_local_jobs_use_checkpoints_and_outputs_where_they_are(checkpoint: Path, tmp_path: Path) -> None:
    with place("local") as where:
        assert where.cluster == "local"
        assert where.bring([checkpoint]) == [checkpoint]
        assert where.keep(tmp_path) == tmp_path


def test_slurm_jobs_may_read_their_checkpoints(bed: Path, checkpoint: Path) -> None:
    (brought,) = slurm(bed).bring([checkpoint])
    assert brought.is_relative_to(bed / "shared")
    assert stat.S_IMODE((brought / "weights").stat().st_mode) == 0o644


def test_slurms_results_stay_when_it_goes(bed: Path, tmp_path: Path) -> None:
    run_dir = bed / "shared" / "outputs" / "20260101_000000"
    run_dir.mkdir(parents=True)
    where = Place("testbed", data=bed, outputs=run_dir.parent, kept=tmp_path / "kept")
    assert where.keep(run_dir) == tmp_path / "kept" / "20260101_000000"
    assert (tmp_path / "kept" / "20260101_000000").is_dir()


def test_what_ran_here_is_no_reason_not_to_run_there(bed: Path) -> None:
    assert str(bed) in slurm(bed).env["OPENCOMPASS_OPS_DATABASE"]
