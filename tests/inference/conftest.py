"""A tiny Llama with a tokenizer of its own, and shards for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.contract import codec
from opencompass_ops.contract.spec import INFER, Part, ShardSpec

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WORDS = ["red", "green", "blue", "seven", "eleven", "cat", "dog", "house", "river", "stone", "bright", "slow"]


def _save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60k weights that say the same on every run."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny"
    _save_tokenizer(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,  # Far apart logits: no near ties that padding could tip.
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def words(seed: int, count: int) -> str:
    """Some words, the same for the same seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=count))


@pytest.fixture(scope="session")
def rows_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with questions of very different lengths, ``data/questions.jsonl``."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        {"question": words(row, 1 + (row * 37) % 90), "A": words(row + 500, 1 + row % 3), "B": words(row + 900, 2)}
        for row in range(22)
    ]
    (folder / "data").mkdir()
    lines = [json.dumps({**row, "answer": "AB"[number % 2]}) for number, row in enumerate(rows)]
    (folder / "data" / "questions.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def _dataset(abbr: str, template: Any, inferencer: dict[str, Any]) -> dict[str, Any]:
    return {
        "abbr": abbr,
        "type": "JsonlDataset",
        "path": "./data/questions.jsonl",
        "reader_cfg": {"input_columns": ["question", "A", "B"], "output_column": "answer"},
        "infer_cfg": {
            "prompt_template": {"type": "PromptTemplate", "template": template},
            "retriever": {"type": "ZeroRetriever"},
            "inferencer": inferencer,
        },
        "eval_cfg": {"evaluator": {"type": "AccEvaluator"}},
    }


@pytest.fixture
def gen_dataset() -> dict[str, Any]:
    """A generation dataset over ``questions.jsonl``."""
    return _dataset("toy-gen", "{question} =", {"type": "GenInferencer", "max_out_len": 12})


@pytest.fixture
def ppl_dataset() -> dict[str, Any]:
    """A ranking dataset over ``questions.jsonl``."""
    template = {"A": "{question} is {A}", "B": "{question} is {B}"}
    return _dataset("toy-ppl", template, {"type": "PPLInferencer"})


@pytest.fixture
def model_cfg(tiny_model: Path) -> dict[str, Any]:
    """The tiny model as an OpenCompass config."""
    sizes = {"batch_size": 4, "batch_tokens": 400}
    return {"abbr": "tiny", "type": "HuggingFaceBaseModel", "path": str(tiny_model), **sizes}


@pytest.fixture
def make_spec(model_cfg: dict[str, Any], rows_dir: Path) -> Callable[..., ShardSpec]:
    """Build an infer shard of whole datasets, or of rows ``start..stop`` of each."""

    def make(*datasets: dict[str, Any], start: int = 0, stop: int = 22, **options: Any) -> ShardSpec:
        model = {**model_cfg, **options.pop("model", {})}
        parts = tuple(_part(model, dataset, start, stop) for dataset in datasets)
        return ShardSpec("infer-0000", INFER, model, parts, data_dir=str(rows_dir), **options)

    return make


def _part(model: dict[str, Any], dataset: dict[str, Any], start: int, stop: int) -> Part:
    pair = codec.digest([model["path"], dataset])
    index = None if (start, stop) == (0, 22) else start
    return Part(dataset, index, start, stop, 22, codec.digest([pair, start, stop]), pair)
