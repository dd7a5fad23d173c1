"""Post-processors reduce answers as OpenCompass's do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.postprocess import POSTPROCESSORS, open_postprocessor
from inference.problems import InputProblem

FIRST_OPTION = {"type": "opencompass.utils.text_postprocessors.first_option_postprocess", "options": "ABCD"}

# Outputs of OpenCompass 0.5.3's own functions (open-compass/opencompass a5acc4bb).
EXPECTED = [
    ("general", "The cat, a dog", "cat"),
    ("general", " an  Apple pie!\nmore", "Apple pie"),
    ("first-capital", "the answer: B or C", "B"),
    ("first-capital", "none", ""),
    ("last-capital", "B or C it is", "C"),
    ("gsm8k", "So 3 + 4 = 7.\nQuestion: What is 9?", "7"),
    ("gsm8k", "It costs $1,234.50 or -5", "-5"),
    ("gsm8k", "no number", "NULL"),
    ("gsm8k_dataset", "3*4=12\n#### 1,200", "1200"),
    ("bbh-mcq", "Well. So the answer is (C).", "C"),
    ("bbh-mcq", "it is B", "B"),
    ("bbh-mcq", "nothing", "nothing"),
    ("bbh-freeform", "So the answer is No.", "No"),
    ("bbh-freeform", "The Answer is: **true** indeed", "True"),
    ("bbh-freeform", "answer is apple, pear\nQ: next", "apple pear"),
    ("bbh-freeform", "answer is 1, 2.", "1, 2"),
]


@pytest.mark.parametrize(("name", "text", "expected"), EXPECTED)
def test_answers_are_reduced(name, text, expected):
    assert open_postprocessor({"type": name}, "here")(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is (B).", "B"),
        ("the correct answer is option: C", "C"),
        ("答案是D", "D"),
        ("选A", "A"),
        ("B 好。故A吧", "B"),  # not A: a missing comma fused the pattern that would find it with the next one
        ("A B C, ANSWER: d", "A"),
        ("Let us see.\nB. because", "B"),
        ("1. Paris (C)", "C"),
        ("no idea", ""),
        ("", ""),
    ],
)
def test_the_first_option_is_found_as_upstream_finds_it(text, expected):
    assert open_postprocessor(FIRST_OPTION, "here")(text) == expected


def test_without_cushion_a_bare_letter_is_no_answer():
    assert open_postprocessor({**FIRST_OPTION, "cushion": False}, "here")("Beta") == ""
    assert open_postprocessor(FIRST_OPTION, "here")("Beta") == "B"


def test_the_last_option_wins():
    last = {"type": "last_option_postprocess", "options": "AB"}
    assert open_postprocessor(last, "here")("A, no B, no C") == "B"


def test_registered_names_and_dotted_functions_are_the_same():
    dotted = {"type": "opencompass.datasets.gsm8k.gsm8k_postprocess"}
    assert open_postprocessor(dotted, "here") is open_postprocessor({"type": "gsm8k"}, "here")


NEEDED = {
    "option": {"options": "ABCD"},
    "answer_pattern": {"answer_pattern": "is (.)"},
    "think_pred": {"re_pattern": "is (.)"},
    "xml": {"tag": "<b>"},
    "mgsm": {"lang": "en"},
    "mathbench": {"name": "college_cn"},
}


@given(st.sampled_from([name for name in POSTPROCESSORS.names() if "dataset" not in name]), st.text())
def test_no_text_breaks_a_post_processor(name, text):
    options = next((options for part, options in NEEDED.items() if part in name), {})
    assert isinstance(open_postprocessor({"type": name, **options}, "here")(text), str | None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "humaneval_v2"}, "unknown post-processor"),
        ({"type": "first_option_postprocess", "option": "AB"}, "option"),
        ({"type": "first_option_postprocess"}, "options"),
        ({"options": "AB"}, "'type'"),
    ],
)
def test_an_unusable_post_processor_is_refused(config, message):
    with pytest.raises(InputProblem, match=message):
        open_postprocessor(config, "eval_cfg.pred_postprocessor")


def test_a_gsm8k_reference_without_its_mark_is_refused():
    with pytest.raises(InputProblem, match="####"):
        open_postprocessor({"type": "gsm8k_dataset"}, "here")("12")
