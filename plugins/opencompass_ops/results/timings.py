"""What jobs of a run took, by their manifests and exit records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from opencompass_ops.contract import codec, evidence
from opencompass_ops.contract.files import Files
from opencompass_ops.contract.plan import Plan, PlannedShard
from opencompass_ops.contract.records import Manifest
from opencompass_ops.results.findings import PairFinding
from opencompass_ops.results.rows import TimingRow


def timings_of(files: Files, plan: Plan, findings: Sequence[PairFinding]) -> list[TimingRow]:
    """What each part took that this run answered, and what each of their jobs took besides.

    A job says what it took besides only where nothing is left out: it ended well, was never restarted, and every part
    that it wrote was timed.

    :param files: the run directory.
    """
    written = _by_token(findings)
    rows = []
    for token, manifests in written.items():
        timed = [row for manifest in manifests if (row := _part(plan, manifest))]
        rows += timed
        if timed and len(timed) == len(manifests):
            rows += _load(files, token, timed)
    return rows


def _by_token(findings: Sequence[PairFinding]) -> dict[str, list[Manifest]]:
    """Manifests of the parts that jobs of this run wrote, by job."""
    found: dict[str, list[Manifest]] = {}
    for finding in findings:
        for part in finding.parts:
            if part.manifest is not None and not part.problem and not part.reused:
                found.setdefault(part.manifest.token, []).append(part.manifest)
    return found


def _part(plan: Plan, manifest: Manifest) -> TimingRow | None:
    timing = manifest.details.get("timing")
    shard = next((shard for shard in plan.shards if shard.id == manifest.shard), None)
    if shard is None or not isinstance(timing, Mapping):
        return None
    model = next((model for model in plan.models if model.abbr == manifest.model), None)
    dataset = next((dataset for dataset in plan.datasets if dataset.abbr == manifest.dataset), None)
    if model is None or dataset is None:
        return None
    return _row(shard, manifest, timing, model.weights_bytes, dataset.row_cost)


def _row(
    shard: PlannedShard, manifest: Manifest, timing: Mapping[str, Any], weights: int, row_cost: int
) -> TimingRow | None:
    try:
        seconds, items = float(timing["seconds"]), int(timing["answered"])
    except (KeyError, TypeError, ValueError):  # written by another version; a timing less does no harm
        return None
    if seconds <= 0 or items <= 0:
        return None
    return TimingRow(
        token=manifest.token,
        part=manifest.file.removesuffix(".json"),
        engine=shard.engine,
        place=shard.place,
        device=str(timing.get("device") or ""),
        gpus=shard.num_gpus,
        weights_bytes=weights,
        dataset=manifest.dataset,
        row_cost=row_cost,
        items=items,
        seconds=seconds,
        created_at=manifest.created_at,
    )


def _load(files: Files, token: str, timed: Sequence[TimingRow]) -> list[TimingRow]:
    try:
        record = evidence.read_exit(files, token)
    except codec.SchemaError:
        return []
    if record is None or record.returncode != 0 or record.restart:
        return []
    try:
        lasted = datetime.fromisoformat(record.finished_at) - datetime.fromisoformat(record.started_at)
    except ValueError:
        return []
    seconds = lasted.total_seconds() - sum(row.seconds for row in timed)
    load = replace(timed[0], part="", dataset="", row_cost=0, items=1, seconds=seconds, created_at=record.finished_at)
    return [load] if seconds > 0 else []
