"""A viz shard: a summarizer that only OpenCompass has makes its tables of what manifests vouch for.

It works on a folder of its own that holds the scores of this run, with the answers that were scored (ArenaHard counts
their tokens), and nothing older; what it writes below ``summary/`` there is copied to the run's.
"""

from __future__ import annotations

import json
import shutil
from itertools import count, takewhile
from pathlib import Path

from inference.bridge.parameters import viz_parameters
from inference.bridge.process import OpenCompassFailed, opencompass_version, run_main, task_environment
from inference.bridge.workplace import open_workplace
from inference.heartbeat import Progress
from inference.manifests import of_result
from opencompass_ops.contract import layout
from opencompass_ops.contract.evidence import score_problem
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.contract.spec import ShardSpec

_RUN = "run"
_SUMMARY = "summary"


def tabulate(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress) -> None:
    """Let OpenCompass's ``-m viz`` write its files into the run's ``summary/``; last the list of them.

    :raises InputProblem: this interpreter has no OpenCompass.
    :raises OpenCompassFailed: the summarizer failed, or wrote nothing.
    """
    version = opencompass_version()
    folder = files.path(layout.workplace(spec.id, _RUN))
    shutil.rmtree(folder, ignore_errors=True)  # of a job before
    parameters = open_workplace(files, spec, viz_parameters(spec))
    pairs = spec.options["pairs"]
    scored = {(model, dataset): _scores(files, model, dataset, fingerprint) for model, dataset, fingerprint in pairs}
    found = [path for paths in scored.values() for path in paths]
    answers = [path for pair, paths in scored.items() if paths for path in _answers(files, *pair)]
    for path in (*found, *answers):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(files.path(path).absolute())
    print(f"{len(found)} results of {len(pairs)} pairs for {spec.parts[0].name} of OpenCompass {version}", flush=True)
    progress.total, progress.phase = len(pairs), "running"
    run_main(parameters, task_environment(spec.data_dir), "-m", "viz", "-r", _RUN, "-w", str(folder.parent))
    progress.phase = "writing"
    written = _take_over(files, folder)
    if not written:
        raise OpenCompassFailed(f"{spec.parts[0].name} ended without an error, but wrote nothing", retryable=False)
    path, body = layout.tables(spec.id), json.dumps(written, indent=1).encode()
    files.write(path, body)
    details = {"engine": spec.engine, "versions": {"opencompass": version}}
    files.write(layout.manifest(path), of_result(spec, token, Path(path).name, body, details).to_json())
    progress.done = progress.total


def _scores(files: LocalFiles, model: str, dataset: str, fingerprint: str) -> list[str]:
    """Paths of what the run knows of a pair: its result, and what judges answered; none when it has no score."""
    path = layout.result(model, dataset)
    if score_problem(files, path, fingerprint):
        return []
    judged = Manifest.from_json(files.read(layout.manifest(path))).details.get(JUDGED, [])
    return [path, *(other for other in judged if files.exists(other))]


def _answers(files: LocalFiles, model: str, dataset: str) -> list[str]:
    """Paths of a pair's prediction file, or of its parts in order; the plan has set aside what is none of them."""
    whole = layout.prediction(model, dataset)
    parts = (layout.prediction(model, f"{dataset}_{number}") for number in count())
    return [whole] if files.exists(whole) else list(takewhile(files.exists, parts))


def _take_over(files: LocalFiles, folder: Path) -> list[str]:
    """Copy what the summarizer wrote; returns the run-relative paths."""
    made = sorted(path for path in (folder / _SUMMARY).rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in made]
    for path, name in zip(made, names, strict=True):
        shutil.copyfile(path, files.target(name))
    return names
