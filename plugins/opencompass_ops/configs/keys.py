"""Keys of a config that nothing reads, most of them mistyped: OpenCompass passes them on, or drops them in silence.

What classes read is OpenCompass 0.5.4's (the arguments of each, and what its tasks take out before) and our engine's.
Classes that are not listed are left alone, a site's own among them; of data sets and evaluators the OpenCompass at hand
says what they take.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opencompass_ops.configs.signatures import arguments


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVERY_MODEL = _words(
    "type abbr path max_out_len min_out_len max_seq_len batch_size run_cfg meta_template generation_kwargs "
    "pred_postprocessor summarizer_abbr sync_rank tokenizer_only"
)
"""What tasks read of any model, and its base class."""
_OURS = _words("batch_tokens batch_padding opencompass_compat stop_words end_str drop_middle mode")
"""What our engine reads of each model that it runs."""
_LOCAL = _OURS | _words("tokenizer_path tokenizer_kwargs model_kwargs peft_path pad_token_id")
_OLD = _LOCAL | _words("hf_cache_dir extract_pred_after_decode use_fastchat_template")
_NEW = _LOCAL | _words("peft_kwargs fastchat_template")
_VLLM = _words("model_kwargs stop_words lora_path")
_TURBOMIND = _words("backend engine_config gen_config drop_middle")
_SERVED = _words(
    "query_per_second rpm_verbose retry verbose key org openai_api_base openai_proxy_url mode logprobs top_logprobs "
    "temperature tokenizer_path extra_body think_tag max_workers image_format image_min_edge"
)
_MODELS = {
    "HuggingFace": _OLD,
    "HuggingFaceCausalLM": _OLD,
    "HuggingFaceChatGLM3": _OLD | {"num_extra_tokens"},
    "HuggingFacewithChatTemplate": _NEW,
    "HuggingFaceBaseModel": _NEW,
    "VLLM": _VLLM | _words("mode use_fastchat_template"),
    "VLLMwithChatTemplate": _VLLM | _words("fastchat_template chat_template_kwargs"),
    "TurboMindModel": _TURBOMIND | _words("batch_padding end_str"),
    "TurboMindModelwithChatTemplate": _TURBOMIND | _words("fastchat_template stop_words"),
    "OpenAI": _SERVED,
    "OpenAISDK": _SERVED | _words("timeout status_code_mappings openai_extra_kwargs http_client_cfg"),
}

_SECTIONS = {
    "reader_cfg": _words("input_columns output_column train_split test_split train_range test_range"),
    "infer_cfg": _words("prompt_template ice_template retriever inferencer reader_cfg"),
    "eval_cfg": _words(
        "evaluator pred_role pred_postprocessor dataset_postprocessor num_gpus k "
        "ds_column ds_split sc_size analyze_contamination"  # of older releases; configs of the library still say them
    ),
}
_EVERY_INFERENCER = _words("type max_seq_len batch_size fix_id_list output_json_filepath output_json_filename")
_INFERENCERS = {
    "GenInferencer": _words(
        "max_out_len min_out_len stopping_criteria gen_field_replace_token save_every multiround dump_timer "
        "generation_kwargs"
    ),
    "PPLInferencer": _words("labels"),
    "LLInferencer": _words("labels"),
    "CLPInferencer": _words("single_token"),
    "PPLOnlyInferencer": _words("save_every"),
}
_EVERY_DATASET = _words("type abbr path reader_cfg infer_cfg eval_cfg n k")
"""What tasks and base class read of any; the rest goes to its ``load``."""
_EVERY_EVALUATOR = _words("type pred_postprocessor")


def unread_in_model(model: Mapping[str, Any]) -> Iterator[str]:
    """Of each key of a model that its class does not read, what is said of it."""
    name = _class_name(model)
    if name in _MODELS:
        yield from _unread(model, _EVERY_MODEL | _MODELS[name], f" of {name}")


def unread_in_dataset(dataset: Mapping[str, Any], package: Path | None) -> Iterator[str]:
    """The same of a dataset, its sections, inferencer and evaluator.

    :param package: the folder of the package ``opencompass`` whose classes are known; None when there is none.
    """
    loader = arguments(package, _class_name(dataset), "load") if package else None
    if loader is not None:
        yield from _unread(dataset, _EVERY_DATASET | loader, f" of {_class_name(dataset)}")
    for section, known in _SECTIONS.items():
        yield from _unread(_table(dataset, section), known, f" of {section}")
    inferencer = _table(_table(dataset, "infer_cfg"), "inferencer")
    if _class_name(inferencer) in _INFERENCERS:
        known = _EVERY_INFERENCER | _INFERENCERS[_class_name(inferencer)]
        yield from _unread(inferencer, known, f" of infer_cfg.inferencer ({_class_name(inferencer)})")
    evaluator = _table(_table(dataset, "eval_cfg"), "evaluator")
    taken = arguments(package, _class_name(evaluator), "__init__") if package else None
    if taken is not None:
        yield from _unread(evaluator, _EVERY_EVALUATOR | taken, f" of eval_cfg.evaluator ({_class_name(evaluator)})")


def _unread(values: Mapping[str, Any], known: frozenset[str], place: str) -> Iterator[str]:
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]!r}?" if near else "correct it or take it out"
            yield f"{key!r}{place} is read by nothing; {hint}"


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _class_name(values: Mapping[str, Any]) -> str:
    return str(values.get("type") or "").rpartition(".")[2]
