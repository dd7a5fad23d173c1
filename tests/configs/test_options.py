"""``--cfg-options``: mmengine's results, and clear errors where mmengine recurses or asserts."""

from __future__ import annotations

import argparse
import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opencompass_ops.configs.options import apply_options, parse_options
from opencompass_ops.errors import ConfigError

# Each pair was run through mmengine-lite 0.10.7's DictAction; test_mmengine_agrees runs them again.
GRAMMAR = {
    "1": 1,
    "1.5": 1.5,
    "1e-3": 0.001,
    "true": True,
    "FALSE": False,
    "None": None,
    "none": "none",
    "null": "null",
    "": "",
    "'1'": 1,
    "b=c": "b=c",
    "007": 7,
    "1_000": 1000,
    "0x10": "0x10",
    '"x y"': "xy",
    "[(a,b),(c,d)]": [("a", "b"), ("c", "d")],
    '"[(a,b),(c,d)]"': [("a", "b"), ("c", "d")],
    "1,2,3": [1, 2, 3],
    "[1,2,3]": [1, 2, 3],
    "(1,)": (1,),
    "()": (),
    "[]": [],
    "1,": [1],
    ",": [""],
    "{x:1}": "{x:1}",
    "/a,b/c": ["/a", "b/c"],
    "[[],[1]]": [[], [1]],
    "f(x)": "f(x)",
    "a,(b,[c,d])": ["a", ("b", ["c", "d"])],
}


@pytest.mark.parametrize("text", GRAMMAR)
def test_a_value_is_what_mmengine_makes_of_it(text: str):
    parsed = parse_options([f"a.b={text}"])
    assert parsed == {"a.b": GRAMMAR[text]}
    assert type(parsed["a.b"]) is type(GRAMMAR[text])


@pytest.mark.parametrize("text", GRAMMAR)
def test_mmengine_agrees(text: str):
    config = pytest.importorskip("mmengine.config")
    parser = argparse.ArgumentParser()
    parser.add_argument("--o", nargs="+", action=config.DictAction)
    assert parser.parse_args(["--o", f"a.b={text}"]).o == {"a.b": GRAMMAR[text]}


@pytest.mark.parametrize(
    ("item", "part"),
    [
        ("a", "is not key=value"),
        ("=1", "is not key=value"),
        ("a..b=1", "is not key=value"),
        ("a=[1,2", "never closed"),
        ("a=(1,2]", "closes nothing"),
        ("a=1,2)", "closes nothing"),
        ("a=[1],[2]", "side by side"),
        ("a=(1),(2)", "side by side"),
        ("a=[x,(1],2)]", "closes nothing"),
        ("a=f(1,2)", "text beside a list"),
        ("a=[1,(2,3)x]", "text beside a list"),
    ],
)
def test_a_malformed_item_is_named(item: str, part: str):
    with pytest.raises(ConfigError, match="cfg option") as caught:
        parse_options(["ok=1", item])
    assert part in str(caught.value)
    assert repr(item) in str(caught.value)


def test_lists_without_end_are_refused():
    with pytest.raises(ConfigError, match="nests more than 32"):
        parse_options(["a=" + "[" * 2000 + "]" * 2000])


def test_the_last_value_of_a_key_wins():
    assert parse_options(["a=1", "a=2"]) == {"a": 2}


def _render(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + "".join(f"{_render(item)}," for item in value) + ")"
    if isinstance(value, list):
        return "[" + ",".join(_render(item) for item in value) + "]"
    return str(value)


_words = st.text(alphabet="abcxyz_/.-", min_size=1, max_size=6).filter(
    lambda word: word not in ("inf", "nan") and not any(char.isdigit() for char in word)
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _words
_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple))


@given(value=_values)
def test_what_is_written_in_the_grammar_is_read_back(value: object):
    assert parse_options([f"k={_render(value)}"]) == {"k": value}


@example(text="a(1,2)")
@given(text=st.text(alphabet="ab1,.()[]'\" =", max_size=24))
def test_any_text_gives_a_value_or_a_clear_error(text: str):
    with contextlib.suppress(ConfigError):
        assert list(parse_options([f"k={text}"])) == ["k"]


def test_options_go_into_dicts_and_lists_and_create_what_is_missing():
    values = {"models": [{"path": "a", "run_cfg": {"num_gpus": 1}}], "infer": {"runner": {"type": "Local"}}}
    options = parse_options(["models.0.run_cfg.num_gpus=2", "infer.partitioner.type=Naive", "work_dir=out"])
    assert apply_options(values, options) == {
        "models": [{"path": "a", "run_cfg": {"num_gpus": 2}}],
        "infer": {"runner": {"type": "Local"}, "partitioner": {"type": "Naive"}},
        "work_dir": "out",
    }
    assert values["models"] == [{"path": "a", "run_cfg": {"num_gpus": 1}}]


def test_a_deletion_replaces_the_dict():
    values = {"x": {"old": 1}}
    assert apply_options(values, parse_options(["x._delete_=True", "x.new=2"])) == {"x": {"new": 2}}
    assert apply_options(values, parse_options(["x.new=2"])) == {"x": {"old": 1, "new": 2}}
    assert apply_options(values, parse_options(["y._delete_=True", "y.new=2"]))["y"] == {"new": 2}


def test_a_parent_set_after_its_child_wins_and_before_it_contradicts():
    assert apply_options({}, parse_options(["a.b=1", "a=2"])) == {"a": 2}
    with pytest.raises(ConfigError, match="keep one of them"):
        apply_options({}, parse_options(["a=2", "a.b=1"]))


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("models.1.path=x", "models is a list of 1"),
        ("models.-1.path=x", "models is a list of 1"),
        ("models.first.path=x", "models is a list of 1"),
        ("models.0.path.x=1", "leads through models.0.path"),
        ("models.0.top=inf", "models.0.top is inf"),
    ],
)
def test_an_option_that_fits_nowhere_is_named(option: str, part: str):
    with pytest.raises(ConfigError, match="cfg option") as caught:
        apply_options({"models": [{"path": "a"}]}, parse_options([option]))
    assert part in str(caught.value)
