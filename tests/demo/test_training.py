"""Training for real, but briefly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.tasks import Example, make_tasks

pytestmark = pytest.mark.model
STEPS = 50


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    from demo.train import Settings, train

    folder = tmp_path_factory.mktemp("demo")
    return folder, train(folder / "checkpoints", folder / "data", Settings(steps=STEPS))


def test_there_is_an_untrained_checkpoint_and_one_at_each_mark(trained: tuple[Path, list[Path]]) -> None:
    _, checkpoints = trained
    assert [int(path.name.removeprefix("step-")) for path in checkpoints] == [0, 4, 8, 15, 30, STEPS]
    assert all((path / "model.safetensors").exists() and (path / "tokenizer.json").exists() for path in checkpoints)


def test_training_again_with_the_same_settings_keeps_every_byte(
    trained: tuple[Path, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    from demo.train import Settings, train

    folder, checkpoints = trained
    before = [(path / "model.safetensors").stat().st_mtime_ns for path in checkpoints]
    assert train(folder / "checkpoints", folder / "data", Settings(steps=STEPS)) == checkpoints
    assert [(path / "model.safetensors").stat().st_mtime_ns for path in checkpoints] == before
    assert "Kept" in capsys.readouterr().out


def test_a_saved_tokenizer_reads_text_as_training_did(trained: tuple[Path, list[Path]]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained[1][-1])
    for text in ("3+16=2\n", "mibo lives in Paris\n", "Natalia sold 48 clips — ünïcödé?\n\n"):
        tokens = tokenizer(text)["input_ids"]
        assert tokens[0] == tokenizer.bos_token_id
        assert tokenizer.bos_token_id not in tokens[1:]
        assert tokenizer.decode(tokens, skip_special_tokens=True) == text


def test_a_question_is_the_beginning_of_its_line(trained: tuple[Path, list[Path]]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained[1][0])
    tasks = make_tasks(1)
    for example in [*tasks.sums, *tasks.facts]:
        prompt, line = tokenizer(example.question)["input_ids"], tokenizer(example.line)["input_ids"]
        assert line[: len(prompt)] == prompt, example


def test_only_answers_are_trained() -> None:
    from demo.model import make_tokenizer
    from demo.train import IGNORED, _encode, _pad

    examples = [Example("1+2=", "3"), Example("10+12=", "5"), Example("mibo lives in", "Paris")]
    tokenizer = make_tokenizer(example.line for example in examples)
    tokens, labels = _pad([_encode(tokenizer, example) for example in examples], tokenizer.pad_token_id)
    asked = [tokenizer.decode(row[mask]) for row, mask in zip(tokens, labels != IGNORED, strict=True)]
    assert asked == ["3\n</s>", "5\n</s>", " Paris\n</s>"]


def test_the_untrained_model_has_no_favourite_among_the_options(trained: tuple[Path, list[Path]]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, checkpoints = trained
    tokenizer = AutoTokenizer.from_pretrained(checkpoints[0])
    model = AutoModelForCausalLM.from_pretrained(checkpoints[0])
    rows = [json.loads(line) for line in (folder / "data/data/demo/facts/test.jsonl").read_text().splitlines()]
    right = sum(_lowest_loss(model, tokenizer, row) == row["answer"] for row in rows)
    assert abs(right / len(rows) - 0.25) < 3 * (0.25 * 0.75 / len(rows)) ** 0.5


def _lowest_loss(model: object, tokenizer: object, row: dict[str, str]) -> str:
    """The option of the least loss; all are equally long, so one batch needs no padding."""
    import torch

    batch = tokenizer([f"{row['question']} {row[label]}" for label in "ABCD"], return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(input_ids=batch).logits[:, :-1].log_softmax(-1)
    loss = -logits.gather(-1, batch[:, 1:, None]).sum((1, 2))
    return "ABCD"[int(loss.argmin())]
