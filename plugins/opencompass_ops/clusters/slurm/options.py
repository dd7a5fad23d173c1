"""From a request to the words of ``sbatch``: every option one ``--option=value``, nothing for a shell to read; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.resources import NONE, SLURM, Resources
from opencompass_ops.errors import ConfigError, JobRefused

_LONGEST_NAME = 200
_LONGEST_PATH = 1000
_SIGNAL_SECONDS = 120
_SIGNAL_SLACK = 120
"""Slurm may send the signal a minute early, and the job needs a while before it has anything to save."""
_OWN = ("--output=", "--chdir=")
_MEBIBYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}


def sbatch_words(request: JobRequest, config: ClusterConfig) -> list[str]:
    """The options of a submission, all but the job's name, its comment and the script.

    :param request: ``resources`` are the cluster's, the model's and the form's, merged.
    :raises JobRefused: sbatch cannot express it, or the job could never run as it is asked for.
    """
    asked = _doubted(request)
    return [
        f"--chdir={_plain_path(request.run_dir)}",
        f"--output={output_pattern(f'{request.run_dir}/{request.log_path}')}",
        "--open-mode=append",
        "--export=ALL",
        "--dependency=singleton",
        *_restart(asked, config),
        *_size(request, asked),
        *_time(request, asked),
        *_place(request, asked, config),
        *asked.extra_args,
    ]


def shape(words: Sequence[str]) -> str:
    """Equal for submissions that ask for the same, so that one ``--test-only`` speaks for all of them."""
    return "\0".join(word for word in words if not word.startswith(_OWN))


def job_name(title: str, token: str) -> str:
    """What squeue shows: the readable part, a dot, the token. Commas and white space would split it in queries."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[: _LONGEST_NAME - len(token) - 1].strip(".-")
    return f"{readable or 'opencompass-ops'}.{token}"


def token_of(name: str) -> str:
    """The token in a job's name; other people's names give one that nobody asks for."""
    return name.rpartition(".")[2]


def output_pattern(path: str) -> str:
    """The path as ``--output`` takes it, where ``%`` begins a pattern.

    :raises JobRefused: sbatch has no way to write this path.
    """
    return _plain_path(path).replace("%", "%%")


def mebibytes(mem: str, factor: float = 1.0) -> int:
    """A size such as ``64G`` times the factor, in MiB, rounded up."""
    number = mem.rstrip("KMGT")
    return math.ceil(int(number) * _MEBIBYTES[mem.removeprefix(number) or "M"] * factor)


def _doubted(request: JobRequest) -> Resources:
    """The resources, validated again: they came through plan.json and a form."""
    try:
        asked = Resources(num_gpus=request.num_gpus)
        asked = request.resources.merged(asked, "resources")
        asked = asked.merged(Resources(exclude=request.exclude))
        asked = Resources.from_values("resources", asked.to_values())
    except ConfigError as error:
        raise JobRefused(f"{error}; correct run_cfg, the form or the cluster's config") from error
    if asked.launcher == NONE and request.num_procs > 1:
        raise JobRefused(
            f"launcher 'none' starts one process and num_procs is {request.num_procs}; choose pytorch or slurm, "
            "or remove num_procs from the model's run_cfg"
        )
    return asked


def _restart(asked: Resources, config: ClusterConfig) -> list[str]:
    if "--requeue" not in asked.extra_args:
        return ["--no-requeue"]
    if config.secrets:
        raise JobRefused(
            "a requeued job finds no secrets, because the first start removes them; drop --requeue (interrupted jobs "
            "are submitted again anyway) or the cluster's secrets"
        )
    return []


def _size(request: JobRequest, asked: Resources) -> list[str]:
    tasks = request.num_procs if asked.launcher == SLURM else 1
    words = ["--nodes=1", f"--ntasks={tasks}"]
    if asked.cpus_per_task:
        cpus = asked.cpus_per_task * max(request.num_gpus, request.num_procs, 1)
        words.append(f"--cpus-per-task={math.ceil(cpus / tasks)}")
    if asked.mem:
        words.append(f"--mem={mebibytes(asked.mem, request.memory_factor)}M")
    gpu = ":".join(filter(None, ("gpu", asked.gpu_type, str(request.num_gpus)))) if request.num_gpus else ""
    gres = ",".join(filter(None, (gpu, asked.gres)))
    return [*words, f"--gres={gres}"] if gres else words


def _time(request: JobRequest, asked: Resources) -> list[str]:
    """The shorter of what is asked for and what the cluster's limits allow, and a signal well before it is over."""
    limits = [minutes for minutes in (request.minutes, asked.minutes) if minutes]
    if not limits:
        return [f"--signal=B:TERM@{_SIGNAL_SECONDS}"]
    minutes = min(limits)
    seconds = min(_SIGNAL_SECONDS, minutes * 60 - _SIGNAL_SLACK)
    return [f"--time={minutes}", *([f"--signal=B:TERM@{seconds}"] if seconds > 0 else [])]


def _place(request: JobRequest, asked: Resources, config: ClusterConfig) -> list[str]:
    quotatype = asked.quotatype
    if quotatype and not config.has_quotatype:
        if quotatype != "auto":
            raise JobRefused(
                f"quotatype {quotatype!r}: sbatch of cluster {config.name!r} has no --quotatype; choose another "
                "partition or qos, or set has_quotatype in the cluster's config"
            )
        quotatype = ""
    said = {
        "partition": asked.partition,
        "quotatype": quotatype,
        "qos": asked.qos,
        "account": asked.account,
        "constraint": asked.constraint,
        "exclude": ",".join(asked.exclude),
        "reservation": asked.reservation,
        "nice": "" if asked.nice is None else str(asked.nice),
    }
    return [f"--{name}={value}" for name, value in said.items() if value]


def _plain_path(path: str) -> str:
    bad = not path.isprintable() or "\\" in path or not path.startswith("/") or len(path.encode()) > _LONGEST_PATH
    if bad:
        raise JobRefused(
            f"sbatch cannot write to {path!r}: the path must be absolute, at most {_LONGEST_PATH} bytes, without "
            "backslashes and control characters; choose another work_dir or a plainer abbr"
        )
    return path
