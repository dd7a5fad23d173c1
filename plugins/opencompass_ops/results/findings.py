"""What a run directory really holds for each planned pair, judged by manifests; everything else reads this."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.files import Files
from opencompass_ops.contract.plan import Plan, PlannedPair
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import EVAL, Part, ShardSpec

_HEALTH = {
    "empty_predictions": "got an empty prediction",
    "empty_answers": "have nothing left to score after post-processing",
    "truncated": "had their prompt cut to the model's length",
}
"""Counts of a result's manifest, as the scorer names them, in words."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a samples file.

    :param score: the line's ``score``, else 1 or 0 from ``correct``; None when it has neither.
    """

    idx: int
    row: str
    correct: bool | None
    score: float | None


@dataclass(frozen=True)
class PartFinding:
    """A planned prediction file.

    :param problem: why it cannot be used, "" when it can.
    :param manifest: what stands beside it; None when there is no readable one.
    """

    name: str
    start: int
    stop: int
    reused: bool
    path: str
    problem: str
    manifest: Manifest | None


@dataclass(frozen=True)
class ResultFinding:
    """The metrics of a pair.

    :param problem: why there is no score, "" when there is one.
    :param metrics: OpenCompass's result without ``details``; empty when the file cannot be used.
    :param samples: empty when the writer left none.
    :param samples_problem: why the samples file cannot be used; the score stands without error bar.
    """

    path: str
    problem: str
    metrics: dict[str, Any]
    manifest: Manifest | None = None
    samples: tuple[Sample, ...] = ()
    samples_problem: str = ""


@dataclass(frozen=True)
class PairFinding:
    """Model x dataset as its files tell it."""

    pair: PlannedPair
    parts: tuple[PartFinding, ...]
    result: ResultFinding


def examine(files: Files, plan: Plan) -> tuple[PairFinding, ...]:
    """Look at every planned pair; a damaged file is a finding, never an error.

    :param files: the run's storage.
    :param plan: the run's plan.
    """
    fingerprints = _planned_fingerprints(files, plan)
    return tuple(_examine_pair(files, pair, fingerprints) for pair in plan.pairs)


def notes_on(finding: PairFinding) -> list[str]:
    """What makes the pair's score doubtful: samples that cannot be read, silence, prompts that were cut."""
    result, pair = finding.result, finding.pair
    notes = [result.samples_problem] if result.samples_problem else []
    counts = _doubtful(result.manifest)
    if counts:
        notes.append(f"{pair.model}/{pair.dataset}: of {pair.rows} items, {', '.join(counts)}")
    return notes


def _doubtful(manifest: Manifest | None) -> list[str]:
    health = manifest.details.get("health") if manifest else None
    if not isinstance(health, dict):
        return []
    return [f"{health[key]} {text}" for key, text in _HEALTH.items() if health.get(key)]


def _examine_pair(files: Files, pair: PlannedPair, fingerprints: dict[tuple[str, str], str]) -> PairFinding:
    parts = []
    for name, (start, stop) in zip(pair.parts, pair.ranges, strict=True):
        wanted = fingerprints.get((pair.model, name))
        parts.append(_examine_part(files, pair, name, (start, stop), wanted))
    return PairFinding(pair, tuple(parts), _examine_result(files, pair))


def _examine_part(files: Files, pair: PlannedPair, name: str, rows: tuple[int, int], wanted: str | None) -> PartFinding:
    path = layout.prediction(pair.model, name)
    manifest = _manifest(files, path)
    reused = name in pair.reused
    if wanted is None and reused and manifest is not None:
        # No shard names a reused part. Its manifest agreed with the plan when the file was linked.
        wanted = manifest.fingerprint
    part = Part({"abbr": pair.dataset}, _index(pair, name), *rows, pair.rows, wanted or "", "")
    problem = evidence.part_problem(files, pair.model, part)
    if wanted is None and files.exists(path):
        problem = f"no shard of the plan says what {path} should answer"
    return PartFinding(name, *rows, reused, path, problem, manifest)


def _index(pair: PlannedPair, name: str) -> int | None:
    return None if name == pair.dataset else int(name.rpartition("_")[2])


def _examine_result(files: Files, pair: PlannedPair) -> ResultFinding:
    path = layout.result(pair.model, pair.dataset)
    whole = Part({"abbr": pair.dataset}, None, 0, pair.rows, pair.rows, "", "")
    spec = ShardSpec("", EVAL, {"abbr": pair.model}, (whole,), evaluation_fingerprint=pair.fingerprint)
    problem = evidence.result_problem(files, spec)
    if problem:
        return ResultFinding(path, problem, {})
    try:
        metrics = parse_result(files.read(path))
    except ValueError as error:
        return ResultFinding(path, f"{path}: {error}", {})
    manifest = _manifest(files, path)
    samples, samples_problem = _samples(files, pair, manifest)
    if "error" in metrics:
        problem = f"{path}: the evaluator says {metrics['error']}"
    return ResultFinding(path, problem, metrics, manifest, samples, samples_problem)


def parse_result(content: bytes | str) -> dict[str, Any]:
    """OpenCompass's result JSON without ``details``.

    :raises ValueError: the text is not a JSON object.
    """
    body = json.loads(content)
    if not isinstance(body, dict):
        raise ValueError(f"a result is a JSON object, not {type(body).__name__}; score the pair again")
    return {key: value for key, value in body.items() if key != "details"}


def _samples(files: Files, pair: PlannedPair, manifest: Manifest | None) -> tuple[tuple[Sample, ...], str]:
    path = layout.samples(pair.model, pair.dataset)
    if not files.exists(path):
        return (), ""
    content = files.read(path)
    wanted = manifest.details.get("samples_sha256") if manifest else None
    if wanted and codec.digest_bytes(content) != wanted:
        return (), f"{path} is not the file its result was made with; scores stand without error bars"
    try:
        return tuple(_sample(json.loads(line)) for line in content.decode().split("\n") if line.strip()), ""
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return (), f"{path} cannot be read ({error}); scores stand without error bars"


def _sample(body: dict[str, Any]) -> Sample:
    correct = body.get("correct")
    score = body.get("score", correct)
    return Sample(
        idx=int(body["idx"]),
        row=str(body.get("row", "")),
        correct=None if correct is None else bool(correct),
        score=None if score is None else float(score),
    )


def _manifest(files: Files, path: str) -> Manifest | None:
    try:
        return Manifest.from_json(files.read(layout.manifest(path)))
    except (FileNotFoundError, codec.SchemaError):
        return None


def _planned_fingerprints(files: Files, plan: Plan) -> dict[tuple[str, str], str]:
    planned: dict[tuple[str, str], str] = {}
    for shard in (*plan.shards, *plan.evaluations):
        try:
            spec = ShardSpec.from_json(files.read(layout.shard_spec(shard.id)))
        except (FileNotFoundError, codec.SchemaError):
            continue
        for part in spec.parts:
            planned[spec.model_abbr, part.name] = part.fingerprint
    return planned
