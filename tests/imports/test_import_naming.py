"""Series and steps of imported models."""

from __future__ import annotations

import pytest

from opencompass_ops.errors import InputError
from opencompass_ops.imports.naming import Naming, Place


def place(abbr, path="", *, series="", pattern=""):
    return Naming.parse(series, pattern).places({abbr: path})[abbr]


@pytest.mark.parametrize(
    ("abbr", "path", "expected"),
    [
        ("run7-step-1000", "", Place("run7", 1000)),
        ("run7_iter_0002000", "/ckpt/x", Place("run7", 2000)),
        ("llama_hf", "/runs/llama/checkpoint-500", Place("llama_hf", 500)),
        ("llama-7b", "/models/llama-7b", Place("llama-7b", None)),
    ],
)
def test_names_of_checkpoints_that_are_in_use_need_no_pattern(abbr, path, expected):
    assert place(abbr, path) == expected


@pytest.mark.parametrize(
    ("abbr", "path", "pattern", "expected"),
    [
        ("run7-20B-tokens", "", r"(?P<step>\d+B)-tokens", Place("run7", 20 * 10**9)),
        ("run7-1.5T-tokens", "", r"(?P<step>[\d.]+[BT])-tokens", Place("run7", 1_500_000_000_000)),
        ("a_300k", "", r"_(?P<step>\d+k)", Place("a", 300_000)),
        ("x", "/runs/moe/s42/hf", r"runs/(?P<series>[^/]+)/s(?P<step>\d+)", Place("moe", 42)),
        ("baseline", "/models/baseline", r"s(?P<step>\d+)", Place("baseline", None)),
        ("run-step-5", "", r"v(?P<step>\d+)", Place("run-step-5", None)),
        ("run-99999999999999999999", "", r"-(?P<step>\d+)", Place("run-99999999999999999999", None)),
        ("run-v1.2.3", "", r"-v(?P<step>[\d.]+)", Place("run-v1.2.3", None)),
    ],
)
def test_a_pattern_decides_alone(abbr, path, pattern, expected):
    assert place(abbr, path, pattern=pattern) == expected


def test_a_large_step_is_kept_to_the_last_digit():
    assert place(f"r-{2**62 + 1}", pattern=r"-(?P<step>\d+)").step == 2**62 + 1


def test_a_named_series_holds_all_models():
    assert place("a-step-7", series="moe") == Place("moe", 7)
    assert place("b", series="moe", pattern=r"(?P<step>\d+)") == Place("moe", None)


@pytest.mark.parametrize(
    ("series", "pattern", "says"),
    [
        ("", "(", "no regular expression"),
        ("", r"step(\d+)", r"needs a group \(\?P<step>"),
        ("", r"(?P<step>\d+)(?P<unit>B)", "no others"),
        ("moe", r"(?P<series>.*)-(?P<step>\d+)", "both name it"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_the_reason(series, pattern, says):
    with pytest.raises(InputError, match=says):
        Naming.parse(series, pattern)
