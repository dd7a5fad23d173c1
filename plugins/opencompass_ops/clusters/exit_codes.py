"""Exit codes of jobs in words."""

from __future__ import annotations

import signal

_SHELL = 128
"""A shell returns 128 + N for a command that signal N killed."""

_SIGNALS = frozenset(map(int, signal.valid_signals()))
"""Kept: making it takes longer than all else that one look does for a job."""

_SPECIAL = {
    75: "another job holds its token and does the work",
    126: "its program cannot be executed; look at python, container and setup in the cluster's config",
    127: "its program was not found; look at python, container and setup in the cluster's config",
}


def from_shell(code: int) -> int:
    """A shell's return code with the signal told apart: 143 is -15."""
    return -(code - _SHELL) if code - _SHELL in _SIGNALS else code


def in_words(code: int | None) -> str:
    """How a process ended.

    :param code: negative for a signal, None when not known.
    """
    if code is None:
        return "ended without a code"
    if code >= 0:
        return f"ended with code {code}" + (f": {_SPECIAL[code]}" if code in _SPECIAL else "")
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"
