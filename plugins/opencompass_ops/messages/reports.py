"""OpenCompass's status reports, word for word: launch, the end of each stage, and where the summary lies.

So they look where OpenCompass 0.5.4 is told ``-l``; ``tests/golden/lark`` holds what it posted itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opencompass_ops.messages import lark
from opencompass_ops.messages.digest import Digest, Kind, Stage
from opencompass_ops.messages.fitting import longest

_TASKS = {"infer": ("OpenICLInferTask", "OpenICLInfer"), "eval": ("OpenICLEvalTask", "OpenICLEval")}


def reports(digest: Digest) -> dict[str, dict[str, Any]]:
    """The messages of a moment, in order, by what they report: ``launch``; or ``infer``, ``eval`` and ``summary``."""
    if digest.kind is Kind.START:
        return {"launch": lark.text(f"{digest.user}'s task has been launched!")}
    found = {
        stage.name: _stage(stage, digest.user) for stage in digest.stages if stage.name in _TASKS and stage.planned
    }
    if digest.summary:
        found["summary"] = lark.text(f"{digest.user} 的详细评测汇总已输出至 {digest.summary}")
    return found


def _stage(stage: Stage, user: str) -> dict[str, Any]:
    task, prefix = _TASKS[stage.name]
    done, failed = len(stage.succeeded), len(stage.failed)
    if failed:
        title = f"Bad news: {failed} failed."
        head = f"{user} 's {task} tasks finished. {done} tasks succeeded, {failed} tasks failed. Failed tasks are:"
        return _listed(title, head, [f"{prefix}[{trouble.parts}]" for trouble in stage.failed])
    head = f"{user}'s {task} tasks finished. {done} tasks succeeded."
    return _listed("Great news: all tasks finished!", head, [f"{prefix}[{parts}]" for parts in stage.succeeded])


def _listed(title: str, head: str, names: Sequence[str]) -> dict[str, Any]:
    """The message with as many names as Lark takes; OpenCompass sends all of them, and Lark refuses that."""

    def body(count: int) -> dict[str, Any]:
        more = [f"... and {len(names) - count} more"] if count < len(names) else []
        return lark.post(title, "\n".join([head, *names[:count], *more]))

    return longest(len(names), body, lark.fits)
