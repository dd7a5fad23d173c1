"""Which training rows stand before each question, and how they are joined.

Native: ``ZeroRetriever``, ``FixKRetriever`` and ``RandomRetriever``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.problems import InputProblem, NotNative
from inference.registry import Registry, build_kwargs

Choose = Callable[[int], list[int]]


@dataclass(frozen=True)
class Retriever:
    """:param choose: number of a selected row -> row numbers of its examples in the training split.
    :param separator: between examples; dialogue templates use none.
    :param ending: after the last one; dialogue templates use none.
    """

    choose: Choose
    separator: str = ""
    ending: str = ""


RETRIEVERS: Registry[Callable[..., Retriever]] = Registry("retriever")


def open_retriever(config: Any, train_rows: int, test_rows: int) -> Retriever:
    """The retriever of an ``infer_cfg``.

    :param train_rows: rows of the training split after its range.
    :param test_rows: selected rows, before any limit.
    :raises NotNative: unknown type or option.
    :raises InputProblem: an example is not there.
    """
    type_, kwargs = build_kwargs(config, "infer_cfg.retriever")
    make = RETRIEVERS.find(type_)
    check_retriever(config)
    return make(train_rows, test_rows, **kwargs)


def check_retriever(config: Any) -> None:
    """Refuse what cannot be opened whatever the data are.

    :raises NotNative: unknown type or option.
    """
    type_, kwargs = build_kwargs(config, "infer_cfg.retriever")
    try:
        inspect.signature(RETRIEVERS.find(type_)).bind(0, 0, **kwargs)
    except TypeError as error:
        raise NotNative(f"retriever {type_}: {error}; its options are {kwargs!r}") from error


@RETRIEVERS.add("ZeroRetriever")
def _zero(train_rows: int, test_rows: int, *, ice_eos_token: str = "") -> Retriever:
    return Retriever(lambda index: [], ending=ice_eos_token)


@RETRIEVERS.add("FixKRetriever")
def _fix_k(
    train_rows: int,
    test_rows: int,
    *,
    fix_id_list: list[int],
    ice_separator: str = "\n",
    ice_eos_token: str = "\n",  # noqa: S107  # a token of text
    ice_num: int = 1,
) -> Retriever:
    bad = [number for number in fix_id_list if not -train_rows <= number < train_rows]
    if bad:
        raise InputProblem(
            f"fix_id_list names example {bad[0]}, but the training split has {train_rows} rows; choose others "
            "or check train_split and train_range"
        )
    return Retriever(lambda index: list(fix_id_list), ice_separator, ice_eos_token)


@RETRIEVERS.add("RandomRetriever")
def _random(
    train_rows: int,
    test_rows: int,
    *,
    ice_num: int = 1,
    seed: int = 43,
    ice_separator: str = "\n",
    ice_eos_token: str = "\n",  # noqa: S107  # a token of text
) -> Retriever:
    """Drawn without replacement for one selected row after the other from one numpy generator.

    This is OpenCompass's draw of the undivided dataset; there, each part starts the sequence anew.
    """
    if ice_num > train_rows:
        raise InputProblem(f"ice_num is {ice_num}, but the training split has {train_rows} rows; lower it")
    import numpy as np

    generator = np.random.RandomState(seed)
    drawn = [generator.choice(train_rows, ice_num, replace=False).tolist() for _ in range(test_rows)]
    return Retriever(lambda index: [int(number) for number in drawn[index]], ice_separator, ice_eos_token)
