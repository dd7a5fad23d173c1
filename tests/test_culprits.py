"""Several culprits in one refusal, and one cause of many told once."""

from __future__ import annotations

import pickle

import pytest

from opencompass_ops.culprits import Culprits, together
from opencompass_ops.errors import ConfigError


def _fails(message: str) -> str:
    raise ConfigError(message)


def test_one_culprit_is_the_whole_message_and_several_are_lines():
    wrong = Culprits()
    assert wrong.of(_fails, "stand-in", "a is wrong") == "stand-in"
    with pytest.raises(ConfigError, match=r"^a is wrong$"):
        wrong.refuse()
    wrong.add("b is wrong", "a is wrong")
    with pytest.raises(ConfigError) as refused:
        wrong.refuse()
    assert str(refused.value) == "2 things are wrong:\n- a is wrong\n- b is wrong"
    assert pickle.loads(pickle.dumps(refused.value)).culprits == ("a is wrong", "b is wrong")  # our own


def test_nothing_wrong_refuses_nothing():
    wrong = Culprits()
    assert wrong.of(len, 0, "abc") == 3
    wrong.refuse()


def test_what_is_said_of_many_in_the_same_words_is_said_once_with_their_number():
    told = [(f"d{n}", f"dataset d{n}: /data/x does not exist; get it") for n in range(5)] + [("e", "no rows")]
    assert together(told, "dataset") == [
        "5 datasets (d0, d1, d2 and 2 more): /data/x does not exist; get it",
        "dataset e: no rows",
    ]


def test_one_cause_joins_other_words_and_the_first_are_told():
    told = [("a", "/data/x/a.csv cannot be read"), ("b", "/data/x/b.csv cannot be read"), ("c", "no rows")]
    causes = {"a": "/data/x", "b": "/data/x", "c": ""}
    assert together(told, "dataset", causes) == [
        "2 datasets (a, b): /data/x/a.csv cannot be read",
        "dataset c: no rows",
    ]
