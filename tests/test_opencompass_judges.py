"""Models that judge for a config's ``eval`` section, asked by OpenCompass itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge_server import judge_server
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.errors import PlanError
from opencompass_venv import make_tiny_model, run_opencompass
from small_world import SmallWorld, make_world

KEY = "sk-canary-of-the-judge"

CONFIG = """from opencompass.datasets import SubjectiveCmpDataset
from opencompass.models import OpenAI, HuggingFaceBaseModel
from opencompass.openicl.icl_evaluator import LMEvaluator
from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever
from opencompass.partitioners.sub_naive import SubjectiveNaivePartitioner
from opencompass.runners import LocalRunner
from opencompass.summarizers.subjective import CommonSummarizer
from opencompass.tasks.subjective_eval import SubjectiveEvalTask
models = [dict(type=HuggingFaceBaseModel, abbr=name, path={path!r}, max_out_len=4, batch_size=4,
               max_seq_len=256, run_cfg=dict(num_gpus=0)) for name in ('a', 'b')]
datasets = [dict(
    abbr='chat', path='data', name='chat', type=SubjectiveCmpDataset, {dataset},
    reader_cfg=dict(input_columns=['question', 'capability'], output_column='judge'),
    infer_cfg=dict(prompt_template=dict(type=PromptTemplate, template='{{question}}'),
                   retriever=dict(type=ZeroRetriever), inferencer=dict(type=GenInferencer)),
    eval_cfg=dict(evaluator=dict(type=LMEvaluator, prompt_template=dict(
        type=PromptTemplate, template=dict(round=[dict(role='HUMAN', prompt={prompt!r})])))))]
judge_models = [dict(abbr='wise', type=OpenAI, path='wise', key='ENV:WISE_KEY', openai_api_base={address!r},
                     tokenizer_path={tokenizer!r}, query_per_second=100, retry=2, max_out_len=16, batch_size=8)]
eval = dict(partitioner=dict(type=SubjectiveNaivePartitioner, models=models, judge_models=judge_models),
            runner=dict(type=LocalRunner, task=dict(type=SubjectiveEvalTask)))
"""
ALONE = {"dataset": "mode='singlescore'", "prompt": "Grade {capability} {prediction}"}
COMPARED = {
    "dataset": "mode='m2n', infer_order='double', base_models=[models[0]]",
    "prompt": "A: {prediction} B: {prediction2}",
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    for made in make_world(tmp_path, monkeypatch):
        rows = [{"question": f"{n} + 1 = ?", "capability": ("even", "odd")[n % 2], "others": {}} for n in range(4)]
        (tmp_path / "data" / "chat.json").write_text(json.dumps(rows))
        monkeypatch.setenv("WISE_KEY", KEY)
        yield made


def config(world: SmallWorld, address: str, more: str = "", **pieces: str) -> str:
    places = {"path": str(world.folder / "real"), "tokenizer": str(world.folder / "real"), "address": address}
    return world.config(CONFIG.format(**pieces, **places) + more)


@pytest.mark.process
def test_judges_need_an_opencompass_and_datasets_that_wait_for_one_a_section(world: SmallWorld):
    path = config(world, "http://127.0.0.1:1", **ALONE)
    world.checkpoint("real")
    world.cluster(more="opencompass = dict(python='/envs/oc/bin/python')\nsecrets = ['WISE_KEY']\n")
    with pytest.raises(PlanError, match=r"judged by models that only an eval section names"):
        world.prepare(world.config(Path(path).read_text().partition("eval = ")[0], name="other"))
    open_key = world.config(Path(path).read_text().replace("ENV:WISE_KEY", KEY), name="open")
    with pytest.raises(PlanError, match=r"dataset chat: eval_cfg.judging.judges\[0\].key") as caught:
        world.prepare(open_key)
    assert KEY not in str(caught.value)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_every_model_is_judged_and_a_summarizer_of_opencompass_tabulates_it(world: SmallWorld, opencompass_python: str):
    make_tiny_model(world.folder / "real")
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\nsecrets = ['WISE_KEY']\n")
    summarizer = "summarizer = dict(type=CommonSummarizer)\n"
    with judge_server(lambda shown, number: "[[8]]" if "odd" in shown else "[[5]]") as judge:
        path = config(world, judge.address + "/chat/completions", summarizer, **ALONE)
        prepared, report = world.evaluate(path, max_num_workers=2)
        asked = sum(judge.asked.values())
        assert judge.keys == {f"Bearer {KEY}"}
        again = world.prepare(path, reuse="latest")
    assert not report.failures
    assert asked == 8
    assert (again.plan.shards, again.plan.evaluations) == ((), ())
    files = LocalFiles(prepared.run_dir)
    for model in "ab":
        said = json.loads(files.read(f"results/{model}_judged-by--wise/chat.json"))
        assert [entry["prediction"] for entry in said.values()] == ["[[5]]", "[[8]]"] * 2
    (total,) = [name for name in report.files if name.endswith("/total_result.csv")]
    rows = dict(line.split(",", 1) for line in files.read(total).decode().splitlines()[1:])
    assert rows["total"] == "6.5,6.5"
    written = [path for path in world.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_model_is_compared_with_another_in_both_orders(world: SmallWorld, opencompass_python: str):
    make_tiny_model(world.folder / "real")
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\nsecrets = ['WISE_KEY']\n")
    with judge_server(lambda shown, number: "[[A]]") as judge:
        prepared, report = world.evaluate(config(world, judge.address + "/chat/completions", **COMPARED))
    assert not report.failures
    assert [shard.model for shard in prepared.plan.evaluations] == ["b"]
    files = LocalFiles(prepared.run_dir)
    said = json.loads(files.read("results/a_b_judged-by--wise/chat.json"))
    assert [(entry["gold"]["answer1"], entry["gold"]["answer2"]) for entry in said.values()] == [("a", "b")] * 4 + [
        ("b", "a")
    ] * 4
    manifest = Manifest.from_json(files.read(layout.manifest(layout.result("b", "chat"))))
    assert manifest.details[JUDGED] == ["results/a_b_judged-by--wise/chat.json"]


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_what_judges_said_in_a_folder_of_opencompass_is_tabulated(world: SmallWorld, opencompass_python: str):
    make_tiny_model(world.folder / "real")
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\nsecrets = ['WISE_KEY']\n")
    summarizer = "summarizer = dict(type=CommonSummarizer)\n"
    with judge_server(lambda shown, number: "[[8]]" if "odd" in shown else "[[5]]") as judge:
        path = config(world, judge.address + "/chat/completions", summarizer, **ALONE)
        plain = world.config(Path(path).read_text().replace("ENV:WISE_KEY", KEY), name="plain")
        run_opencompass(opencompass_python, plain, "-w", str(world.work_dir), data_dir=world.folder)
    (theirs,) = world.runs()
    assert not (theirs / "results" / "a").exists()
    ((name, total),) = [(file.name, file.read_text()) for file in theirs.rglob("total_result.csv")]
    viewed, report = world.evaluate(path, mode="viz", reuse="latest")
    assert viewed.run_dir == theirs
    assert "taken by name from the reused folder" in viewed.text
    assert not report.failures
    (ours,) = [file for file in report.files if file.endswith(name)]
    assert (theirs / ours).read_text() == total
    native = world.config(Path(path).read_text().replace(summarizer, ""), name="native")
    _, report = world.evaluate(native, mode="viz", reuse="latest", work_dir=str(world.work_dir))
    assert not report.failures
    files = LocalFiles(theirs)
    assert json.loads(files.read(layout.result("a", "chat"))) == {"judged": "results/a_judged-by--wise/chat.json"}
