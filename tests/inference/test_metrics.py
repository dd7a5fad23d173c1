"""Metrics that have no record of OpenCompass: against the libraries' own examples, scipy and hand."""

# ruff: noqa: E501, RUF001  # tables of texts, some with full-width characters

from __future__ import annotations

import importlib.util
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.evaluators import EVALUATORS
from inference.metrics.numbers import last_number, number
from inference.metrics.words import f1
from inference.problems import InputProblem
from inference.scoring import check_scoring


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} not installed")


def values(name, predictions, references, **options):
    found = EVALUATORS.find(name)(predictions, references, **options)
    return {metric.name: metric.value for metric in found.metrics}


@needs("sklearn")
def test_precision_recall_and_f1_by_hand():
    said = ["cat", "cat", "dog", "dog", "bird", "what?"]
    wanted = ["cat", "dog", "dog", "dog", "cat", "bird"]
    found = values("ClassificationEvaluator", said, wanted)
    assert found["accuracy"] == pytest.approx(50)
    assert found["precision[cat]"] == pytest.approx(50)  # one of two
    assert found["recall[cat]"] == pytest.approx(50)  # one of two
    assert found["precision[dog]"] == pytest.approx(100)
    assert found["recall[dog]"] == pytest.approx(200 / 3)
    assert found["f1[dog]"] == pytest.approx(80)
    assert found["f1[bird]"] == 0
    assert found["f1_macro"] == pytest.approx((50 + 80 + 0) / 3)
    assert found["precision_micro"] == pytest.approx(60)  # three of the five that name a class
    assert found["recall_micro"] == pytest.approx(50)


@needs("sklearn")
def test_classes_may_be_given_and_kept_out_of_the_table():
    found = values("ClassificationEvaluator", ["a", "b"], ["a", "a"], labels=["a", "b", "c"], per_class=False)
    assert found == pytest.approx({
        "accuracy": 50, "precision_macro": 100 / 3, "recall_macro": 50 / 3, "f1_macro": 200 / 9,
        "precision_micro": 50, "recall_micro": 50, "f1_micro": 50,
    })  # fmt: skip


@needs("sklearn")
def test_matthews_correlation_is_that_of_two_columns_of_bits():
    from scipy.stats import pearsonr

    said, wanted = [1, 0, 1, 1, 0, 0, 1, 0], [1, 0, 0, 1, 0, 1, 1, 0]
    (found,) = values("MccEvaluator", said, wanted).values()
    assert found == pytest.approx(100 * pearsonr(said, wanted).statistic)


def test_errors_of_numbers_by_hand():
    found = EVALUATORS.find("RegressionEvaluator")(["1,000", "about 5", "$7.5", "-3"], ["998", "4", "7.5", 1])
    told = {metric.name: metric.value for metric in found.metrics}
    assert told == pytest.approx({"mae": 2.0, "mse": 20 / 3, "rmse": math.sqrt(20 / 3), "coverage": 75})
    assert found.scores == [2.0, None, 0.0, 4.0]
    assert list(found.unjudged) == [1]
    assert not any(metric.higher_is_better for metric in found.metrics[:3])


def test_where_no_answer_is_a_number_only_the_coverage_is_known():
    assert values("RegressionEvaluator", ["x", ""], ["1", "2"]) == {"coverage": 0.0}
    with pytest.raises(InputProblem, match="no number"):
        values("RegressionEvaluator", ["1"], ["one"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5), ("12，345", 12345.0), ("50%", 50.0), ("$3", 3.0), ("-0.5", -0.5), ("−2", -2.0), (".5", 0.5),
        ("1e3", 1000.0), (" 7。", 7.0), ("**8**", 8.0), ("-$5", -5.0), ("1,2", None), ("", None), ("5 apples", None), ("-", None),
        ("1/2", None), (True, None), (float("nan"), None), (3, 3.0), ("1e999", None),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text, value):
    assert number(text) == value


@given(st.floats(-1e12, 1e12))
def test_a_printed_number_is_read_back(value):
    assert number(repr(value)) == value
    assert number(f"{value:,.3f}") == pytest.approx(value, rel=1e-9, abs=1e-3)


@given(st.text())
def test_no_text_breaks_the_reading_of_numbers(text):
    found = number(last_number(text))
    assert found is None or math.isfinite(found)


@pytest.mark.parametrize(
    ("text", "last"),
    [("12 and 1,234,567 or so.", "1,234,567"), ("from 3 to -4", "-4"), ("no", ""), ("共 12，000 元。", "12，000"), ("1.5.", "1.5")],
)  # fmt: skip
def test_the_last_number_keeps_its_separators(text, last):
    assert last_number(text) == last


@pytest.mark.parametrize(
    ("said", "wanted", "value"),
    [("The cat sat.", "a cat", 2 / 3), ("", "", 1.0), ("x", "", 0.0), ("b b", "b", 2 / 3), ("no", "yes", 0.0)],
)
def test_shared_words_by_hand(said, wanted, value):
    assert f1(said, wanted) == pytest.approx(value)


@given(st.text(), st.text())
def test_f1_is_a_share_and_symmetric(said, wanted):
    assert 0.0 <= f1(said, wanted) <= 1.0
    assert f1(said, wanted) == f1(wanted, said)


def test_the_best_reference_counts_and_only_the_first_line():
    found = values("SquadEvaluator", ["the Eiffel tower\nQ: next", "Rome"], [["Eiffel Tower", "x"], "Paris"])
    assert found == {"f1": 50.0, "exact_match": 50.0}


@needs("sacrebleu")
def test_bleu_of_equal_texts_is_100_whatever_the_form_of_references():
    texts = ["the cat sat on the mat today", "and it was a very fine mat"]
    assert values("BleuEvaluator", texts, texts)["score"] == pytest.approx(100)
    assert values("BleuEvaluator", texts, [[text, "other words"] for text in texts])["score"] == pytest.approx(100)


@needs("rouge_score")
def test_rouge_takes_the_best_of_several_references_and_leaves_the_random_state_alone():
    import numpy

    numpy.random.seed(5)
    before = numpy.random.random()
    numpy.random.seed(5)
    assert values("RougeEvaluator", ["a b c"], [["x y", "a b c"]])["rougeL"] == pytest.approx(100)
    assert numpy.random.random() == before


@needs("rouge_chinese")
@needs("jieba")
def test_chinese_rouge_counts_words_and_not_spaces():
    found = values("JiebaRougeEvaluator", ["今天天气很好", ""], ["今天天气很好", "完全不同"])
    assert found["rouge1"] == pytest.approx(50, abs=1e-3)


def test_a_missing_package_is_named_before_anything_runs(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputProblem, match="pip install rouge-score"):
        check_scoring({"abbr": "d", "eval_cfg": {"evaluator": {"type": "RougeEvaluator"}}})
