"""Two hundred shards that fail for one reason are one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from opencompass_ops.messages.digest import Trouble

_CHANGING = re.compile(r"oc-[0-9a-z]+-[0-9a-z-]+|/[^\s:;,'\"]+|\b[0-9a-f]{8,}\b|\d+")
"""What tells one shard's reason from another's: tokens, paths, digests, numbers."""


@dataclass(frozen=True)
class Group:
    """Things that failed alike.

    :param reason: of the first of them.
    """

    reason: str
    labels: tuple[str, ...]


def group(troubles: Sequence[Trouble]) -> tuple[Group, ...]:
    """Groups by reason, the largest first; of equal ones that which came first."""
    found: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        found.setdefault(_alike(trouble), []).append(trouble)
    groups = [Group(alike[0].reason, tuple(trouble.label for trouble in alike)) for alike in found.values()]
    return tuple(sorted(groups, key=lambda one: -len(one.labels)))


def _alike(trouble: Trouble) -> str:
    reason = trouble.reason.replace(trouble.label, "*") if trouble.label else trouble.reason
    return _CHANGING.sub("*", reason)
