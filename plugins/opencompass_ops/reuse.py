"""Answers that exist already: found by fingerprint, checked against their manifests, linked into the run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.probe import ProbeReport
from opencompass_ops.contract.records import Manifest
from opencompass_ops.planning.fingerprint import pair_fingerprint
from opencompass_ops.planning.plan import KnownPart, PlanOutput


def pair_fingerprints(
    models: Sequence[dict[str, Any]], datasets: Sequence[dict[str, Any]], report: ProbeReport
) -> list[str]:
    """The pair fingerprint of every model x dataset that the probe could answer."""
    by_model = {model["abbr"]: model for model in models}
    by_dataset = {dataset["abbr"]: dataset for dataset in datasets}
    probed = {probe.abbr: probe for probe in report.models}
    return [
        pair_fingerprint(by_model[request.model], probed[request.model], by_dataset[request.dataset], request.digest)
        for request in report.requests
    ]


def known_predictions(fingerprints: Iterable[str], database_url: str, run_dir: Path | None) -> dict[str, Any]:
    """Checked prediction files: pair fingerprint -> its parts, those of the run directory first."""
    from opencompass_ops.results.store import Store

    wanted = set(fingerprints)
    indexed = Store.open(database_url).find_predictions(sorted(wanted))
    candidates = [*_manifested(run_dir, "predictions"), *(Path(row.path) for rows in indexed.values() for row in rows)]
    known: dict[str, dict[str, KnownPart]] = {}
    for path in candidates:
        manifest = _checked(path)
        if manifest is not None and manifest.pair_fingerprint in wanted:
            part = KnownPart(manifest.start, manifest.stop, manifest.total, manifest.fingerprint, str(path))
            known.setdefault(manifest.pair_fingerprint, {}).setdefault(manifest.fingerprint, part)
    return {pair: tuple(parts.values()) for pair, parts in known.items()}


def known_results(database_url: str, run_dir: Path | None, fingerprints: Iterable[str]) -> dict[str, str]:
    """Checked result files: evaluation fingerprint -> path."""
    from opencompass_ops.results.store import Store

    wanted = set(fingerprints)
    indexed = Store.open(database_url).find_results(sorted(wanted))
    known: dict[str, str] = {}
    for path in [*_manifested(run_dir, "results"), *map(Path, indexed.values())]:
        manifest = _checked(path)
        if manifest is not None and manifest.fingerprint in wanted:
            known.setdefault(manifest.fingerprint, str(path))
    return known


def adopt(files: LocalFiles, output: PlanOutput) -> None:
    """Link reused files under this run's names and write their manifests; a file that is in place stays."""
    for adoption in output.adoptions:
        target = layout.prediction(adoption.model, adoption.part.name)
        _link(files, Path(adoption.source), target, adoption.model, adoption.part.dataset_abbr)
    for result in output.result_adoptions:
        target = layout.result(result.model, result.dataset)
        _link(files, Path(result.source), target, result.model, result.dataset)
        source = Path(result.source).with_suffix(".samples.jsonl")
        if source.exists():
            _hard_link(source, files.path(layout.samples(result.model, result.dataset)))


def _link(files: LocalFiles, source: Path, target: str, model: str, dataset: str) -> None:
    manifest = Manifest.from_json(Path(layout.manifest(str(source))).read_bytes())
    _hard_link(source, files.path(target))
    renamed = replace(manifest, file=Path(target).name, model=model, dataset=dataset)
    files.write(layout.manifest(target), renamed.to_json())


def _hard_link(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


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
