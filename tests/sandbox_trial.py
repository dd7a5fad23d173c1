"""The quick ones of the hostile programs behind one wall: ``python -m sandbox_trial WRAPPER FOLDER``, as any user."""

from __future__ import annotations

import json
import sys
import tempfile

from hostile_programs import ENDLESS, HOSTILE, WANTED, hostile
from inference.code_runs import Program
from inference.sandbox.pool import Server

SECONDS = 8.0


def judged(wrapper: str, folder: object) -> list[object]:
    """What a trial is allowed, what becomes of a right program, which hostile ones pass, and what holds.

    :param folder: where anybody may write.
    """
    tempfile.tempdir = str(folder)
    names = [name for name in HOSTILE if name not in ENDLESS]
    texts = hostile(folder)
    with Server(wrapper) as server:
        right = server.run(Program("def f(x): return x + 1", WANTED), SECONDS).verdict
        passed = [name for name in names if server.run(Program(texts[name], WANTED), SECONDS).verdict.passed]
        return [list(server.walls.allowed), right.outcome.value, passed, str(server.walls)]


if __name__ == "__main__":
    print(json.dumps(judged(*sys.argv[1:])))  # noqa: T201  # its answer
