"""Further options of sbatch that a config may give: an allowed list, each value checked by its type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from opencompass_ops.clusters import values as v
from opencompass_ops.errors import ConfigError

_NUMBER = r"=\d+"
_WORDS = r"=[A-Za-z0-9_.:=@+,*-]+"

_ALLOWED = {
    # Option: what may follow its name.
    "--contiguous": "",
    "--core-spec": _NUMBER,
    "--cores-per-socket": _NUMBER,
    "--cpu-freq": _WORDS,
    "--deadline": r"=[A-Za-z0-9:+-]+",
    "--exclusive": "(=(user|mcs))?",
    "--gpu-bind": _WORDS,
    "--gpu-freq": _WORDS,
    "--gres-flags": "=[a-z-]+",
    "--hint": "=[a-z_]+",
    "--licenses": _WORDS,
    "--mail-type": r"=[A-Za-z0-9_,]+",
    "--mail-user": r"=[A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+",
    "--mem-bind": _WORDS,
    "--mincpus": _NUMBER,
    "--network": _WORDS,
    "--nodelist": r"=[A-Za-z0-9_][A-Za-z0-9_.,\[\]-]*",
    "--ntasks-per-core": _NUMBER,
    "--oversubscribe": "",
    "--prefer": r"=[A-Za-z0-9_.:=+&|!*,()\[\]-]+",
    "--priority": _NUMBER,
    "--requeue": "",
    "--sockets-per-node": _NUMBER,
    "--switches": r"=\d+(@[0-9:-]+)?",
    "--thread-spec": _NUMBER,
    "--threads-per-core": _NUMBER,
    "--tmp": r"=\d+[KMGT]?",
    "--use-min-nodes": "",
    "--wckey": r"=[A-Za-z0-9_.*-]+",
}

KEYS = {
    "--account": "account",
    "--constraint": "constraint",
    "--cpus-per-gpu": "cpus_per_task",
    "--cpus-per-task": "cpus_per_task",
    "--exclude": "exclude",
    "--gpus": "num_gpus",
    "--gpus-per-node": "num_gpus",
    "--gpus-per-task": "num_gpus",
    "--gres": "gres",
    "--mem": "mem",
    "--mem-per-cpu": "mem",
    "--mem-per-gpu": "mem",
    "--nice": "nice",
    "--partition": "partition",
    "--qos": "qos",
    "--quotatype": "quotatype",
    "--reservation": "reservation",
    "--time": "minutes",
}
"""Options with a key of their own, and that key."""


def extra_args(where: str, value: Any) -> tuple[str, ...]:
    """A list of ``--option=value`` or ``--option``.

    :raises ConfigError: one string for all, an option that is not allowed or has a key of its own, a wrong value.
    """
    if isinstance(value, str):
        raise ConfigError(f"{where} must be a list like ['--exclusive', '--tmp=10G'], not one string {value!r}")
    return tuple(allowed(f"{where}[{index}]", item) for index, item in enumerate(v.texts(where, value)))


def replaced(options: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The options, those that the others name again left out, then the others."""
    last = tuple(others)
    names = {_name(option) for option in last}
    return (*(option for option in options if _name(option) not in names), *last)


def allowed(where: str, option: str) -> str:
    """One ``--option=value`` or ``--option``.

    :raises ConfigError: it is not allowed, has a key of its own, or a wrong value.
    """
    name = _name(option)
    if name in KEYS:
        raise ConfigError(f"{where}: give {name} as {KEYS[name]!r} of the resources, not as an extra option")
    if name not in _ALLOWED:
        near = difflib.get_close_matches(name, _ALLOWED, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(_ALLOWED)}"
        raise ConfigError(f"{where}: {option!r} is not allowed; {hint}")
    if not re.fullmatch(_ALLOWED[name], option.removeprefix(name), re.ASCII):
        raise ConfigError(
            f"{where}: {option!r} is not what {name} takes; write it as sbatch's manual says, in one word"
        )
    return option


def _name(option: str) -> str:
    return option.partition("=")[0]
