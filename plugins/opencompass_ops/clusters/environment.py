"""Which variables of this process a job may see."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opencompass_ops.contract import variables

_SECRET = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY|KEY)(_|$)|^AIRFLOW__", re.IGNORECASE
)
_NAMES = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS", "COMPASS_DATA_CACHE", variables.EXTENSIONS,
    "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_DATASETS_OFFLINE",
    "XDG_CACHE_HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}  # fmt: skip
_JUDGE = frozenset({"OC_JUDGE_MODEL", "OC_JUDGE_API_BASE", "OC_JUDGE_API_KEY"})
"""OpenCompass's names; whoever sets the key where jobs are started means it for evaluations."""
_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_", "TRANSFORMERS_")


def looks_secret(variable: str) -> bool:
    """Whether an environment variable of this name is likely to hold a secret."""
    return bool(_SECRET.search(variable))


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the submitting process that a job may see; never Airflow's, never a secret by its name."""
    return {
        name: value
        for name, value in environ.items()
        if (name in _NAMES or name.startswith(_PREFIXES)) and not looks_secret(name)
    }


def judge(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which evaluations on this host reach a judge, its key among them."""
    return {name: environ[name] for name in _JUDGE if environ.get(name)}
