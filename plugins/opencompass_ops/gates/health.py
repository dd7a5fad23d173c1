"""Signs that an evaluation is broken rather than its model worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SIGNS = {
    "truncated": "prompts cut to the model's length",
    "empty_predictions": "empty predictions",
    "empty_answers": "answers of which nothing is left to score",
    "unjudged": "items without a judge's verdict",
}
"""Counts of a result's manifest, as the scorer names them, in words."""


@dataclass(frozen=True)
class HealthAlarm:
    """One sign in one dataset.

    :param share: of the dataset's items, between 0 and 1.
    :param before: the same of the reference that had least of it, None when that is not known.
    """

    model: str
    dataset: str
    sign: str
    items: int
    share: float
    before: float | None

    @property
    def text(self) -> str:
        """What people read."""
        before = "" if self.before is None else f", {self.before:.1%} before"
        return f"{self.model}/{self.dataset}: {self.items} {_SIGNS[self.sign]} ({self.share:.1%}{before})"


def alarms_of(
    model: str, dataset: str, now: Mapping[str, Any], before: list[Mapping[str, Any]], limit: float
) -> list[HealthAlarm]:
    """Signs that more than ``limit`` of the items show.

    :param now: details of the result's manifest.
    :param before: those of the references.
    """
    found = []
    for sign in _SIGNS:
        share, count = _share(now, sign)
        if share is not None and share > limit:
            known = [earlier for one in before if (earlier := _share(one, sign)[0]) is not None]
            found.append(HealthAlarm(model, dataset, sign, count, share, min(known, default=None)))
    return found


def casts_doubt(alarm: HealthAlarm, limit: float) -> bool:
    """Whether the sign is new, so that it may be what makes a score fall."""
    return alarm.share - (alarm.before or 0.0) > limit


def _share(details: Mapping[str, Any], sign: str) -> tuple[float | None, int]:
    health = details.get("health")
    if not isinstance(health, Mapping) or not health.get("items"):
        return None, 0
    count = int(health.get(sign) or 0)
    return count / int(health["items"]), count
