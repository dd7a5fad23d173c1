"""An eval shard that is judged by models of the config's ``eval`` section (OpenCompass's SubjectiveEvalTask).

Each comparison is shown to each judge by a task of its own, then to the one who judges the judges. What they say lies
where OpenCompass puts it, ``results/MODELS_judged-by--JUDGE/DATASET.json``; the pair's result is made of its numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.bridge.parameters import judge_parameters
from inference.bridge.process import JUDGE_TASK, OpenCompassFailed, opencompass_version, run_task, task_environment
from inference.bridge.workplace import open_workplace
from inference.heartbeat import Progress
from inference.journal import to_bytes
from inference.manifests import of_result
from inference.parts import check_tiling, load_predictions
from inference.problems import InputProblem
from inference.ranges import select
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.judgements import judged_name, result_of
from opencompass_ops.contract.records import JUDGED
from opencompass_ops.contract.spec import BESIDE, COMPARISONS, Part, ShardSpec


@dataclass(frozen=True)
class _Asking:
    """One task: who is asked about whom.

    :param models: abbrs, in OpenCompass's order.
    :param roles: ``judge_model``, or ``meta_judge_model`` and the ``judge_models`` whose words it sees.
    """

    models: tuple[str, ...]
    judge: str
    roles: dict[str, Any]
    is_last: bool

    @property
    def folder(self) -> str:
        """OpenCompass's name for a model that was judged."""
        return judged_name(self.models, self.judge, is_last=self.is_last)


def evaluate(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress) -> None:
    """Let OpenCompass ask all judges about the answers of one model x dataset.

    :raises MissingParts: predictions of a model in a comparison are not there or not the planned ones.
    :raises InputProblem: the dataset's range cannot be judged, or this interpreter has no OpenCompass.
    :raises OpenCompassFailed: a task failed, or ended well without a word of its judge.
    """
    version, part = opencompass_version(), spec.parts[0]
    folder = layout.workplace(spec.id)
    reader = dict(part.dataset.get("reader_cfg") or {})
    _lay_down(files, spec, folder, reader)
    askings = list(_askings(spec))
    progress.total, progress.phase = part.total * len(askings), "running"
    judged: list[str] = []
    said: dict[str, dict[str, Any]] = {}
    for asking in askings:
        said[asking.folder] = _ask(files, spec, asking, folder)
        path = layout.result(asking.folder, part.dataset_abbr)
        files.write(path, to_bytes(json.dumps(said[asking.folder], indent=4, ensure_ascii=False)))
        judged.append(path)
        progress.done += part.total
    progress.phase = "writing"
    body = to_bytes(json.dumps(result_of(said, judged), indent=4, ensure_ascii=False))
    path = layout.result(spec.model_abbr, part.dataset_abbr)
    files.path(layout.samples(spec.model_abbr, part.dataset_abbr)).unlink(missing_ok=True)
    files.write(path, body)
    details = {"engine": spec.engine, "versions": {"opencompass": version}, JUDGED: judged}
    files.write(layout.manifest(path), of_result(spec, token, Path(path).name, body, details).to_json())


def _lay_down(files: LocalFiles, spec: ShardSpec, folder: str, reader: dict[str, Any]) -> None:
    """Write the answers of every model of the run, whole, in OpenCompass's names.

    Where there is a range, the task takes it of the answers too; so they stand at the places of their rows.
    """
    rows = int(spec.options["rows"][spec.parts[0].dataset_abbr])
    said = reader.get("test_range")
    if said and not isinstance(said, str):
        raise InputProblem(f"dataset {spec.parts[0].dataset_abbr}: judges take test_range as a text, not {said!r}")
    places = select(said, rows)
    for model, parts in _parts(spec).items():
        check_tiling(parts)
        whole: list[Any] = [{"prediction": ""}] * rows
        for place, entry in zip(places, load_predictions(files, model, parts).entries, strict=False):
            whole[place] = entry
        body = json.dumps({str(number): entry for number, entry in enumerate(whole)}, ensure_ascii=False)
        files.write(f"{folder}/{layout.prediction(model, spec.parts[0].dataset_abbr)}", to_bytes(body))


def _parts(spec: ShardSpec) -> dict[str, list[Part]]:
    """By model of the run, the parts of its answers in order."""
    first = spec.parts[0]
    found = {spec.model_abbr: sorted(spec.parts, key=lambda part: part.start)}
    for model, beside in spec.options[BESIDE].items():
        if beside["parts"]:
            found[model] = [
                Part(first.dataset, index, start, stop, first.total, fingerprint, "")
                for index, start, stop, fingerprint in beside["parts"]
            ]
    return found


def _askings(spec: ShardSpec) -> Iterator[_Asking]:
    judging = spec.parts[0].dataset["eval_cfg"]["judging"]
    for models in spec.options[COMPARISONS]:
        for judge in judging["judges"]:
            yield _Asking(tuple(models), judge["abbr"], {"judge_model": judge}, False)
        last = judging.get("meta_judge")
        if last:
            roles = {"meta_judge_model": last, "judge_models": judging["judges"]}
            yield _Asking(tuple(models), last["abbr"], roles, True)


def _ask(files: LocalFiles, spec: ShardSpec, asking: _Asking, folder: str) -> dict[str, Any]:
    """What the judge says; kept, so that the next job asks only what this one did not come to."""
    model_cfgs = {spec.model_abbr: spec.model} | {name: one["model"] for name, one in spec.options[BESIDE].items()}
    models = [model_cfgs[name] for name in asking.models]
    dataset, text = judge_parameters(spec, models, asking.roles, str(files.path(folder)))
    made = files.path(f"{folder}/{layout.result(asking.folder, dataset)}")
    done = made.with_suffix(".done")
    if not done.exists():
        # The answers that it grades next stand under the name of the grades; a job may have died between the two.
        made.unlink(missing_ok=True)
        judge = asking.roles.get("meta_judge_model") or asking.roles["judge_model"]
        run_cfg = judge.get("run_cfg") or {}
        processes = int(run_cfg.get("num_procs") or 1) if run_cfg.get("num_gpus") else 0
        parameters = open_workplace(files, spec, text)
        run_task(JUDGE_TASK, parameters, task_environment(spec.data_dir), processes, lambda said: None)
    try:
        said = json.loads(made.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        message = f"OpenCompass's judge {asking.judge} ended without an error, but left no {made.name}"
        raise OpenCompassFailed(message) from error
    if not isinstance(said, dict) or not said or "error" in said:
        raise OpenCompassFailed(f"OpenCompass's judge {asking.judge} says: {str(said)[:500]}", retryable=False)
    done.touch()
    return said
