"""This project's engine: from text to entries of the prediction file. Arguments: model folder, rule."""

from __future__ import annotations

import sys
from typing import Any

import torch
import transformers

from benchmarks.rankers.protocol import LABELS, prompt, serve
from inference.forms import Perplexities
from inference.model import load_model, place
from inference.pressure import batch_tokens
from inference.ranking import Ranking
from inference.requests import RankingRequest
from inference.tokens import load_tokens


def main() -> None:
    """Load, then answer."""
    folder, rule = sys.argv[1:]
    config = {"abbr": "tiny", "type": "HuggingFaceBaseModel", "path": folder}
    tokens, model = load_tokens(config), load_model(config, place(1))

    def rank(questions: list[str], before: str, batch: int) -> list[int]:
        requests = []
        for number, question in enumerate(questions):
            prompts = tuple(f"{before}{prompt(question)} {label}" for label in LABELS)
            requests.append(RankingRequest(number, tuple(LABELS), prompts, prompts))
        ranking = Ranking(model, tokens, Perplexities(rule), requests, batch or batch_tokens(config))
        found: dict[int, Any] = {}
        for items in ranking.batches:
            found |= zip(items, ranking.answer(items), strict=True)
        return [LABELS.index(found[number]["prediction"]) for number in range(len(questions))]

    serve(rank, {"torch": torch.__version__, "transformers": transformers.__version__})


if __name__ == "__main__":
    main()
