"""What a job may say about its input; the exit record carries ``retryable`` to the control side."""

from __future__ import annotations


class InputProblem(ValueError):
    """Config, data or weights are not what they must be; the same job would fail the same way again."""

    retryable = False


class MissingData(InputProblem):
    """Data are not where a config says.

    :param what: is not there.
    :param folder: that is missing, or that lacks a file.
    :param advice: how to get it; "" where that is not known yet.
    """

    def __init__(self, what: str, folder: str = "", advice: str = "") -> None:
        super().__init__(f"{what}; {advice or 'put the data there'}")
        self.what = what
        self.folder = folder
        self.advice = advice


class NotNative(InputProblem):
    """Only OpenCompass itself has what the config names; the bridge can run it."""


class MissingParts(Exception):
    """An evaluation's parts are not all there and right; it can be scored once they are."""

    retryable = True
