"""Examples are the rows that OpenCompass's retrievers choose."""

from __future__ import annotations

import numpy as np
import pytest

from inference.problems import InputProblem, NotNative
from inference.retrievers import open_retriever


def test_zero_brings_nothing():
    retriever = open_retriever({"type": "ZeroRetriever"}, 5, 2)
    assert (retriever.choose(1), retriever.separator, retriever.ending) == ([], "", "")


def test_fix_k_brings_the_same_rows_to_every_question():
    retriever = open_retriever({"type": "opencompass.openicl.FixKRetriever", "fix_id_list": [3, 0]}, 4, 2)
    assert [retriever.choose(index) for index in range(2)] == [[3, 0], [3, 0]]
    assert (retriever.separator, retriever.ending) == ("\n", "\n")


def test_fix_k_refuses_a_row_that_is_not_there():
    with pytest.raises(InputProblem, match="names example 4, but the training split has 4 rows"):
        open_retriever({"type": "FixKRetriever", "fix_id_list": [0, 4]}, 4, 2)


def test_random_draws_like_numpys_seeded_global_generator():
    np.random.seed(43)
    expected = [np.random.choice(20, 3, replace=False).tolist() for _ in range(4)]
    retriever = open_retriever({"type": "RandomRetriever", "ice_num": 3}, 20, 4)
    assert [retriever.choose(index) for index in (0, 1, 2, 3)] == expected
    assert retriever.choose(2) == expected[2]  # asked alone, as a part of the dataset does


def test_random_refuses_more_examples_than_there_are():
    with pytest.raises(InputProblem, match="ice_num is 5"):
        open_retriever({"type": "RandomRetriever", "ice_num": 5}, 4, 1)


@pytest.mark.parametrize("config", [{"type": "BM25Retriever"}, {"type": "TopkRetriever", "ice_num": 2}])
def test_other_retrievers_are_left_to_the_bridge(config):
    with pytest.raises(NotNative, match="unknown retriever type"):
        open_retriever(config, 4, 1)


def test_an_unknown_option_is_left_to_the_bridge():
    with pytest.raises(NotNative, match="fix_ids"):
        open_retriever({"type": "FixKRetriever", "fix_ids": [0]}, 4, 1)


def test_no_retriever_is_refused():
    with pytest.raises(InputProblem, match=r"infer_cfg\.retriever"):
        open_retriever(None, 4, 1)
