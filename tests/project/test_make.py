"""The Makefile and what continuous integration runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def _make(repo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=repo, capture_output=True, text=True, check=False)


def test_make_alone_lists_every_target(repo: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (repo / "Makefile").read_text(), re.MULTILINE)
    assert phony
    listed = re.findall(r"^  make ([\w-]+)", _make(repo).stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


def test_an_unknown_cluster_is_refused(repo: Path) -> None:
    done = _make(repo, "help", "CLUSTER=slum")
    assert done.returncode != 0
    assert "CLUSTER=slum is not known" in done.stderr


def test_continuous_integration_runs_make_test_and_nothing_else(repo: Path) -> None:
    lines = (repo / ".ci/run").read_text().splitlines()
    assert lines == [
        "#!/usr/bin/env bash",
        "set -euo pipefail",
        'cd "$(dirname "$0")/.."',
        "OPENCOMPASS_OPS_TEST_INSTALL=1 make test",
    ]
