"""Tokenizers and weights: what is accepted, cut and refused."""

from __future__ import annotations

import json
import shutil

import pytest

from inference.problems import InputProblem

pytestmark = pytest.mark.model


@pytest.fixture
def cfg(tiny_model):
    return {"abbr": "tiny", "type": "HuggingFaceBaseModel", "path": str(tiny_model)}


@pytest.fixture
def copied(cfg, tmp_path):
    """The tiny model where a test may damage it."""
    shutil.copytree(cfg["path"], tmp_path / "model")
    return {**cfg, "path": str(tmp_path / "model")}, tmp_path / "model"


def tokens_of(cfg, **extra):
    from inference.tokens import load_tokens

    return load_tokens({**cfg, **extra})


def load(cfg, **extra):
    from inference.model import load_model, place

    return load_model({**cfg, **extra}, place(1))


def test_a_long_prompt_keeps_its_end_and_its_bos(cfg):
    row = tokens_of(cfg, max_seq_len=6).encode(["red " * 40 + "dog"])[0]
    assert row.truncated
    assert len(row.ids) == 6
    assert row.ids[0] == 0
    assert tokens_of(cfg).decode(row.ids).endswith("dog")


def test_mode_mid_keeps_both_ends(cfg):
    text = "red " + "cat " * 40 + "dog"
    row = tokens_of(cfg, max_seq_len=7, mode="mid").encode([text])[0]
    assert len(row.ids) == 7
    assert tokens_of(cfg).decode(row.ids).startswith("red")
    assert tokens_of(cfg).decode(row.ids).endswith("dog")


def test_the_limit_is_the_config_s_else_the_model_s(cfg):
    assert tokens_of(cfg).max_seq_len == 512
    assert tokens_of(cfg, max_seq_len=99).max_seq_len == 99
    assert tokens_of(cfg, type="HuggingFaceCausalLM").max_seq_len == 2048


def test_a_chat_model_gets_its_template_and_no_second_bos(cfg):
    tokens = tokens_of(cfg, type="HuggingFacewithChatTemplate")
    prompt = [{"role": "SYSTEM", "prompt": "be slow"}, {"role": "HUMAN", "prompt": "red"}]
    assert tokens.text(prompt) == "<|system|>be slow\n<|user|>red\n<|assistant|>"
    assert 0 not in tokens.encode([prompt])[0].ids
    assert tokens.decode([1]) == "</s>"
    assert tokens_of(cfg).decode([1]) == ""


def test_a_negative_pad_token_counts_from_the_end(cfg):
    tokens = tokens_of(cfg, pad_token_id=-1)
    assert tokens.tokenizer.pad_token_id == len(tokens.tokenizer) - 1


def test_an_answer_that_leaves_no_room_for_a_prompt_is_refused(cfg):
    with pytest.raises(InputProblem, match="no room"):
        tokens_of(cfg, max_seq_len=8).encode(["red"], reserve=8)


def test_a_prompt_without_tokens_is_refused(cfg):
    silent = tokens_of(cfg, type="HuggingFacewithChatTemplate", tokenizer_kwargs={"chat_template": "{# nothing #}"})
    with pytest.raises(InputProblem, match="no tokens"):
        silent.encode(["red"])


@pytest.mark.parametrize(
    ("named", "dtype"),
    [(None, "float32"), ("torch.bfloat16", "bfloat16"), ("torch.float", "float32"), ("auto", "float32")],
)
def test_the_dtype_is_the_config_s_and_float32_on_a_cpu(cfg, named, dtype):
    kwargs = {} if named is None else {"torch_dtype": named}
    model = load(cfg, model_kwargs={**kwargs, "device_map": "auto"})
    assert str(model.dtype) == f"torch.{dtype}"
    assert not model.training


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"peft_path": "/adapters/a"}, "merge the adapter"),
        ({"model_kwargs": {"torch_dtype": "torch.float8"}}, "float8"),
        ({"path": "/absent/model"}, "/absent/model"),
        ({"model_kwargs": {"attn_implementation": "quick"}}, "quick"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(cfg, extra, says):
    with pytest.raises(InputProblem, match=says) as caught:
        load(cfg, **extra)
    assert "tiny" in str(caught.value)


def test_a_truncated_checkpoint_is_refused(copied):
    cfg, folder = copied
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(InputProblem, match="written completely"):
        load(cfg)


def test_a_checkpoint_that_lacks_weights_is_refused_and_not_filled_with_random_ones(copied):
    from safetensors.torch import load_file, save_file

    cfg, folder = copied
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputProblem, match="lacks 1 weights"):
        load(cfg)


def test_tied_embeddings_are_not_missing_weights(copied):
    from safetensors.torch import load_file, save_file

    cfg, folder = copied
    weights = load_file(folder / "model.safetensors")
    weights.pop("lm_head.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    assert load(cfg) is not None


def test_a_folder_without_a_tokenizer_is_refused(copied):
    cfg, folder = copied
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputProblem, match="tokenizer_path"):
        tokens_of(cfg)
