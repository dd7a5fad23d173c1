"""Output folders as OpenCompass writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opencompass_ops.configs.names import prompt_hash
from summary_cases import infer_cfg

STAMP = "20240131_120000"


class OutputFolder:
    """One run of OpenCompass's.

    :param models: abbr -> further settings.
    :param datasets: abbrs.
    """

    def __init__(self, path: Path, models: Mapping[str, dict[str, Any]], datasets: list[str]) -> None:
        self.path = path
        self.models, self.datasets = models, datasets
        (path / "configs").mkdir(parents=True)
        self.config(f"{STAMP}_77")

    def config(self, name: str, **more: Any) -> Path:
        """Dump the config of a launch."""
        models = [
            {"type": "opencompass.models.HuggingFaceBaseModel", "abbr": abbr, **settings}
            for abbr, settings in self.models.items()
        ]
        values = {"models": models, "datasets": [self.dataset(abbr) for abbr in self.datasets], **more}
        file = self.path / "configs" / f"{name}.py"
        file.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
        return file

    def dataset(self, abbr: str) -> dict[str, Any]:
        """A dataset whose prompt is its name."""
        kind = "opencompass.openicl.icl_inferencer.GenInferencer"
        return {
            "type": "opencompass.datasets.D",
            "abbr": abbr,
            "infer_cfg": infer_cfg({"inferencer": kind, "prompt": abbr}),
        }

    def version(self, abbr: str) -> str:
        """The version column of a dataset."""
        return prompt_hash(self.dataset(abbr))[:6]

    def result(self, model: str, dataset: str, body: Any) -> Path:
        """Write a result; text is written as it is."""
        return self._write("results", model, dataset, body)

    def prediction(self, model: str, part: str, rows: int) -> Path:
        """Write a prediction file of so many rows."""
        return self._write("predictions", model, part, {str(n): {"prediction": "x"} for n in range(rows)})

    def touch(self, file: Path) -> None:
        """Let a file look newer."""
        state = file.stat()
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))

    def _write(self, kind: str, model: str, name: str, body: Any) -> Path:
        file = self.path / kind / model / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body if isinstance(body, str) else json.dumps(body, indent=4, ensure_ascii=False))
        return file


def graded(*correct: Any) -> dict[str, Any]:
    """A result with an accuracy and its samples."""
    details = {str(n): {"pred": "a", "answer": "b", "correct": mark} for n, mark in enumerate(correct)}
    return {"accuracy": 100 * sum(map(bool, correct)) / len(correct), "details": details}
