"""OpenCompass itself, in a virtualenv of its own, and a model small enough for both."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from opencompass_ops.bridging import INTERPRETER

# Their own config: a loader, a retriever and in-context examples that no other dataset has.
XIEZHI = """from mmengine.config import read_base
with read_base():
    from opencompass.configs.datasets.xiezhi.xiezhi_ppl_ea6bd7 import xiezhi_datasets
datasets = [d for d in xiezhi_datasets if 'eng' in d['abbr']]
"""


@pytest.fixture(scope="session")
def opencompass_python(repo: Path) -> str:
    """The interpreter that has OpenCompass: ``$OPENCOMPASS_OPS_OPENCOMPASS_PYTHON``, or the one of ``.opencompass``."""
    python = os.environ.get(INTERPRETER) or str(repo / ".opencompass" / "bin" / "python")
    if not os.access(python, os.X_OK):
        pytest.skip(f"{python} is absent; make opencompass-venv builds it, or name another one in {INTERPRETER}")
    return python


@pytest.fixture(scope="session")
def opencompass_package(opencompass_python: str) -> Path:
    """The folder that holds its package."""
    code = "import importlib.util as u; print(u.find_spec('opencompass').origin)"
    found = subprocess.run([opencompass_python, "-c", code], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()).parents[1]


def make_tiny_model(folder: Path) -> Path:
    """An untrained Llama whose tokenizer transformers 4.51, which OpenCompass needs, reads too."""
    from demo.model import make_model, make_tokenizer, save

    lines = ["1 + 2 = 3 the answer is A B C D", "How to cook well", "问题 答案"] * 20
    tokenizer = make_tokenizer(lines)
    save(make_model(tokenizer, seed=1), tokenizer, folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    file.write_text(json.dumps(settings))
    return folder


def run_opencompass(python: str, config: str, *arguments: str, data_dir: Path) -> str:
    """``run.py`` of OpenCompass's own; returns what it said."""
    command = [python, "-m", "opencompass.cli.main", config, *arguments]
    place = data_dir / "opencompass"
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=place,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), "COMPASS_DATA_CACHE": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def write_xiezhi(folder: Path) -> None:
    """Rows for :data:`XIEZHI`."""
    sizes = {"xiezhi_train_eng": 6, "xiezhi_spec_eng": 10, "xiezhi_inter_eng": 8}
    for name, rows in sizes.items():
        (folder / "data" / "xiezhi" / name).mkdir(parents=True)
        lines = []
        for number in range(rows):
            options = [str(number + step) for step in range(4)]
            label = ["even" if number % 2 == 0 else "odd"]
            row = {"question": f"{number} + 1 = ?", "options": "\n".join(options), "answer": options[1]}
            lines.append(json.dumps({**row, "label": label, "labels": label}) + "\n")
        (folder / "data" / "xiezhi" / name / "xiezhi.v1.json").write_text("".join(lines))
