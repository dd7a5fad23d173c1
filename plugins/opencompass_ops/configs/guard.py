"""What watches a config while it runs: the policy applied to the process, and the variables it asks for."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any

from opencompass_ops.configs.policy import Policy, refusal, source_read

_OWN_VARIABLES = frozenset({"TMPDIR", "TEMP", "TMP"})


class RefusedError(PermissionError):
    """The config did what the policy forbids."""


class Guard:
    """Applies a policy to this process from now on, for good; remembers which sources were read.

    :param policy: what is allowed.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.active = True
        self.sources: set[str] = set()
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        reason = refusal(self._policy, event, arguments)
        if reason:
            raise RefusedError(reason)
        source = source_read(self._policy, event, arguments)
        if source:
            self.sources.add(source)


class Environment(os._Environ):  # type: ignore[type-arg]  # generic in the stubs only
    """The process's environment; remembers which variables were asked for, the missing ones too.

    ``asked`` maps a name to the sha256 of its value, or None when it was not set.
    """

    def __init__(self) -> None:
        old: Any = os.environ
        super().__init__(old._data, old.encodekey, old.decodekey, old.encodevalue, old.decodevalue)
        self.asked: dict[str, str | None] = {}

    def __getitem__(self, key: str) -> str:
        """The variable's value; raises KeyError when it is not set."""
        try:
            value = str(super().__getitem__(key))
        except KeyError:
            self._remember(key, None)
            raise
        self._remember(key, hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest())
        return value

    def _remember(self, key: str, value: str | None) -> None:
        if key not in _OWN_VARIABLES:
            self.asked[key] = value
