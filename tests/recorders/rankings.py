"""Record the prediction files that OpenCompass 0.5.4 writes for the cases of tests/ranking_cases.py.

Run in an OpenCompass virtualenv (``make opencompass-venv``):

    PYTHONPATH=tests python tests/recorders/rankings.py

Each record is the file as OpenCompass's inferencer left it; tests/inference/test_opencompass_rankings.py has ours
answer the same, with ``opencompass_compat=True``. What its evaluators of probabilities say is recorded, too.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from datasets import Dataset
from opencompass import models as known_models
from opencompass.datasets.base import BaseDataset
from opencompass.openicl import icl_inferencer, icl_prompt_template, icl_retriever
from opencompass.openicl.icl_evaluator import AUCROCEvaluator, AveragePPLEvaluator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from ranking_cases import CASES, GOLDEN, WORDS, infer_cfg, make_model, reader, rows


class Fixed(BaseDataset):
    """Rows that are given."""

    @staticmethod
    def load(found: list[dict[str, Any]]) -> Dataset:
        return Dataset.from_list(found)


def make_tokenizer(file: Path) -> None:
    """Byte-pair tokens of the cases' words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([" ".join(WORDS), "\n".join(WORDS)] * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.save(str(file))


def predictions(name: str, path: Path, folder: Path) -> dict[str, Any]:
    """What OpenCompass writes for one case."""
    case = CASES[name]
    settings = json.loads(json.dumps({**case["model"], "path": str(path)}))
    del settings["max_out_len"]
    model = getattr(known_models, settings.pop("type"))(**settings)
    dataset = Fixed(reader_cfg=reader(case), found=rows())
    infer = json.loads(json.dumps(infer_cfg(case)))
    retriever = _build(icl_retriever, infer["retriever"], dataset=dataset)
    templates = {key: _build(icl_prompt_template, infer[key]) for key in infer if key.endswith("template")}
    more = {"max_seq_len": case["model"]["max_seq_len"]} if "max_seq_len" in case["model"] else {}
    inferencer = _build(icl_inferencer, infer["inferencer"], model=model, output_json_filepath=str(folder), **more)
    inferencer.inference(retriever, **templates, output_json_filepath=str(folder), output_json_filename=f"{name}.json")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def _build(module: Any, config: dict[str, Any], **more: Any) -> Any:
    options = {key: value for key, value in config.items() if key != "type"}
    return getattr(module, config["type"])(**options, **more)


def evaluations() -> dict[str, Any]:
    """What OpenCompass's evaluators of probabilities say."""
    rng = random.Random(6)
    surprises = [rng.uniform(0.5, 9) for _ in range(240)]
    firsts = [round(rng.random(), 2) for _ in range(240)]
    pairs = [[first, 1 - first] for first in firsts]
    labels = [int(rng.random() < 0.3 + 0.5 * pair[1]) for pair in pairs]
    return {
        "AveragePPLEvaluator": {
            "predictions": surprises,
            "references": [None] * len(surprises),
            "result": AveragePPLEvaluator().score(surprises),
        },
        "AUCROCEvaluator": {
            "predictions": pairs,
            "references": labels,
            "result": AUCROCEvaluator().score(pairs, labels),
        },
    }


def main() -> None:
    """Write the records."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    make_tokenizer(GOLDEN / "tokenizer.json")
    with tempfile.TemporaryDirectory() as place:
        path = make_model(Path(place, "model"))
        for name in CASES:
            found = predictions(name, path, Path(place))
            (GOLDEN / f"{name}.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    (GOLDEN / "evaluations.json").write_text(json.dumps(evaluations(), indent=1) + "\n")


if __name__ == "__main__":
    main()
