"""Files of a run directory that no manifest vouches for: OpenCompass wrote them, and its ``-r`` takes them by name.

So does ours when somebody names such a folder and their number of rows allows it; the plan says that nothing tells
which weights and prompts they answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.judgements import result_of
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.contract.spec import Part
from opencompass_ops.planning.fingerprint import part_fingerprint
from opencompass_ops.planning.judging import judged_names
from opencompass_ops.planning.plan import Adoption, KnownPart, ResultAdoption

ORIGIN = "taken over by name from a folder of OpenCompass's"
"""What the manifests of such files say of them."""


def unsigned_parts(run_dir: Path, model: str, dataset: str, rows: int, pair: str) -> list[KnownPart]:
    """The whole file, or the parts in order until a number is missing; empty unless they hold all rows.

    :param rows: selected rows of the dataset.
    :param pair: fingerprint that they are taken for.
    """
    parts, start = [], 0
    for file, items in _unsigned(run_dir, model, dataset):
        fingerprint = part_fingerprint(pair, start, start + items)
        parts.append(KnownPart(start, start + items, rows, fingerprint, str(file)))
        start += items
    return parts if start == rows else []


def unsigned_rows(run_dir: Path, model: str, dataset: str) -> int:
    """How many rows the pair's files without manifests hold; 0 where there are none, or one of them is damaged."""
    return sum(items for _, items in _unsigned(run_dir, model, dataset))


def unsigned_result(run_dir: Path, model: str, dataset: str) -> str:
    """Path of the pair's result without manifest; "" when there is none."""
    file = run_dir / layout.result(model, dataset)
    return str(file) if file.exists() and not _manifest_of(file).exists() else ""


def unsigned_judgements(run_dir: Path, model: str, dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Run-relative paths of what judges left of a model's answers, whole or in parts; empty where one judge's lack.

    OpenCompass makes no result of a pair that only its ``eval`` section's judges have seen.

    :param dataset: its config, as :func:`~opencompass_ops.planning.judging.with_section_judges` leaves it.
    """
    abbr = str(dataset["abbr"])
    if _manifest_of(run_dir / layout.result(model, abbr)).exists():
        return ()
    found = [_judged_files(run_dir, name, abbr) for name in judged_names(dataset, model)]
    return tuple(path for paths in found for path in paths) if all(found) else ()


def make_result(files: LocalFiles, adoption: ResultAdoption) -> None:
    """Write the result that judges' words make, and its manifest.

    Numbers of parts are of parts, so where a judge left several there is only told where its words lie.
    """
    bodies = {path: json.loads(files.read(path)) for path in adoption.judged}
    target = layout.result(adoption.model, adoption.dataset)
    whole = {
        path.removeprefix("results/").rpartition("/")[0]: body
        for path, body in bodies.items()
        if Path(path).name == Path(target).name and isinstance(body, dict)
    }
    body = result_of(whole, adoption.judged)
    files.write(target, json.dumps(body, indent=4, ensure_ascii=False))
    manifest = sign_result(replace(adoption, source=str(files.path(target))))
    files.write(
        layout.manifest(target),
        replace(manifest, details={**manifest.details, JUDGED: list(adoption.judged)}).to_json(),
    )


def sign_part(adoption: Adoption) -> Manifest:
    """The manifest of a prediction file that has none."""
    part = adoption.part
    return _manifest(adoption.source, adoption.model, part, part.fingerprint, part.pair_fingerprint)


def sign_result(adoption: ResultAdoption) -> Manifest:
    """The manifest of a result file that has none; of its rows nothing is known."""
    nothing = Part({"abbr": adoption.dataset}, None, 0, 0, 0, "", "")
    return _manifest(adoption.source, adoption.model, nothing, adoption.fingerprint, "")


def is_unsigned(source: str) -> bool:
    """Whether a file to take over has no manifest."""
    return not _manifest_of(Path(source)).exists()


def _judged_files(run_dir: Path, name: str, dataset: str) -> list[str]:
    whole = layout.result(name, dataset)
    parts = (layout.result(name, f"{dataset}_{number}") for number in count())
    found = [whole] if (run_dir / whole).exists() else list(takewhile(lambda path: (run_dir / path).exists(), parts))
    return found if all(_is_table(run_dir / path) for path in found) else []


def _is_table(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except (OSError, ValueError):
        return False


def _unsigned(run_dir: Path, model: str, dataset: str) -> list[tuple[Path, int]]:
    """The pair's files in order and their rows; empty where something speaks for one of them, or one is damaged."""
    whole = (run_dir / layout.prediction(model, dataset)).exists()
    found = []
    for name in [dataset] if whole else _numbered(run_dir, model, dataset):
        file = run_dir / layout.prediction(model, name)
        is_spoken_for = _manifest_of(file).exists() or (run_dir / layout.owner(model, name)).exists()
        items = 0 if is_spoken_for else _items(file)
        if not items:
            return []
        found.append((file, items))
    return found


def _numbered(run_dir: Path, model: str, dataset: str) -> Iterator[str]:
    names = (f"{dataset}_{number}" for number in count())
    return takewhile(lambda name: (run_dir / layout.prediction(model, name)).exists(), names)


def _items(file: Path) -> int:
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return 0
    is_whole = isinstance(body, dict) and body.keys() == {str(number) for number in range(len(body))}
    return len(body) if is_whole else 0


def _manifest_of(file: Path) -> Path:
    return Path(layout.manifest(str(file)))


def _manifest(source: str, model: str, part: Part, fingerprint: str, pair: str) -> Manifest:
    return Manifest(
        file=Path(source).name,
        sha256=codec.digest_bytes(Path(source).read_bytes()),
        model=model,
        dataset=part.dataset_abbr,
        shard="",
        token="",
        start=part.start,
        stop=part.stop,
        total=part.total,
        count=part.count,
        fingerprint=fingerprint,
        pair_fingerprint=pair,
        details={"origin": ORIGIN},
    )
