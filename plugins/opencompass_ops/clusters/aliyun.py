"""OpenCompass's settings of PAI-DLC (``aliyun_cfg``): read and doubted before anything else is looked at.

Keys and defaults are those of its DLCRunner (0.5.4, ``opencompass/runners/dlc.py``). There the sample of the user guide
ends in a KeyError; here one message says all that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opencompass_ops.clusters import values as v
from opencompass_ops.errors import ConfigError

_NEEDED = {
    "workspace_id": "the id of the PAI workspace",
    "resource_id": "the id of the resource quota that pays",
    "worker_image": "the image of the jobs",
    "data_sources": "the ids of the data sets to mount",
}
_PYTHON = "python_env_path (a virtualenv or conda environment), or bashrc_path and conda_env_name"


@dataclass(frozen=True)
class Aliyun:
    """Where and how DLC jobs run.

    :param resource_id: of the quota.
    :param data_sources: ids of data sets that are mounted.
    :param python_env_path: folder whose ``bin`` has the jobs' Python; else ``bashrc_path`` and ``conda_env_name``.
    :param pre_cmd: a shell command before each job's.
    :param hf_offline: whether jobs may not ask the Hugging Face hub.
    :param extra_envs: ``NAME=VALUE`` each.
    :param priority: 1 (lowest) to 9.
    :param worker_cpu: at least so many CPUs for each job.
    :param worker_memory: at least so many GiB.
    :param dlc_config_path: login file of the ``dlc`` program.
    :param dlc_job_cmd: ``submit`` or ``create``: the older program's word.
    :param dlc_sleep_time: seconds between two queries.
    """

    workspace_id: str
    resource_id: str
    worker_image: str
    data_sources: tuple[str, ...]
    python_env_path: str = ""
    bashrc_path: str = ""
    conda_env_name: str = ""
    pre_cmd: str = ""
    huggingface_cache: str = ""
    torch_cache: str = ""
    hf_offline: bool = True
    hf_endpoint: str = ""
    http_proxy: str = ""
    extra_envs: tuple[str, ...] = ()
    priority: int = 1
    worker_cpu: int = 12
    worker_memory: int = 192
    dlc_config_path: str = ""
    dlc_job_cmd: str = "submit"
    dlc_sleep_time: float = 10.0

    @classmethod
    def from_values(cls, where: str, values: Mapping[str, Any]) -> Aliyun:
        """Validate plain values.

        :param where: the file or the config's section, for errors.
        :raises ConfigError: an unknown key, a wrong value, or settings that are missing; it names all of these.
        """
        given = {key: value for key, value in values.items() if value is not None}
        typed = v.parse(where, given, _FIELDS)
        missing = [f"{key}: {meaning}" for key, meaning in _NEEDED.items() if not typed.get(key)]
        if not typed.get("python_env_path") and not (typed.get("bashrc_path") and typed.get("conda_env_name")):
            missing.append(_PYTHON)
        if missing:
            raise ConfigError(f"{where} lacks settings of PAI-DLC; add\n- " + "\n- ".join(missing))
        return cls(**typed)


def _identifier(where: str, value: Any) -> str:
    """Ids of workspaces are numbers, and people write them so."""
    return v.text(where, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


_FIELDS: dict[str, v.Parser] = {
    "workspace_id": _identifier,
    "resource_id": _identifier,
    "worker_image": v.text,
    "data_sources": v.items(_identifier),
    "python_env_path": v.text,
    "bashrc_path": v.text,
    "conda_env_name": v.text,
    "pre_cmd": v.text,
    "huggingface_cache": v.text,
    "torch_cache": v.text,
    "hf_offline": v.flag,
    "hf_endpoint": v.text,
    "http_proxy": v.text,
    "extra_envs": v.texts,
    "priority": v.count(1),
    "worker_cpu": v.count(1),
    "worker_memory": v.count(1),
    "dlc_config_path": v.text,
    "dlc_job_cmd": v.choice("submit", "create"),
    "dlc_sleep_time": v.seconds,
}
