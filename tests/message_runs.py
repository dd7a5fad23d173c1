"""Run directories as runs leave them, written by hand: plan, verdicts, coverage, gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedPair, PlannedShard

INSTANCE = "abc"


def write_run(folder: Path, shards: int = 2, params: Mapping[str, Any] | None = None) -> LocalFiles:
    """A run of one model on one dataset in so many shards, of which none has begun."""
    files = LocalFiles(folder)
    names = [f"sums_{number}" for number in range(shards)]
    infer = [_shard(f"infer-{number:04}", "infer", f"m/{name}", name) for number, name in enumerate(names)]
    plan = Plan(
        stamp="20260102_030405",
        run_dir=str(folder),
        instance=INSTANCE,
        mode="all",
        config="/configs/eval_tiny.py",
        config_fingerprint="",
        params=dict(params or {}),
        cluster={},
        max_num_workers=4,
        retry=0,
        models=(),
        datasets=(),
        pairs=(PlannedPair("m", "sums", 8, tuple(names), (), (), tuple(s.id for s in infer), "eval-0000", "f"),),
        shards=tuple(infer),
        evaluations=(_shard("eval-0000", "eval", "m/sums", "sums"),),
    )
    files.write(layout.PLAN, plan.to_json())
    return files


def end(files: LocalFiles, shard: str, reason: str = "", epoch: int = 1) -> None:
    """Conclude a shard's job: well, or for a reason."""
    token = attempts.token(INSTANCE, str(files.root), shard, epoch)
    files.target(layout.history(token))
    state = JobState.FAILED if reason else JobState.SUCCEEDED
    attempts.conclude(files, Outcome(token, epoch, state, reason.format(token=token)))


def cover(files: LocalFiles, reason: str = "") -> None:
    """Write the coverage and, of a whole run, the result."""
    pair = {"model": "m", "dataset": "sums", "scored": not reason, "reason": reason}
    files.write(layout.COVERAGE, json.dumps({"pairs": [pair]}))
    files.write(layout.summary("20260102_030405", "txt"), "table")
    if not reason:
        manifest = {"schema_version": 1, **dict.fromkeys(("file", "sha256", "model", "dataset", "shard", "token"), "")}
        manifest |= dict.fromkeys(("start", "stop", "total", "count"), 0) | {"fingerprint": "", "pair_fingerprint": ""}
        manifest["details"] = {"metrics": {"accuracy": 56.25}}
        files.write(layout.manifest(layout.result("m", "sums")), json.dumps(manifest))


def gate(files: LocalFiles, outcome: str) -> None:
    """Write a gate's record of one dataset."""
    dataset = {
        "model": "m", "dataset": "sums", "outcome": outcome, "value": 50.0, "reference_value": 56.25,
        "reference": "step-1000", "p_value": 0.001, "adjusted": 0.003, "flipped": [1, 2],
    }  # fmt: skip
    files.write(layout.GATE, json.dumps({"outcome": outcome, "datasets": [dataset], "alpha": 0.05}))


def _shard(shard: str, kind: str, label: str, part: str) -> PlannedShard:
    return PlannedShard(shard, kind, "local", label, "m", (part,), 4, 1.0)
