"""The summary against files that OpenCompass's DefaultSummarizer wrote (source: tests/golden/summary)."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.errors import ConfigError
from opencompass_ops.results.findings import parse_result
from opencompass_ops.results.summary import Summary, check_summarizer, summarize

STAMP = "20240101_000000"
MODELS = (PlannedModel("A", "/a", "w", "A"), PlannedModel("B", "/b", "w", "B-short"))
DATASETS = tuple(
    PlannedDataset(f"d{i}", "68740b" if i == 2 else "41174c", "ppl" if i == 2 else "gen", 10) for i in range(1, 7)
)
PAIR = ["d1", "d2"]
GROUPS = [
    {"name": "g_avg", "subsets": PAIR},
    {"name": "g_w", "subsets": PAIR, "weights": {"d1": 1, "d2": 3}},
    {"name": "g_std", "subsets": PAIR, "std": True},
    {"name": "g_sum", "subsets": PAIR, "sum": True},
    {"name": "g_hm", "subsets": PAIR, "harmonic_mean": True},
    {"name": "g_metric", "subsets": PAIR, "metric": "mymetric"},
    {"name": "g_pairs", "subsets": [["d1", "accuracy"], ["d2", "extra"]]},
    {"name": "g_missing", "subsets": ["d1", "d3"]},
    {"name": "g_nested", "subsets": ["g_avg", "d1"]},
    {"name": "g_elsewhere", "subsets": ["mmlu", "cmmlu"], "transforms": {"mmlu": "x*2"}},
]
CHOSEN = ["--- Sec ---", "d1", ["d2", "extra"], ["d2", "nope"], "g_avg", ["g_avg", "naive_average"], "g_w", "unknown"]


@pytest.fixture(scope="module")
def golden(repo):
    return repo / "tests" / "golden" / "summary"


@pytest.fixture(scope="module")
def results(golden):
    return {
        (path.parent.name, path.stem): parse_result(path.read_bytes()) for path in (golden / "results").glob("*/*.json")
    }


@pytest.mark.parametrize(("name", "abbrs"), [(f"summary_{STAMP}", None), ("chosen", CHOSEN)])
def test_the_three_files_are_byte_equal_to_opencompass(golden, results, name, abbrs):
    summary = summarize(STAMP, MODELS, DATASETS, results, {"dataset_abbrs": abbrs, "summary_groups": GROUPS})
    assert summary.csv() == (golden / f"{name}.csv").read_text()
    assert summary.markdown() == (golden / f"{name}.md").read_text()
    assert summary.text() == (golden / f"{name}.txt").read_text()


def table_of(results, groups=(), models=MODELS, datasets=DATASETS, abbrs=None):
    summary = summarize(STAMP, models, datasets, results, {"dataset_abbrs": abbrs, "summary_groups": list(groups)})
    return {(row[0], row[2]): row[4:] for row in summary.rows}


def test_models_with_different_metrics_share_one_table():
    rows = table_of({("A", "d1"): {"accuracy": 1, "f1": 2.0}, ("B", "d1"): {"judge": 3, "accuracy": 4}})
    assert rows["d1", "accuracy"] == ("1.00", "4.00")
    assert rows["d1", "f1"] == ("2.00", "-")
    assert rows["d1", "judge"] == ("-", "3.00")


def test_a_group_never_averages_different_metrics_of_two_models():
    results = {("A", "d1"): {"score": 1}, ("B", "d1"): {"accuracy": 50}, ("B", "d2"): {"accuracy": 70}}
    summary = summarize(STAMP, MODELS, DATASETS, results, {"summary_groups": [{"name": "g", "subsets": PAIR}]})
    assert dict(summary.raw[1][1])["g"] == {"error": "missing metrics: ['d1']"}


def test_text_and_ignored_numbers_are_no_metrics_but_stay_in_the_raw_section():
    summary = summarize(STAMP, MODELS[:1], DATASETS[:1], {("A", "d1"): {"bp": 1.0, "note": "x", "f1": 2}}, None)
    assert summary.rows == (("d1", "41174c", "f1", "gen", "2.00"),)
    assert "d1: {'bp': 1.0, 'note': 'x', 'f1': 2}" in summary.text()


def test_group_metrics_come_in_sorted_order():
    results = {("A", d): {"zeta": 1, "alpha": 2, "accuracy": 3} for d in PAIR}
    groups = [{"name": "g", "subsets": PAIR}]
    summary = summarize(STAMP, MODELS[:1], DATASETS, results, {"summary_groups": groups})
    assert [row[2] for row in summary.rows if row[0] == "g"] == ["accuracy", "alpha", "zeta", "naive_average"]


def test_groups_of_groups_with_one_default_metric_show_it_once():
    results = {("A", d.abbr): {"accuracy": 10.0 * i} for i, d in enumerate(DATASETS)}
    groups = [
        {"name": "x", "subsets": ["d1", "d2"]},
        {"name": "y", "subsets": ["d3", "d4"]},
        {"name": "z", "subsets": ["x", "y"]},
    ]
    summary = summarize(STAMP, MODELS[:1], DATASETS, results, {"summary_groups": groups})
    assert [row[2:] for row in summary.rows if row[0] == "z"] == [
        ("accuracy", "mixed", "15.00"),
        ("naive_average", "mixed", "15.00"),
    ]


def test_a_harmonic_mean_lifts_values_that_are_not_positive():
    rows = table_of(
        {("A", "d1"): {"accuracy": 0}, ("A", "d2"): {"accuracy": 0.5}},
        [{"name": "g", "subsets": PAIR, "harmonic_mean": True}],
    )
    assert rows["g", "harmonic_mean"] == ("1.00", "-")


def test_weights_may_name_subset_and_metric_and_zero_skips_a_nan():
    results = {("A", "d1"): {"accuracy": 10, "f1": 20}, ("A", "d2"): {"accuracy": math.nan}}
    pairs = [["d1", "accuracy"], ["d1", "f1"], ["d2", "accuracy"]]
    weights = {"d1@accuracy": 1, "d1@f1": 3, "d2": 0}
    rows = table_of(results, [{"name": "g", "subsets": pairs, "weights": weights}])
    assert rows["g", "weighted_average"] == ("17.50", "-")


@pytest.mark.parametrize(
    ("group", "culprit"),
    [
        (
            {"name": "g", "subsets": PAIR, "transforms": {"d1": "__import__('os').abort()"}},
            "'g': transform .* is not known",
        ),
        ({"name": "g", "subsets": ["d1", ["d2", "accuracy"]]}, "'g' mixes"),
        ({"name": "g", "subsets": PAIR, "weights": {"d1": 1, "d9": 1}}, "'d9'"),
        ({"name": "g", "subsets": PAIR, "weights": {"d1": 1, "d2": -1}}, "sum is not 0"),
        ({"subsets": PAIR}, "needs 'name'"),
        ("g", "needs 'name'"),
    ],
)
def test_a_bad_group_is_refused_at_the_border_by_name(group, culprit):
    with pytest.raises(ConfigError, match=culprit.replace("(", r"\(")):
        check_summarizer({"summary_groups": [group]}, ["d1", "d2"])


@pytest.mark.parametrize("kind", ["opencompass.summarizers.DefaultSummarizer", "DefaultSummarizer", None])
def test_the_default_summarizer_may_be_named(kind):
    check_summarizer({"type": kind, "dataset_abbrs": ["d1"]}, ["d1"])


def test_the_settings_of_a_summarizer_that_only_opencompass_has_are_its_own():
    check_summarizer({"type": "opencompass.summarizers.MultiFacetedSummarizer", "summary_groups": [{}]}, ["d1"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("x*100", 50.0), ("min(100, max(0, (1-x)*100))", 50.0), ("-x // 1 % 3", 2.0), ("2 ** x", 2**0.5)],
)
def test_a_transform_is_arithmetic_on_the_score(text, value):
    rows = table_of({("A", "d1"): {"accuracy": 0.5}}, [{"name": "g", "subsets": ["d1"], "transforms": {"d1": text}}])
    assert rows["g", "naive_average"] == (f"{value:.2f}", "-")


@pytest.mark.parametrize(
    "text", ["y", "x.real", "open('f')", "x if x else 1", "[x]", "max()", "round(x, ndigits=1)", "'a'", "x +", "True",
             5, "x" + "+x" * 200, "().__class__", "x and 1"]
)  # fmt: skip
def test_a_transform_that_is_more_than_arithmetic_is_refused(text):
    group = {"name": "g", "subsets": ["d1"], "transforms": {"d1": text}}
    with pytest.raises(ConfigError, match=r"'g': transform .* cannot be used"):
        check_summarizer({"summary_groups": [group]}, ["d1"])


@pytest.mark.parametrize("text", ["1/x", "10.0 ** 10.0 ** x ** 10", "x % 0", "9**9**9**9**x"])
def test_a_transform_that_fails_on_a_score_is_an_error_of_its_group(text):
    group = {"name": "g", "subsets": ["d1"], "transforms": {"d1": text}}
    summary = summarize(
        STAMP,
        MODELS[:1],
        DATASETS[:1],
        {("A", "d1"): {"accuracy": 0 if "/" in text else 5}},
        {"summary_groups": [group]},
    )
    assert "cannot be worked out" in dict(summary.raw[0][1])["g"]["error"]


def test_models_of_one_summarizer_abbr_share_a_column_and_the_last_result_counts():
    models = (PlannedModel("A", "/a", "w", "same"), PlannedModel("B", "/b", "w", "same"))
    results = {("A", "d1"): {"accuracy": 1}, ("A", "d2"): {"accuracy": 2}, ("B", "d1"): {"accuracy": 3}}
    summary = summarize(STAMP, models, DATASETS[:2], results)
    assert summary.header[4:] == ("same",)
    assert [row[4:] for row in summary.rows] == [("3.00",), ("2.00",)]


@pytest.mark.parametrize("summarizer", [{"dataset_abbrs": "d1"}, {"dataset_abbrs": [1]}, {"summary_groups": {"a": 1}}])
def test_settings_of_another_shape_are_refused(summarizer):
    with pytest.raises(ConfigError, match="write a list"):
        check_summarizer(summarizer, ["d1"])


def test_a_version_of_digits_is_not_read_as_a_number():
    dataset = PlannedDataset("d", "12e456", "gen", 1)
    summary = summarize(STAMP, MODELS[:1], (dataset,), {("A", "d"): {"accuracy": 1}}, None)
    assert "12e456" in summary.table()


cell = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.tuples(*[cell] * (4 + width)), min_size=1, max_size=6)))
def test_the_csv_parses_back_to_the_table(rows):
    header, *body = rows
    parsed = [line.split(",") for line in Summary(STAMP, header, tuple(body), ()).csv().split("\n")[:-1]]
    assert parsed == [[" ".join(text.splitlines()).replace(",", " ") for text in row] for row in rows]


def test_results_may_carry_unicode_and_json_nan():
    assert set(parse_result(b'{"accuracy": NaN, "details": ["\xc3\xa9"]}')) == {"accuracy"}
    with pytest.raises(ValueError, match="not list"):
        parse_result(json.dumps([1]))
