"""Both Dockerfiles and ``make image``, checked without docker: what they copy exists, and is enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.base_pins import merged
from scripts.image import AIRFLOW, INFERENCE, Build, NoEngine, engine

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
            assert {source, source.split("/")[0]} & let_through, f".dockerignore hides {source} from {name}"


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


def test_the_gpu_image_has_what_the_extra_metrics_names(repo: Path) -> None:
    extra = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["optional-dependencies"]["metrics"]
    (line,) = re.findall(r'^ARG METRICS="(.*)"$', (repo / "inference/Dockerfile").read_text(), re.MULTILINE)
    named = [Requirement(word) for word in line.split()]
    wanted = {(one.name, frozenset(one.extras)) for one in map(Requirement, extra)}
    assert {(one.name, frozenset(one.extras)) for one in named} == wanted


def test_what_the_base_image_has_is_kept_and_the_rest_is_pinned() -> None:
    base = {"Torch": "2.9.0+cu130", "python_dateutil": "2.9.0", "flask-appbuilder": "5.2.2"}
    ours = "# made by\ntorch==2.13.0\npython-dateutil==4.0.0\ndatasets==4.4.1\n"
    assert merged(base, ours) == [
        "datasets==4.4.1",
        "flask-appbuilder==5.2.2",
        "python-dateutil==2.9.0",
        "torch==2.9.0+cu130",
    ]


def test_the_pins_are_made_by_a_bare_python(repo: Path) -> None:
    command = [sys.executable, "-I", "-S", str(repo / "scripts/base_pins.py"), str(repo / "constraints.txt")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    pins = [line for line in (repo / "constraints.txt").read_text().splitlines() if "==" in line]
    assert len(done.stdout.split()) == len(pins)


@pytest.mark.parametrize("program", ["docker", "podman"])
@pytest.mark.parametrize("registry", ["", "ghcr.io/team"])
def test_the_lines_to_build_push_and_convert_are_those_on_record(repo: Path, program: str, registry: str) -> None:
    build = Build(program, "1.2.3", registry, ((INFERENCE, "nvcr.io/nvidia/pytorch:26.09-py3"),))
    text = "".join(f"$ {' '.join(build.command(image))}\n" for image in (AIRFLOW, INFERENCE))
    text += build.next_steps() + "\n"
    golden = repo / "tests/golden/images" / f"{program}{'-registry' if registry else ''}.txt"
    assert text == golden.read_text()


def _program(folder: Path, name: str, code: int) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {code}\n")
    file.chmod(0o755)


def test_the_first_engine_that_works_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoEngine, match="docker is not installed, podman is not installed; install"):
        engine("")
    _program(tmp_path, "docker", 1)
    with pytest.raises(NoEngine, match="docker is installed and does not work"):
        engine("")
    _program(tmp_path, "podman", 0)
    assert engine("") == "podman"
    with pytest.raises(NoEngine, match=r"docker is installed and does not work \(see `docker version`\); install or"):
        engine("docker")
    with pytest.raises(NoEngine, match="ENGINE=buildah is not known; there are docker and podman"):
        engine("buildah")


@pytest.mark.parametrize(("code", "ended"), [(0, 0), (125, 1)])
def test_make_image_builds_both_or_says_which_failed(repo: Path, tmp_path: Path, code: int, ended: int) -> None:
    _program(tmp_path, "podman", 0)
    (tmp_path / "podman").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ntest "$1" = version || exit {code}\n')
    command = [sys.executable, "-m", "scripts.image", "--engine=podman", "--registry=ghcr.io/team/", "--base=mine:1"]
    env = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": str(repo / "plugins")}
    done = subprocess.run(command, cwd=repo, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == ended, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["version", "build", "build"][: len(asked)]
    assert "BASE=mine:1" in asked[1]
    if code:
        assert "ended with 125" in done.stderr
        assert len(asked) == 2
    else:
        assert "podman push ghcr.io/team/opencompass-inference:" in done.stdout
        assert "BASE" not in asked[2]
