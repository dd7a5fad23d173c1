"""Write accelerated.json: run by the Python of an OpenCompass 0.5.4 virtualenv, as ``python record_accelerated.py``."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

COMMON = {"path": "org/m", "max_out_len": 100, "batch_size": 8, "run_cfg": {"num_gpus": 2}}
MORE: dict[str, dict[str, Any]] = {
    "plain-hf": {"max_seq_len": 2048},
    "unbounded-hf": {},
    "sampled": {"max_seq_len": 512, "generation_kwargs": {"do_sample": True, "temperature": 0.7, "top_p": 0.8}},
    "ended-hf": {
        "max_seq_len": 512,
        "generation_kwargs": {"eos_token_id": [2, 7], "max_new_tokens": 9, "min_new_tokens": 3},
    },
    "told": {"max_seq_len": 512, "gen_config": {"top_k": 5}, "model_kwargs": {"trust_remote_code": True}},
    "rich-hf": {
        "max_seq_len": 512,
        "end_str": "</s>",
        "stop_words": ["###"],
        "meta_template": {"round": [{"role": "HUMAN"}, {"role": "BOT", "generate": True}]},
        "pred_postprocessor": {"gsm8k*": {"type": "x"}},
        "min_out_len": 1,
        "summarizer_abbr": "Rich",
    },
}
TYPES = ("HuggingFace", "HuggingFaceCausalLM", "HuggingFaceBaseModel", "HuggingFacewithChatTemplate")


def record() -> list[dict[str, Any]]:
    """What OpenCompass makes of each model; a KeyError of it is an ``error``."""
    return [
        _case(accelerator, {"type": f"opencompass.models.{kind}", "abbr": abbr, **COMMON, **more})
        for accelerator in ("vllm", "lmdeploy")
        for kind in TYPES
        for abbr, more in MORE.items()
    ]


def _case(accelerator: str, model: dict[str, Any]) -> dict[str, Any]:
    from opencompass import models
    from opencompass.utils.run import change_accelerator

    found = getattr(models, model["type"].rpartition(".")[2])
    # It knows the base model by its dotted name, the others by the class that a config's name leads to.
    kind = f"{found.__module__}.{found.__name__}" if found.__name__ == "HuggingFaceBaseModel" else found
    case = {"accelerator": accelerator, "model": model, "accelerated": None, "error": ""}
    try:
        (case["accelerated"],) = change_accelerator([{**copy.deepcopy(model), "type": kind}], accelerator)
    except KeyError as error:
        case["error"] = repr(error)
    return case


if __name__ == "__main__":
    Path(__file__).with_name("accelerated.json").write_text(json.dumps(record(), indent=1) + "\n")
