"""Datasets without a type: rows of one's own in ``.jsonl`` or ``.csv`` become a whole dataset config.

Rules and results are OpenCompass 0.5.4's (``make_custom_dataset_config``): what the first row shows, then what
``FILE.meta.json`` says, then what the config says. Columns ``A``, ``B`` ... make multiple choice (``mcq``), others
questions with free answers (``qa``); ``answer`` is the reference.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import string
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.errors import ConfigError

_TEMPLATE = "opencompass.openicl.icl_prompt_template.PromptTemplate"
_RETRIEVER = "opencompass.openicl.icl_retriever.icl_zero_retriever.ZeroRetriever"
_INFERENCERS = {
    "gen": "opencompass.openicl.icl_inferencer.icl_gen_inferencer.GenInferencer",
    "ppl": "opencompass.openicl.icl_inferencer.icl_ppl_inferencer.PPLInferencer",
}
_EVALUATORS = {
    ("mcq", "gen"): "opencompass.datasets.custom.OptionSimAccEvaluator",
    ("mcq", "ppl"): "opencompass.openicl.icl_evaluator.icl_hf_evaluator.AccEvaluator",
    ("qa", "gen"): "opencompass.openicl.icl_evaluator.icl_hf_evaluator.AccEvaluator",
    ("circular-mcq", "gen"): "opencompass.datasets.custom.CircularOptionSimAccEvaluator",
    ("circular-mcq", "ppl"): "opencompass.datasets.circular.CircularEvaluator",
}
_ANSWER = "answer"
_LONGEST_LINE = 1 << 20
"""Bytes that are read of a data file to see its first row."""


def with_custom_datasets(loaded: LoadedConfig, data_dir: Path, *, is_scored: bool = True) -> LoadedConfig:
    """A loaded config whose datasets all have a type.

    :param data_dir: the folder that relative paths start at.
    :param is_scored: whether answers will be scored, which needs a reference.
    :returns: the same with every ``meta.json`` that was read among its files, or with ``error``.
    """
    datasets = loaded.values.get("datasets")
    if loaded.error or not isinstance(datasets, list) or not any(map(is_custom, datasets)):
        return loaded
    files = dict(loaded.files)
    try:
        wanted = [_wanted(entry, data_dir, files) if is_custom(entry) else None for entry in datasets]
        for meta in filter(None, wanted):
            _refuse_gaps(meta, data_dir / meta["path"], is_scored)
        whole = [entry if meta is None else make_dataset(meta) for entry, meta in zip(datasets, wanted, strict=True)]
    except ConfigError as error:
        return replace(loaded, values={}, error=f"{loaded.path}: {error}")
    unseen = [warning for meta in filter(None, wanted) for warning in _unseen(meta)]
    warnings = (*loaded.warnings, *unseen)
    return replace(loaded, values={**loaded.values, "datasets": whole}, files=files, warnings=warnings)


def is_custom(entry: Any) -> bool:
    """Whether a dataset entry only names a file of rows."""
    return isinstance(entry, Mapping) and "type" not in entry and isinstance(entry.get("path"), str)


def _wanted(entry: Mapping[str, Any], data_dir: Path, files: dict[str, str]) -> dict[str, Any]:
    """All that is known of a dataset of one's own, the strongest word last."""
    path = str(entry["path"])
    meta_path = data_dir / str(entry.get("meta_path") or f"{path}.meta.json")
    said = _read_meta(meta_path, files, wanted="meta_path" in entry)
    shown = _shown(path, data_dir / path, {**said, **entry})
    return {**shown, **said, **entry}


def _refuse_gaps(meta: Mapping[str, Any], file: Path, is_scored: bool) -> None:
    """Refuse a file without what its kind of question needs.

    :raises ConfigError: the message says what its first line has.
    """
    columns, kind = list(meta["input_columns"]), str(meta["data_type"])
    named = [*columns, *([meta["output_column"]] if meta["output_column"] else [])]
    there = f"{file}:1 has the columns {', '.join(map(str, named)) or 'none'}"
    lost = [option for option in meta["options"] if option not in columns]
    is_own = "template" in meta and "evaluator" in meta  # neither of which need know of options
    if kind.endswith("mcq") and not is_own and (len(meta["options"]) < 2 or lost):
        what = f"of which {', '.join(lost)} is none" if lost else "and no options A, B ..."
        raise ConfigError(
            f"data_type={kind!r} wants at least two options in columns A, B ...; {there}, {what}. Add them, or say "
            "data_type='qa' (--custom-dataset-data-type qa)"
        )
    if is_scored and meta["output_column"] is None and "evaluator" not in meta:
        raise ConfigError(
            f"{there} and no {_ANSWER!r}, so nothing can be scored; add it, name another with output_column in "
            f"{file.name}.meta.json, or use mode infer"
        )


def _unseen(meta: Mapping[str, Any]) -> list[str]:
    """A warning where every prompt would show ``{question}`` itself, as OpenCompass's do."""
    is_asked = meta.get("template") is None and "human_prompt" not in meta
    if not is_asked or "question" in meta["input_columns"]:
        return []
    return [
        f"dataset {meta['abbr']}: {meta['path']} has no column 'question', so prompts show {{question}} as it stands; "
        f"rename a column, or say human_prompt in {Path(meta['path']).name}.meta.json"
    ]


def _read_meta(path: Path, files: dict[str, str], wanted: bool) -> dict[str, Any]:
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        if wanted:
            raise ConfigError(f"meta_path {path} does not exist; correct it or leave it out") from None
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from error
    try:
        meta = json.loads(body)
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}); correct it") from error
    if not isinstance(meta, dict):
        raise ConfigError(f"{path} must hold an object, not {type(meta).__name__}")
    files[str(path)] = hashlib.sha256(body).hexdigest()
    return meta


def _shown(path: str, file: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    """What path and first row tell; the row is not needed where the meta data say it all."""
    if not path.endswith((".jsonl", ".csv")):
        raise ConfigError(f"dataset {path!r} has no type; name its class, or a file that ends with .jsonl or .csv")
    complete = {"input_columns", "output_column", "options"} <= set(said)
    columns = [] if complete else _columns(file)
    letters = string.ascii_uppercase
    options = list(letters[: next((n for n, letter in enumerate(letters) if letter not in columns), len(letters))])
    options = list(said["options"]) if complete else options
    return {
        "path": path,
        "abbr": Path(path).name.split(".")[0],
        "input_columns": [column for column in columns if column != _ANSWER],
        "output_column": _ANSWER if _ANSWER in columns else None,
        "options": options,
        "data_type": "mcq" if len(options) > 1 else "qa",
        "infer_method": "gen",
    }


def _columns(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline(_LONGEST_LINE)
            first = stream.readline(_LONGEST_LINE) if file.suffix == ".csv" else line
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read here ({error}), and its columns are not known; put it there, or write "
            f"input_columns, output_column and options into {file.name}.meta.json where configs are read"
        ) from error
    if not line.strip() and not first.strip():
        wanted = "a line of column names and a line for each row" if file.suffix == ".csv" else "an object on each line"
        raise ConfigError(f"{file} is empty, or its first line is; it must have {wanted}")
    if file.suffix == ".csv":
        return next(csv.reader(io.StringIO(line)), [])
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{file}:1 is no JSON ({error}); every line must be an object") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{file}:1 must be an object with the columns, not {type(row).__name__}")
    return list(row)


def make_dataset(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The dataset config that meta data describe.

    :raises ConfigError: no such combination of ``data_type`` and ``infer_method``.
    """
    kind = (meta["data_type"], meta["infer_method"])
    if kind not in _EVALUATORS:
        known = ", ".join(" with ".join(each) for each in _EVALUATORS)
        raise ConfigError(
            f"dataset {meta['path']}: data_type {kind[0]!r} with infer_method {kind[1]!r} is none of {known}"
        )
    circular = kind[0] == "circular-mcq"
    options: dict[str, Any] = {"options": list(meta["options"])} if kind[1] == "gen" and kind[0] != "qa" else {}
    evaluator = {"type": meta.get("evaluator", _EVALUATORS[kind]), **meta.get("evaluator_kwargs", options)}
    reader = {"input_columns": meta["input_columns"], "output_column": meta["output_column"]}
    return {
        "abbr": meta["abbr"],
        "type": f"opencompass.datasets.custom.{'CircularCustomDataset' if circular else 'CustomDataset'}",
        **({"option_keys": meta["options"], "answer_key": meta["output_column"]} if circular else {}),
        "path": meta["path"],
        "reader_cfg": {**reader, **({"test_range": meta["test_range"]} if "test_range" in meta else {})},
        "infer_cfg": {
            "prompt_template": {"type": _TEMPLATE, "template": _template(meta, kind)},
            "retriever": {"type": _RETRIEVER},
            "inferencer": {"type": _INFERENCERS[kind[1]]},
        },
        "eval_cfg": {"evaluator": evaluator, **({"pred_role": "BOT"} if kind[1] == "gen" else {})},
        **{key: meta[key] for key in ("n", "k") if key in meta},
    }


def _template(meta: Mapping[str, Any], kind: tuple[str, str]) -> Any:
    if meta.get("template") is not None:
        return meta["template"]
    column = meta["output_column"]
    if kind[0] == "qa":
        turns = [{"role": "HUMAN", "prompt": meta.get("human_prompt", "{question}")}]
        answer = [] if column is None else [{"role": "BOT", "prompt": meta.get("bot_prompt", f"{{{column}}}")}]
        return {"round": turns + answer}
    listed = "".join(f"\n{option}. {{{option}}}" for option in meta["options"])
    human = meta.get("human_prompt", f"Question: {{question}}{listed}")
    bot = meta.get("bot_prompt", f"Answer: {{{column}}}")
    if kind[1] == "gen":
        return _round(human, bot)
    return {option: _round(human, bot.replace(f"{{{column}}}", option)) for option in meta["options"]}


def _round(human: str, bot: str) -> dict[str, Any]:
    return {"round": [{"role": "HUMAN", "prompt": human}, {"role": "BOT", "prompt": bot}]}
