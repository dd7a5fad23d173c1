"""A virtualenv that has the wheel and every requirement, and can import nothing of the checkout.

The requirements are those installed where the tests run: their folder is named in a ``.pth`` file. Python reads no
further ``.pth`` there, so an editable installation of the checkout stays unseen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Installation:
    """The virtualenv, and an empty folder that its processes live in.

    :param env: the whole environment of its processes.
    """

    venv: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.venv / "bin" / "python"

    @property
    def home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.folder / "airflow"

    def run(self, *argv: str, code: int = 0, **env: str) -> str:
        """Run a program of the virtualenv; returns its output.

        :param code: the exit code that it must have.
        """
        program = [str(self.venv / "bin" / argv[0]), *argv[1:]]
        done = subprocess.run(
            program, cwd=self.folder, env=self.env | env, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


EVAL = """
from mmengine.config import read_base

with read_base():
    from .models.demo.tiny_llama import models

models[0]['path'] = {model!r}
datasets = [dict(
    type='JsonlDataset', abbr='sums', path='data/sums',
    reader_cfg=dict(input_columns=['question'], output_column='answer'),
    infer_cfg=dict(
        prompt_template=dict(type='PromptTemplate', template='{{question}}'),
        retriever=dict(type='ZeroRetriever'), inferencer=dict(type='GenInferencer')),
    eval_cfg=dict(evaluator=dict(type='AccEvaluator')))]
"""


def add_evaluation(project: Path, rows: int = 4) -> None:
    """Add ``eval_mine`` to what ``init`` laid down: a model that a CPU answers in seconds, and a data set."""
    from demo.model import make_model, make_tokenizer, save

    tokenizer = make_tokenizer(f"{n}+{n + 1}={(2 * n + 1) % 97}" for n in range(400))
    save(make_model(tokenizer, 0), tokenizer, project / "model")
    data = project / "data" / "sums"
    data.mkdir(parents=True)
    lines = "".join(json.dumps({"question": f"{n}+1=", "answer": str(n + 1)}) + "\n" for n in range(rows))
    for split in ("train", "test"):
        (data / f"{split}.jsonl").write_text(lines)
    (project / "include/configs/eval_mine.py").write_text(EVAL.format(model=str(project / "model")))


def bare_venv(folder: Path) -> Path:
    """A virtualenv with the requirements and nothing of ours; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def build_wheel(repo: Path, folder: Path) -> Path:
    """The wheel of the checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repo, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def wheel_file(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return build_wheel(repo, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installation(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel, installed by pip, in an empty folder."""
    folder = tmp_path_factory.mktemp("installation")
    python = bare_venv(folder / "venv")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel_file)], check=True)
    (folder / "work").mkdir()
    env = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(folder / "work"),
        "AIRFLOW_HOME": str(folder / "work" / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "OMP_NUM_THREADS": "1",
    }
    return Installation(folder / "venv", folder / "work", env)
