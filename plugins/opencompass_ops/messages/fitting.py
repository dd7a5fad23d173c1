"""The longest form of a message that a service takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Body = TypeVar("Body")


def longest(upper: int, render: Callable[[int], Body], fits: Callable[[Body], bool]) -> Body:
    """What is rendered of as many lines as fit; of none when not even one fits.

    :param upper: how many lines there are.
    :param render: makes the body of the first so many lines; fewer never make it longer.
    :param fits: whether the service takes a body.
    """
    whole = render(upper)
    if fits(whole):
        return whole
    few, many = 0, upper
    while few < many - 1:
        middle = (few + many) // 2
        few, many = (middle, many) if fits(render(middle)) else (few, middle)
    return render(few)
