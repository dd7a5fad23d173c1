"""Answers that exist already: found by fingerprint, checked against their manifests, linked into the run."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.probe import ProbeReport
from opencompass_ops.contract.records import UNANSWERED, Manifest
from opencompass_ops.planning.fingerprint import (
    engine_identity,
    evaluation_fingerprint,
    pair_fingerprint,
    scorer_identity,
)
from opencompass_ops.planning.plan import KnownPart, PlanOutput
from opencompass_ops.results.store import Store


@dataclass(frozen=True)
class Known:
    """Answers that exist and are what their manifests say.

    :param predictions: pair fingerprint -> parts, those of the run directory first.
    :param results: evaluation fingerprint -> path of the result file.
    """

    predictions: dict[str, tuple[KnownPart, ...]]
    results: dict[str, str]


def look_up(config: EvalConfig, report: ProbeReport, store: Store, run_dir: Path | None) -> Known:
    """What is known of every model x dataset that the probe could answer.

    :param run_dir: an older run whose folder is used again; looked at before the database.
    """
    models = {model["abbr"]: model for model in config.models}
    datasets = {dataset["abbr"]: dataset for dataset in config.datasets}
    probed = {probe.abbr: probe for probe in report.models}
    pairs, evaluations = set(), set()
    for request in report.requests:
        model, dataset = models[request.model], datasets[request.dataset]
        engine, scorer = engine_identity(request.bridge, report), scorer_identity(request, report)
        pair = pair_fingerprint(model, probed[request.model], dataset, request.digest, engine)
        pairs.add(pair)
        evaluations.add(evaluation_fingerprint(pair, dataset, model, scorer))
    return Known(_predictions(pairs, store, run_dir), _results(evaluations, store, run_dir))


def adopt(files: LocalFiles, output: PlanOutput) -> None:
    """Link reused files under this run's names and write their manifests.

    Sources may lie in this very run directory under other names, so all are linked aside before any is replaced.
    """
    moves = [_Move(Path(each.source), layout.prediction(each.model, each.part.name), each.model, each.part.dataset_abbr)
             for each in output.adoptions]  # fmt: skip
    moves += [_Move(Path(each.source), layout.result(each.model, each.dataset), each.model, each.dataset)
              for each in output.result_adoptions]  # fmt: skip
    staged = [(move, _stage(files, move)) for move in moves]
    for move, asides in staged:
        for target, aside in asides.items():
            aside.replace(files.path(target))
            aside.unlink(missing_ok=True)  # POSIX: a rename onto a link to the same file leaves both names
        renamed = replace(move.manifest, file=Path(move.target).name, model=move.model, dataset=move.dataset)
        files.write(layout.manifest(move.target), renamed.to_json())


@dataclass(frozen=True)
class _Move:
    source: Path
    target: str
    model: str
    dataset: str

    @cached_property
    def manifest(self) -> Manifest:
        return Manifest.from_json(Path(layout.manifest(str(self.source))).read_bytes())


def _stage(files: LocalFiles, move: _Move) -> dict[str, Path]:
    """Link the file, and the samples beside a result, next to their targets; also reads the manifest in time."""
    wanted = {move.target: move.source}
    samples = move.source.with_name(Path(layout.samples("m", move.source.stem)).name)
    if move.target == layout.result(move.model, move.dataset) and samples.exists():
        wanted[layout.samples(move.model, move.dataset)] = samples
    asides = {target: files.target(target).with_name(f".{uuid.uuid4().hex}") for target in wanted}
    for target, source in wanted.items():
        _hard_link(source, asides[target])
    _ = move.manifest
    return asides


def _hard_link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _predictions(wanted: set[str], store: Store, run_dir: Path | None) -> dict[str, tuple[KnownPart, ...]]:
    indexed = store.find_predictions(sorted(wanted))
    candidates = [*_manifested(run_dir, "predictions"), *(Path(row.path) for rows in indexed.values() for row in rows)]
    known: dict[str, dict[str, KnownPart]] = {}
    for path in candidates:
        manifest = _checked(path)
        if manifest is not None and manifest.pair_fingerprint in wanted:
            part = KnownPart(manifest.start, manifest.stop, manifest.total, manifest.fingerprint, str(path))
            known.setdefault(manifest.pair_fingerprint, {}).setdefault(manifest.fingerprint, part)
    return {pair: tuple(parts.values()) for pair, parts in known.items()}


def _results(wanted: set[str], store: Store, run_dir: Path | None) -> dict[str, str]:
    indexed = store.find_results(sorted(wanted))
    known: dict[str, str] = {}
    for path in [*_manifested(run_dir, "results"), *map(Path, indexed.values())]:
        manifest = _checked(path)
        if manifest is not None and manifest.fingerprint in wanted and not manifest.details.get(UNANSWERED):
            known.setdefault(manifest.fingerprint, str(path))
    return known


def _manifested(run_dir: Path | None, folder: str) -> Iterator[Path]:
    if run_dir is not None:
        for manifest in sorted((run_dir / folder).glob("*/*.manifest.json")):
            yield manifest.with_name(manifest.name.replace(".manifest.json", ".json"))


def _checked(path: Path) -> Manifest | None:
    try:
        manifest = Manifest.from_json(Path(layout.manifest(str(path))).read_bytes())
        return manifest if codec.digest_bytes(path.read_bytes()) == manifest.sha256 else None
    except (OSError, codec.SchemaError):
        return None
