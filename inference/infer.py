"""An infer shard: what is missing is answered, journaled, and written in OpenCompass's format."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from inference import journal
from inference.heartbeat import Progress
from inference.identity import refuse_changed_weights
from inference.manifests import of_part
from inference.startup import import_work
from inference.timing import Timing
from opencompass_ops.contract import layout
from opencompass_ops.contract.evidence import part_problem
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import Part, ShardSpec

Launch = Callable[[Sequence[Part]], None]
"""Journals the parts' missing items with several processes; returns when all have ended well."""


def infer(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress, launch: Launch | None = None) -> None:
    """Answer every part of the shard that has no good prediction file.

    :param token: of the job, for the manifests.
    :param launch: starts the worker processes, None to work in this process.
    :raises InputProblem: weights, model or data are not what they must be.
    """
    progress.total = sum(part.count for part in spec.parts)
    wanted = unanswered(files, spec)
    progress.done = progress.total - sum(part.count for part in wanted)
    print(f"{len(wanted)} of {len(spec.parts)} parts to answer", flush=True)
    if not wanted:
        return
    refuse_changed_weights(spec)
    for part in wanted:
        journal.repair(files, spec.model_abbr, part)

    def write(part: Part) -> None:
        write_part(files, spec, part, token, progress.timings.get(part.name))

    if launch is None:
        progress.phase = "loading"
        import_work().work(files, spec, wanted, progress, write)
        return
    try:
        launch(wanted)
    finally:
        progress.phase = "writing"
        for part in wanted:
            if is_answered(files, spec, part):
                write(part)


def unanswered(files: LocalFiles, spec: ShardSpec) -> list[Part]:
    """The shard's parts without a good prediction file."""
    return [part for part in spec.parts if part_problem(files, spec.model_abbr, part)]


def is_answered(files: LocalFiles, spec: ShardSpec, part: Part) -> bool:
    """Whether the journals hold every item of the part."""
    return len(journal.read(files, spec.model_abbr, part)) == part.count


def write_part(files: LocalFiles, spec: ShardSpec, part: Part, token: str, timing: Timing | None = None) -> None:
    """Write the prediction file, then its manifest, and only then delete the journals.

    :param timing: what the part took of this job, None when nobody measured it.
    :raises RuntimeError: the journals lack items, which no path here allows.
    """
    answers = journal.read(files, spec.model_abbr, part)
    if len(answers) != part.count:
        raise RuntimeError(f"{part.name}: {len(answers)} of {part.count} items are journaled; run the shard again")
    truncated = [item for item in range(part.count) if answers[item].truncated]
    entries = {str(item): answers[item].entry for item in range(part.count)}
    body = journal.to_bytes(json.dumps(entries, indent=4, ensure_ascii=False))
    path = layout.prediction(spec.model_abbr, part.name)
    details: dict[str, Any] = {
        "truncated": len(truncated),
        **({"truncated_items": truncated} if truncated else {}),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
    }
    if timing is not None:
        details["timing"] = asdict(timing)
    files.write(path, body)
    files.write(layout.manifest(path), of_part(spec, part, token, body, details).to_json())
    journal.remove(files, spec.model_abbr, part)
