"""From a request to the evaluation that it means: a config, or parts that are named, with all that changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.aliyun import Aliyun
from opencompass_ops.configs.accelerate import accelerated, accelerated_eval
from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.library import find_config
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.options import parse_options
from opencompass_ops.configs.overrides import override
from opencompass_ops.configs.parts import Parts, load_parts
from opencompass_ops.configs.resolve import EvalConfig, resolve
from opencompass_ops.contract import codec
from opencompass_ops.errors import ConfigError
from opencompass_ops.instance import absolute
from opencompass_ops.planning.params import PARAMETERS, Parameter
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.table.bare_dataset import BARE_DATASET
from opencompass_ops.planning.table.bare_model import BARE_MODEL
from opencompass_ops.publishing import KEY as SUITE
from opencompass_ops.publishing import open_suite
from opencompass_ops.suites import DRAFT, FOLDER, names_suite, versions

_TYPES = {
    "chat": "opencompass.models.HuggingFacewithChatTemplate",
    "base": "opencompass.models.HuggingFaceBaseModel",
}
_USUAL_CONFIG_DIR = "configs"
_USUAL_ALIYUN_CFG = "~/.aliyun.cfg"
_ALIYUN_KEYS = ("aliyun_cfg", "llm_infer", "llm_eval")
_DESCRIBING = {parameter.name: table[0].name for table in (BARE_MODEL, BARE_DATASET) for parameter in table[1:]}
"""Parameters that describe the model or dataset that another one names."""

_PARTS = ("models", "datasets", "summarizer", "hf_path", "custom_dataset_path", "dataset_num_runs")


def read_config(request: Request, data_dir: Path) -> EvalConfig:
    """The evaluation, its checkpoints exchanged and its models accelerated as the request says.

    :param data_dir: the folder relative data paths are resolved against; need not be on this host.
    :raises InputError: a config is not found, cannot be read, or is no evaluation.
    """
    is_scored = request.mode in ("all", "eval")
    loaded = with_custom_datasets(_loaded(request, data_dir), data_dir, is_scored=is_scored)
    config = override(resolve(loaded), request.model_overrides)
    config = replace(config, warnings=(*config.warnings, *_overruled(request)))
    if request.accelerator is None:
        return config
    models, warnings = accelerated(config.models, request.accelerator)
    evaluation, of_eval = accelerated_eval(config.eval, request.accelerator)
    return replace(
        config,
        models=models,
        eval=evaluation,
        model_dataset_combinations=_renamed(config, models),
        fingerprint=codec.digest([config.fingerprint, models]),
        warnings=(*config.warnings, *dict.fromkeys((*warnings, *of_eval))),
    )


def read_aliyun(request: Request, section: Mapping[str, Any] | None) -> Aliyun:
    """The settings of PAI-DLC that a run would use.

    :param section: those of the config's own runner; None for the file that the request names.
    :raises ConfigError: there is no such file, or settings are wrong or missing.
    """
    if section is not None:
        return Aliyun.from_values("aliyun_cfg of the config's runner", section)
    path = absolute(request.aliyun_cfg or _USUAL_ALIYUN_CFG)
    if not path.is_file():
        raise ConfigError(
            f"{path}: there is no such file with the settings of PAI-DLC; copy include/configs/aliyun_env.py, fill it "
            "in, and name it with --aliyun-cfg"
        )
    loaded = load([path])[0]
    if loaded.error:
        raise ConfigError(loaded.error)
    return Aliyun.from_values(str(path), _aliyun_values(loaded.values))


def _aliyun_values(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings at the top of the file, as OpenCompass wants them, or those of a section made for ``read_base``."""
    for key in _ALIYUN_KEYS:
        section = values.get(key)
        if isinstance(section, Mapping):
            runner = section.get("runner", {"aliyun_cfg": section})
            return dict(runner.get("aliyun_cfg") or {})
    return values


def _loaded(request: Request, data_dir: Path) -> LoadedConfig:
    folders = _config_dirs(request)
    data = data_dir if data_dir.is_dir() else None  # a cluster's data need not be on this host
    if names_suite(request.config):
        return open_suite(str(request.config)).loaded()
    if request.config:
        path = _evaluation(request.config, folders)
        loaded = load([path], cfg_options=request.cfg_options, config_dirs=folders, data_dir=data)[0]
        if SUITE in loaded.values:
            raise ConfigError(f"{path} is a suite; {_versions(path.stem)}")
        return loaded
    parts = Parts(
        models=request.models,
        datasets=request.datasets,
        summarizer=request.summarizer,
        more_models=() if request.models or not request.hf_path else (_hf_model(request),),
        more_datasets=() if request.datasets or not request.custom_dataset_path else (_custom_dataset(request),),
        dataset_num_runs=request.dataset_num_runs,
    )
    return load_parts(parts, cfg_options=request.cfg_options, config_dirs=folders, data_dir=data)


def _evaluation(name: str, folders: Sequence[Path]) -> Path:
    """The config of an evaluation; a suite, which is none, is told by name."""
    try:
        return find_config(name, folders)
    except ConfigError:
        try:
            suite = find_config(name, folders, kind=FOLDER).stem
        except ConfigError:
            suite = name if versions(name) else ""
        if not suite:
            raise
    raise ConfigError(f"{name!r} is a suite; {_versions(suite)}")


def _versions(suite: str) -> str:
    """What to name in place of a suite."""
    published = [f"{suite}@{version}" for version in versions(suite)]
    if not published:
        return f"'opencompass-ops publish {suite}' makes a version to run; {suite}@{DRAFT} is the suite as it stands"
    return f"name a published version of it: {', '.join(published)}; {suite}@{DRAFT} is the suite as it stands"


def _config_dirs(request: Request) -> list[Path]:
    """The folder that is named must be there; the usual one need not."""
    folder = absolute(request.config_dir or _USUAL_CONFIG_DIR)
    if request.config_dir and not folder.is_dir():
        raise ConfigError(f"config_dir={request.config_dir!r}: {folder} is no folder; correct it or leave it out")
    return [folder] if folder.is_dir() else []


def _hf_model(request: Request) -> dict[str, Any]:
    """The model that OpenCompass makes of ``--hf-path`` and its companions."""
    path = str(request.hf_path)
    said = {
        "tokenizer_path": request.tokenizer_path,
        "peft_path": request.peft_path,
        "max_seq_len": request.max_seq_len,
        "pad_token_id": request.pad_token_id,
        "model_kwargs": parse_options(request.model_kwargs),
        "tokenizer_kwargs": parse_options(request.tokenizer_kwargs),
        "peft_kwargs": parse_options(request.peft_kwargs),
        "generation_kwargs": parse_options(request.generation_kwargs),
        "stop_words": list(request.stop_words),
    }
    return {
        "type": _TYPES[request.hf_type],
        "abbr": f"{path.rstrip('/').rpartition('/')[2]}_hf",
        "path": path,
        "max_out_len": request.max_out_len,
        "batch_size": request.batch_size,
        "run_cfg": {"num_gpus": request.hf_num_gpus},
        **{key: value for key, value in said.items() if value not in (None, {}, [])},
    }


def _custom_dataset(request: Request) -> dict[str, Any]:
    said = {
        "infer_method": request.custom_dataset_infer_method,
        "data_type": request.custom_dataset_data_type,
        "meta_path": request.custom_dataset_meta_path,
    }
    return {"path": request.custom_dataset_path, **{key: value for key, value in said.items() if value is not None}}


def _overruled(request: Request) -> list[str]:
    """What gives way to a stronger word, in OpenCompass's order."""
    said = [parameter.name for parameter in PARAMETERS if _is_said(parameter, request)]
    if request.config:
        vain = [name for name in said if name in _PARTS or name in _DESCRIBING]
        return [f"the config says what is evaluated; not used: {', '.join(vain)}"] if vain else []
    pairs = (("models", "hf_path"), ("datasets", "custom_dataset_path"))
    told = [f"{weaker} is not used, because {name} is given" for name, weaker in pairs if {name, weaker} <= set(said)]
    for name, main in pairs:
        vain = [key for key in said if _DESCRIBING.get(key) == main and (name in said or main not in said)]
        told += [f"{', '.join(vain)}: not used, because {main} is not"] if vain else []
    return told


def _is_said(parameter: Parameter, request: Request) -> bool:
    return parameter.is_live and getattr(request, parameter.name) != getattr(Request(), parameter.name)


def _renamed(config: EvalConfig, models: list[dict[str, Any]]) -> list[dict[str, list[str]]]:
    """Combinations under the names that accelerated models have."""
    names = {old["abbr"]: new["abbr"] for old, new in zip(config.models, models, strict=True)}
    return [
        {**entry, "models": [names.get(name, name) for name in entry["models"]]}
        for entry in config.model_dataset_combinations
    ]
