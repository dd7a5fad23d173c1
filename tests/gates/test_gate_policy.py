"""Settings of a gate, as a series or a run says them."""

from __future__ import annotations

import pytest

from opencompass_ops.errors import InputError
from opencompass_ops.gates.policy import GatePolicy


def test_a_mode_or_a_json_object_says_the_policy():
    assert GatePolicy.from_text(None) == GatePolicy()
    assert GatePolicy.from_text("enforce", "mother") == GatePolicy(mode="enforce", baseline="mother")
    text = (
        '{"mode": "enforce", "thresholds": {"gsm8k": 2}, "datasets": ["gsm8k"], "promote": "better", "approval": true}'
    )
    assert GatePolicy.from_text(text) == GatePolicy(
        mode="enforce", thresholds={"gsm8k": 2.0}, datasets=("gsm8k",), promote="better", approval=True
    )
    assert GatePolicy.from_text(text).allowed("gsm8k") == 2.0
    assert GatePolicy.from_text(text).allowed("other") == 1.0


def test_settings_are_meant_unless_they_say_otherwise():
    assert GatePolicy.from_values({"max_drop": 2}).mode == "enforce"
    assert GatePolicy.from_values({"mode": "report", "max_drop": 2}).mode == "report"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"treshold": 1}, "thresholds"),
        ({"mode": "strict"}, "report"),
        ({"alpha": 0}, "alpha"),
        ({"max_drop": True}, "max_drop"),
        ({"thresholds": {"gsm8k": -1}}, "thresholds"),
        ({"against": ["mother"]}, "baseline"),
        ({"against": []}, "baseline"),
        ({"datasets": "gsm8k"}, "list"),
        ({"promote": True}, "better"),
        ({"approval": "yes"}, "approval"),
    ],
)
def test_a_wrong_setting_is_named(values, said):
    with pytest.raises(InputError, match=said):
        GatePolicy.from_values(values)


@pytest.mark.parametrize("text", ["strict", "[1]", "{"])
def test_a_text_that_is_no_policy_is_refused(text):
    with pytest.raises(InputError, match="gate="):
        GatePolicy.from_text(text)
