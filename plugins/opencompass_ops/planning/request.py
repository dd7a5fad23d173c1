"""What was asked for, doubted once: behind this border params are right."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opencompass_ops.contract.layout import safe_abbr
from opencompass_ops.errors import InputError
from opencompass_ops.planning.params import (
    BY_NAME,
    OF_CLUSTER,
    OVERRIDE_FIELDS,
    PARAMETERS,
    Parameter,
    is_said,
    nearest,
)


@dataclass(frozen=True)
class Request:
    """A validated request; the fields are the names of :data:`params.PARAMETERS`.

    :param model_overrides: ``path``, and where said ``tokenizer_path`` and ``abbr``, of each checkpoint that takes
        the place of the configured model.
    """

    config: str | None = None
    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    summarizer: str | None = None
    config_dir: str | None = None
    dataset_num_runs: int = 1
    hf_path: str | None = None
    hf_type: str = "chat"
    hf_num_gpus: int = 1
    model_kwargs: tuple[str, ...] = ()
    tokenizer_path: str | None = None
    tokenizer_kwargs: tuple[str, ...] = ()
    peft_path: str | None = None
    peft_kwargs: tuple[str, ...] = ()
    generation_kwargs: tuple[str, ...] = ()
    max_seq_len: int | None = None
    max_out_len: int = 256
    batch_size: int = 8
    pad_token_id: int | None = None
    stop_words: tuple[str, ...] = ()
    custom_dataset_path: str | None = None
    custom_dataset_meta_path: str | None = None
    custom_dataset_data_type: str | None = None
    custom_dataset_infer_method: str | None = None
    mode: str = "all"
    limit: int | None = None
    reuse: str | None = None
    work_dir: str | None = None
    cluster: str | None = None
    eval_cluster: str | None = None
    image: str | None = None
    aliyun_cfg: str | None = None
    max_workers_per_gpu: int | None = None
    partition: str | None = None
    quotatype: str | None = None
    qos: str | None = None
    account: str | None = None
    reservation: str | None = None
    minutes: int | None = None
    mem: str | None = None
    exclude: str | None = None
    extra_args: tuple[str, ...] = ()
    shard_hours: str = "6"
    run_hours: str = "24"
    gpu_hours: str = "off"
    max_num_workers: int = 1
    max_partition_size: int | None = None
    gen_task_coef: int | None = None
    accelerator: str | None = None
    target_minutes: int | None = None
    retry: int = 2
    dump_eval_details: bool = True
    run_code: str | None = None
    dump_res_length: bool = False
    series: str | None = None
    gate: str | None = None
    baseline: str | None = None
    analysis_repeat: bool = False
    station_path: str | None = None
    station_overwrite: bool = False
    lark: bool = False
    config_verbose: bool = False
    debug: bool = False
    dry_run: bool = False
    cfg_options: tuple[str, ...] = ()
    model_overrides: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Request:
        """A request from what the form, REST or the command line sent.

        :param params: values by parameter name; what is missing takes its default.
        :raises InputError: lists every wrong parameter with its value and the next step.
        """
        problems = [
            f"{name}: there is no such parameter; {nearest(str(name), _LIVE)}" for name in params if name not in BY_NAME
        ]
        values: dict[str, Any] = {}
        for parameter in PARAMETERS:
            raw = params.get(parameter.name, parameter.default)
            if parameter.refused and is_said(parameter, params):
                problems.append(f"{parameter.name}={raw!r} ({parameter.flags[-1]}): {parameter.refused}")
            if not parameter.is_live:
                continue
            try:
                values[parameter.name] = _checked(parameter, raw)
            except ValueError as error:
                problems.append(f"{parameter.name}={raw!r}: {error}")
        problems += _contradictions(values)
        if problems:
            raise InputError("The request cannot be used. " + "\n".join(problems))
        return cls(**values)

    @property
    def resources(self) -> dict[str, Any]:
        """What is asked of the cluster, under the names of ``clusters.resources``; only what was said."""
        return {parameter.name: value for parameter in OF_CLUSTER if (value := getattr(self, parameter.name))}

    def to_params(self) -> dict[str, Any]:
        """The params that :meth:`from_params` reads, as plain JSON values."""
        params = dataclasses.asdict(self)
        params |= {name: list(value) for name, value in params.items() if isinstance(value, tuple)}
        params["model_overrides"] = [dict(override) for override in self.model_overrides]
        return params


_LIVE = [parameter.name for parameter in PARAMETERS if parameter.is_live]


def _checked(parameter: Parameter, raw: Any) -> Any:
    """The value as a Request holds it; raises ValueError with what is wrong and what to do."""
    value = raw.strip() if isinstance(raw, str) else raw
    if value is None or value == "":
        return _absent(parameter)
    return _READERS[parameter.kind](parameter, value)


def _absent(parameter: Parameter) -> Any:
    if not parameter.nullable:
        raise ValueError(f"is empty; leave it out for {parameter.default!r}")
    return parameter.default


def _string(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {_type(value)}; give a text")
    if any(ord(character) < 32 for character in value):
        raise ValueError("holds a control character; remove it")
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"is none of {', '.join(parameter.choices)}; choose one")
    if parameter.pattern and not re.fullmatch(parameter.pattern, value):
        raise ValueError(f"must be {parameter.expected}")
    return value


def _integer(parameter: Parameter, value: Any) -> int:
    # JSON has one kind of number, and JSON schema lets 3.0 through as an integer.
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(whole, int) or isinstance(whole, bool):
        raise ValueError(f"is {_type(value)}; give a whole number")
    if parameter.minimum is not None and whole < parameter.minimum:
        raise ValueError(f"is too small; give at least {parameter.minimum}")
    if parameter.maximum is not None and whole > parameter.maximum:
        raise ValueError(f"is too large; give at most {parameter.maximum}")
    return whole


def _boolean(parameter: Parameter, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {_type(value)}; give true or false")
    return value


def _array(parameter: Parameter, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"is {_type(value)}; give a list")
    # The form sends a line end at the end of a list as one more, empty, entry.
    given = [item for item in value if item != ""]
    return tuple(_override(item) if parameter.fields else _item(parameter, item) for item in given)


_READERS: Mapping[str, Callable[[Parameter, Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
}


def _item(parameter: Parameter, item: Any) -> str:
    if not isinstance(item, str) or not re.fullmatch(str(parameter.pattern), item):
        raise ValueError(f"{item!r} is not {parameter.expected}")
    return item


def _override(item: Any) -> dict[str, str]:
    if not isinstance(item, Mapping):
        raise ValueError(f"{item!r} is not an object; write {{'path': ..., 'abbr': ...}}")
    for field, value in item.items():
        if field not in OVERRIDE_FIELDS:
            raise ValueError(f"{field!r} is no field of an override; {nearest(str(field), OVERRIDE_FIELDS)}")
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{field} is {_type(value)}; give a text")
        if isinstance(value, str) and any(ord(character) < 32 for character in value):
            raise ValueError(f"{field} {value!r} holds a control character; remove it")
    said = {field: value.strip() for field, value in item.items() if value and value.strip()}
    if "path" not in said:
        raise ValueError(f"{dict(item)!r} has no path; name the checkpoint's folder")
    if "abbr" in said:
        safe_abbr(said["abbr"])
    return said


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Parameters that are right alone and wrong together."""
    problems = _nothing_to_do(values)
    if values.get("mode") in ("eval", "viz") and "reuse" in values and values["reuse"] is None:
        problems.append(f"mode={values['mode']!r}: works on a run that exists; set reuse to its folder or to 'latest'")
    names = [override.get("abbr") or override["path"] for override in values.get("model_overrides", ())]
    problems += [
        f"model_overrides: {name!r} is given twice; keep one, or give each its own abbr"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    return problems


def _nothing_to_do(values: Mapping[str, Any]) -> list[str]:
    """A config says models and datasets; without one the request has to."""
    if values.get("config", "wrong"):
        return []
    models = any(values.get(name) for name in ("models", "hf_path"))
    datasets = any(values.get(name) for name in ("datasets", "custom_dataset_path"))
    if not models and not datasets:
        return ["config: is empty; name a config, or models (or hf_path) and datasets (or custom_dataset_path)"]
    lacking = [] if models else ["models: there are none; name model configs, or a checkpoint with hf_path"]
    return lacking + (
        [] if datasets else ["datasets: there are none; name dataset configs, or a file with custom_dataset_path"]
    )


def _type(value: Any) -> str:
    names = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
