"""Whether a checkpoint is complete: from what was listed and looked into, never by trying.

Every reason is told, not the first one only: a person who asks why nothing is evaluated sees all that is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opencompass_ops.contract.checkpoints import (
    WEIGHT_SUFFIXES,
    Inside,
    SeenCheckpoint,
    SeenFile,
    is_tokenizer,
    is_weights,
    summed_files,
)

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)(?P<suffix>\.\w+)")
_MINUTE_MS = 60_000
_MOST_NAMED = 3


@dataclass(frozen=True)
class Rules:
    """What a series demands of a checkpoint beside whole weights.

    :param settle_minutes: no file may have changed for so long.
    :param marker: name of a file that the trainer writes last, "" for none.
    :param checksums: name of a manifest of sha256 sums, as ``sha256sum`` writes it or as a JSON object; "" for none.
    :param tokenizer: whether tokenizer files must be there.
    :param spread_minutes: weights that are so much older than their index or the marker are of an earlier save.
    """

    settle_minutes: float = 2.0
    marker: str = ""
    checksums: str = ""
    tokenizer: bool = True
    spread_minutes: float = 120.0


def not_ready(seen: SeenCheckpoint, inside: Inside, rules: Rules, *, quiet_ms: int) -> tuple[str, ...]:
    """Why a checkpoint must not be evaluated yet; nothing when it is complete.

    :param inside: of the same files.
    :param quiet_ms: how long nothing in it has changed, in milliseconds.
    """
    files = {file.name: file for file in seen.files}
    weights = [file for name, file in files.items() if is_weights(name)]
    return (
        *(f"{name} is being uploaded" for name in seen.uploads),
        *_config(inside),
        *([] if weights else [f"holds no weights (*{', *'.join(WEIGHT_SUFFIXES)})"]),
        *(problem for file in weights for problem in _whole(file, inside)),
        *_shard_names(files),
        *(problem for name in sorted(inside.texts) if _is_index(name) for problem in _index(name, files, inside)),
        *_times(files, weights, rules),
        *([] if not rules.tokenizer or any(map(is_tokenizer, files)) else ["holds no tokenizer"]),
        *([] if not rules.marker or rules.marker in files else [f"marker {rules.marker} is missing"]),
        *_sums(files, inside, rules),
        *_settled(quiet_ms, rules),
    )


def newest_change_ms(seen: SeenCheckpoint) -> int:
    """When anything in it was last changed; milliseconds since 1970, 0 when it is empty."""
    return max((file.changed_ms for file in seen.files), default=0)


def _config(inside: Inside) -> Iterator[str]:
    if "config.json" not in inside.texts:
        yield "config.json is missing"
    elif _object(inside.texts["config.json"]) is None:
        yield "config.json is no JSON object"


def _whole(file: SeenFile, inside: Inside) -> Iterator[str]:
    """One file of weights by its own word."""
    if file.size == 0:
        yield f"{file.name} is empty"
    elif file.name.endswith(".safetensors") and file.name not in inside.promised:
        yield f"{file.name} changed while it was looked at"
    elif file.name in inside.promised:
        promised = inside.promised[file.name]
        if promised is None:
            yield f"{file.name} has no readable header or end; it is cut off or damaged"
        elif promised != file.size:
            yield f"{file.name} has {file.size} bytes, and its header promises {promised}"


def _shard_names(files: dict[str, SeenFile]) -> Iterator[str]:
    """``model-00002-of-00005.safetensors`` says that there are five, and that an index says what lies where."""
    sets: dict[tuple[str, int, str], set[int]] = {}
    for name in files:
        shard = _SHARD.fullmatch(name)
        if shard and is_weights(name):
            key = shard["stem"], int(shard["count"]), shard["suffix"]
            sets.setdefault(key, set()).add(int(shard["number"]))
    for (stem, count, suffix), numbers in sorted(sets.items()):
        missing = count - len(numbers & set(range(1, count + 1)))
        if missing:
            yield f"{missing} of {count} shards {stem}-*{suffix} are missing"
        if f"{stem}{suffix}.index.json" not in files:
            yield f"{stem}{suffix}.index.json is missing"


def _index(name: str, files: dict[str, SeenFile], inside: Inside) -> Iterator[str]:
    """Index and shards name the same tensors."""
    table = (_object(inside.texts[name]) or {}).get("weight_map")
    if not isinstance(table, dict):
        yield f"{name} has no readable weight_map"
        return
    places: dict[str, set[str]] = {}
    for tensor, file in table.items():
        places.setdefault(str(file), set()).add(tensor)
    missing = sorted(set(places) - set(files))
    if missing:
        yield f"{name} names {_some(missing)}, not there"
    for file in sorted(places.keys() & inside.tensors.keys()):
        lacking = sorted(places[file] - set(inside.tensors[file]))
        if lacking:
            yield f"{name} is of another save than {file}: that lacks {_some(lacking)}"


def _times(files: dict[str, SeenFile], weights: list[SeenFile], rules: Rules) -> Iterator[str]:
    """Who writes in place writes the index or the marker anew while older weights still lie beside it."""
    leaders = [file for name, file in files.items() if _is_index(name) or name == rules.marker]
    spread_ms = rules.spread_minutes * _MINUTE_MS
    for leader in leaders:
        old = [file.name for file in weights if leader.modified_ms - file.modified_ms > spread_ms]
        if old:
            yield f"{leader.name} is more than {rules.spread_minutes:g} min newer than {_some(old)}"
    for file in weights:
        if rules.marker in files and file.modified_ms - files[rules.marker].modified_ms > spread_ms:
            yield f"{file.name} is more than {rules.spread_minutes:g} min newer than marker {rules.marker}"


def _sums(files: dict[str, SeenFile], inside: Inside, rules: Rules) -> Iterator[str]:
    if not rules.checksums:
        return
    if rules.checksums not in files:
        yield f"checksum manifest {rules.checksums} is missing"
        return
    wanted = summed_files(inside.texts.get(rules.checksums))
    if not wanted:
        yield f"checksum manifest {rules.checksums} names no file"
    unnamed = sorted(name for name in files if is_weights(name) and name not in wanted)
    if wanted and unnamed:
        yield f"checksum manifest {rules.checksums} does not name {_some(unnamed)}"
    for name, digest in sorted(wanted.items()):
        if "/" in name:
            continue  # below a folder of its own: no part of the model
        if name not in files:
            yield f"{name} of {rules.checksums} is missing"
        elif inside.digests.get(name) != digest:
            yield f"{name} is not what {rules.checksums} says"


def _settled(quiet_ms: int, rules: Rules) -> Iterator[str]:
    if quiet_ms < rules.settle_minutes * _MINUTE_MS:
        yield f"changed {max(0, quiet_ms) / 1000:.0f} s ago; it must be quiet for {rules.settle_minutes:g} min"


def _is_index(name: str) -> bool:
    return name.endswith(".index.json")


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
