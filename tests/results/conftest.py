"""Small run directories as the engine leaves them, written through the contract."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedDataset, PlannedModel, PlannedPair, PlannedShard
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import EVAL, INFER, Part, ShardSpec
from opencompass_ops.results.store import Store

STAMP = "20261121_120000"
CREATED = "2026-11-21T12:30:00+00:00"


class RunFolder:
    """A run of ``models`` x ``datasets`` whose pairs have two parts each.

    :param tag: makes fingerprints of one run differ from another's.
    """

    def __init__(
        self, root, models=("tiny-step-000000", "tiny-step-000500"), datasets=("sum", "facts"), rows=8, tag=""
    ):
        self.files = LocalFiles(root)
        self.rows, self.tag = rows, tag
        pairs = [(model, dataset) for model in models for dataset in datasets]
        self.plan = Plan(
            stamp=STAMP,
            run_dir=str(root),
            instance="abc123",
            mode="all",
            config="eval_tiny",
            config_fingerprint="c",
            params={},
            cluster={},
            max_num_workers=2,
            retry=1,
            models=tuple(planned_model(abbr) for abbr in models),
            datasets=tuple(PlannedDataset(abbr, "41174c", "gen", rows) for abbr in datasets),
            pairs=tuple(self._pair(*pair) for pair in pairs),
            shards=tuple(self._shard(INFER, *pair) for pair in pairs),
            evaluations=tuple(self._shard(EVAL, *pair) for pair in pairs),
        )
        for model, dataset in pairs:
            for kind in (INFER, EVAL):
                spec = ShardSpec(
                    f"{kind}-{model}-{dataset}", kind, {"abbr": model}, self.parts(model, dataset), "sha256:" + model
                )
                self.files.write(layout.shard_spec(spec.id), spec.to_json())

    def parts(self, model, dataset):
        half, pair = self.rows // 2, f"pair-{model}-{dataset}{self.tag}"
        ranges = [(0, half), (half, self.rows)]
        return tuple(
            Part({"abbr": dataset}, i, start, stop, self.rows, f"{pair}-{start}-{stop}", pair)
            for i, (start, stop) in enumerate(ranges)
        )

    def evaluation(self, model, dataset):
        return f"eval-{model}-{dataset}{self.tag}"

    def predict(self, model, dataset, indices=(0, 1)):
        for index in indices:
            part = self.parts(model, dataset)[index]
            body = json.dumps({str(i): {"prediction": "x"} for i in range(part.count)})
            self._write(layout.prediction(model, part.name), body, model, part)

    def score(self, model, dataset, right=6, result=None, samples=True):
        """Score the pair with ``right`` of its rows correct."""
        part = replace(self.parts(model, dataset)[0], start=0, stop=self.rows)
        result = {"accuracy": 100 * right / self.rows, "details": []} if result is None else result
        path = layout.result(model, dataset)
        self._write(path, json.dumps(result), model, replace(part, fingerprint=self.evaluation(model, dataset)))
        if samples:
            lines = [json.dumps({"idx": i, "row": str(i), "correct": i < right}) for i in range(self.rows)]
            self.files.write(layout.samples(model, dataset), "\n".join(lines) + "\n")

    def fill(self):
        for at, pair in enumerate(self.plan.pairs):
            self.predict(pair.model, pair.dataset)
            self.score(pair.model, pair.dataset, right=2 + at)
        return self

    def _pair(self, model, dataset):
        parts = self.parts(model, dataset)
        return PlannedPair(
            model=model,
            dataset=dataset,
            rows=self.rows,
            parts=tuple(part.name for part in parts),
            ranges=tuple((part.start, part.stop) for part in parts),
            reused=(),
            shards=(f"infer-{model}-{dataset}",),
            evaluation=f"eval-{model}-{dataset}",
            fingerprint=self.evaluation(model, dataset),
        )

    def _shard(self, kind, model, dataset):
        names = tuple(part.name for part in self.parts(model, dataset))
        return PlannedShard(f"{kind}-{model}-{dataset}", kind, "local", "", model, names, self.rows, 1.0)

    def _write(self, path, body, model, part):
        manifest = Manifest(
            file=path.rpartition("/")[2],
            sha256=codec.digest_bytes(body.encode()),
            model=model,
            dataset=part.dataset_abbr,
            shard="",
            token="t",
            start=part.start,
            stop=part.stop,
            total=part.total,
            count=part.count,
            fingerprint=part.fingerprint,
            pair_fingerprint=part.pair_fingerprint,
            weights_id=f"sha256:{model}",
            created_at=CREATED,
        )
        self.files.write(path, body)
        self.files.write(layout.manifest(path), manifest.to_json())


def planned_model(abbr):
    step = abbr.rpartition("-")[2]
    return PlannedModel(abbr, f"/ckpt/{abbr}", f"sha256:{abbr}", abbr, int(step) if step.isdigit() else None)


@pytest.fixture
def make_run(tmp_path):
    """Make an empty run folder below a fresh directory."""

    def make(name="run", **options):
        return RunFolder(tmp_path / name / STAMP, **options)

    return make


@pytest.fixture
def store(tmp_path):
    """An empty SQLite database."""
    with Store.open(f"sqlite:///{tmp_path}/results.db") as opened:
        yield opened


@pytest.fixture
def url(database_url):
    """An empty database of each kind."""
    return database_url
