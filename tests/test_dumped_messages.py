"""--dump-only-message-path through the front door: the files that OpenCompass writes, and nothing runs."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import opencompass_ops.resolved
from message_cases import GOLDEN, lay_down
from opencompass_ops.cli import main
from opencompass_ops.resolved import load_cluster
from small_world import DATASETS, MODEL, SmallWorld, make_world

pytestmark = pytest.mark.process

API = "    dict(type='opencompass.models.OpenAI'"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setattr(opencompass_ops.resolved, "load_cluster", functools.cache(load_cluster))  # a process each
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for world in make_world(tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        yield world


def without_api(text: str) -> str:
    before, after = text.split(API)
    return before + after[after.index("]\nreader") :]


def written(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*.jsonl"))}


def dump(config: str, *flags: str) -> int:
    return main(["run", config, "--dump-only-message-path", "messages", *flags])


def test_messages_are_those_of_opencompass_byte_for_byte(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    config = world.config(without_api(lay_down(world.folder)))
    assert dump(config) == 0
    recorded = {name: text for name, text in written(GOLDEN).items() if not name.startswith("api/")}
    assert sorted(recorded) == ["chat/ask.jsonl", "chat/shots.jsonl", "lm/ask.jsonl", "lm/shots.jsonl"]
    assert written(world.folder / "messages") == recorded
    shots = recorded["lm/shots.jsonl"].decode().splitlines()
    assert [line.count("[A]") for line in shots] == [3, 3, 3, 3, 4]  # examples that do not fit are left out
    assert "messages/lm/ask.jsonl: 5 messages" in capsys.readouterr().out
    assert (world.runs(), world.database.exists()) == ([], False)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_opencompass_writes_those_that_only_it_can(world: SmallWorld, opencompass_python: str):
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\n")
    assert dump(world.config(lay_down(world.folder))) == 0
    assert written(world.folder / "messages") == written(GOLDEN)


@pytest.mark.soak
def test_a_model_that_opencompass_would_load_is_named_and_the_others_are_written(
    world: SmallWorld, opencompass_python: str, capsys: pytest.CaptureFixture[str]
):
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\n")
    heavy = MODEL.format(path=str(world.folder / "tiny")).replace("HuggingFaceBaseModel", "opencompass.models.VLLM")
    both = MODEL.format(path=str(world.folder / "tiny")) + heavy.replace("'tiny'", "'heavy'").replace(
        "models = ", "models += "
    )
    assert dump(world.config(both + DATASETS)) == 1
    assert "no messages of heavy/sums: OpenCompass loads the weights of opencompass.models.VLLM before it" in (
        capsys.readouterr().out
    )
    assert sorted(written(world.folder / "messages")) == ["tiny/sums.jsonl"]


def test_parts_and_limit_make_one_file_of_the_rows_asked(world: SmallWorld):
    world.rows(40)
    assert dump(world.config(), "--limit", "30", "--max-partition-size", "200") == 0
    lines = (world.folder / "messages" / "tiny" / "sums.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"message": f"{number}+1=", "gold": str(number + 1)} for number in range(30)
    ]


def test_answers_that_exist_change_nothing(world: SmallWorld):
    world.evaluate(world.config())
    assert dump(world.config()) == 0
    assert len((world.folder / "messages" / "tiny" / "sums.jsonl").read_text().splitlines()) == 6
    assert len(world.runs()) == 1


def test_a_ranked_dataset_has_none_and_that_alone_is_a_failure(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    ranked = DATASETS.replace("template='{question}'", "template={'2': '{question}2', '3': '{question}3'}")
    ranked = ranked.replace("GenInferencer", "PPLInferencer").replace("abbr='sums'", "abbr='ranked'")
    model = MODEL.format(path=str(world.folder / "tiny"))
    assert dump(world.config(model + ranked)) == 1
    said = "ranked has no messages: it is ranked by PPLInferencer, and OpenCompass writes those of GenInferencer only"
    assert said in capsys.readouterr().out
    both = ranked + "both = datasets\n" + DATASETS + "datasets = datasets + both\n"
    assert dump(world.config(model + both)) == 0
    assert sorted(written(world.folder / "messages")) == ["tiny/sums.jsonl"]


def test_what_asks_nothing_is_refused(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    assert dump(world.config(), "-m", "eval") == 2
    assert dump(world.config(), "--dry-run") == 0  # shows the plan
    assert main(["plan", world.config(), "--dump-only-message-path", "messages"]) == 2
    said = capsys.readouterr().err
    assert "mode=eval asks no model" in said
    assert "only the command run (run.py) writes messages" in said
    assert not (world.folder / "messages").exists()
