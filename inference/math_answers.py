r"""Answers to MATH problems: found in a solution, reduced to one way of writing them, compared as text.

The reductions are those of Hendrycks et al. 2021 (arXiv 2103.03874) and of Lewkowycz et al. 2022 (arXiv
2206.14858, appendix D.1), in the order and with the slips of OpenCompass 0.5.4's ``MATHEvaluator``, so that
scores can be compared. What OpenCompass meets with an exception that it swallows is a ``ValueError`` here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_REPLACED = (
    ("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), ("\\ ", ""), (" ", ""), ("mbox", "text"),
    (",\\text{and}", ","), ("\\text{and}", ","), ("\\text{m}", "\\text{}"), ("\\le", "<"),
)  # fmt: skip
_REMOVED = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue", "points",
    "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students",
    "childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}",
    "\\text{}", "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots", "\n", "\r", "\f",
)  # fmt: skip
_UNWRAPPED = tuple(
    re.compile(pattern)
    for pattern in (r"\\text\{\((.*?)\)\}", r"\\text\{(.*?)\}", r"\\textbf\{(.*?)\}", r"\\overline\{(.*?)\}",
                    r"\\boxed\{(.*)\}")
)  # fmt: skip
_LAST_OF = tuple(
    re.compile(pattern) for pattern in (r"finalansweris(.*)", r"answer?is:?(.*)", r"oxed\{(.*?)\}", r"\$(.*?)\$")
)


def last_boxed(text: str) -> str | None:
    r"""The last ``\boxed{...}`` (else ``\fbox``) of a text up to its matching brace; None when it has none."""
    start = text.rfind("\\boxed")
    start = start if start >= 0 else text.rfind("\\fbox")
    depth = 0
    for position in range(start, len(text)) if start >= 0 else ():
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if text[position] == "}" and depth == 0:
            return text[start : position + 1]
    return None


def boxed_answer(text: str, strip_double_curly_brace: bool = False) -> str | None:
    r"""What stands in the last ``\boxed{}``; None when the last box is another or none.

    :param strip_double_curly_brace: whether ``\boxed{{5}}`` is ``5``.
    """
    box = last_boxed(text)
    if box is None or not box.startswith("\\boxed{"):
        return None
    answer = box[len("\\boxed{") : -1]
    inner = re.match(r"^\{(.*)\}$", answer) if strip_double_curly_brace else None
    return inner.group(1) if inner else answer


def normalized(answer: str) -> str:
    """An answer without units, articles, spaces and LaTeX dress, its fractions and roots with braces."""
    for before, after in (*_REPLACED, *((removed, "") for removed in _REMOVED)):
        answer = answer.replace(before, after)
    for pattern in _UNWRAPPED:
        answer = pattern.sub(r"\1", answer)
    for pattern in _LAST_OF:
        answer = (pattern.findall(answer) or [answer])[-1]
    answer = answer.strip()
    if "rac" in answer and "\\frac" not in answer:
        answer = answer.replace("rac", "\\frac")
    answer = re.sub(r"(frac)([^{])(.)", r"frac{\2}{\3}", answer)
    answer = re.sub(r"(sqrt)([^{])", r"sqrt{\2}", answer).replace("$", "")
    without_commas = answer.replace(",", "")
    return without_commas if without_commas.isdigit() else answer


def spoken_answer(text: str) -> str:
    """The first sentence that says ``final answer``, else the first sentence, normalized."""
    return _first_sentence(text, re.compile("final answer"))


def boxed_or_spoken_answer(text: str) -> str:
    r"""What is in the last ``\boxed{}``; else the first sentence that says ``answer is`` or ``final answer``."""
    return boxed_answer(text, strip_double_curly_brace=True) or _first_sentence(
        text, re.compile("final answer|answer is")
    )


def _first_sentence(text: str, wanted: re.Pattern[str]) -> str:
    sentences = text.split(".")
    return normalized(next((part for part in sentences if wanted.search(part.lower())), sentences[0]))


def equivalent(first: Any, second: Any, version: str = "v1") -> bool:
    """Whether two answers are written alike once reduced; nothing equals nothing.

    :param version: ``v1`` (Hendrycks et al.) or ``v2`` (OpenCompass's own, which forgives more).
    """
    if first is None or second is None:
        return first is second
    strip = STRIPPERS[version]
    return (
        _alike(strip, first, second)
        or _alike(lambda text: normalized(strip(text)), first, second)
        or _alike(normalized, first, second)
        or bool(first == second)
    )


def _alike(reduce: Callable[[Any], str], first: Any, second: Any) -> bool:
    try:
        return reduce(first) == reduce(second)
    except (ValueError, AttributeError, TypeError):
        return False


def stripped(text: str) -> str:
    """Version 1: without line breaks, sizes, degrees, units, per cent and ``k =``; fractions with braces.

    :raises ValueError: units in two places, a bare root, or a slash between what are no integers.
    """
    for before, after in _STRIPPED:
        text = text.replace(before, after)
    text = _without_units(text).replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    text = _braced_roots(_without_name("0" + text if text[0] == "." else text)).replace(" ", "")
    text = _braced_fractions(text)
    return _fraction_of_slash("\\frac{1}{2}" if text == "0.5" else text)


_STRIPPED = (
    ("\n", ""), ("\\!", ""), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\left", ""), ("\\right", ""),
    ("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""),
)  # fmt: skip


def stripped_v2(answer: Any) -> str:
    """Version 2: also without ``x\\in``, final periods, words, ``and``, bold, and ``.0``; ``j`` is ``i``.

    :raises ValueError: a slash between what are no integers.
    """
    text = str(answer).strip().replace("\n", "").rstrip(".")
    for before, after in _STRIPPED_V2:
        text = text.replace(before, after)
    text = re.sub(r"\\text{.*?}$", "", text).strip() or text
    for before, after in _STRIPPED_LATER:
        text = text.replace(before, after)
    text = text.replace("infinity", "\\infty")
    text = text if "\\infty" in text else text.replace("inf", "\\infty")
    text = text.replace("+\\inity", "\\infty").replace("and", "").replace("\\mathbf", "")
    text = re.sub(r"\\mbox{.*?}", "", text)
    text = text.replace("j", "i") if "i" not in text else text
    text = re.sub(r"(\d+)\.0+$", r"\1", re.sub(r"(\d+)\.0+([^\d])", r"\1\2", text))
    if not text:
        return text
    text = _without_name("0" + text if text[0] == "." else text)
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    return _fraction_of_slash(_braced_fractions(text))


_STRIPPED_V2 = (
    ("\\!", ""), ("\\ ", ""), ("\\\\", "\\"), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\left", ""),
    ("\\right", ""),
)  # fmt: skip
_STRIPPED_LATER = (
    ("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""), ("$", ""), ("\\text", ""), ("x\\in", ""), ("\\%", ""), ("%", ""),
    (" .", " 0."), ("{.", "{0."), ("\\cdot", ""),
)  # fmt: skip

STRIPPERS: dict[str, Callable[[Any], str]] = {"v1": stripped, "v2": stripped_v2}


def _without_units(text: str) -> str:
    """The text before its units, which ``\\text{ `` begins.

    :raises ValueError: they begin twice.
    """
    number, *units = text.split("\\text{ ")
    if len(units) > 1:
        raise ValueError(f"units in {len(units)} places: {text!r}")
    return number


def _without_name(text: str) -> str:
    """``k = 5`` becomes `` 5``, when what stands before the only ``=`` is at most two characters."""
    name, equals, value = text.partition("=")
    return value if equals and "=" not in value and len(name) <= 2 else text


def _braced_roots(text: str) -> str:
    """``\\sqrt3`` becomes ``\\sqrt{3}``.

    :raises ValueError: nothing is under a root.
    """
    head, *roots = text.split("\\sqrt")
    if not all(roots):
        raise ValueError(f"nothing under a root: {text!r}")
    return head + "".join("\\sqrt" + (root if root[0] == "{" else f"{{{root[0]}}}{root[1:]}") for root in roots)


def _braced_fractions(text: str) -> str:
    """``\\frac12`` and ``\\frac1{72}`` with braces on both sides; unchanged when one is cut short."""
    head, *fractions = text.split("\\frac")
    if any(not fraction.startswith("{") and len(fraction) < 2 for fraction in fractions):
        return text
    return head + "".join("\\frac" + _braced(fraction) for fraction in fractions)


def _braced(fraction: str) -> str:
    if fraction.startswith("{"):
        return fraction
    below = fraction[1] if fraction[1] == "{" else f"{{{fraction[1]}}}"
    return f"{{{fraction[0]}}}{below}{fraction[2:]}"


def _fraction_of_slash(text: str) -> str:
    """``3/4`` becomes ``\\frac{3}{4}``.

    :raises ValueError: one slash, and not between integers.
    """
    if text.count("/") != 1:
        return text
    above, below = map(int, text.split("/"))
    return f"\\frac{{{above}}}{{{below}}}" if text == f"{above}/{below}" else text
