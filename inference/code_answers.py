"""Code that models write: cut out of their answers as OpenCompass 0.5.4 does for HumanEval and MBPP."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import regex

SECONDS_PER_PATTERN = 10.0
"""What one pattern may take on one answer (OpenCompass's limit); a pattern that takes longer does not match."""

_FENCE = regex.compile(r"```\w*\n(.*?)```", regex.DOTALL)
_QUOTED = [
    rf"{begin}\s*'(.*){close}\s*{end}"
    for close in ("'", "")
    for begin, end in ((r"\[BEGIN\]", r"\[DONE\]"), ("BEGIN", r"\[DONE\]"), (r"\[BEGIN\]", "DONE"), ("BEGIN", "DONE"))
]
_UNQUOTED = [
    rf"{begin}\s*(.*)\s*{end}"
    for begin, end in ((r"\[BEGIN\]", r"\[DONE\]"), ("BEGIN", r"\[DONE\]"), (r"\[BEGIN\]", "DONE"), ("BEGIN", "DONE"))
]
_MBPP_ANSWERS = tuple(
    regex.compile(pattern, regex.DOTALL)
    for pattern in (
        *_QUOTED, *_UNQUOTED,
        r"```python\s*(.*)\s*```", r"```\s*(.*)\s*```", r"```python\s*(.*)\s*$", r"```\s*(.*)\s*$", r"(.*)\s*```.*",
        r"\[BEGIN\]\s*'(.*)", r"\[BEGIN\](.*)", r"'(.*)'\s*\[DONE\]",
    )
)  # fmt: skip


def first_block(text: str) -> str:
    """The first fenced block, else the text; without what is blank before it."""
    return str((_FENCE.findall(text) or [text])[0]).lstrip()


def last_block(text: str) -> str:
    """The last fenced block, else the text; without what is blank before it."""
    return str((_FENCE.findall(text) or [text])[-1]).lstrip()


def indented_body(text: str) -> str:
    """The indented lines that a completion begins with, up to a fence or two empty lines."""
    if text.startswith("   ") and not text.startswith("    "):
        text = " " + text
    lines = text.split("\n\n\n")[0].split("\n```")[0].split("\n")
    return "\n".join(_until_unindented(lines))


def _until_unindented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line and line[0] != " ":
            return
        yield line


def function_body(text: str) -> str:
    """The body of the function that an answer completes: unquoted, unfenced, indented by four, up to its end.

    OpenCompass evaluates the answer as a Python expression; here only a literal string is one.
    """
    text = _code_block(_unquoted(text).lstrip("\n"))
    if text.strip().startswith(("from", "import")) and "def" in text:
        text = text[max(text.find("\n", text.find("def")) + 1, 0) :]
    text = "\n".join(line for line in text.split("\n") if line)
    if text.strip().startswith("def"):
        text = "\n".join(text.split("\n")[1:])
    text = "    " + (text.lstrip() if text.startswith(" ") else text.replace("\n", "\n    "))
    return _until_outdented(text.split("\n"))


def _unquoted(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
    return value if isinstance(value, str) else text


def _code_block(text: str) -> str:
    """The first block between fences without the language that its first line may name."""
    if "```" not in text:
        return text
    blocks = regex.findall(r"```(.*?)```", text, regex.DOTALL)
    if not blocks:
        return text.split("```")[1]
    block = str(blocks[0])
    return block if block.startswith("\n") else block[max(block.find("\n") + 1, 0) :]


def _until_outdented(lines: list[str]) -> str:
    """The lines before the first that is indented less than the first line of code."""
    indent = None
    for number, line in enumerate(lines):
        if not line.strip() or line.strip()[0] in "\"'#":
            continue
        here = len(line.rstrip()) - len(line.strip())
        if indent is None:
            indent = here
        elif here < indent:
            return "\n".join(lines[:number])
    return "\n".join(lines)


def mbpp_answer(text: str) -> str:
    """The code between ``[BEGIN]`` and ``[DONE]`` or in a fence, by OpenCompass's first pattern that matches."""
    text = next((str(match.group(1)) for match in _matches(text)), text)
    text = text.split("```")[0]
    text = str(regex.split(r"'?\s*\[?DONE\]?", text)[0])
    return text.replace("\\_", "_").strip()


def _matches(text: str) -> Iterator[Any]:
    for pattern in _MBPP_ANSWERS:
        try:
            match = pattern.search(text, timeout=SECONDS_PER_PATTERN)
        except TimeoutError:
            continue
        if match:
            yield match


def mbpp_block(text: str) -> str:
    """The first fenced block without its tests and its ``[BEGIN]`` and ``[DONE]`` marks."""
    text = _code_block(text) if "```" in text else regex.sub(r"Here(.*?)\n", "", text, count=1)
    for mark in ("# Test", "#Test", "#test", "# test"):
        text = text.split(mark)[0]
    text = str(regex.split(r"(?:'\s*|)(?:\[DONE\]|DONE)", text.strip(), maxsplit=1)[0])
    text = str(regex.split(r"(?:\[BEGIN\]|BEGIN)(?:'\s*|)", text, maxsplit=1)[-1]).strip()
    return text.removeprefix("'")
