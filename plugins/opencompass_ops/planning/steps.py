"""The training step that a checkpoint's name tells."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_STEP = re.compile(r"(?:^|[^a-z])(?:global_?step|step|checkpoint|ckpt|iteration|iter)[-_]?(\d+)(?![0-9a-z]|\.\d)", re.I)


def training_step(abbr: str, path: str = "") -> int | None:
    """The step in the abbr, else in the last component of the path; None when neither tells, or tells two.

    Read are ``step-000100``, ``step_100``, ``checkpoint-100`` (transformers), ``iter_0000100`` (Megatron) and
    ``global_step100`` (DeepSpeed); ``step10k`` is not, because its unit is a guess.
    """
    for name in (abbr, PurePosixPath(path).name):
        found = {int(number) for number in _STEP.findall(name)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None
