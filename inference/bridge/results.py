"""An eval shard that OpenCompass scores: in a folder of its own, from predictions that manifests vouch for.

OpenCompass prefers a whole prediction file to its parts however old it is, reads parts until a number is missing, and
takes a result that exists for the score. Its own folder holds one merged prediction file and nothing older.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from inference.bridge import judged
from inference.bridge.parameters import eval_parameters
from inference.bridge.process import (
    EVAL_TASK,
    OpenCompassFailed,
    count_processes,
    opencompass_version,
    run_task,
    task_environment,
)
from inference.bridge.workplace import open_workplace
from inference.heartbeat import Progress
from inference.journal import to_bytes
from inference.manifests import of_result
from inference.native import code_runner
from inference.parts import check_tiling, load_predictions
from inference.problems import InputProblem
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import COMPARISONS, DUMP_DETAILS, RUN_CODE, UNSANDBOXED, ShardSpec


def evaluate(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress) -> None:
    """Let OpenCompass score all parts of one model x dataset.

    Writes its result as it stands, one line per item beside it where it says what became of each, what else the
    evaluator left (a judge's verdicts), and last the manifest.

    :raises MissingParts: a part's predictions are not there or not the planned ones.
    :raises InputProblem: the parts do not cover the dataset, or this interpreter has no OpenCompass.
    :raises OpenCompassFailed: its task failed, or ended well without a score.
    """
    _refuse_unasked(spec)
    if COMPARISONS in spec.options:
        judged.evaluate(files, spec, token, progress)
        return
    version = opencompass_version()
    progress.total = spec.parts[0].total
    parts = sorted(spec.parts, key=lambda part: part.start)
    check_tiling(parts)
    entries = load_predictions(files, spec.model_abbr, parts).entries
    folder = layout.workplace(spec.id)
    merged = {str(number): entry for number, entry in enumerate(entries)}
    dataset = spec.parts[0].dataset_abbr
    text = to_bytes(json.dumps(merged, ensure_ascii=False))
    files.write(f"{folder}/{layout.prediction(spec.model_abbr, dataset)}", text)
    made = files.path(f"{folder}/{layout.result(spec.model_abbr, dataset)}")
    made.unlink(missing_ok=True)
    parameters = open_workplace(files, spec, eval_parameters(spec, str(files.path(folder))))
    processes = count_processes({}, int(spec.options.get("num_gpus", 0)), 1)
    progress.phase = "running"
    run_task(EVAL_TASK, parameters, task_environment(spec.data_dir), processes, lambda said: None)
    progress.phase = "writing"
    _publish(files, spec, token, made, version)
    progress.done = progress.total


def _refuse_unasked(spec: ShardSpec) -> None:
    """Refuse to let OpenCompass run programs that the model wrote where nobody asked for that.

    :raises InputProblem: its evaluator would.
    """
    name = code_runner(spec.parts[0].dataset)
    if name and spec.options.get(RUN_CODE) != UNSANDBOXED:
        raise InputProblem(
            f"OpenCompass's {name} runs programs that the model wrote in no sandbox, and nobody asked for that; say "
            "run_code=unsandboxed (--run-code unsandboxed)"
        )


def _publish(files: LocalFiles, spec: ShardSpec, token: str, made: Path, version: str) -> None:
    dataset = spec.parts[0].dataset_abbr
    result, body = _checked(made)
    samples = _samples(result.pop("details", None), spec.parts[0].total)
    if not spec.options.get(DUMP_DETAILS, True):
        body = to_bytes(json.dumps(result, indent=4, ensure_ascii=False))
    path, samples_path = layout.result(spec.model_abbr, dataset), layout.samples(spec.model_abbr, dataset)
    files.path(samples_path).unlink(missing_ok=True)
    if samples:
        files.write(samples_path, samples)
    for other in made.parent.iterdir():
        if other != made and other.name.startswith(f"{made.stem}_") and other.suffix == ".json":
            shutil.copyfile(other, files.target(str(Path(path).with_name(other.name))))
    files.write(path, body)
    details = {
        "engine": spec.engine,
        "versions": {"opencompass": version},
        **({"samples_sha256": codec.digest_bytes(samples)} if samples else {}),
    }
    manifest = of_result(spec, token, made.name, body, details)
    files.write(layout.manifest(path), manifest.to_json())


def _checked(made: Path) -> tuple[dict[str, Any], bytes]:
    try:
        body = made.read_bytes()
        result = json.loads(body)
    except FileNotFoundError as error:
        raise OpenCompassFailed(f"OpenCompass's task ended without an error, but wrote no {made.name}") from error
    except ValueError as error:
        raise OpenCompassFailed(f"OpenCompass's result {made.name} is no JSON ({error})") from error
    if not isinstance(result, dict) or not result:
        raise OpenCompassFailed(f"OpenCompass's result {made.name} holds no metric", retryable=False)
    if "error" in result:
        raise OpenCompassFailed(f"OpenCompass's evaluator says: {result['error']}", retryable=False)
    return result, body


def _samples(details: Any, total: int) -> bytes:
    """One line per item in the order of the rows; empty when the result does not say which were correct.

    Details are a list (or a dict by number) of what became of each item, each field a list with one value per run.
    """
    listed = details if isinstance(details, list) else _by_number(details)
    verdicts = [_verdict(entry) for entry in listed]
    if not verdicts or None in verdicts or (len(verdicts) != total and total % len(verdicts)):
        return b""
    lines = []
    for number, (entry, verdict) in enumerate(zip(listed, verdicts, strict=True)):
        sample = {
            "idx": number,
            "row": number,
            "prediction": _one(entry, "pred", "predictions"),
            "reference": _one(entry, "answer", "references"),
            "correct": bool(verdict) if verdict in (0, 1) else None,
            "score": verdict,
        }
        lines.append(json.dumps(sample, default=str) + "\n")
    return "".join(lines).encode()


def _by_number(details: Any) -> list[Any]:
    if not isinstance(details, dict):
        return []
    numbered = {key: entry for key, entry in details.items() if key.isdigit()}
    return [numbered[key] for key in sorted(numbered, key=int)]


def _verdict(entry: Any) -> float | None:
    """The item's mean correctness over the runs; OpenCompass's order of names."""
    for name in ("correct", "is_correct", "cascade_correct"):
        if isinstance(entry, dict) and name in entry:
            values = entry[name] if isinstance(entry[name], list) else [entry[name]]
            if values and all(isinstance(value, (bool, int, float)) for value in values):
                return sum(map(float, values)) / len(values)
    return None


def _one(entry: dict[str, Any], *names: str) -> Any:
    value = next((entry[name] for name in names if name in entry), None)
    return value[0] if isinstance(value, list) and len(value) == 1 else value
