"""The probe tells content apart, blames the culprit alone, and loads no model library."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.probe import probe
from opencompass_ops.contract.probe import ProbeReport, ProbeRequest

SAFETENSORS_HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()


def make_model(folder, weights=b"\x00\x00\x00\x01"):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    content = len(SAFETENSORS_HEADER).to_bytes(8, "little") + SAFETENSORS_HEADER + weights
    (folder / "model.safetensors").write_bytes(content)
    return {"abbr": folder.name, "type": "HuggingFaceBaseModel", "path": str(folder)}


def make_dataset(tmp_path, abbr="sums", **infer):
    folder = tmp_path / "data/sums"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.jsonl").write_text("".join(json.dumps({"q": f"{n}+1", "a": str(n + 1)}) + "\n" for n in range(6)))
    return {
        "abbr": abbr,
        "type": "JsonlDataset",
        "path": "./data/sums",
        "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
        "infer_cfg": {
            "prompt_template": {"type": "PromptTemplate", "template": "{q}={a}"},
            "retriever": {"type": "ZeroRetriever"},
            "inferencer": {"type": "GenInferencer", "max_out_len": 4},
            **infer,
        },
        "eval_cfg": {"evaluator": {"type": "AccEvaluator"}},
    }


def ask(tmp_path, models, datasets, **options):
    return probe(ProbeRequest(tuple(models), tuple(datasets), data_dir=str(tmp_path), **options))


def digest(tmp_path, models, datasets, **options):
    (pair,) = ask(tmp_path, models, datasets, **options).requests
    return pair.digest


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "step-1")


def test_the_report_tells_rows_identities_and_digests(tmp_path, model):
    report = ask(tmp_path, [model], [make_dataset(tmp_path)], limit=4, cache_dir=str(tmp_path / "cache"))
    (found,), (dataset,), (pair,) = report.models, report.datasets, report.requests
    assert found.weights_id.startswith("sha256:")
    assert found.tokenizer_id.startswith("sha256:")
    assert found.weights_bytes == (tmp_path / "step-1" / "model.safetensors").stat().st_size
    assert found.error == dataset.error == ""
    assert (dataset.rows, dataset.selected) == (6, 4)
    assert (pair.model, pair.dataset, len(pair.digest)) == ("step-1", "sums", 64)
    assert set(report.versions) == {"python", "torch", "transformers", "numpy"}


def test_digests_follow_prompts_and_references_not_names(tmp_path, model):
    dataset = make_dataset(tmp_path)
    before = digest(tmp_path, [model], [dataset])
    assert digest(tmp_path, [{**model, "abbr": "x"}], [{**dataset, "abbr": "y"}]) == before
    inferencer = {"type": "GenInferencer", "max_out_len": 99}
    assert digest(tmp_path, [model], [make_dataset(tmp_path, inferencer=inferencer)]) == before
    template = {"type": "PromptTemplate", "template": "{q} = {a}"}
    assert digest(tmp_path, [model], [make_dataset(tmp_path, prompt_template=template)]) != before
    assert digest(tmp_path, [model], [dataset], limit=5) != before
    file = tmp_path / "data/sums/test.jsonl"
    file.write_text(file.read_text().replace('"a": "3"', '"a": "4"'))
    assert digest(tmp_path, [model], [dataset]) != before


def test_the_meta_template_shows_in_the_digest_of_models_that_use_it(tmp_path, model):
    dataset = make_dataset(
        tmp_path,
        prompt_template={"type": "PromptTemplate", "template": {"round": [{"role": "HUMAN", "prompt": "{q}"}]}},
    )
    meta = {"round": [{"role": "HUMAN", "begin": "<H>"}, {"role": "BOT", "generate": True}]}
    plain, with_meta = ({**model, "type": "HuggingFaceCausalLM", "meta_template": m} for m in (None, meta))
    assert digest(tmp_path, [plain], [dataset]) != digest(tmp_path, [with_meta], [dataset])
    assert digest(tmp_path, [plain], [dataset]) == digest(tmp_path, [{**model, "meta_template": meta}], [dataset])


def test_each_culprit_carries_its_error_and_the_others_are_answered(tmp_path, model):
    bad_models = [
        {"abbr": "gone", "type": "HuggingFaceBaseModel", "path": str(tmp_path / "gone")},
        {**model, "abbr": "served", "type": "opencompass.models.VLLM", "path": "/gone"},
        {**model, "abbr": "adapted", "peft_path": "/lora"},
    ]
    good = make_dataset(tmp_path)
    bad_datasets = [
        {**good, "abbr": "lost", "path": "./data/lost"},
        {**good, "abbr": "empty", "reader_cfg": {**good["reader_cfg"], "test_range": "[100:]"}},
    ]
    report = ask(tmp_path, [model, *bad_models], [*bad_datasets, good])
    errors = {entry.abbr: entry.error for entry in (*report.models, *report.datasets)}
    assert [pair for pair in report.requests if pair.digest] == list(report.requests)
    assert [(pair.model, pair.dataset) for pair in report.requests] == [("step-1", "sums")]
    assert errors.pop("step-1") == errors.pop("sums") == ""
    assert all(abbr in error for abbr, error in errors.items())
    assert "does not exist" in errors["gone"]
    assert "path /gone does not exist" in errors["served"]
    assert "peft_path /lora does not exist" in errors["adapted"]
    assert "no row is left of 6" in errors["empty"]


def test_what_only_opencompass_can_do_is_said_of_each_pair(tmp_path, model):
    good = make_dataset(tmp_path)
    datasets = [
        good,
        {**good, "abbr": "judged", "eval_cfg": {"evaluator": {"type": "NeedleBenchOriginEvaluator"}}},
        {**good, "abbr": "chatty", "infer_cfg": {**good["infer_cfg"], "inferencer": {"type": "ChatInferencer"}}},
        {**good, "abbr": "odd", "type": "opencompass.datasets.OddDataset"},
    ]
    report = ask(tmp_path, [model, {**model, "abbr": "vllm", "type": "opencompass.models.VLLM"}], datasets)
    assert not [entry.error for entry in (*report.models, *report.datasets) if entry.error]
    found = {(pair.model, pair.dataset): (pair.bridge, pair.eval_bridge) for pair in report.requests}
    unknown = "unknown {} type {!r}".format
    assert found["step-1", "sums"] == ("", "")
    assert found["vllm", "sums"] == (unknown("model", "opencompass.models.VLLM"), "")
    assert found["step-1", "judged"] == ("", unknown("evaluator", "NeedleBenchOriginEvaluator"))
    assert found["step-1", "chatty"][0].startswith(unknown("inferencer", "ChatInferencer"))
    assert found["step-1", "odd"][0].startswith(unknown("dataset", "opencompass.datasets.OddDataset"))
    unloaded = {dataset.abbr for dataset in report.datasets if dataset.bridge}
    assert unloaded == {"odd"}
    assert {pair.dataset for pair in report.requests if not pair.digest} == unloaded
    weights = {entry.abbr: entry.weights_id for entry in report.models}
    assert weights["vllm"] == weights["step-1"]


def test_a_model_of_a_service_is_known_by_its_name(tmp_path):
    services = [{"abbr": name, "type": "OpenAI", "path": name, "key": "ENV"} for name in ("gpt-a", "gpt-b")]
    first, second = ask(tmp_path, services, []).models
    assert first.weights_id.startswith("named:")
    assert first.weights_id != second.weights_id


def test_a_dataset_that_a_chat_model_cannot_answer_says_so(tmp_path, model):
    ranking = make_dataset(
        tmp_path,
        prompt_template={"type": "PromptTemplate", "template": {"1": "{q} 1", "2": "{q} 2"}},
        inferencer={"type": "PPLInferencer"},
    )
    report = ask(tmp_path, [{**model, "type": "HuggingFacewithChatTemplate"}], [ranking])
    assert "cannot rank" in report.datasets[0].error
    assert ask(tmp_path, [model], [ranking]).requests[0].digest


def test_text_that_is_no_valid_unicode_has_a_digest(tmp_path, model):
    dataset = make_dataset(tmp_path)
    (tmp_path / "data/sums/test.jsonl").write_text('{"q": "\\ud800", "a": "1"}\n')
    assert digest(tmp_path, [model], [dataset])


def command(repo, code, request):
    """The report of a process of its own."""
    environ = {"PYTHONPATH": f"{repo}:{repo / 'plugins'}", "LC_ALL": "C"}
    ended = subprocess.run(
        [sys.executable, "-c", code], input=request.to_json().encode(), env=environ, stdout=subprocess.PIPE, check=True
    )
    return ProbeReport.from_json(ended.stdout)


def test_the_command_answers_without_model_libraries(tmp_path, model, repo):
    request = ProbeRequest((model,), (make_dataset(tmp_path),), data_dir=str(tmp_path))
    code = (
        "import sys; from inference.probe import main_probe; main_probe();"
        "heavy = {'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    assert command(repo, code, request).requests[0].digest


def test_what_a_library_prints_is_no_part_of_the_report(tmp_path, repo):
    code = (
        "import inference.probe as module; model_problem = module.model_problem;"
        "module.model_problem = lambda folder: print('hello') or model_problem(folder); module.main_probe()"
    )
    (tmp_path / "ünlesbar").mkdir()
    model = {"abbr": "m", "type": "HuggingFaceBaseModel", "path": "./ünlesbar"}
    report = command(repo, code, ProbeRequest((model,), (), data_dir=str(tmp_path)))
    assert "ünlesbar/config.json is missing" in report.models[0].error


def test_the_memory_of_digests_may_lie_in_the_home_of_whoever_probes(tmp_path, model, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert not probe(ProbeRequest((model,), (), cache_dir="~/cache")).models[0].error
    assert list((tmp_path / "home/cache/sha256").iterdir())


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
VALUES = st.recursive(SCALARS, lambda value: st.lists(value, max_size=2))
PLACES = [
    "type", "path", "n", "reader_cfg", "reader_cfg.input_columns", "reader_cfg.output_column", "reader_cfg.test_range",
    "reader_cfg.train_range", "infer_cfg", "infer_cfg.prompt_template", "infer_cfg.prompt_template.template",
    "infer_cfg.retriever", "infer_cfg.inferencer", "infer_cfg.ice_template", "eval_cfg", "eval_cfg.evaluator",
]  # fmt: skip


@given(place=st.sampled_from(PLACES), value=VALUES, path=VALUES, meta=VALUES)
@settings(
    max_examples=100,
    deadline=None,  # the machine may be busy; the first one imports every family
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_config_stops_the_probe(tmp_path, model, place, value, path, meta):
    dataset, good = make_dataset(tmp_path), make_dataset(tmp_path, "good")
    *parents, last = place.split(".")
    functools.reduce(dict.__getitem__, parents, dataset)[last] = value
    broken = {"abbr": "broken", "type": "HuggingFaceCausalLM", "path": path, "meta_template": meta}
    report = ask(tmp_path, [broken, model], [dataset, good])
    assert report.models[0].error
    assert [entry.abbr for entry in report.datasets] == ["sums", "good"]
    assert ("step-1", "good") in [(pair.model, pair.dataset) for pair in report.requests]
    assert report.datasets[1].error == report.models[1].error == ""
