"""The ``extra_command`` of OpenCompass's SlurmRunner, which is text of a shell, as typed resources."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from opencompass_ops.clusters.extra_args import KEYS, allowed, replaced
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.errors import ConfigError

_SHORT = {
    "-A": "--account",
    "-C": "--constraint",
    "-L": "--licenses",
    "-c": "--cpus-per-task",
    "-p": "--partition",
    "-q": "--qos",
    "-s": "--oversubscribe",
    "-t": "--time",
    "-w": "--nodelist",
    "-x": "--exclude",
}
"""srun's short options that may be said, and their long ones."""

_NOT_SAID = {"--cpus-per-gpu", "--gpus", "--gpus-per-node", "--gpus-per-task", "--mem-per-cpu", "--mem-per-gpu"}
"""How many GPUs a job has is the model's word, and what counts by them or by CPUs would depend on it."""

_RESOURCES = {option: key for option, key in KEYS.items() if option not in _NOT_SAID}
_NUMBERS = ("cpus_per_task", "nice")


def srun_resources(where: str, command: Any) -> dict[str, Any]:
    """Resources under the names of ``clusters.resources``; of an option that is said twice the last holds, as for srun.

    :param where: the place of the list, for errors.
    :param command: texts such as ``-c 12``, ``--time=1:00:00`` or ``--exclusive``.
    :raises ConfigError: no list, an option that may not be said, or a value that it cannot have.
    """
    if not isinstance(command, (list, tuple)):
        raise ConfigError(f"{where} is {command!r}, not a list; write ['-c 12', '-w node1']")
    said: dict[str, Any] = {}
    further: tuple[str, ...] = ()
    for place, name, value in _options(where, command):
        if name in _RESOURCES:
            said |= _resource(place, name, value)
        else:
            further = replaced(further, [allowed(place, name if value is None else f"{name}={value}")])
    return said | ({"extra_args": further} if further else {})


def _options(where: str, command: list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, str, str | None]]:
    """Place, long name and value (None where there is none) of each option."""
    words = [(f"{where}[{index}]", word) for index, text in enumerate(command) for word in _words(where, index, text)]
    while words:
        place, word = words.pop(0)
        found = re.fullmatch(r"(--[A-Za-z][A-Za-z-]*)(?:=(.*))?|(-[A-Za-z])(.+)?", word)
        if not found:
            raise ConfigError(f"{place}: {word!r} is no option; write '--name=value', '--name' or '-n value'")
        short = found[3]
        if short is not None and short not in _SHORT:
            raise ConfigError(f"{place}: {word!r} is not allowed; of the short options {', '.join(_SHORT)} are")
        value = found[4] if short else found[2]
        if value is None and words and not words[0][1].startswith("-"):
            value = words.pop(0)[1]
        yield place, _SHORT[short] if short else found[1], value


def _words(where: str, index: int, text: Any) -> list[str]:
    """The words of one entry, quotes read as a shell reads them and nothing expanded."""
    try:
        return shlex.split(text) if isinstance(text, str) else [str(text)]
    except ValueError as error:
        raise ConfigError(f"{where}[{index}]: {text!r} cannot be read: {error}; correct its quotes") from error


def _resource(place: str, name: str, value: str | None) -> dict[str, Any]:
    key = _RESOURCES[name]
    if not value:
        raise ConfigError(f"{place}: {name} has no value; write {name}=...")
    typed = int(value) if key in _NUMBERS and re.fullmatch(r"\d+", value, re.ASCII) else value
    return Resources.from_values(place, {key: typed}).to_values()
