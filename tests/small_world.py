"""A folder with configs, data and checkpoints, and jobs that do all but the arithmetic of a model."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.prepare import Prepared, prepare
from opencompass_ops.results.report import Report
from opencompass_ops.runner import run_plan
from opencompass_ops.summarize import summarize

# Stands for the jobs' interpreter: an infer job answers every row with its reference and loads no model. It waits while
# the file "hold" is there, once it has answered as many rows as that says, and notes each answer in its job's folder.
# Everything else is the real program.
STAND_IN = """#!{python}
import os, sys, time
from pathlib import Path
from types import SimpleNamespace
if sys.argv[3:4] != ["infer"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
import inference.infer
from inference import journal
from inference.__main__ import main
from inference.build import build_requests
from inference.datasets import load_rows
from inference.journal import Answer
from opencompass_ops.contract import layout

token = sys.argv[sys.argv.index("--token") + 1]

def is_held(progress):
    try:
        return progress.done >= int(Path({folder!r}, "hold").read_text() or 0)
    except FileNotFoundError:
        return False

def work(files, spec, parts, progress, finish):
    print("loading", spec.model_abbr, flush=True)
    for part in parts:
        known = journal.read(files, spec.model_abbr, part)
        progress.done += len(known)
        rows = load_rows(part.dataset, spec.data_dir)
        asked = build_requests(spec.model, part.dataset, rows, part.total, part.start, part.stop)
        with journal.Journal(files, spec.model_abbr, part) as book:
            for number, request in enumerate(asked):
                if number in known:
                    continue
                while is_held(progress):
                    time.sleep(0.05)
                if Path({folder!r}, "fail-" + spec.model_abbr).exists():
                    raise RuntimeError("this job was told to fail")
                book.append([Answer(number, {{"origin_prompt": request.prompt, "prediction": request.gold,
                                             "gold": request.gold}})])
                files.append(layout.job(token, "answered"), part.name + " " + str(number))
                progress.done += 1
        finish(part)

inference.infer.import_work = lambda: SimpleNamespace(work=work)
sys.exit(main(sys.argv[3:]))
"""

CLUSTER = """
kind = 'local'
python = {python!r}
work_dir = {work_dir!r}
data_dir = {data_dir!r}
state_dir = {state_dir!r}
poll_interval = 0.1
"""

MODEL = """models = [dict(type='HuggingFaceBaseModel', abbr='tiny', path={path!r}, max_out_len=4)]
"""

DATASETS = """datasets = [dict(
    type='JsonlDataset', abbr='sums', path='data/sums',
    reader_cfg=dict(input_columns=['question'], output_column='answer'),
    infer_cfg=dict(
        prompt_template=dict(type='PromptTemplate', template='{question}'),
        retriever=dict(type='ZeroRetriever'), inferencer=dict(type='GenInferencer')),
    eval_cfg=dict(evaluator=dict(type='AccEvaluator')))]
"""


@dataclass
class SmallWorld:
    """Where a test lives: ``configs``, ``data``, checkpoints, ``outputs`` and a results database of its own."""

    folder: Path

    @property
    def database(self) -> Path:
        """The results database."""
        return self.folder / "results.db"

    @property
    def url(self) -> str:
        """Of the results database."""
        return f"sqlite:///{self.database}"

    @property
    def work_dir(self) -> Path:
        """Holds the run directories."""
        return self.folder / "outputs" / "default"

    def config(self, text: str | None = None, *changes: tuple[str, str], name: str = "eval_small") -> str:
        """Write a config: the usual one, with pieces of its text exchanged, or ``text``; returns its path."""
        body = (MODEL.format(path=str(self.folder / "tiny")) + DATASETS) if text is None else text
        for old, new in changes:
            if old not in body:
                raise ValueError(f"the config does not say {old!r}")
            body = body.replace(old, new)
        path = self.folder / "configs" / f"{name}.py"
        path.write_text(body)
        return str(path)

    def cluster(self, name: str = "local", more: str = "") -> None:
        """Write a cluster config."""
        folder = self.folder / "configs" / "clusters"
        folder.mkdir(parents=True, exist_ok=True)
        text = CLUSTER.format(
            python=str(self.folder / "python"),
            work_dir=str(self.folder / "outputs"),
            data_dir=str(self.folder),
            state_dir=str(self.folder / "state"),
        )
        (folder / f"{name}.py").write_text(text + more)

    def rows(self, count: int = 6, first: int = 0) -> None:
        """Write the data set: sums from ``first`` on."""
        folder = self.folder / "data" / "sums"
        folder.mkdir(parents=True, exist_ok=True)
        rows = [{"question": f"{n}+1=", "answer": str(n + 1)} for n in range(first, first + count)]
        for split in ("train", "test"):
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def checkpoint(self, name: str, weights: bytes = b"\0" * 8) -> Path:
        """A folder with the files that the probe looks at; no program could load it."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")
        (folder / "tokenizer.json").write_text("{}")
        header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + weights)
        return folder

    def prepare(self, config: str, run_dir: Path | None = None, **params: Any) -> Prepared:
        """Plan as the DAG and the command line do."""
        on_claim = params.pop("on_claim", lambda folder: None)
        given = {"config": config, **params}
        return prepare(given, database_url=self.url, say=lambda line: None, run_dir=run_dir, on_claim=on_claim)

    def evaluate(self, config: str, **params: Any) -> tuple[Prepared, Report]:
        """Plan, run and summarize."""
        prepared = self.prepare(config, **params)
        failed = asyncio.run(run_plan(prepared.run_dir, say=lambda line: None))
        if failed:
            raise RuntimeError(str(failed))
        return prepared, summarize(prepared.run_dir, database_url=self.url)

    def hold(self, after: int = 0) -> Path:
        """Infer jobs wait until the returned file is unlinked.

        :param after: how many rows each answers before it waits.
        """
        gate = self.folder / "hold"
        gate.write_text(str(after))
        return gate

    def runs(self) -> list[Path]:
        """Every run directory."""
        return sorted(self.work_dir.iterdir()) if self.work_dir.exists() else []

    @staticmethod
    def jobs(run_dir: Path, kind: str = "") -> list[str]:
        """Names of the jobs' folders."""
        return [name for name in LocalFiles(run_dir).list("jobs") if f"-{kind}" in name]

    @staticmethod
    def predictions(run_dir: Path, model: str = "tiny") -> dict[str, bytes]:
        """Name to bytes of every prediction file of a model."""
        files = LocalFiles(run_dir)
        folder = Path(layout.prediction(model, "part")).parent.as_posix()
        names = [name for name in files.list(folder) if not name.endswith(".manifest.json")]
        return {name: files.read(f"{folder}/{name}") for name in names}


def make_world(
    folder: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str = sys.executable
) -> Iterator[SmallWorld]:
    """A world in ``folder``, with environment variables that lead every part of the program there.

    :param interpreter: Python that runs the jobs.
    """
    for name, path in {
        "OPENCOMPASS_OPS_HOME": folder,
        "OPENCOMPASS_OPS_CONFIG_DIR": folder / "configs",
        "OPENCOMPASS_OPS_DATABASE": f"sqlite:///{folder / 'results.db'}",
        "XDG_CACHE_HOME": folder / "cache",
    }.items():
        monkeypatch.setenv(name, str(path))
    world = SmallWorld(folder)
    stand_in = folder / "python"
    stand_in.write_text(STAND_IN.format(python=interpreter, folder=str(folder)))
    stand_in.chmod(0o755)
    world.cluster()
    world.rows()
    world.checkpoint("tiny")
    yield world
    (folder / "hold").unlink(missing_ok=True)
