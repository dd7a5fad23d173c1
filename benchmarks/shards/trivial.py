"""A shard whose job costs next to nothing, yet leaves all the evidence that a real one leaves."""

from __future__ import annotations

import io
import json
import os
import shlex
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path

from opencompass_ops.clusters.code import pack

GATE_VARIABLE = "TRIVIAL_GATE"
SECONDS_VARIABLE = "TRIVIAL_SECONDS"

# Stands for the jobs' interpreter. A shell waits, because it is smaller than a Python: while the gate is a pipe that
# nobody has opened for writing, or for so many seconds. The rest is nice, for elsewhere jobs have hosts of their own.
INTERPRETER = """#!/bin/sh
[ ! -p "${{TRIVIAL_GATE:-}}" ] || read -r _ < "$TRIVIAL_GATE"
[ -z "${{TRIVIAL_SECONDS:-}}" ] || sleep "$TRIVIAL_SECONDS"
exec nice -n 19 {python} {job} "$@"
"""

# The real program but for the model: every row is answered with its reference.
JOB = """import sys
from types import SimpleNamespace
import inference.infer
from inference import journal
from inference.__main__ import main
from inference.build import build_requests
from inference.datasets import load_rows
from inference.journal import Answer

def work(files, spec, parts, progress, finish):
    for part in parts:
        rows = load_rows(part.dataset, spec.data_dir)
        asked = build_requests(spec.model, part.dataset, rows, part.total, part.start, part.stop)
        with journal.Journal(files, spec.model_abbr, part) as book:
            book.append(Answer(number, {"origin_prompt": request.prompt, "prediction": request.gold,
                                        "gold": request.gold}) for number, request in enumerate(asked))
        progress.done += part.count
        finish(part)

inference.infer.import_work = lambda: SimpleNamespace(work=work)
sys.exit(main(sys.argv[3:]))
"""

CONFIG = """models = [dict(type='HuggingFaceBaseModel', abbr='trivial', path={model!r}, max_out_len=4,
                run_cfg=dict(num_gpus=0))]
datasets = [dict(
    type='JsonlDataset', abbr='sums', path={data!r},
    reader_cfg=dict(input_columns=['question'], output_column='answer'),
    infer_cfg=dict(
        prompt_template=dict(type='PromptTemplate', template='{{question}}'),
        retriever=dict(type='ZeroRetriever'), inferencer=dict(type='GenInferencer')),
    eval_cfg=dict(evaluator=dict(type='AccEvaluator')))]
"""

ROW_COST = 20
"""What the Size partitioner takes one generated answer for: a partition of this size is one row."""


@dataclass(frozen=True)
class Trivial:
    """Its files in a folder that control side and jobs share.

    :param folder: jobs may read it.
    :param configs: where evaluation configs go.
    """

    folder: Path
    configs: Path

    @property
    def interpreter(self) -> Path:
        """What the cluster config names as python."""
        return self.folder / "trivial"

    @property
    def gate(self) -> Path:
        """Jobs that are told of it wait while it is there."""
        return self.folder / "gate"

    @property
    def code(self) -> Path:
        """The packages that jobs import, for ways that send none."""
        return self.folder / "code"

    def write(self, python: Path) -> None:
        """Write interpreter, code and a checkpoint of which only the identity matters.

        :param python: an interpreter that jobs can run.
        """
        job = self.folder / "trivial.py"
        job.write_text(JOB)
        self.interpreter.write_text(INTERPRETER.format(python=shlex.quote(str(python)), job=shlex.quote(str(job))))
        self.interpreter.chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(pack().archive)) as archive:
            archive.extractall(self.code, filter="data")
        model = self.folder / "model"
        model.mkdir()
        for name in ("config.json", "tokenizer.json"):
            (model / name).write_text("{}")
        header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)

    def config(self, name: str, rows: int) -> Path:
        """Write an evaluation of ``rows`` rows that nobody has answered before; returns the config's path."""
        data = self.folder / "data" / name
        data.mkdir(parents=True)
        lines = "".join(json.dumps({"question": f"{name} {n}+1=", "answer": str(n + 1)}) + "\n" for n in range(rows))
        for split in ("train", "test"):
            (data / f"{split}.jsonl").write_text(lines)
        path = self.configs / f"eval_{name}.py"
        path.write_text(CONFIG.format(model=str(self.folder / "model"), data=str(data)))
        return path

    def shut(self) -> None:
        """From now on jobs wait at the gate."""
        os.mkfifo(self.gate)
        self.gate.chmod(0o666)

    def open(self) -> None:
        """Let all jobs go on, those that come later too."""
        # Who opens a pipe to read sleeps until somebody opens it to write, and reads the end once that one has closed.
        writer = os.open(self.gate, os.O_RDWR)
        self.gate.unlink()
        os.close(writer)
