"""Evaluations of small series, written into a real database as the scorer and the ingest would."""

from __future__ import annotations

import json
import random
from pathlib import Path

from opencompass_ops.contract import layout
from opencompass_ops.contract.records import Manifest
from opencompass_ops.results.rows import PairRows, RunRow, SampleRow, ScoreRow
from opencompass_ops.results.store import Store
from opencompass_ops.series.ledger import Ledger

N = 1000


class Lab:
    """Evaluations of one dataset, written as the scorer and the ingest would."""

    def __init__(self, root: Path):
        self.root, self.url = root, f"sqlite:///{root}/results.db"
        self.store = Store.open(self.url)

    def run(
        self,
        step,
        correct,
        *,
        dataset="sum",
        series="tiny",
        model=None,
        weights=None,
        health=None,
        samples=True,
        metric="accuracy",
    ):
        """An evaluation in a run of its own; returns the run directory.

        :param correct: of each item, whether it was right.
        :param weights: identity of the checkpoint's; by default each model's own.
        """
        model = model or f"{series}-step-{step}"
        weights = weights or f"w-{model}"
        folder = self.root / f"run-{model}-{dataset}-{weights}"
        path = folder / layout.result(model, dataset)
        path.parent.mkdir(parents=True)
        value = 100 * sum(correct) / len(correct)
        details = {str(at): {"prompt": f"{'example ' * 40}question {at}"} for at in range(len(correct))}
        path.write_text(json.dumps({metric: value, "details": details}))
        lines = [{"idx": at, "prediction": f"{model} says {at}", "reference": "gold"} for at in range(len(correct))]
        path.with_suffix(".samples.jsonl").write_text("\n".join(map(json.dumps, lines)))
        found = {"health": {"items": len(correct), **(health or {})}}
        manifest = Manifest("f", "s", model, dataset, "", "t", 0, 1, 1, 1, "f", "p", details=found)
        path.with_name(f"{dataset}.manifest.json").write_text(manifest.to_json())
        fingerprint = f"evaluation-{weights}-{dataset}"
        minute, second = divmod(len(list(self.root.iterdir())), 60)
        when = f"2026-11-21T12:{minute:02d}:{second:02d}+00:00"
        row = ScoreRow(
            str(folder), model, dataset, metric, value, 1.5, len(correct), "41174c", "gen", step, fingerprint,
            weights, str(path), when, series,
        )  # fmt: skip
        scored = [SampleRow(fingerprint, at, "", bool(one), float(one)) for at, one in enumerate(correct)]
        run = RunRow(str(folder), "20261121_120000", "c", "c", "all", "complete", 1, 1, "", when)
        self.store.record_run(run, [PairRows(model, dataset, (), (row,), tuple(scored) if samples else ())])
        return str(folder)

    def register(self, *weights, series="tiny", step=100):
        """Give these weights the next versions of a series, as the looks for checkpoints do."""
        with Ledger.open(self.url) as ledger, ledger.exclusive(series) as book:
            for one in weights:
                book.begin(digest=one, fingerprint="f", suite="nightly@1", name=f"step-{step}", step=step)


def right(share, lost=0.0, gained=0.0, n=N, seed=1):
    """Items with this share right, of which some are lost and some of the others gained."""
    rng = random.Random(seed)
    base = [at < share * n for at in range(n)]
    return [(one and rng.random() >= lost) or (not one and rng.random() < gained) for one in base]
