"""Answers that exist already: found by fingerprint, checked against their manifests, linked into the run."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
from opencompass_ops.planning.judging import against
from opencompass_ops.planning.plan import KnownPart, PlanOutput
from opencompass_ops.results.store import Store
from opencompass_ops.unsigned import (
    is_unsigned,
    make_result,
    sign_part,
    sign_result,
    unsigned_judgements,
    unsigned_parts,
    unsigned_result,
)

_BELIEVED = (
    "taken by name from the reused folder, where nothing says which weights and prompts they answer (OpenCompass wrote "
    "them): "
)

Names = tuple[str, str]
"""Abbr of a model and of a dataset."""


@dataclass(frozen=True)
class Known:
    """Answers that exist and are what their manifests say.

    :param predictions: pair fingerprint -> parts, those of the run directory first.
    :param results: evaluation fingerprint -> path of the result file.
    :param believed: (model, dataset) -> parts that no manifest vouches for, of pairs of which none else are known.
    :param believed_results: (model, dataset) -> path of a result of that kind.
    :param believed_judgements: (model, dataset) -> run-relative paths of what judges left there, if nothing else scores
        the pair.
    """

    predictions: dict[str, tuple[KnownPart, ...]]
    results: dict[str, str]
    believed: dict[Names, tuple[KnownPart, ...]] = field(default_factory=dict)
    believed_results: dict[Names, str] = field(default_factory=dict)
    believed_judgements: dict[Names, tuple[str, ...]] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know of answers that are only believed."""
        named = sorted(
            "/".join(names) for names in {**self.believed, **self.believed_results, **self.believed_judgements}
        )
        return (_BELIEVED + ", ".join(named),) if named else ()


def look_up(
    config: EvalConfig, report: ProbeReport, store: Store, run_dir: Path | None, *, believe_results: bool = False
) -> Known:
    """What is known of every model x dataset that the probe could answer.

    :param run_dir: an older run whose folder is used again; looked at before the database. What OpenCompass left there
        is taken by name where nothing with a manifest answers the pair.
    :param believe_results: whether its results are taken too, and not made again from its predictions.
    """
    models = {model["abbr"]: model for model in config.models}
    datasets = {dataset["abbr"]: dataset for dataset in config.datasets}
    probed = {probe.abbr: probe for probe in report.models}
    rows = {probe.abbr: probe.selected for probe in report.datasets}
    pairs: dict[Names, str] = {}
    scorers: dict[Names, str] = {}
    evaluations: dict[Names, str] = {}
    for request in report.requests:
        model, dataset = models[request.model], datasets[request.dataset]
        engine, scorer = engine_identity(request.bridge, report), scorer_identity(request, report)
        pair = pair_fingerprint(model, probed[request.model], dataset, request.digest, engine)
        pairs[request.model, request.dataset] = pair
        scorers[request.model, request.dataset] = scorer
    for names, pair in pairs.items():
        model, dataset = models[names[0]], datasets[names[1]]
        compared = against(dataset, names[0], pairs)
        evaluations[names] = evaluation_fingerprint(pair, dataset, model, scorers[names], compared)
    known = Known(
        _predictions(set(pairs.values()), store, run_dir), _results(set(evaluations.values()), store, run_dir)
    )
    if run_dir is None:
        return known
    parts = {
        names: tuple(unsigned_parts(run_dir, *names, rows[names[1]], pair))
        for names, pair in pairs.items()
        if pair not in known.predictions
    }
    unscored = [names for names, key in evaluations.items() if believe_results and key not in known.results]
    judged = {names: unsigned_judgements(run_dir, names[0], datasets[names[1]]) for names in unscored}
    found = {names: unsigned_result(run_dir, *names) for names in unscored if not judged[names]}
    return replace(
        known,
        believed={names: taken for names, taken in parts.items() if taken},
        believed_results={names: path for names, path in found.items() if path},
        believed_judgements={names: paths for names, paths in judged.items() if paths},
    )


def adopt(files: LocalFiles, output: PlanOutput) -> None:
    """Link reused files under this run's names and write their manifests.

    Sources may lie in this very run directory under other names, so all are linked aside before any is replaced.
    """
    moves = [
        _Move(
            Path(each.source),
            layout.prediction(each.model, each.part.name),
            each.model,
            each.part.dataset_abbr,
            sign_part(each) if is_unsigned(each.source) else _manifest_of(each.source),
        )
        for each in output.adoptions
    ] + [
        _Move(
            Path(each.source),
            layout.result(each.model, each.dataset),
            each.model,
            each.dataset,
            sign_result(each) if is_unsigned(each.source) else _manifest_of(each.source),
        )
        for each in output.result_adoptions
        if not each.judged
    ]
    staged = [(move, _stage(files, move)) for move in moves]
    for move, asides in staged:
        for target, aside in asides.items():
            aside.replace(files.path(target))
            aside.unlink(missing_ok=True)  # POSIX: a rename onto a link to the same file leaves both names
        renamed = replace(move.manifest, file=Path(move.target).name, model=move.model, dataset=move.dataset)
        files.write(layout.manifest(move.target), renamed.to_json())
    for each in output.result_adoptions:
        if each.judged:
            make_result(files, each)


@dataclass(frozen=True)
class _Move:
    source: Path
    target: str
    model: str
    dataset: str
    manifest: Manifest


def _manifest_of(source: str) -> Manifest:
    return Manifest.from_json(Path(layout.manifest(source)).read_bytes())


def _stage(files: LocalFiles, move: _Move) -> dict[str, Path]:
    """Link the file, and the samples beside a result, next to their targets."""
    wanted = {move.target: move.source}
    samples = move.source.with_name(Path(layout.samples("m", move.source.stem)).name)
    if move.target == layout.result(move.model, move.dataset) and samples.exists():
        wanted[layout.samples(move.model, move.dataset)] = samples
    asides = {target: files.target(target).with_name(f".{uuid.uuid4().hex}") for target in wanted}
    for target, source in wanted.items():
        _hard_link(source, asides[target])
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
        for manifest in sorted((run_dir / folder).rglob("*.manifest.json")):
            yield manifest.with_name(manifest.name.replace(".manifest.json", ".json"))


def _checked(path: Path) -> Manifest | None:
    try:
        manifest = Manifest.from_json(Path(layout.manifest(str(path))).read_bytes())
        return manifest if codec.digest_bytes(path.read_bytes()) == manifest.sha256 else None
    except (OSError, codec.SchemaError):
        return None
