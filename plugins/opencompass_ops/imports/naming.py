"""Which training run a model belongs to, and how far the training was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath

from opencompass_ops.errors import InputError
from opencompass_ops.planning.steps import training_step
from opencompass_ops.results.series import series_names

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([kmbt]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_LARGEST = 2**63 - 1
_EDGES = "-_./ "


@dataclass(frozen=True)
class Place:
    """A model's place: the series it belongs to, and its step there; None when nothing tells."""

    series: str
    step: int | None


@dataclass(frozen=True)
class Naming:
    """How models are put into series.

    :param series: the series of every model; "" to derive it.
    :param pattern: searched in the model's abbr, then in its path; its groups ``series`` and ``step`` tell. None for
        the usual names of checkpoints, see :func:`opencompass_ops.planning.steps.training_step`.
    """

    series: str = ""
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, series: str, pattern: str) -> Naming:
        """:param series: as it was written, "" for none.
        :param pattern: the text of a regular expression, "" for none.
        :raises InputError: the pattern cannot be used, or names a series beside the one that was given.
        """
        if not pattern:
            return cls(series)
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise InputError(f"--step-pattern {pattern!r} is no regular expression ({error}); correct it") from error
        groups = set(compiled.groupindex)
        if "step" not in groups or not groups <= {"series", "step"}:
            raise InputError(
                f"--step-pattern {pattern!r} needs a group (?P<step>...) and may have one (?P<series>...), no others"
            )
        if series and "series" in groups:
            raise InputError(f"--series {series!r} and the group series of --step-pattern both name it; drop one")
        return cls(series, compiled)

    def places(self, models: Mapping[str, str]) -> dict[str, Place]:
        """The place of each model of one run.

        :param models: abbr -> path of the weights.
        """
        found = self._by_pattern(models) if self.pattern else self._usual(models)
        return {abbr: Place(self.series or place.series, place.step) for abbr, place in found.items()}

    def _usual(self, models: Mapping[str, str]) -> dict[str, Place]:
        steps = {abbr: training_step(abbr, path) for abbr, path in models.items()}
        names = series_names({abbr: (path or abbr, steps[abbr]) for abbr, path in models.items()})
        return {abbr: Place(names[abbr], steps[abbr]) for abbr in models}

    def _by_pattern(self, models: Mapping[str, str]) -> dict[str, Place]:
        return {abbr: self._match(abbr, path) or Place(abbr, None) for abbr, path in models.items()}

    def _match(self, abbr: str, path: str) -> Place | None:
        for text in (abbr, path):
            match = self.pattern.search(text) if self.pattern else None
            step = _number(match["step"]) if match else None
            if match and step is not None:
                said = match.groupdict().get("series")
                rest = (text[: match.start()] + text[match.end() :]).strip(_EDGES)
                return Place(said or PurePosixPath(rest).name or abbr, step)
        return None


def _number(text: str | None) -> int | None:
    """1000, or 20B of tokens; None for what is no number or does not fit into the database."""
    match = _NUMBER.fullmatch(text or "")
    number = int(Decimal(match[1]) * _UNITS[match[2].lower()]) if match else None
    return number if number is not None and number <= _LARGEST else None
