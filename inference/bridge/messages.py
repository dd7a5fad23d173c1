"""What OpenCompass itself would ask: its infer task under ``dump_only_message_path``, without weights or secrets."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.bridge.parameters import FROM_ENVIRONMENT, infer_parameters
from inference.bridge.process import INFER_TASK, OpenCompassFailed, opencompass_version, run_task, task_environment
from inference.bridge.workplace import open_workplace
from inference.problems import InputProblem
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import ShardSpec


def rendered(spec: ShardSpec) -> list[tuple[str, str]]:
    """For each part its lines, and why there are none.

    OpenCompass stops at the first dataset that it cannot ask; those after it share its problem.

    :param spec: its model's folders absolute.
    """
    with tempfile.TemporaryDirectory() as folder:
        problem = ""
        try:
            _run(spec, folder)
        except (InputProblem, OpenCompassFailed) as error:
            problem = str(error)
        written = [_read(Path(folder, "messages", "model", f"part{number}.jsonl")) for number in range(len(spec.parts))]
    return [
        (lines, "") if lines.count("\n") == part.count else ("", problem or "OpenCompass left too few messages")
        for part, lines in zip(spec.parts, written, strict=True)
    ]


def _run(spec: ShardSpec, folder: str) -> None:
    plain = _plain_names(replace(spec, model={**_without_weights(spec), "abbr": "model"}))
    opencompass_version()
    text = infer_parameters(plain, plain.parts, folder)
    text += f"dump_only_message_path = {str(Path(folder, 'messages'))!r}\n"
    parameters = open_workplace(LocalFiles(folder), plain, text)
    run_task(INFER_TASK, parameters, task_environment(spec.data_dir), 0, lambda said: None)


def _plain_names(spec: ShardSpec) -> ShardSpec:
    """The parts under names of which OpenCompass cuts nothing: it takes a number at the end for a part's."""
    names = [f"part{number}" for number in range(len(spec.parts))]
    parts = [
        replace(part, dataset=_without_secrets({**part.dataset, "abbr": name}), index=None)
        for part, name in zip(spec.parts, names, strict=True)
    ]
    rows = {name: spec.options["rows"][part.dataset_abbr] for part, name in zip(spec.parts, names, strict=True)}
    return replace(spec, parts=tuple(parts), options={"rows": rows})


def _without_weights(spec: ShardSpec) -> dict[str, Any]:
    """The model as OpenCompass opens it to render only.

    :raises InputProblem: its class would load the weights.
    """
    model = dict(_without_secrets(spec.model))
    if "HuggingFace" in str(model.get("type")):
        return {**model, "tokenizer_only": True}
    if spec.weights_id and not spec.weights_id.startswith("named:"):
        raise InputProblem(
            f"OpenCompass loads the weights of {model.get('type')} before it writes messages; name the checkpoint "
            "with HuggingFaceBaseModel or HuggingFacewithChatTemplate for that"
        )
    return model


def _without_secrets(value: Any) -> Any:
    """Nobody is asked, so nobody need be let in; and where messages are written, secrets may not be."""
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    is_secret = isinstance(value, str) and (value == "ENV" or FROM_ENVIRONMENT.fullmatch(value))
    return "none" if is_secret else value


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
