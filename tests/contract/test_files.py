"""Files of a run directory that a team shares can be read and written by all of it, whoever made them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencompass_ops.contract.files import LocalFiles


@pytest.fixture(autouse=True)
def _private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def shared(tmp_path: Path) -> LocalFiles:
    tmp_path.chmod(0o2775)
    return LocalFiles(tmp_path)


def test_below_a_shared_root_all_is_made_with_its_permissions(shared):
    shared.write("a/b/c.json", "{}")
    shared.append("a/d/lines", "one")
    assert [mode(shared.path(path)) for path in ("a", "a/b", "a/d")] == [0o2775] * 3
    assert [mode(shared.path(path)) for path in ("a/b/c.json", "a/d/lines")] == [0o664] * 2


def test_below_any_other_root_the_umask_decides(tmp_path):
    tmp_path.chmod(0o775)
    files = LocalFiles(tmp_path)
    files.write("a/b.json", "{}")
    assert (mode(files.path("a")), mode(files.path("a/b.json"))) == (0o700, 0o600)


def test_what_somebody_restricted_on_purpose_is_not_opened_again(shared):
    shared.append("lines", "one")
    shared.path("lines").chmod(0o640)
    shared.append("lines", "two")
    assert mode(shared.path("lines")) == 0o640


def test_a_target_has_a_folder_and_may_not_leave_the_root(shared):
    assert shared.target("x/y").parent.is_dir()
    with pytest.raises(ValueError, match="leaves the run directory"):
        shared.target("../y")
