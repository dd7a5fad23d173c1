"""Both Dockerfiles, checked without docker: what they copy exists, and the GPU image's files are enough."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCKERFILES = ("Dockerfile", "inference/Dockerfile")


def _copies(dockerfile: Path) -> list[tuple[list[str], str]]:
    """Sources and target of every COPY."""
    lines = [line.split()[1:] for line in dockerfile.read_text().splitlines() if line.startswith("COPY ")]
    return [(words[:-1], words[-1]) for words in lines]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_copies_exists_and_is_not_ignored(repo: Path, name: str) -> None:
    let_through = {line[1:] for line in (repo / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for sources, _ in _copies(repo / name):
        for source in sources:
            assert (repo / source).exists(), f"{name} copies {source}"
            assert source.split("/")[0] in let_through, f".dockerignore hides {source} from {name}"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_base_image_is_an_argument(repo: Path, name: str) -> None:
    lines = [line for line in (repo / name).read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("ARG BASE=")
    assert lines[1] == "FROM ${BASE}"


@pytest.fixture
def image(repo: Path, tmp_path: Path) -> Path:
    """The folder /app of the GPU image."""
    for sources, target in _copies(repo / "inference/Dockerfile"):
        for source in sources:
            place = tmp_path / target
            if (repo / source).is_dir():
                shutil.copytree(repo / source, place)
            else:
                place = place / Path(source).name if target.endswith("/") else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(repo / source, place)
    return tmp_path


def _import(folder: Path, module: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import {module} as m; print(m.__file__)"
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.model
def test_the_gpu_image_holds_all_that_inference_imports(image: Path) -> None:
    modules = [
        "inference." + path.relative_to(image / "inference").with_suffix("").as_posix().replace("/", ".")
        for path in sorted((image / "inference").rglob("*.py"))
        if path.name != "__init__.py" and "import torch" not in path.read_text()
    ]
    done = _import(image, ", ".join(modules))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(image))


def test_the_gpu_image_lacks_the_control_side(image: Path) -> None:
    assert _import(image, "opencompass_ops.contract.spec").returncode == 0
    assert "No module named 'opencompass_ops.errors'" in _import(image, "opencompass_ops.errors").stderr
