"""How the benchmark talks to a side: it loads its model, then answers one JSON line for every JSON line.

Standard library only, because every side has its own interpreter.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

LABELS = "ABCD"
Rank = Callable[[list[str], str, int], list[int]]
"""Questions, what stands before each, and rows of a batch -> number of the chosen label for each."""


def prompt(question: str) -> str:
    """A question as all sides ask it; a space and a label follow."""
    return f"{question}\nAnswer:"


def serve(rank: Rank, versions: dict[str, str]) -> None:
    """Answer until the benchmark ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    with redirect_stdout(sys.stderr):
        _say(answers, {"versions": versions, "loaded_mb": _megabytes()})
        for line in sys.stdin:
            asked = json.loads(line)
            wall, cpu = time.perf_counter(), time.process_time()
            chosen = rank(asked["questions"], asked["before"], asked["batch"])
            spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            _say(answers, {**spent, "chosen": chosen, "peak_mb": _megabytes()})


def _say(answers: Any, said: dict[str, Any]) -> None:
    answers.write(json.dumps(said) + "\n")
    answers.flush()


def _megabytes() -> float:
    """Most memory that the process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
