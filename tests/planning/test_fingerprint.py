import copy

import pytest

from opencompass_ops.contract.probe import ModelProbe
from opencompass_ops.planning import fingerprint
from opencompass_ops.planning.fingerprint import evaluation_fingerprint, pair_fingerprint, part_fingerprint

MODEL = {
    "type": "opencompass.models.HuggingFaceBaseModel",
    "abbr": "m",
    "path": "/m",
    "max_out_len": 100,
    "max_seq_len": 2048,
    "batch_size": 8,
    "generation_kwargs": {"do_sample": False},
    "model_kwargs": {"torch_dtype": "torch.float16", "device_map": "auto"},
    "run_cfg": {"num_gpus": 1},
    "meta_template": {"round": [], "eos_token_id": 2},
    "pred_postprocessor": {"gsm*": {"type": "strip"}},
}
PROBE = ModelProbe("m", "weights", "tokenizer")
GEN = {
    "abbr": "gsm",
    "infer_cfg": {"inferencer": {"type": "GenInferencer", "stopping_criteria": ["\n"]}},
    "reader_cfg": {"output_column": "answer"},
    "eval_cfg": {"evaluator": {"type": "AccEvaluator"}, "num_gpus": 1},
}
PPL = {**GEN, "infer_cfg": {"inferencer": {"type": "opencompass.openicl.PPLInferencer"}}}

MISSING = object()


def changed(config, path, value):
    copied = copy.deepcopy(config)
    *folders, last = path.split(".")
    inner = copied
    for folder in folders:
        inner = inner.setdefault(folder, {})
    if value is MISSING:
        inner.pop(last)
    else:
        inner[last] = value
    return copied


def pair(model=MODEL, probe=PROBE, dataset=GEN, requests="requests"):
    return pair_fingerprint(model, probe, dataset, requests)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "opencompass.models.HuggingFacewithChatTemplate"),
        ("max_out_len", 101),
        ("min_out_len", 1),
        ("max_seq_len", 1024),
        ("generation_kwargs.do_sample", True),
        ("stop_words", ["</s>"]),
        ("end_str", "."),
        ("mode", "mid"),
        ("meta_template.eos_token_id", 3),
        ("model_kwargs.torch_dtype", "torch.bfloat16"),
        ("model_kwargs.attn_implementation", "eager"),
        ("tokenizer_kwargs.truncation_side", "left"),
        ("peft_path", "/lora"),
        ("a_setting_of_tomorrow", 1),
    ],
)
def test_a_model_setting_that_can_change_an_answer_changes_the_fingerprint(path, value):
    assert pair(changed(MODEL, path, value)) != pair()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("abbr", "other"),
        ("path", "/elsewhere"),
        ("tokenizer_path", "/elsewhere"),
        ("summarizer_abbr", "column"),
        ("batch_size", 64),
        ("batch_padding", True),
        ("pad_token_id", 0),
        ("run_cfg.num_gpus", 8),
        ("model_kwargs.device_map", "cpu"),
        ("model_kwargs.torch_dtype", "float16"),
        ("tokenizer_kwargs.padding_side", "left"),
        ("pred_postprocessor", MISSING),
        ("type", "HuggingFaceBaseModel"),
        ("end_str", None),
    ],
)
def test_names_places_batches_and_scoring_do_not(path, value):
    assert pair(changed(MODEL, path, value)) == pair()


def test_the_two_spellings_of_dtype_are_one():
    renamed = changed(changed(MODEL, "model_kwargs.dtype", "float16"), "model_kwargs.torch_dtype", MISSING)
    assert pair(renamed) == pair()


@pytest.mark.parametrize("probe", [ModelProbe("m", "other", "tokenizer"), ModelProbe("m", "weights", "other")])
def test_weights_and_tokenizer_change_it(probe):
    assert pair(probe=probe) != pair()


def test_requests_and_the_engine_change_it(monkeypatch):
    before = pair()
    assert pair(requests="others") != before
    monkeypatch.setattr(fingerprint, "ENGINE_REVISION", fingerprint.ENGINE_REVISION + 1)
    assert pair() != before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("infer_cfg.inferencer.type", "ChatInferencer"),
        ("infer_cfg.inferencer.max_out_len", 7),
        ("infer_cfg.inferencer.stopping_criteria", ["Q:"]),
        ("infer_cfg.inferencer.multiround", True),
    ],
)
def test_an_inferencer_setting_changes_it(path, value):
    assert pair(dataset=changed(GEN, path, value)) != pair()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("abbr", "other"),
        ("infer_cfg.inferencer.batch_size", 3),
        ("infer_cfg.inferencer.type", "opencompass.openicl.icl_inferencer.GenInferencer"),
        ("infer_cfg.inferencer.max_out_len", 100),
        ("eval_cfg.evaluator.type", "EMEvaluator"),
    ],
)
def test_a_datasets_name_batches_and_scoring_do_not(path, value):
    assert pair(dataset=changed(GEN, path, value)) == pair()


def test_the_datasets_output_length_beats_the_models():
    said = changed(GEN, "infer_cfg.inferencer.max_out_len", 7)
    assert pair(changed(MODEL, "max_out_len", 5), dataset=said) == pair(dataset=said)


@pytest.mark.parametrize(("path", "value"), [("max_out_len", 5), ("generation_kwargs.top_k", 5), ("end_str", ".")])
def test_generation_settings_do_not_touch_a_ranking(path, value):
    assert pair(changed(MODEL, path, value), dataset=PPL) == pair(dataset=PPL)
    assert pair(changed(MODEL, "max_seq_len", 5), dataset=PPL) != pair(dataset=PPL)


def test_a_part_is_its_pair_and_its_range():
    parts = {part_fingerprint(*said) for said in [("p", 0, 5), ("p", 0, 6), ("p", 1, 5), ("q", 0, 5)]}
    assert len(parts) == 4
    assert part_fingerprint("p", 0, 5) in parts


def score(pair="pair", dataset=GEN, model=MODEL):
    return evaluation_fingerprint(pair, dataset, model)


def test_a_score_is_its_predictions_and_how_they_are_scored(monkeypatch):
    before = score()
    assert score("other") != before
    assert score(dataset=changed(GEN, "eval_cfg.evaluator.type", "EMEvaluator")) != before
    assert score(dataset=changed(GEN, "reader_cfg.output_column", "gold")) != before
    assert score(dataset=changed(GEN, "k", 2)) != before
    assert score(model=changed(MODEL, "pred_postprocessor", MISSING)) != before
    monkeypatch.setattr(fingerprint, "EVALUATION_REVISION", fingerprint.EVALUATION_REVISION + 1)
    assert score() != before


def test_a_score_does_not_ask_for_names_devices_or_other_datasets_postprocessors():
    assert score(dataset=changed(GEN, "eval_cfg.num_gpus", 4)) == score()
    assert score(model=changed(MODEL, "abbr", "other")) == score()
    assert score(model=changed(MODEL, "pred_postprocessor.math", {"type": "x"})) == score()
