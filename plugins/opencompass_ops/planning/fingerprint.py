"""Identity of predictions and scores: the digest of everything that determines them.

What is not known to be harmless counts, so an unknown setting costs a new run and never a wrong reuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from opencompass_ops.contract import ENGINE_REVISION, EVALUATION_REVISION, codec
from opencompass_ops.contract.probe import ModelProbe, ProbeReport, RequestProbe
from opencompass_ops.planning.judging import JUDGED_MODELS

RANKING = frozenset({"PPLInferencer", "LLInferencer", "CLPInferencer", "PPLOnlyInferencer"})
"""Inferencers that generate nothing, so that no limit or stop of generation touches them."""

_GENERATION = frozenset(
    {"generation_kwargs", "max_out_len", "min_out_len", "stop_words", "end_str", "stopping_criteria"}
)

_HARMLESS_MODEL = frozenset(
    {
        # Names and places: what lies there is in weights_id and tokenizer_id.
        *("abbr", "path", "tokenizer_path", "summarizer_abbr", "hf_cache_dir"),
        # How the work is spread, and padding, which must not change an answer.
        *("batch_size", "batch_tokens", "run_cfg", "num_gpus", "max_workers_per_gpu", "batch_padding", "pad_token_id"),
        # Rendered into the requests, and scored later.
        *("meta_template", "pred_postprocessor"),
        # Resolved below together with the dataset's.
        *("type", "model_kwargs", "tokenizer_kwargs", "max_out_len", "min_out_len", "max_seq_len"),
    }
)
COMPAT = "opencompass_compat"
"""The model setting by which padding does change scores, as it does in OpenCompass."""
_PADDING = frozenset({"batch_size", "batch_padding", "pad_token_id"})
_HARMLESS_MODEL_KWARGS = frozenset(
    {"device_map", "max_memory", "low_cpu_mem_usage", "trust_remote_code", "offload_folder", "torch_dtype", "dtype"}
)
_HARMLESS_TOKENIZER_KWARGS = frozenset({"padding_side", "trust_remote_code"})
_HARMLESS_INFERENCER = frozenset(
    {"type", "batch_size", "save_every", "dump_timer", "output_json_filepath", "output_json_filename"}
    # The labels and examples are rendered into the requests.
    | {"labels", "fix_id_list"}
    | {"max_out_len", "min_out_len", "max_seq_len"}
)
_HARMLESS_EVAL = frozenset({"num_gpus", JUDGED_MODELS})


def engine_identity(bridge: str, report: ProbeReport) -> str:
    """Who does a work: "" for this project's engine, which its revisions tell, else OpenCompass with its version.

    :param bridge: why only OpenCompass can do it, "" when we can.
    """
    return f"opencompass {report.versions.get('opencompass', '')}" if bridge else ""


def scorer_identity(asked: RequestProbe, report: ProbeReport) -> str:
    """Who scores, and who judges where the environment says so; "" for this project's engine alone."""
    engine = engine_identity(asked.eval_bridge, report)
    return f"{engine} judge {asked.judge}" if asked.judge else engine


def pair_fingerprint(
    model: Mapping[str, Any], probe: ModelProbe, dataset: Mapping[str, Any], requests: str, engine: str = ""
) -> str:
    """Identity of all predictions of model x dataset; arguments as :func:`pair_identity` takes them."""
    return codec.digest(pair_identity(model, probe, dataset, requests, engine))


def pair_identity(
    model: Mapping[str, Any], probe: ModelProbe, dataset: Mapping[str, Any], requests: str, engine: str = ""
) -> dict[str, Any]:
    """What :func:`pair_fingerprint` is the digest of, by name: so that people can be told what changed.

    :param model: the resolved model config.
    :param probe: identity of its weights and tokenizer.
    :param dataset: the resolved dataset config.
    :param requests: digest of every rendered request, in order; of the rows, where OpenCompass renders them.
    :param engine: see :func:`engine_identity`.
    """
    return {
        **(_bridged(model, dataset, engine) if engine else {}),
        "engine_revision": ENGINE_REVISION,
        "weights": probe.weights_id,
        "tokenizer": probe.tokenizer_id,
        "requests": requests,
        "dtype": _dtype(_table(model, "model_kwargs")),
        "decoding": _decoding(model, _table(_table(dataset, "infer_cfg"), "inferencer")),
    }


def part_fingerprint(pair: str, start: int, stop: int) -> str:
    """Identity of the predictions of rows ``start`` to ``stop`` (exclusive) of a pair."""
    return codec.digest({"pair": pair, "start": start, "stop": stop})


def evaluation_fingerprint(
    pair: str, dataset: Mapping[str, Any], model: Mapping[str, Any], engine: str = "", against: Sequence[str] = ()
) -> str:
    """Identity of a score; how the predictions are split into parts does not count.

    :param pair: fingerprint of the pair.
    :param dataset: the resolved dataset config: its ``eval_cfg``, output column, ``n`` and ``k`` count.
    :param model: the resolved model config: its ``pred_postprocessor`` for this dataset counts.
    :param engine: see :func:`scorer_identity`.
    :param against: fingerprints of the pairs that judges compare this one with.
    """
    postprocessors = _table(model, "pred_postprocessor")
    return codec.digest(
        {
            **({"engine": engine} if engine else {}),
            **({"against": list(against)} if against else {}),
            "evaluation_revision": EVALUATION_REVISION,
            "pair": pair,
            "eval_cfg": _without(_table(dataset, "eval_cfg"), _HARMLESS_EVAL),
            "output_column": _table(dataset, "reader_cfg").get("output_column"),
            "replicas": [dataset.get("n"), dataset.get("k")],
            # OpenCompass matches the keys as patterns against the dataset's abbr.
            "pred_postprocessor": [
                value for pattern, value in postprocessors.items() if fnmatch(str(dataset["abbr"]), pattern)
            ],
        }
    )


def _bridged(model: Mapping[str, Any], dataset: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """What counts beside the rest where OpenCompass renders the requests and makes up the batches."""
    model_names = {"abbr", "path", "tokenizer_path", "peft_path", "summarizer_abbr", "run_cfg", "pred_postprocessor"}
    return {
        "engine": engine,
        "config": [
            _without(model, model_names),
            _without(dataset, {"abbr", "path", "eval_cfg"}),
        ],
    }


def _decoding(model: Mapping[str, Any], inferencer: Mapping[str, Any]) -> dict[str, Any]:
    """Model and inferencer settings, the inferencer's own before the model's (OpenICLInferTask)."""
    kind = _class_name(inferencer.get("type"))
    ignored = _GENERATION if kind in RANKING else frozenset()
    padding = _PADDING if model.get(COMPAT) else frozenset()
    resolved = {key: inferencer.get(key, model.get(key)) for key in ("max_out_len", "min_out_len", "max_seq_len")}
    return {
        "inferencer": kind,
        "model": _class_name(model.get("type")),
        "resolved": _without(resolved, ignored),
        "inferencer_options": _without(inferencer, (_HARMLESS_INFERENCER | ignored) - padding),
        "model_options": _without(model, (_HARMLESS_MODEL | ignored) - padding),
        "model_kwargs": _without(_table(model, "model_kwargs"), _HARMLESS_MODEL_KWARGS),
        "tokenizer_kwargs": _without(_table(model, "tokenizer_kwargs"), () if padding else _HARMLESS_TOKENIZER_KWARGS),
        "meta_eos": None if kind in RANKING else _table(model, "meta_template").get("eos_token_id"),
    }


def _dtype(model_kwargs: Mapping[str, Any]) -> str | None:
    """``float16`` for ``torch.float16``; transformers 5 says ``dtype`` where it said ``torch_dtype``."""
    said = model_kwargs.get("dtype", model_kwargs.get("torch_dtype"))
    return None if said is None else str(said).removeprefix("torch.")


def _class_name(kind: Any) -> str:
    return str(kind).rpartition(".")[2]


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return values.get(key) or {}


def _without(values: Mapping[str, Any], ignored: Iterable[str]) -> dict[str, Any]:
    """The values that are said and count: an absent setting and one set to None are the same."""
    skip = frozenset(ignored)
    return {key: value for key, value in values.items() if key not in skip and value is not None}
