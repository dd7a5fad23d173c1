"""OpenCompass's ``test_range`` strings, read without evaluating them."""

from __future__ import annotations

import re

_NUMBER = r"\s*(?:-?\d+)?\s*"
_SLICE = re.compile(rf"\[({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?\]")


def slices(text: str) -> tuple[slice, ...] | None:
    """The slices of ``[:100][0: 50]`` in order; None when the text is anything else."""
    found, end = [], 0
    stripped = text.strip()
    for match in _SLICE.finditer(stripped):
        if match.start() != end:
            return None
        end = match.end()
        found.append(slice(*(int(number) if number and number.strip() else None for number in match.groups())))
    return tuple(found) if end == len(stripped) else None


def base_range(test_range: object, rows: int, selected: int) -> str | None:
    """The range string to which OpenCompass would append a part's slice; None when no string says it.

    A number as ``test_range`` is a seeded sample, which a slice cannot follow (OpenCompass would write
    ``4000[0: 2000]``). A run's limit is said as one more slice.

    :param test_range: of the dataset's ``reader_cfg``; None or "" for all rows.
    :param rows: rows before any range.
    :param selected: rows after the range and the run's limit.
    """
    if test_range is None or test_range == "":
        ranged, text = rows, ""
    elif (
        isinstance(test_range, str) and (parsed := slices(test_range)) is not None and all(s.step != 0 for s in parsed)
    ):
        kept = range(rows)
        for piece in parsed:
            kept = kept[piece]
        ranged, text = len(kept), test_range
    else:
        return None
    return text if selected == ranged else f"{text}[:{selected}]"
