"""One run, one folder; and a team's folder is open to the team."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path

import pytest

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.errors import PlanError
from opencompass_ops.run_folder import claim_run_dir

MINE = grp.getgrgid(os.getegid()).gr_name


def cluster(**values: str) -> ClusterConfig:
    return ClusterConfig.from_values("hpc", {"kind": "slurm", **values})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_claimed_once(tmp_path):
    folder = tmp_path / "work/20260101_000000"
    assert claim_run_dir(folder, cluster())
    assert not claim_run_dir(folder, cluster())


def test_a_work_dir_that_another_run_makes_at_the_same_moment_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: path == tmp_path)
    (tmp_path / "work").mkdir()
    assert claim_run_dir(tmp_path / "work/run", cluster())


def test_without_a_team_nothing_is_shared(tmp_path):
    folder = tmp_path / "run"
    claim_run_dir(folder, cluster())
    assert not mode(folder) & stat.S_ISGID


@pytest.mark.parametrize(
    ("values", "wanted"),
    [({"umask": "002"}, 0o2775), ({"umask": "0007"}, 0o2770), ({"group": MINE, "umask": "027"}, 0o2750)],
    ids=str,
)
def test_a_teams_folders_belong_to_it_also_the_ones_above_that_were_missing(tmp_path, values, wanted):
    folder = tmp_path / "team/work/run"
    assert claim_run_dir(folder, cluster(**values))
    for made in (folder, folder.parent, folder.parent.parent):
        assert mode(made) == wanted
        assert made.stat().st_gid == os.getegid()
    assert not mode(tmp_path) & stat.S_ISGID


def test_a_group_that_nobody_knows_is_named(tmp_path):
    with pytest.raises(PlanError, match="this host has no group 'no-such-group'; correct group"):
        claim_run_dir(tmp_path / "run", cluster(group="no-such-group"))


def test_a_group_of_others_is_named_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "getegid", lambda: 4711)
    monkeypatch.setattr(os, "getgroups", list)
    with pytest.raises(PlanError, match=f"this user is no member of group '{MINE}'"):
        claim_run_dir(tmp_path / "work/run", cluster(group=MINE))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_shared_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "chown", lambda *_: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    with pytest.raises(PlanError, match="cannot be used \\(not permitted\\)"):
        claim_run_dir(tmp_path / "work/run", cluster(umask="002"))
    assert list(tmp_path.iterdir()) == []


def test_a_work_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlanError, match="cannot be used"):
        claim_run_dir(tmp_path / "file/run", cluster())
