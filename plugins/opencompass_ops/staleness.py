"""What a run directory that is used again holds of other requests: told in words, and put out of the way.

OpenCompass believes a prediction by its name. Here one that answers another request is not used, and people want to
know why: so each run directory remembers what its fingerprints were made of (``identities.json``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opencompass_ops.configs.names import prompt_hash
from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.probe import ProbeReport
from opencompass_ops.contract.records import Manifest
from opencompass_ops.planning.fingerprint import engine_identity, pair_identity
from opencompass_ops.unsigned import unsigned_rows

Identity = Mapping[str, Any]

STALE = ".stale"
"""Put behind the name of a prediction that answers another request: no tool reads it, and nothing is lost."""

_MANIFEST = ".manifest.json"
_WORDS = {
    "weights": "weights",
    "tokenizer": "tokenizer",
    "prompt": "prompt",
    "dtype": "dtype",
    "engine": "engine",
    "engine_revision": "revision of the engine",
    "config": "settings that OpenCompass's own engine reads",
}


@dataclass(frozen=True)
class Wanted:
    """What this request asks of a model x dataset.

    :param fingerprint: of the pair.
    :param identity: what it is the digest of, and ``prompt`` and ``rows`` to tell changes of requests apart.
    """

    model: str
    dataset: str
    fingerprint: str
    identity: Identity


def wanted_pairs(config: EvalConfig, report: ProbeReport) -> list[Wanted]:
    """What is asked of every model x dataset that the probe could answer."""
    models = {model["abbr"]: model for model in config.models}
    datasets = {dataset["abbr"]: dataset for dataset in config.datasets}
    probed = {probe.abbr: probe for probe in report.models}
    rows = {probe.abbr: probe.selected for probe in report.datasets}
    wanted = []
    for asked in report.requests:
        model, dataset = models[asked.model], datasets[asked.dataset]
        engine = engine_identity(asked.bridge, report)
        identity = pair_identity(model, probed[asked.model], dataset, asked.digest, engine)
        told = {"prompt": prompt_hash(dataset)[:6], "rows": rows.get(asked.dataset)}
        # Whole configs may hold secrets, and this is for telling changes only.
        told |= {"config": codec.digest(identity["config"])} if "config" in identity else {}
        wanted.append(Wanted(asked.model, asked.dataset, codec.digest(identity), identity | told))
    return wanted


def describe_stale(run_dir: Path, wanted: list[Wanted]) -> list[str]:
    """One line for each pair of which the folder holds only answers to another request, and what has changed."""
    found = {(manifest.model, manifest.dataset): manifest for _, manifest in _manifests(run_dir)}
    fingerprints = {(pair.model, pair.dataset): pair.fingerprint for pair in wanted}
    current = {
        (manifest.model, manifest.dataset)
        for _, manifest in _manifests(run_dir)
        if fingerprints.get((manifest.model, manifest.dataset)) == manifest.pair_fingerprint
    }
    known = read_identities(LocalFiles(run_dir))
    lines = []
    for pair in wanted:
        key = (pair.model, pair.dataset)
        manifest = found.get(key)
        if manifest is None:
            lines += _miscounted(run_dir, pair)
            continue
        if key in current:
            continue
        changed = changes(known.get(manifest.pair_fingerprint), pair.identity)
        lines.append(
            f"{pair.model}/{pair.dataset}: what lies in the folder was answered otherwise ({changed}), not used"
        )
    return lines


def _miscounted(run_dir: Path, pair: Wanted) -> list[str]:
    """A line where files of OpenCompass's would be taken by name, were they of as many rows as are asked."""
    found, asked = unsigned_rows(run_dir, pair.model, pair.dataset), pair.identity.get("rows")
    if found in (0, asked):
        return []
    return [
        f"{pair.model}/{pair.dataset}: the predictions in the folder have {found} rows, {asked} are asked; not used"
    ]


def changes(before: Identity | None, now: Identity) -> str:
    """What differs, in words; ``before`` is None where nobody wrote it down."""
    if before is None:
        return "by a run that did not write down what it asked"
    said = [words for key, words in _WORDS.items() if before.get(key) != now.get(key)]
    if before.get("rows") != now.get("rows"):
        said.append(f"range: {before.get('rows')} rows, now {now.get('rows')}")
    elif before.get("requests") != now.get("requests") and "prompt" not in said:
        said.append("data, or the template around the prompts")
    decoding = _differing(before.get("decoding") or {}, now.get("decoding") or {})
    if decoding:
        said.append(f"decoding: {', '.join(decoding)}")
    return "; ".join(said) or "something that has no name"


def read_identities(files: LocalFiles) -> dict[str, Any]:
    """By pair fingerprint, what it was made of."""
    try:
        return dict(json.loads(files.read(layout.IDENTITIES)))
    except (FileNotFoundError, ValueError):
        return {}


def write_identities(files: LocalFiles, wanted: list[Wanted]) -> None:
    """Add those of this request to what the folder knows."""
    known = read_identities(files) | {pair.fingerprint: dict(pair.identity) for pair in wanted}
    files.write(layout.IDENTITIES, json.dumps(known, indent=1, sort_keys=True) + "\n")


def set_aside(files: LocalFiles, plan: Plan) -> list[str]:
    """Rename predictions that are none of the parts of a pair that is inferred; returns their names.

    OpenCompass's tools would read them: a whole file goes before parts, and parts are read until a number is missing.
    """
    parts = {files.path(layout.prediction(pair.model, part)) for pair in plan.pairs for part in pair.parts}
    pairs = {(pair.model, pair.dataset) for pair in plan.pairs if pair.shards}
    moved = []
    for path, manifest in _manifests(files.root):
        whole = files.path(layout.prediction(manifest.model, manifest.dataset))
        is_a_part = path.parent == whole.parent and re.fullmatch(rf"{re.escape(whole.stem)}(_\d+)?", path.stem)
        if (manifest.model, manifest.dataset) in pairs and path not in parts and is_a_part and path.exists():
            path.replace(path.with_name(path.name + STALE))
            Path(layout.manifest(str(path))).unlink()
            moved.append(path.relative_to(files.path("predictions")).with_suffix("").as_posix())
    return moved


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of settings that differ, further down where both are tables."""
    names: list[str] = []
    for key in sorted({*before, *now}):
        one, other = before.get(key), now.get(key)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            names += _differing(one, other)
        else:
            names.append(key)
    return names


def _manifests(run_dir: str | Path) -> Iterator[tuple[Path, Manifest]]:
    """Prediction file and manifest, of those that can be read."""
    for path in sorted(LocalFiles(run_dir).path("predictions").rglob(f"*{_MANIFEST}")):
        try:
            yield path.with_name(path.name.removesuffix(_MANIFEST) + ".json"), Manifest.from_json(path.read_bytes())
        except (OSError, codec.SchemaError):
            continue
