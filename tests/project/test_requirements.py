"""The requirement files, the pins and the tool that makes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.lock import FILES, pins

PIN = re.compile(r"([a-z0-9._-]+)==([A-Za-z0-9.]+)")


@pytest.fixture(scope="module")
def pinned(repo: Path) -> dict[str, str]:
    lines = [line for line in (repo / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    matches = {line: PIN.fullmatch(line) for line in lines}
    odd = [line for line, match in matches.items() if match is None]
    assert not odd, "constraints.txt holds plain pins only: no URL, no path, no local version"
    return {canonicalize_name(match[1]): match[2] for match in matches.values() if match}


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_within_its_range(repo: Path, pinned: dict[str, str], name: str) -> None:
    for line in (repo / name).read_text().splitlines():
        text = line.split("#")[0].strip()
        if text:
            requirement = Requirement(text)
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_cuda_libraries_are_not_pinned(pinned: dict[str, str]) -> None:
    assert not [name for name in pinned if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_a_lock_drops_cuda_and_local_versions() -> None:
    freeze = "Torch==2.13.0+cpu\nnvidia-nccl-cu13==2.30\ntriton==3.9.0\ncuda-bindings==13.0\nattrs==26.1.0\n"
    assert pins(freeze) == ["attrs==26.1.0", "torch==2.13.0"]


@pytest.mark.parametrize("line", ["torch @ file:///wheels/torch.whl", "-e .", "a @ https://host/a.whl", ""])
def test_a_lock_refuses_what_only_this_machine_has(line: str) -> None:
    with pytest.raises(ValueError, match="is not NAME==VERSION"):
        pins(f"attrs==26.1.0\n{line}\n")
