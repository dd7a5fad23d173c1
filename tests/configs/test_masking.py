"""Secrets are masked, and what only sounds like one is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.configs.masking import MASK, is_secret_key, mask

SECRET = """
key api_key apiKey OPENAI_API_KEY OPENAI_API_KEY_2 token hf_token access_token secret access_key_id access_key_secret
password credentials Authorization aws-secret-access-key
"""
HARMLESS = """
tokenizer_path tokenizer_kwargs max_tokens max_new_tokens ice_token sep_token pad_token_id eos_token_id
gen_field_replace_token think_start_token keywords metric_key author max_out_len
"""


@pytest.mark.parametrize("key", SECRET.split())
def test_a_value_under_a_secret_name_is_masked(key: str):
    assert mask({"models": [{key: "abc"}]}) == {"models": [{key: MASK}]}
    assert mask({key: 123456}) == {key: MASK}


@pytest.mark.parametrize("key", HARMLESS.split())
def test_a_value_under_a_name_that_only_sounds_secret_stays(key: str):
    assert mask({key: "abc"}) == {key: "abc"}
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("sk-abcdefgh12345678", MASK),
        ("use sk-abcdefgh12345678 here", f"use {MASK} here"),
        ("Bearer abcdef.ghijkl", MASK),
        ("https://me:pass@host/x", f"https://{MASK}@host/x"),
        ("postgresql+psycopg://u:p@db:5432/x", f"postgresql+psycopg://{MASK}@db:5432/x"),
        (
            "https://open.feishu.cn/open-apis/bot/v2/hook/0123-45",
            f"https://open.feishu.cn/open-apis/bot/v2/hook/{MASK}",
        ),
    ],
)
def test_a_secret_inside_a_text_is_masked(text: str, masked: str):
    assert mask({"note": [text]}) == {"note": [masked]}


@pytest.mark.parametrize("key", ["lark_bot_url", "LARK_BOT_URL", "webhook", "slack_webhook_url", "hookUrl"])
def test_a_webhook_s_address_is_masked_wherever_it_leads(key: str):
    assert mask({key: "https://relay.corp/lark/0123"}) == {key: MASK}
    assert mask({"runner": {key: "https://relay.corp/lark/0123"}}) == {"runner": {key: MASK}}
    assert mask([f"infer.runner.{key}=https://relay.corp/lark/0123"]) == [f"infer.runner.{key}={MASK}"]
    assert mask({key: None}) == {key: None}


@pytest.mark.parametrize(
    ("option", "masked"),
    [
        ("models.0.key=abc", f"models.0.key={MASK}"),
        ("models.0.key=ENV", "models.0.key=ENV"),
        ("datasets.0.path=./data=x", "datasets.0.path=./data=x"),
        ("pad_token=</s>", "pad_token=</s>"),
        ("url=https://u:p@host", f"url=https://{MASK}@host"),
    ],
)
def test_an_option_whose_key_names_a_secret_is_masked(option: str, masked: str):
    assert mask(option) == masked


@pytest.mark.parametrize(
    "text",
    [
        "./data/gsm8k",
        "https://host/x?a=b@c",
        "task-solver",
        "bearer of news",
        "{question}\nA: ",
        "a@b.c",
        "risk-averse",
    ],
)
def test_an_ordinary_text_stays(text: str):
    assert mask(text) == text


def test_nothing_a_switch_and_the_name_of_a_variable_are_no_secrets():
    values = {"key": "ENV", "token": None, "use_auth": False, "secret": ""}
    assert mask(values) == values


_keys = st.sampled_from(["key", "path", "api_key", "note", "pad_token_id"]) | st.text(max_size=8)
_texts = st.text(max_size=30) | st.lists(
    st.sampled_from(["sk-", "abcdefgh", "bearer ", "https://", "u:p@", "/hook/", " ", "hf_"]), max_size=8
).map("".join)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
)


@given(value=_values)
def test_masking_twice_is_masking_once(value: object):
    once = mask(value)
    assert mask(once) == once
