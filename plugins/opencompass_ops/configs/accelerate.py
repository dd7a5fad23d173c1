"""``-a vllm`` and ``-a lmdeploy``: models of Hugging Face as those of a faster engine, as OpenCompass rewrites them.

The result is what OpenCompass 0.5.4 makes of the same model (``opencompass/utils/run.py``), so that its scores can be
had again; the bridge runs it. Of a base model without generation settings that means sampling under vLLM, of which a
warning tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opencompass_ops.configs.names import model_abbr
from opencompass_ops.errors import ConfigError

Entry = dict[str, Any]

VLLM, LMDEPLOY = "vllm", "lmdeploy"

_BASE = frozenset({"HuggingFace", "HuggingFaceCausalLM", "HuggingFaceChatGLM3", "HuggingFaceBaseModel"})
_CHAT = "HuggingFacewithChatTemplate"
_TURBOMIND_CHAT = "opencompass.models.turbomind_with_tf_above_v4_33.TurboMindModelwithChatTemplate"
_VLLM_CHAT = "opencompass.models.vllm_with_tf_above_v4_33.VLLMwithChatTemplate"
_VLLM_BASE = "opencompass.models.vllm.VLLM"
_CHAT_BATCH_SIZE = 16
_KEPT = ("pred_postprocessor", "min_out_len", "summarizer_abbr")
_IN_EVAL = ("models", "base_models", "compare_models", "judge_models")
"""Where an ``eval.partitioner`` names models that compare or judge."""


def accelerated(models: Sequence[Mapping[str, Any]], accelerator: str) -> tuple[list[Entry], list[str]]:
    """The models as an engine runs them, and warnings; types that have no counterpart stay as they are.

    :param models: resolved model configs, each with ``abbr``.
    :param accelerator: ``vllm`` or ``lmdeploy``.
    :raises ConfigError: a model lacks a setting that the engine needs.
    """
    rewritten, warnings = [], []
    for model in models:
        kind = str(model["type"]).rpartition(".")[2]
        make = _MAKERS.get((accelerator, "chat" if kind == _CHAT else "base" if kind in _BASE else ""))
        if make is None:
            rewritten.append(dict(model))
            warnings.append(f"model {model['abbr']}: {kind} has no counterpart for {accelerator} and runs as it is")
            continue
        rewritten.append(_made(make, model, accelerator))
        if make is _vllm_base and not rewritten[-1]["generation_kwargs"]:
            warnings.append(
                f"model {model['abbr']}: vLLM samples at temperature 1 where nothing is said; write "
                "generation_kwargs=dict(temperature=0) for greedy answers"
            )
    return rewritten, warnings


def accelerated_eval(section: Entry | None, accelerator: str) -> tuple[Entry | None, list[str]]:
    """A config's ``eval`` section with the models of its partitioner, judges among them, as an engine runs them.

    :raises ConfigError: as :func:`accelerated`, and where a list of models is none.
    """
    partitioner = (section or {}).get("partitioner")
    if section is None or not isinstance(partitioner, Mapping):
        return section, []
    rewritten, warnings = dict(partitioner), []
    for key in _IN_EVAL:
        if partitioner.get(key) is None:
            continue
        rewritten[key], told = accelerated(_named_models(f"eval.partitioner.{key}", partitioner[key]), accelerator)
        warnings += told
    return {**section, "partitioner": rewritten}, list(dict.fromkeys(warnings))


def _named_models(where: str, models: Any) -> list[Entry]:
    if not isinstance(models, list) or not all(isinstance(each, Mapping) and "type" in each for each in models):
        raise ConfigError(f"{where} is {models!r:.60}, not a list of models; write [dict(type=...), ...]")
    return [{**each, "abbr": each.get("abbr") or model_abbr(each)} for each in models]


def _made(make: Any, model: Mapping[str, Any], accelerator: str) -> Entry:
    try:
        made: Entry = make(model)
    except KeyError as error:
        raise ConfigError(
            f"model {model['abbr']}: {accelerator} needs its {error.args[0]}; add it to the model, or leave -a out"
        ) from error
    abbr = str(model["abbr"])
    made["abbr"] = abbr.replace("hf", accelerator) if "-hf" in abbr else f"{abbr}-{accelerator}"
    return made | {key: model[key] for key in _KEPT if model.get(key) is not None}


def _vllm_base(model: Mapping[str, Any]) -> Entry:
    kept = {key: model[key] for key in ("meta_template", "end_str") if model.get(key) is not None}
    said = _generation(model)
    if said:
        # OpenCompass names the end for lmdeploy first; vLLM then gets it as well where it was not said.
        said["stop_token_ids"] = said.pop("eos_token_id", None)
    return {**_vllm(model, _VLLM_BASE, model["batch_size"]), "generation_kwargs": _for_vllm(said), **kept}


def _vllm_chat(model: Mapping[str, Any]) -> Entry:
    return {
        **_vllm(model, _VLLM_CHAT, model.get("batch_size", _CHAT_BATCH_SIZE)),
        "generation_kwargs": _for_vllm(_generation(model)),
        "stop_words": model.get("stop_words", []),
    }


def _vllm(model: Mapping[str, Any], kind: str, batch_size: int) -> Entry:
    gpus, length = model["run_cfg"]["num_gpus"], model.get("max_seq_len")
    return {
        "type": kind,
        "path": model["path"],
        "model_kwargs": {"tensor_parallel_size": gpus, "max_model_len": length} | (model.get("model_kwargs") or {}),
        "max_out_len": model["max_out_len"],
        "max_seq_len": length,
        "batch_size": batch_size,
        "run_cfg": model["run_cfg"],
    }


def _lmdeploy_base(model: Mapping[str, Any]) -> Entry:
    said = _generation(model)
    kept = {"meta_template": model["meta_template"]} if model.get("meta_template") is not None else {}
    return {
        "type": _TURBOMIND_CHAT,
        "path": model["path"],
        "engine_config": {
            "session_len": model["max_seq_len"],
            "max_batch_size": model["batch_size"],
            "tp": model["run_cfg"]["num_gpus"],
        },
        "gen_config": {
            "top_k": said.get("top_k", 1),
            "temperature": said.get("temperature", 0.001 if said else 0.0),
            "top_p": said.get("top_p", 0.9),
            "max_new_tokens": model["max_out_len"],
            "stop_words": said.get("eos_token_id"),
        },
        "max_out_len": model["max_out_len"],
        "max_seq_len": model["max_seq_len"],
        "batch_size": model["batch_size"],
        "run_cfg": model["run_cfg"],
        **kept,
    }


def _lmdeploy_chat(model: Mapping[str, Any]) -> Entry:
    said, length = model.get("generation_kwargs"), model.get("max_seq_len")
    batch_size = model.get("batch_size", _CHAT_BATCH_SIZE)
    return {
        "type": _TURBOMIND_CHAT,
        "path": model["path"],
        "engine_config": {
            "max_batch_size": batch_size,
            "tp": model["run_cfg"]["num_gpus"],
            "session_len": length,
            "max_new_tokens": model["max_out_len"],
        },
        "gen_config": {"top_k": 1, "temperature": 1e-6, "top_p": 0.9} if said is None else dict(said),
        "max_seq_len": length,
        "max_out_len": model["max_out_len"],
        "batch_size": batch_size,
        "run_cfg": model["run_cfg"],
        "stop_words": model.get("stop_words", []),
    }


def _generation(model: Mapping[str, Any]) -> Entry:
    said = model.get("generation_kwargs")
    return dict(model.get("gen_config") or {} if said is None else said)


def _for_vllm(said: Mapping[str, Any]) -> Entry:
    """Transformers' names of sampling settings as vLLM's."""
    names = {"min_new_tokens": "min_tokens", "eos_token_id": "stop_token_ids"}
    return {names.get(key, key): value for key, value in said.items() if key not in ("do_sample", "max_new_tokens")}


_MAKERS = {
    (VLLM, "base"): _vllm_base,
    (VLLM, "chat"): _vllm_chat,
    (LMDEPLOY, "base"): _lmdeploy_base,
    (LMDEPLOY, "chat"): _lmdeploy_chat,
}
