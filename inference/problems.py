"""What a job may say about its input; the exit record carries ``retryable`` to the control side."""

from __future__ import annotations


class InputProblem(ValueError):
    """Config, data or weights are not what they must be; the same job would fail the same way again."""

    retryable = False


class NotNative(InputProblem):
    """Only OpenCompass itself has what the config names; the bridge can run it."""


class MissingParts(Exception):
    """An evaluation's parts are not all there and right; it can be scored once they are."""

    retryable = True
