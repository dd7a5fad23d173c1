"""What an examination of a cluster found; pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

_WIDTH = 110


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    :param what: what was looked at.
    :param says: what was seen.
    :param next_step: what to do about it; "" where all is well.
    """

    what: str
    says: str
    next_step: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing need be done."""
        return not self.next_step


def report(findings: Iterable[Finding]) -> str:
    """The findings as aligned text; a next step stands below its line."""
    return "\n".join(line for finding in findings for line in _lines(finding))


def _lines(finding: Finding) -> list[str]:
    head = f"{'ok' if finding.ok else 'FAIL':<5} {finding.what:<14} "
    indent = " " * len(head)
    lines = _wrapped(finding.says, head, indent)
    return lines if finding.ok else [*lines, *_wrapped(finding.next_step, f"{indent}-> ", f"{indent}   ")]


def _wrapped(text: str, first: str, indent: str) -> list[str]:
    # Paths are never broken, so that they can be copied.
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
