"""What work really took: models of several sizes answer real rows, and the timings of their manifests are kept.

``make record-costs DATA=FOLDER`` writes ``simulated/recorded.json``; DATA holds ``BBH``, ``gsm8k`` and ``humaneval`` as
OpenCompass's ``./data`` does. The models have random weights, which costs what trained ones cost: how long an answer
gets is decided by sampling and by a stop string that differs by dataset. Each dataset is answered in quarters, so that
rows may cost more at its end than at its beginning.

Each model answers in a process of one thread, and its clock counts the processor's time, not that of the wall: what
else runs on the machine then hardly shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.simulated.recorded import FILE, QUARTERS, Recorded, RecordedDataset, RecordedModel, Recording
from inference.datasets import load_rows
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import INFER, Part, ShardSpec

ROWS = 16
"""Answered of each dataset, evenly spread over it."""
CHECKPOINTS = 4

_FREE = (
    "boolean_expressions", "causal_judgement", "dyck_languages", "formal_fallacies", "multistep_arithmetic_two",
    "navigate", "object_counting", "sports_understanding", "web_of_lies", "word_sorting",
)  # fmt: skip
_CHOICE = {
    "date_understanding": 6, "disambiguation_qa": 3, "geometric_shapes": 11, "hyperbaton": 2,
    "logical_deduction_five_objects": 5, "logical_deduction_seven_objects": 7, "logical_deduction_three_objects": 3,
    "movie_recommendation": 4, "penguins_in_a_table": 5, "reasoning_about_colored_objects": 18, "ruin_names": 4,
    "salient_translation_error_detection": 6, "snarks": 2, "temporal_sequences": 4,
    "tracking_shuffled_objects_five_objects": 5, "tracking_shuffled_objects_seven_objects": 7,
    "tracking_shuffled_objects_three_objects": 3,
}  # fmt: skip
_STOPS = ("z", "q", "\n", "ing")


@dataclass(frozen=True)
class Size:
    """A shape of Llama."""

    name: str
    hidden: int
    layers: int


SIZES = (Size("small", 64, 2), Size("middle", 128, 3), Size("large", 192, 5))


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder with BBH, gsm8k and humaneval")
    parser.add_argument("--write", type=Path, default=FILE)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer(arguments.answer)
        return 0
    if arguments.data is None:
        parser.error("name the data with --data FOLDER")
    with tempfile.TemporaryDirectory() as folder:
        recording = record(arguments.data.resolve(), Path(folder))
    arguments.write.write_text(json.dumps(asdict(recording), indent=1) + "\n")
    return 0


def record(data: Path, folder: Path) -> Recording:
    """Let every model answer every dataset.

    :param folder: for models and answers.
    """
    home = folder / "home"
    home.mkdir()
    (home / "data").symlink_to(data)
    datasets = list(_datasets())
    counts = {config["abbr"]: len(load_rows(config, str(home)).test) for config in datasets}
    models = []
    for size in SIZES:
        for number in range(CHECKPOINTS):
            models.append(_recorded(_checkpoint(size, number, home, folder), size, datasets, counts, home, folder))
            print(f"{models[-1].name}: {models[-1].load:.1f} s and {_work(models[-1], counts):.0f} s", flush=True)
    return Recording(
        made=datetime.now(UTC).date().isoformat(),
        processor=f"{platform.machine()}, one thread, seconds of processor time",
        datasets=tuple(RecordedDataset(c["abbr"], counts[c["abbr"]], _labels(c)) for c in datasets),
        models=tuple(models),
    )


def answer(spec: Path) -> None:
    """Answer a shard on the processor's clock; prints what the process took in all."""
    import inference.work
    from inference.heartbeat import Progress
    from inference.infer import infer

    inference.work.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[attr-defined,assignment]
    infer(LocalFiles(spec.parent), ShardSpec.from_json(spec.read_bytes()), "recorded", Progress())
    print(json.dumps({"took": time.process_time()}))


def _datasets() -> Iterator[dict[str, Any]]:
    for number, name in enumerate(_FREE):
        yield _config(f"bbh-{name}", "BBHDataset", "./data/BBH/data", "{input}\nAnswer:", ["input"], "target", number,
                      name=name)  # fmt: skip
    for name, options in _CHOICE.items():
        letters = [chr(ord("A") + number) for number in range(options)]
        template = {letter: f"{{question}}\n{{{letter}}}" for letter in letters}
        yield _config(f"bbh-{name}", "BBHChoiceDataset", "./data/BBH/data", template, ["question", *letters], "target",
                      0, name=name, options=options)  # fmt: skip
    yield _config("gsm8k", "GSM8KDataset", "./data/gsm8k", "{question}\nAnswer:", ["question"], "answer", 7)
    yield _config("humaneval", "HumanevalDataset", "./data/humaneval/human-eval-v2-20210705.jsonl", "{prompt}",
                  ["prompt"], "task_id", 9)  # fmt: skip


def _config(
    abbr: str, kind: str, path: str, template: Any, columns: list[str], output: str, number: int, **options: Any
) -> dict[str, Any]:
    ranked = isinstance(template, dict)
    generation = {"type": "GenInferencer", "max_out_len": 16 << number % 4, "stopping_criteria": [_STOPS[number % 4]]}
    return {
        "abbr": abbr,
        "type": kind,
        "path": path,
        **options,
        "reader_cfg": {"input_columns": columns, "output_column": output},
        "infer_cfg": {
            "prompt_template": {"type": "PromptTemplate", "template": template},
            "retriever": {"type": "ZeroRetriever"},
            "inferencer": {"type": "PPLInferencer"} if ranked else generation,
        },
    }


def _labels(config: dict[str, Any]) -> int:
    template = config["infer_cfg"]["prompt_template"]["template"]
    return len(template) if isinstance(template, dict) else 0


def _checkpoint(size: Size, number: int, home: Path, folder: Path) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    from demo.model import make_tokenizer, save

    lines = (home / "data/gsm8k/train.jsonl").read_text().splitlines()[:2000]
    tokenizer = make_tokenizer(lines)
    set_seed(number)
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size.hidden, intermediate_size=2 * size.hidden,
        num_hidden_layers=size.layers, num_attention_heads=4, max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    made = folder / f"{size.name}-{number}"
    save(LlamaForCausalLM(shape), tokenizer, made)
    return made


def _recorded(
    checkpoint: Path, size: Size, datasets: list[dict[str, Any]], counts: dict[str, int], home: Path, folder: Path
) -> RecordedModel:
    run = folder / f"run-{checkpoint.name}"
    run.mkdir()
    parts = tuple(part for config in datasets for part in _parts(config, counts[config["abbr"]]))
    model = {
        "abbr": checkpoint.name, "type": "HuggingFaceBaseModel", "path": str(checkpoint), "max_out_len": 64,
        "batch_size": 16, "max_seq_len": 1024, "generation_kwargs": {"do_sample": True},
    }  # fmt: skip
    spec = ShardSpec("infer-0000", INFER, model, parts, data_dir=str(home))
    (run / "spec.json").write_text(spec.to_json())
    argv = [sys.executable, "-m", "benchmarks.recording", "--answer", str(run / "spec.json")]
    alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    told = subprocess.run(argv, env={**os.environ, **alone}, capture_output=True, text=True, check=True).stdout
    timings = {part.name: _timing(LocalFiles(run), spec, part) for part in parts}
    seconds: Recorded = {}
    for part in parts:
        seconds.setdefault(part.dataset_abbr, []).append(round(timings[part.name] / part.count, 6))
    return RecordedModel(
        name=checkpoint.name,
        series=size.name,
        weights_bytes=sum(file.stat().st_size for file in checkpoint.glob("*.safetensors")),
        load=round(json.loads(told.splitlines()[-1])["took"] - sum(timings.values()), 3),
        seconds=seconds,
    )


def _parts(config: dict[str, Any], rows: int) -> Iterator[Part]:
    """Quarters of rows that are spread evenly over the dataset."""
    step = max(1, rows // ROWS)
    reader = {**config["reader_cfg"], "test_range": f"[:{ROWS * step}:{step}]"}
    for number in range(QUARTERS):
        start, stop = ROWS * number // QUARTERS, ROWS * (number + 1) // QUARTERS
        name = f"{config['abbr']} {number}"
        yield Part({**config, "reader_cfg": reader}, number, start, stop, ROWS, name, name)


def _timing(files: LocalFiles, spec: ShardSpec, part: Part) -> float:
    manifest = Manifest.from_json(files.read(layout.manifest(layout.prediction(spec.model_abbr, part.name))))
    return float(manifest.details["timing"]["seconds"])


def _work(model: RecordedModel, counts: dict[str, int]) -> float:
    return sum(sum(each) / len(each) * counts[abbr] for abbr, each in model.seconds.items())


if __name__ == "__main__":
    sys.exit(main())
