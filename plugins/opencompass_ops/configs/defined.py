"""Which classes and functions an OpenCompass defines, read from its text: nothing is imported or run."""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path

_DEFINED = re.compile(r"^(?:class|def|async def)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=", re.MULTILINE)


@cache
def defined_names(package: Path) -> frozenset[str]:
    """Names of classes, functions and values at the top level of any module.

    :param package: the folder of the package ``opencompass``.
    """
    files = (file for file in package.rglob("*.py") if not file.is_relative_to(package / "configs"))
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in files)
    return frozenset(first or second for text in texts for first, second in _DEFINED.findall(text))


def nearest_names(name: str, package: Path) -> list[str]:
    """At most three defined names that are nearly the wanted one."""
    folded = {known.casefold(): known for known in defined_names(package)}
    return [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.8)]
