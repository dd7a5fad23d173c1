"""Where judges of OpenCompass's SubjectiveEvalTask leave what they say, and the result of a model that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_JUDGED_BY, _SUMMARIZED_BY = "judged-by--", "summarized-by--"


def judged_name(models: Sequence[str], judge: str, *, is_last: bool) -> str:
    """OpenCompass's name for models that a judge saw together, which stands in a path where else a model's abbr does.

    :param models: abbrs, in the order of the comparison.
    :param judge: the judge's abbr.
    :param is_last: whether it judges what the other judges said.
    """
    return "_".join((*models, (_SUMMARIZED_BY if is_last else _JUDGED_BY) + judge))


def result_of(said: Mapping[str, Mapping[str, Any]], paths: Sequence[str]) -> dict[str, Any]:
    """A model's result: the numbers that post-processors made of what judges said, or else where their words lie.

    :param said: by :func:`judged_name`, the content of its file.
    :param paths: run-relative, of all files that judges left.
    """
    metrics: dict[str, Any] = {
        name if len(said) == 1 else f"{name} ({whose})": value
        for whose, body in said.items()
        for name, value in body.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return metrics or {"judged": ", ".join(paths)}
