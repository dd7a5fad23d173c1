"""``--dump-only-message-path``: what each model would be asked, in files as OpenCompass writes them; nothing runs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.layout import safe_abbr
from opencompass_ops.contract.spec import INFER, NATIVE, OPENCOMPASS, ShardSpec
from opencompass_ops.errors import InputError
from opencompass_ops.instance import absolute
from opencompass_ops.prepare import prepare, seen_here
from opencompass_ops.probing import ask

_WRITES = "GenInferencer"
"""The one inferencer of OpenCompass that writes messages."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Rendered:
    """Of a model and a dataset.

    :param problem: why there are no lines; "" when there are.
    """

    model: str
    dataset: str
    lines: str
    problem: str


def write_messages(folder: Path, params: dict[str, Any], *, say: Say) -> int:
    """Plan as a run would, and write ``MODEL/DATASET.jsonl`` below a folder; nothing is started or recorded.

    :param params: the request; of reused answers nothing is believed, so every pair is written.
    :returns: the exit code: 1 where a pair that is to be generated has no messages, or no pair has any.
    :raises InputError: the request cannot be planned, or plans nothing to ask.
    """
    if params.get("mode") in ("eval", "viz"):
        raise InputError(f"mode={params['mode']} asks no model, so there are no messages; use mode all or infer")
    with tempfile.TemporaryDirectory() as nothing:  # a database in which nothing is answered yet
        url = f"sqlite:///{nothing}/none.db"
        prepared = prepare(params | {"dry_run": True, "reuse": None}, database_url=url, say=say)
    for warning in prepared.plan.warnings:
        say(f"warning: {warning}")
    cluster = ClusterConfig.from_values(str(prepared.plan.cluster["name"]), prepared.plan.cluster)
    specs = [spec for spec in prepared.specs if spec.kind == INFER]
    for line in _without_messages(specs):
        say(line)
    found = _merged(answer for engine in (NATIVE, OPENCOMPASS) for answer in _asked(specs, engine, cluster))
    for pair in found:
        say(_written(LocalFiles(folder.absolute()), pair))
    return 0 if found and not any(pair.problem for pair in found) else 1


def _inferencer(dataset: dict[str, Any]) -> str:
    return str(dataset["infer_cfg"]["inferencer"]["type"]).rpartition(".")[2]


def _without_messages(specs: Sequence[ShardSpec]) -> list[str]:
    kinds = {part.dataset_abbr: _inferencer(part.dataset) for spec in specs for part in spec.parts}
    return [
        f"{name} has no messages: it is {'ranked' if 'PPL' in kind else 'asked'} by {kind}, and OpenCompass writes "
        f"those of {_WRITES} only"
        for name, kind in sorted(kinds.items())
        if kind != _WRITES
    ]


def _asked(specs: Sequence[ShardSpec], engine: str, cluster: ClusterConfig) -> list[dict[str, Any]]:
    """What an engine says of its parts, where the data lie."""
    generated = [
        replace(spec, parts=tuple(part for part in spec.parts if _inferencer(part.dataset) == _WRITES))
        for spec in specs
        if spec.engine == engine
    ]
    texts = [_seen(spec, cluster).to_json() for spec in generated if spec.parts]
    if not texts:
        return []
    place = cluster.for_probe(engine)
    is_ours = place.kind == "local" or engine == OPENCOMPASS  # as for the probe
    here = place if is_ours else ClusterConfig(place.name, env=place.env)
    answers: list[dict[str, Any]] = json.loads(ask("messages", json.dumps(texts).encode(), place, here))
    return answers


def _seen(spec: ShardSpec, cluster: ClusterConfig) -> ShardSpec:
    """The spec with paths as the place that renders sees them; a plan has those of the cluster."""
    if cluster.probe_on == "login":
        return spec
    datasets = seen_here([part.dataset for part in spec.parts], cluster)
    return replace(
        spec,
        model=seen_here([spec.model], cluster)[0],
        parts=tuple(replace(part, dataset=seen) for part, seen in zip(spec.parts, datasets, strict=True)),
        data_dir=str(absolute(cluster.data_dir)),
    )


def _merged(answers: Iterable[dict[str, Any]]) -> list[Rendered]:
    """The parts of each pair one after the other."""
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for answer in sorted(answers, key=lambda each: (each["model"], each["dataset"], each["start"])):
        pairs.setdefault((answer["model"], answer["dataset"]), []).append(answer)
    return [
        Rendered(
            *names,
            "".join(part["lines"] for part in parts),
            next((part["problem"] for part in parts if part["problem"]), ""),
        )
        for names, parts in pairs.items()
    ]


def _written(files: LocalFiles, pair: Rendered) -> str:
    """Write a pair's file, and say so."""
    if pair.problem:
        return f"no messages of {pair.model}/{pair.dataset}: {pair.problem}"
    path = f"{safe_abbr(pair.model)}/{safe_abbr(pair.dataset)}.jsonl"
    files.write(path, pair.lines)
    return f"{files.path(path)}: {pair.lines.count(chr(10))} messages"
