"""lm-evaluation-harness's log-likelihoods of labels with its HFLM. Argument: model folder."""

from __future__ import annotations

import importlib.metadata
import sys

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from benchmarks.rankers.protocol import LABELS, prompt, serve


def main() -> None:
    """Load, then answer."""
    model = HFLM(pretrained=sys.argv[1], device="cpu", dtype="float32", add_bos_token=True)

    def rank(questions: list[str], before: str, batch: int) -> list[int]:
        model.batch_size_per_gpu = batch
        asked = [
            Instance("loglikelihood", {}, (before + prompt(question), f" {label}"), number)
            for number, question in enumerate(questions)
            for label in LABELS
        ]
        sums = [total for total, _ in model.loglikelihood(asked, disable_tqdm=True)]
        fours = [sums[first : first + len(LABELS)] for first in range(0, len(sums), len(LABELS))]
        return [four.index(max(four)) for four in fours]

    serve(rank, {name: importlib.metadata.version(name) for name in ("lm_eval", "torch", "transformers")})


if __name__ == "__main__":
    main()
