"""An OpenCompass model config becomes weights on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from inference.launchers import local_rank
from inference.problems import InputProblem

_DTYPES = {"half": "float16", "float": "float32", "fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}
_KNOWN_DTYPES = ("float16", "bfloat16", "float32", "float64")

_UNSUPPORTED = {
    "peft_path": "adapters are not supported yet; merge the adapter into the weights and give their path",
    "fastchat_template": "fastchat templates are not supported; give the tokenizer a chat_template",
    "use_fastchat_template": "fastchat templates are not supported; give the tokenizer a chat_template",
    "tokenizer_only": "a model without weights answers nothing; remove it",
}


@dataclass(frozen=True)
class Placement:
    """Where this process computes.

    :param device: ``cpu`` or ``cuda:N``.
    :param spread: whether the weights are laid over all visible devices.
    """

    device: str
    spread: bool = False


def place(world: int) -> Placement:
    """One device for each of several processes; a lone process takes every device it sees.

    :param world: number of processes that share the shard.
    """
    if not torch.cuda.is_available():
        return Placement("cpu")
    if world > 1:
        return Placement(f"cuda:{local_rank()}")
    return Placement("cuda:0", spread=torch.cuda.device_count() > 1)


def device_name() -> str:
    """The kind of GPU that this process computes on, as its driver calls it; ``cpu`` without one."""
    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "cpu"


def load_config(model_cfg: dict[str, Any]) -> Any:
    """The checkpoint's own transformers config.

    :raises InputProblem: there is none at the path, or it cannot be read.
    """
    from transformers import AutoConfig

    path = model_cfg["path"]
    trust = bool(model_cfg.get("model_kwargs", {}).get("trust_remote_code", False))
    try:
        return AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=trust)
    except Exception as error:  # OSError, ValueError, JSON errors: all say that this is no checkpoint.
        raise InputProblem(_unusable(model_cfg, error)) from error


def load_model(model_cfg: dict[str, Any], placement: Placement) -> Any:
    """The model in evaluation mode.

    Nothing is fetched from a network, and code that lies beside the weights runs only when ``model_kwargs`` has
    ``trust_remote_code=True``. Without a ``torch_dtype`` a GPU gets OpenCompass's float16 and a CPU float32,
    because CPUs run float16 slowly or not at all.

    :raises InputProblem: a setting is not supported, the checkpoint cannot be loaded, or it lacks weights.
    """
    from transformers import AutoModelForCausalLM

    for key, advice in _UNSUPPORTED.items():
        if model_cfg.get(key):
            raise InputProblem(f"model {model_cfg['abbr']}: {key}={model_cfg[key]!r}: {advice}")
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            model_cfg["path"], local_files_only=True, output_loading_info=True, **_kwargs(model_cfg, placement)
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # OSError, ValueError, SafetensorError, ImportError of an attention kernel ...
        raise InputProblem(_unusable(model_cfg, error)) from error
    missing = sorted(loading["missing_keys"])
    if missing:  # transformers warns and fills them with random numbers; a score of those means nothing.
        raise InputProblem(_unusable(model_cfg, f"it lacks {len(missing)} weights, among them {missing[:3]}"))
    if not placement.spread:
        model = model.to(placement.device)
    return model.eval()


def _kwargs(model_cfg: dict[str, Any], placement: Placement) -> dict[str, Any]:
    kwargs = dict(model_cfg.get("model_kwargs", {}))
    named = kwargs.pop("torch_dtype", kwargs.pop("dtype", None))
    kwargs["dtype"] = _dtype(model_cfg["abbr"], named, placement)
    device_map = kwargs.pop("device_map", "auto")
    if placement.spread:
        kwargs["device_map"] = device_map
    return kwargs


def _dtype(abbr: str, named: Any, placement: Placement) -> Any:
    if named is None:
        return torch.float32 if placement.device == "cpu" else torch.float16
    name = str(named).removeprefix("torch.")
    name = _DTYPES.get(name, name)
    if name in ("auto", "None"):
        return "auto"
    if name not in _KNOWN_DTYPES:
        raise InputProblem(f"model {abbr}: torch_dtype {named!r} is not known; use one of {', '.join(_KNOWN_DTYPES)}")
    return getattr(torch, name)


def _unusable(model_cfg: dict[str, Any], why: object) -> str:
    return (
        f"model {model_cfg['abbr']}: the checkpoint at {model_cfg['path']} cannot be used ({why}); "
        "check path and model_kwargs, and that the checkpoint was written completely"
    )
