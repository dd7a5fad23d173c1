"""Judges of an ``eval`` section: each task once, its words where OpenCompass puts them, its numbers in the result."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from test_bridge import World, part, shard

from inference.bridge.parameters import judge_parameters
from opencompass_ops.contract import evidence, layout
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.contract.spec import BESIDE, COMPARISONS, EVAL

# Like OpenCompass's: a range means that the dataset is a part, so the last _N goes off the name of the answers, and the
# range is taken of them; what there is already is not asked again.
TASK = """
import json, runpy, sys
from pathlib import Path
cfg = runpy.run_path(sys.argv[1])
told = json.loads(Path({folder!r}, "judges").read_text())
model, dataset = cfg["models"][0], cfg["datasets"][0][0]
models = [model] if isinstance(model, dict) else list(model)
last = cfg.get("meta_judge_model")
judge = (last or cfg["judge_model"])["abbr"]
place = "_".join([each["abbr"] for each in models] + [("summarized-by--" if last else "judged-by--") + judge])
out = Path(cfg["work_dir"], "results", place, dataset["abbr"] + ".json")
if out.exists():
    sys.exit()
test_range = dataset["reader_cfg"].get("test_range")
stem = dataset["abbr"].rpartition("_")[0] if test_range else dataset["abbr"]
seen = []
for each in models:
    found = json.loads(Path(cfg["work_dir"], "predictions", each["abbr"], stem + ".json").read_text())
    preds = [found[str(number)]["prediction"] for number in range(len(found))]
    seen.append(eval("preds" + test_range) if test_range else preds)
with Path({folder!r}, "asked").open("a") as stream:
    stream.write(json.dumps([place, seen]) + "\\n")
if told[judge] == "fail":
    raise ConnectionError("no answer")
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(json.dumps(told[judge]))
"""


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    (tmp_path / "site" / "opencompass" / "tasks" / "subjective_eval.py").write_text(TASK.format(folder=str(tmp_path)))
    return made


def judged(world: World, groups: list[list[str]], judges: dict, beside: tuple[str, ...] = (), meta: str = "", **reader):
    world.tell("judges", json.dumps(judges))
    judging = {
        "judges": [{"abbr": name} for name in judges if name != meta],
        "meta_judge": {"abbr": meta} if meta else None,
        "infer_order": "random",
    }

    def of(piece):
        return replace(piece, dataset={**piece.dataset, "eval_cfg": {**piece.dataset["eval_cfg"], "judging": judging}})

    total = 4 if reader else 20
    half = total // 2
    parts = [of(part(0, half, 0, total, **reader)), of(part(half, total, 1, total, **reader))]
    for name in ("m", *beside):
        answered = shard(world.folder, *parts, abbr=name)
        record, log = world.run(replace(answered, id=f"infer-0000-{name}"), f"infer-{name}")
        assert record.returncode == 0, log
    others = {
        name: {"model": {"abbr": name}, "parts": [[p.index, p.start, p.stop, p.fingerprint] for p in parts]}
        for name in beside
    }
    spec = shard(world.folder, *parts, kind=EVAL)
    return replace(spec, options={**spec.options, COMPARISONS: groups, BESIDE: others})


def result(world: World):
    return json.loads(world.files.read(layout.result("m", "odd")))


def asked(world: World):
    return [json.loads(line) for line in (world.folder / "asked").read_text().splitlines()]


@pytest.mark.process
def test_the_numbers_of_one_judge_are_the_score_and_its_words_stay(world):
    spec = judged(world, [["m"]], {"wise": {"score": 7.5, "details": {"0": "good"}, "sure": True}})
    record, log = world.run(spec)
    assert record.returncode == 0, log
    assert evidence.job_problem(world.files, spec, "t1") == ""
    assert result(world) == {"score": 7.5}
    said = "results/m_judged-by--wise/odd.json"
    manifest = Manifest.from_json(world.files.read(layout.manifest(layout.result("m", "odd"))))
    assert manifest.details[JUDGED] == [said]
    assert json.loads(world.files.read(said))["details"] == {"0": "good"}
    assert asked(world) == [["m_judged-by--wise", [[str(number) for number in range(20)]]]]


@pytest.mark.process
def test_every_comparison_is_shown_to_every_judge_and_then_to_the_last_one(world):
    judges = {"one": {"0": {"prediction": "[[A]]"}}, "two": {"win": 1}, "last": {"win": 3}}
    spec = judged(world, [["base", "m"]], judges, beside=("base",), meta="last")
    record, log = world.run(spec)
    assert record.returncode == 0, log
    folders = [f"base_m_{said}" for said in ("judged-by--one", "judged-by--two", "summarized-by--last")]
    assert [place for place, _ in asked(world)] == folders
    assert all(len(seen) == 2 for _, seen in asked(world))
    assert result(world) == {f"win ({folders[1]})": 1, f"win ({folders[2]})": 3}


@pytest.mark.process
def test_words_without_a_number_are_no_score_but_no_failure_either(world):
    spec = judged(world, [["m"]], {"wise": {"0": {"prediction": "[[A]]"}}})
    record, log = world.run(spec)
    assert record.returncode == 0, log
    assert result(world) == {"judged": "results/m_judged-by--wise/odd.json"}


@pytest.mark.process
def test_of_a_range_the_judge_sees_the_answers_to_its_rows(world):
    spec = judged(world, [["m"]], {"wise": {"score": 1}}, test_range="[3:7]")
    record, log = world.run(spec)
    assert record.returncode == 0, log
    assert asked(world) == [["m_judged-by--wise", [["3", "4", "5", "6"]]]]
    assert world.files.exists("results/m_judged-by--wise/odd.json")


@pytest.mark.process
def test_a_judge_that_answered_is_not_asked_again_when_the_next_one_failed(world):
    spec = judged(world, [["m"]], {"one": {"score": 1}, "two": "fail"})
    record, _ = world.run(spec)
    assert (record.error_type, record.retryable) == ("ConnectionError", True)
    assert not world.files.exists(layout.result("m", "odd"))
    world.tell("judges", '{"one": {"score": 9}, "two": {"score": 2}}')
    record, log = world.run(spec, "t2")
    assert record.returncode == 0, log
    assert sorted(result(world).values()) == [1, 2]


def test_a_key_of_a_judge_is_read_from_the_environment_of_the_job(tmp_path, monkeypatch):
    whole = part()
    judging = {"judges": [], "infer_order": None}
    whole = replace(whole, dataset={**whole.dataset, "eval_cfg": {"judging": judging}})
    spec = shard(tmp_path, whole, kind=EVAL)
    abbr, text = judge_parameters(spec, [spec.model], {"judge_model": {"abbr": "j", "key": "ENV:JUDGE_KEY"}}, "/work")
    monkeypatch.setenv("JUDGE_KEY", "sk-123")
    values: dict = {}
    exec(text, values)
    assert (abbr, values["judge_model"]["key"], values["infer_order"]) == ("odd", "sk-123", None)
    assert "sk-123" not in text
