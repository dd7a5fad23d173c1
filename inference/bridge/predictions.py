"""An infer shard that OpenCompass answers: its prediction files, checked and given manifests.

OpenCompass takes a prediction file that exists for an answer, whatever it answers, and continues a ``tmp_*.jsonl``
whatever it holds. So files of another request are set aside before it starts, what a kill cut off is removed, and what
it leaves counts only when every item is there.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.bridge.parameters import infer_parameters
from inference.bridge.process import (
    INFER_TASK,
    OpenCompassFailed,
    count_processes,
    opencompass_version,
    run_task,
    task_environment,
)
from inference.bridge.stopwatch import Stopwatch, device_name
from inference.bridge.workplace import open_workplace
from inference.heartbeat import Progress
from inference.identity import refuse_changed_weights
from inference.infer import unanswered
from inference.journal import to_bytes
from inference.manifests import of_part
from inference.timing import Timing
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import Part, ShardSpec

READY = (
    "Starting inference process",
    "Calculating PPL",
    "Calculating Loglikelihood",
    "Calculating conditional log probability",
)
"""What OpenCompass's inferencers say once the model is loaded and the prompts are made: first those that generate."""


def infer(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress) -> None:
    """Let OpenCompass answer every part of the shard that has no good prediction file.

    :param token: of the job, for the manifests.
    :raises InputProblem: the weights changed, or this interpreter has no OpenCompass.
    :raises OpenCompassFailed: its task failed, or ended well without a part's predictions.
    """
    version = opencompass_version()
    progress.total = sum(part.count for part in spec.parts)
    wanted = unanswered(files, spec)
    for part in wanted:
        _claim(files, spec, part)
    wanted = [part for part in wanted if _finish(files, spec, part, token, version)]
    answered = progress.done = progress.total - sum(part.count for part in wanted)
    print(f"{len(wanted)} of {len(spec.parts)} parts to answer by OpenCompass {version}", flush=True)
    if not wanted:
        return
    refuse_changed_weights(spec)
    progress.phase = "loading"

    run_cfg = spec.model.get("run_cfg") or {}
    num_gpus, num_procs = int(run_cfg.get("num_gpus") or 0), int(run_cfg.get("num_procs") or 1)
    lacking = {part.name: part.count - _count(files, spec, part) for part in wanted}
    stopwatch = Stopwatch(
        lacking, lambda name: files.exists(layout.prediction(spec.model_abbr, name)), device_name(num_gpus)
    )

    def watch(said: str) -> None:
        loaded = any(words in said for words in READY)
        stopwatch.look(loaded=loaded)
        progress.done = answered + sum(_count(files, spec, part) for part in wanted)
        if loaded or progress.done > answered:
            progress.phase = "running"

    parameters = open_workplace(files, spec, infer_parameters(spec, wanted, str(files.root)))
    processes = count_processes(spec.model, num_gpus, num_procs)
    problems: list[str] = []
    try:
        run_task(INFER_TASK, parameters, task_environment(spec.data_dir), processes, watch)
    finally:
        progress.phase = "writing"
        timings = stopwatch.timings
        problems += filter(
            None, (_finish(files, spec, part, token, version, timings.get(part.name)) for part in wanted)
        )
    if problems:
        raise OpenCompassFailed(f"OpenCompass's task ended without an error, but {'; '.join(problems)}")


def _claim(files: LocalFiles, spec: ShardSpec, part: Part) -> None:
    """Leave only files that answer this request under the part's names, and say so."""
    prediction = files.path(layout.prediction(spec.model_abbr, part.name))
    journal = files.path(layout.journal(spec.model_abbr, part.name))
    owner = layout.owner(spec.model_abbr, part.name)
    is_ours = files.exists(owner) and files.read(owner).decode() == part.fingerprint
    if is_ours:
        _repair(journal, in_order="Parallel" not in str(part.dataset["infer_cfg"]["inferencer"].get("type")))
        if prediction.exists() and _read(files, spec, part)[1]:
            prediction.unlink()  # cut off while it was written; its journal stands until it is whole
        return
    for path in (prediction, journal, journal.with_suffix(".json")):
        if path.exists():
            path.replace(path.with_name(path.name + ".bak"))
            print(f"{path.name} answers another request; set aside as {path.name}.bak", flush=True)
    files.path(layout.manifest(layout.prediction(spec.model_abbr, part.name))).unlink(missing_ok=True)
    files.write(owner, part.fingerprint)


def _repair(journal: Path, in_order: bool) -> None:
    """Keep the lines that OpenCompass can continue from.

    It gives a file with one broken line up as a whole, and goes on at item N of a file with N lines whichever they are.
    """
    if not journal.exists():
        return
    kept: list[bytes] = []
    for line in journal.read_bytes().split(b"\n")[:-1]:
        item = _item(line)
        if item is None or (in_order and item != len(kept)):
            break
        kept.append(line)
    journal.write_bytes(b"".join(line + b"\n" for line in kept))


def _item(line: bytes) -> int | None:
    try:
        return int(json.loads(line)["idx"])
    except (ValueError, KeyError, TypeError):
        return None


def _count(files: LocalFiles, spec: ShardSpec, part: Part) -> int:
    """Items of the part that OpenCompass has finished."""
    if files.exists(layout.prediction(spec.model_abbr, part.name)):
        return part.count
    try:
        return min(files.read(layout.journal(spec.model_abbr, part.name)).count(b"\n"), part.count)
    except FileNotFoundError:
        return 0


def _read(files: LocalFiles, spec: ShardSpec, part: Part) -> tuple[dict[str, Any], str]:
    """The part's entries by number, and why they are not its answers; "" when they are."""
    path = layout.prediction(spec.model_abbr, part.name)
    try:
        found = json.loads(files.read(path))
    except FileNotFoundError:
        return {}, f"{path} is missing"
    except ValueError as error:
        return {}, f"{path} is no JSON ({error})"
    if not isinstance(found, dict) or found.keys() != {str(number) for number in range(part.count)}:
        return {}, f"{path} does not hold the {part.count} items of rows {part.start}..{part.stop}"
    broken = next((key for key, entry in found.items() if not isinstance(entry, dict) or entry.keys() == {"error"}), "")
    return found, f"{path} has no answer to item {broken}" if broken else ""


def _finish(
    files: LocalFiles, spec: ShardSpec, part: Part, token: str, version: str, timing: Timing | None = None
) -> str:
    """Give a complete prediction file its manifest and clear what belongs to it; returns why it is not complete."""
    found, problem = _read(files, spec, part)
    if problem:
        return problem
    path = layout.prediction(spec.model_abbr, part.name)
    if list(found) != [str(number) for number in range(part.count)]:
        ordered = {str(number): found[str(number)] for number in range(part.count)}
        files.write(path, to_bytes(json.dumps(ordered, indent=4, ensure_ascii=False)))
    details: dict[str, Any] = {"engine": spec.engine, "versions": {"opencompass": version}}
    if timing is not None:
        details["timing"] = asdict(timing)
    manifest = of_part(spec, part, token, files.read(path), details)
    files.write(layout.manifest(path), manifest.to_json())
    journal = files.path(layout.journal(spec.model_abbr, part.name))
    for leftover in (journal, journal.with_suffix(".json"), files.path(layout.owner(spec.model_abbr, part.name))):
        leftover.unlink(missing_ok=True)
    return ""
