"""The name of a checkpoint and the training step that it tells."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opencompass_ops.errors import ConfigError

STEP = "{step}"


@dataclass(frozen=True)
class Pattern:
    """A path below the place, such as ``step-{step}`` or ``iter_{step}/hf``.

    :param text: ``{step}`` stands for the digits of the step, ``*`` for any characters of one name.
    """

    text: str

    def __post_init__(self) -> None:
        """Doubt it once.

        :raises ConfigError: it has no step or two, or leaves the place.
        """
        if self.text.count(STEP) != 1:
            raise ConfigError(f"pattern {self.text!r} must say {STEP} once, where the training step stands")
        if any(part in ("", ".", "..") for part in self.text.split("/")):
            raise ConfigError(f"pattern {self.text!r} must be a path below the place, such as step-{STEP}")

    @property
    def depth(self) -> int:
        """How many names such a path has."""
        return self.text.count("/") + 1

    @property
    def regex(self) -> str:
        """A regular expression that matches such a path as a whole; its one group is the step."""
        pieces = {STEP: "([0-9]+)", "*": "[^/]*"}
        return "".join(pieces.get(piece) or re.escape(piece) for piece in re.split(r"(\{step\}|\*)", self.text))

    def step(self, name: str) -> int | None:
        """The training step of the checkpoint at a path; None when it is no such path."""
        found = re.fullmatch(self.regex, name)
        return int(found[1]) if found else None
