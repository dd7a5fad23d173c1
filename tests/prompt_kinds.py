"""Whose prompts are compared with OpenCompass's: which configs of its library, for which kinds of models.

Standard library only: the recorder reads it in OpenCompass's own environment.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

FAMILIES = (
    *("siqa", "winograd", "mmlu", "ceval", "bbh", "hellaswag", "piqa", "ARC_c", "ARC_e", "winogrande", "cmmlu"),
    *("commonsenseqa", "commonsenseqa_cn", "obqa", "race", "agieval", "gpqa", "gsm8k", "mmlu_pro"),
    *(
        f"SuperGLUE_{task}"
        for task in ("AX_b", "AX_g", "BoolQ", "CB", "COPA", "MultiRC", "RTE", "ReCoRD", "WSC", "WiC")
    ),
    *(f"CLUE_{task}" for task in ("C3", "CMRC", "DRCD", "afqmc", "cmnli", "ocnli")),
    *(f"FewCLUE_{task}" for task in ("bustm", "chid", "cluewsc", "csl", "eprstmt", "ocnli_fc", "tnews")),
)
"""Folders of ``configs/datasets``."""

LM_META = {
    "begin": "<s>",
    "round": [
        {"role": "HUMAN", "begin": "\n[U] ", "end": " [/U]"},
        {"role": "BOT", "begin": "\n[A] ", "end": " [/A]", "generate": True},
    ],
    "end": "</s>",
    "reserved_roles": [{"role": "SYSTEM", "begin": "\n[S] ", "end": " [/S]"}],
}
API_META = {
    "round": [{"role": "HUMAN", "api_role": "HUMAN"}, {"role": "BOT", "api_role": "BOT", "generate": True}],
    "reserved_roles": [{"role": "SYSTEM", "api_role": "SYSTEM"}],
}
CHAT_META = {
    "round": [
        {"role": "HUMAN", "api_role": "HUMAN"},
        {"role": "SYSTEM", "api_role": "HUMAN"},
        {"role": "BOT", "api_role": "BOT", "generate": True},
    ]
}
"""What OpenCompass gives its chat models (``_get_meta_template``)."""

KINDS: dict[str, Any] = {"base": None, "lm": LM_META, "chat": CHAT_META, "api": API_META}
"""Kinds of models and their meta templates; the first two read text, the others turns."""


def datasets_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The first dataset of each shape in a config's lists, asked once: an exam's subjects differ by name only."""
    shapes: dict[str, dict[str, Any]] = {}
    for key in sorted(config):
        listed = config[key] if key.endswith("_datasets") and isinstance(config[key], list) else []
        for dataset in listed:
            if isinstance(dataset, dict) and _asks_natively(dataset.get("infer_cfg")):
                once = {option: value for option, value in dataset.items() if option not in ("n", "k")}
                shapes.setdefault(f"{key} {dataset.get('type')} {_template_kind(dataset)}", once)
    return list(shapes.values())


def _asks_natively(infer: dict[str, Any] | None) -> bool:
    if not infer:
        return False
    asks = str(infer["inferencer"].get("type")).rsplit(".", 1)[-1] in ("GenInferencer", "PPLInferencer")
    return asks and str(infer["retriever"].get("type")).rsplit(".", 1)[-1] in ("ZeroRetriever", "FixKRetriever")


def _template_kind(dataset: dict[str, Any]) -> str:
    infer = dataset["infer_cfg"]
    return f"{sorted(infer)} {infer['inferencer'].get('type')} {infer['retriever'].get('type')}"


def digest(prompts: list[Any]) -> str:
    """The beginning of the sha256 of prompts in order."""
    text = json.dumps(prompts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
