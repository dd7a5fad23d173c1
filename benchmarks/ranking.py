"""Four-choice rankings by this project, OpenCompass and lm-evaluation-harness: same model, same prompts, in turns.

Each side has a process that loads the model once and is measured afterwards, in turns and several times over,
so that whatever else the machine does befalls all. OpenCompass and lm-evaluation-harness work with their best of
some batch sizes, found out on some of the questions. Seconds are those of the wall; processor seconds stand beside.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rankers.protocol import prompt

BATCHES = (1, 8, 32, 64)
PROBED = 32
"""Questions on which a batch size is chosen."""
_SYLLABLES = [start + vowel for start in "bcdfghklmnprstvz" for vowel in "aeiou"]
OURS, OURS_SUM, OPENCOMPASS, LM_EVAL = "ours", "ours, rule sum", "OpenCompass", "lm-eval"


@dataclass(frozen=True)
class Task:
    """:param before: what stands before each question.
    :param questions: without the labels.
    """

    name: str
    before: str
    questions: list[str]


class Side:
    """A process that ranks.

    :param command: starts it.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.batch = 0
        alone = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=alone
        )
        self.hello = self._answer()
        self.runs: list[dict[str, Any]] = []

    def ask(self, task: Task, count: int, batch: int) -> dict[str, Any]:
        """Rank the first ``count`` questions of a task."""
        asked = {"questions": task.questions[:count], "before": task.before, "batch": batch}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def tune(self, task: Task) -> None:
        """Keep the batch size that takes least of the processor."""
        tried = {batch: self.ask(task, min(PROBED, len(task.questions)), batch)["cpu"] for batch in BATCHES}
        self.batch = min(tried, key=tried.__getitem__)

    def middle(self, what: str) -> float:
        """The median of what the runs took."""
        return float(median(run[what] for run in self.runs))

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}; start its command by hand to see why")
        return dict(json.loads(line))


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--opencompass", help="an interpreter that has OpenCompass")
    parser.add_argument("--lm-eval", help="an interpreter that has lm-evaluation-harness")
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--few-shot-items", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="append one line per comparison")
    arguments = parser.parse_args()
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        questions = write_model(Path(place))
        tasks = (
            Task("four-choice", "", questions[: arguments.items]),
            Task("four-choice, five-shot", shots(questions), questions[: arguments.few_shot_items]),
        )
        for task in tasks:
            lines += compare(task, place, arguments)
    for line in lines:
        print(json.dumps(line))
    if arguments.json:
        with arguments.json.open("a") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)
    return 0


def compare(task: Task, folder: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one task; prints its table and returns its lines."""
    module = [sys.executable, "-m", "benchmarks.rankers.ours", folder]
    sides = [Side(OURS, [*module, "mean_all"]), Side(OURS_SUM, [*module, "sum"])]
    if arguments.opencompass:
        sides.append(Side(OPENCOMPASS, [arguments.opencompass, "-m", "benchmarks.rankers.opencompass", folder]))
    if arguments.lm_eval:
        sides.append(Side(LM_EVAL, [arguments.lm_eval, "-m", "benchmarks.rankers.lm_eval", folder]))
    for side in sides:
        if side.name in (OPENCOMPASS, LM_EVAL):
            side.tune(task)
        side.ask(task, PROBED, side.batch)  # warm
    count = len(task.questions)
    for _ in range(arguments.rounds):
        for side in sides:
            side.runs.append(side.ask(task, count, side.batch))
    half = [sides[0].ask(task, count // 2, 0)["cpu"] for _ in range(arguments.rounds)]
    print(table(task, sides, arguments.rounds), flush=True)
    print(f"\nTwice the questions take us {sides[0].middle('cpu') / median(half):.2f} times the processor time.\n")
    for side in sides:
        side.close()
    return [line(task, ours, peer) for ours, peer in pairs(sides)]


def pairs(sides: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Who is compared with whom: the same quantities with the same."""
    by_name = {side.name: side for side in sides}
    matched = ((OURS, OPENCOMPASS), (OURS_SUM, LM_EVAL))
    return [(by_name[ours], by_name[peer]) for ours, peer in matched if peer in by_name]


def line(task: Task, ours: Side, peer: Side) -> dict[str, Any]:
    """A comparison as one JSON line; the ratio is greater where we are better."""
    return {
        "name": f"{task.name}, {ours.name} and {peer.name}",
        "ratio": round(peer.middle("wall") / ours.middle("wall"), 2),
        "cpu_ratio": round(peer.middle("cpu") / ours.middle("cpu"), 2),
        "ours": round(ours.middle("wall"), 3),
        "peer": round(peer.middle("wall"), 3),
        "unit": "s",
        "equal": equal(ours, peer),
        "versions": {"ours": ours.hello["versions"], "peer": peer.hello["versions"]},
    }


def equal(ours: Side, peer: Side) -> float:
    """The share of equal predictions."""
    both = list(zip(ours.runs[0]["chosen"], peer.runs[0]["chosen"], strict=True))
    return float(sum(one == other for one, other in both) / len(both))


def table(task: Task, sides: Sequence[Side], rounds: int) -> str:
    """Medians of the rounds; ratios are to the side of ours that computes the same."""
    peers = {peer.name: (peer, ours) for ours, peer in pairs(sides)}
    lines = [
        f"{task.name}, {len(task.questions)} questions, {rounds} rounds; {os.cpu_count()} cores {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f} at the end",
        "",
        "| | batch | s | processor s | times ours, s | times ours, processor s | equal | MB over the model |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for side in sides:
        ratios = ["", "", ""]
        if side.name in peers:
            peer, ours = peers[side.name]
            ratios = [f"{peer.middle(what) / ours.middle(what):.1f}" for what in ("wall", "cpu")]
            ratios.append(f"{equal(ours, peer):.1%}")
        memory = max(run["peak_mb"] for run in side.runs) - side.hello["loaded_mb"]
        cells = [side.name, str(side.batch or "tokens"), f"{side.middle('wall'):.1f}", f"{side.middle('cpu'):.1f}"]
        lines.append("| " + " | ".join([*cells, *ratios, f"{memory:.0f}"]) + " |")
    return "\n".join(lines)


def write_model(folder: Path) -> list[str]:
    """Save a Llama of 9 million random weights and a tokenizer; returns 500 questions of 50 to 200 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    rng = random.Random(0)
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(6000)]
    weights = [1 / (place + 10) for place in range(len(words))]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer([" ".join(rng.choices(words, weights, k=50)) for _ in range(4000)]),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        model_input_names=["input_ids", "attention_mask"],  # older transformers would hand over token_type_ids
    )
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(fast), hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=8,
        max_position_embeddings=2048, initializer_range=0.05, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder)
    fast.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"TokenizersBackend"', '"PreTrainedTokenizerFast"'))
    return [_question(rng, words, weights, fast) for _ in range(500)]


def _tokenizer(lines: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=8000, special_tokens=["<pad>", "<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([*lines, "Answer: A B C D"] * 2, trainer)
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return backend


def _question(rng: random.Random, words: list[str], weights: list[float], tokenizer: Any) -> str:
    """Words up to a length that is drawn."""
    length, said = rng.randint(50, 200) - 5, rng.choices(words, weights, k=200)
    return str(tokenizer.decode(tokenizer(" ".join(said))["input_ids"][1 : length + 1]))


def shots(questions: Sequence[str]) -> str:
    """Five examples, the same for all questions."""
    return "".join(f"{prompt(question)} {'ABCDA'[number]}\n\n" for number, question in enumerate(questions[-5:]))


if __name__ == "__main__":
    sys.exit(main())
