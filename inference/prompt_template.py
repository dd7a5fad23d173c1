"""A dataset row and a template become a prompt that does not yet know the model.

Reproduces OpenCompass's ``PromptTemplate`` and ``RawPromptTemplate`` (0.5.3) with their quirks: values
are substituted column by column in the row's order, unknown braces stay, and in-context examples are
inserted before the row's values are.
"""

from __future__ import annotations

import copy
from typing import Any, Union

from inference.problems import InputProblem

Item = Union[str, dict[str, Any]]
"""A string, a turn ``{role, prompt, ...}`` or a section marker ``{section, pos}``."""

Rendered = Union[str, list[Item]]
"""A string template's text, or a dialogue for a model's meta template."""

Messages = list[dict[str, Any]]
"""OpenAI messages: ``{role, content}``."""

_SECTIONS = {"begin", "round", "end"}
_MESSAGE_ROLES = {"system", "user", "assistant"}


def substitute(text: str, row: dict[str, Any]) -> str:
    """``text`` with each ``{column}`` replaced by the row's value; other braces stay."""
    for column, value in row.items():
        text = text.replace("{" + column + "}", str(value))
    return text


def _substitute_all(prompt: Rendered, row: dict[str, Any]) -> Rendered:
    if isinstance(prompt, str):
        return substitute(prompt, row)
    return [_map_text(item, lambda text: substitute(text, row)) for item in prompt]


def _map_text(item: Item, change: Any) -> Item:
    if isinstance(item, str):
        return str(change(item))
    if "prompt" in item:
        return {**item, "prompt": change(item["prompt"])}
    return dict(item)


def _splice(prompt: Rendered, token: str, insert: Rendered) -> Rendered:
    """``prompt`` with ``token`` replaced by text or, between strings, by a dialogue."""
    if isinstance(insert, str):
        if isinstance(prompt, str):
            return prompt.replace(token, insert)
        return [_map_text(item, lambda text: text.replace(token, insert)) for item in prompt]
    if isinstance(prompt, str):
        raise InputProblem(
            f"a string prompt_template cannot hold in-context examples of a meta ice_template (token {token!r}); "
            "write both as strings or both as rounds"
        )
    spliced: list[Item] = []
    for item in prompt:
        spliced.extend(_splice_item(item, token, insert))
    return spliced


def _splice_item(item: Item, token: str, insert: list[Item]) -> list[Item]:
    if not isinstance(item, str):
        if token in item.get("prompt", ""):
            raise InputProblem(
                f"ice_token {token!r} stands inside a turn ({item}); put it beside the turns, as a string in 'begin'"
            )
        return [dict(item)]
    pieces: list[Item] = []
    for number, piece in enumerate(item.split(token)):
        pieces += insert if number else []
        pieces += [piece] if piece else []
    return pieces


class PromptTemplate:
    """A string, a dialogue (``begin``/``round``/``end``) or one of them per label.

    :param template: string or dict.
    :param ice_token: where in-context examples go; string templates must contain it.
    :param sep_token: removed from prompts (OpenCompass leaves it in in-context examples, so we do).
    :raises InputProblem: the template has another shape.
    """

    def __init__(self, template: Any, ice_token: str | None = None, sep_token: str | None = None) -> None:
        if not isinstance(template, (str, dict)) or not template:
            raise InputProblem(f"template must be a string or a dict, not {template!r}")
        self.template = template
        self.ice_token = ice_token
        self.sep_token = sep_token
        self.is_dialogue = isinstance(template, dict) and set(template) <= _SECTIONS
        for text in self._texts():
            if ice_token and ice_token not in text:
                raise InputProblem(f"ice_token {ice_token!r} is not in the template {text!r}; put it there or drop it")

    @property
    def labels(self) -> list[str] | None:
        """The labels of a template that has one prompt per label, else None."""
        if isinstance(self.template, str) or self.is_dialogue:
            return None
        return [str(label) for label in self.template]

    def example(self, row: dict[str, Any], label: Any) -> Rendered:
        """One in-context example; ``label`` chooses the template when there is one per label."""
        prompt = self._encode(self._of_label(label), as_example=True)
        if self.ice_token is not None:
            prompt = _splice(prompt, self.ice_token, "")
        return _substitute_all(prompt, row)

    def generation(self, row: dict[str, Any], ice: Rendered, masked: str | None) -> Rendered:
        """The prompt of a generation task; the column ``masked`` (the answer) is empty in it."""
        chosen = self.template
        if isinstance(chosen, dict) and not self.is_dialogue:
            chosen = next(iter(chosen.values()))
        shown = row if masked is None else {**row, masked: ""}
        prompt = self._insert(self._encode(chosen, as_example=False), ice)
        return _substitute_all(self._without_separator(prompt), shown)

    def labelled(self, row: dict[str, Any], ice: Rendered, label: Any) -> Rendered:
        """The prompt that claims ``label`` is the answer, for ranking; no column is masked."""
        prompt = self._without_separator(self._encode(self._of_label(label), as_example=False))
        return _substitute_all(self._insert(prompt, ice), row)

    def _texts(self) -> list[str]:
        if isinstance(self.template, str):
            return [self.template]
        return [value for value in self.template.values() if isinstance(value, str)]

    def _of_label(self, label: Any) -> Any:
        if isinstance(self.template, str) or self.is_dialogue:
            return self.template
        for key, chosen in self.template.items():  # keys that were numbers are strings once a plan was JSON
            if str(key) == str(label):
                return chosen
        raise InputProblem(f"the template has no label {label!r}; its labels are {list(self.template)}")

    def _insert(self, prompt: Rendered, ice: Rendered) -> Rendered:
        return prompt if self.ice_token is None else _splice(prompt, self.ice_token, ice)

    def _without_separator(self, prompt: Rendered) -> Rendered:
        return prompt if self.sep_token is None else _splice(prompt, self.sep_token, "")

    def _encode(self, chosen: Any, as_example: bool) -> Rendered:
        if isinstance(chosen, str):
            return chosen
        if not isinstance(chosen, dict) or not isinstance(chosen.get("round"), list):
            raise InputProblem(f"a dialogue template needs a list 'round', not {chosen!r}")
        if not all(_is_item(item) for name in _SECTIONS & set(chosen) for item in _as_list(chosen[name])):
            raise InputProblem(f"a dialogue template holds strings and turns {{role, prompt}}, not {chosen!r}")
        if as_example:
            return _section("ice", chosen["round"])
        prompt = _section("begin", chosen["begin"]) if "begin" in chosen else []
        prompt += _section("round", chosen["round"])
        return prompt + (_section("end", chosen["end"]) if "end" in chosen else [])


def _section(name: str, items: Any) -> list[Item]:
    return [{"section": name, "pos": "begin"}, *_as_list(items), {"section": name, "pos": "end"}]


def _as_list(items: Any) -> list[Any]:
    return items if isinstance(items, list) else [items]


def _is_item(item: Any) -> bool:
    if isinstance(item, str):
        return True
    return isinstance(item, dict) and isinstance(item.get("role"), str) and isinstance(item.get("prompt", ""), str)


class RawPromptTemplate:
    """OpenAI messages, passed through; the answer is not masked.

    :param messages: ``{role, content}``, ``{expand_column: column}`` (the row's own messages), or the
        string ``ice_token``.
    :param format_variables: whether ``{column}`` in contents is substituted.
    :param ice_token: the string that in-context examples replace; other strings are skipped.
    :raises InputProblem: a message has another shape.
    """

    labels: list[str] | None = None

    def __init__(self, messages: Any, format_variables: bool = True, ice_token: str = "</E>") -> None:  # noqa: S107
        if not isinstance(messages, list):
            raise InputProblem(f"messages must be a list, not {messages!r}")
        for number, message in enumerate(messages):
            _check_message(message, number)
        self.messages = messages
        self.format_variables = format_variables
        self.ice_token = ice_token

    def example(self, row: dict[str, Any]) -> Messages:
        """One in-context example."""
        return self.generation(row, [])

    def generation(self, row: dict[str, Any], ice: Messages) -> Messages:
        """The messages of a generation task."""
        result: Messages = []
        for message in self.messages:
            if isinstance(message, str):
                result += copy.deepcopy(ice) if message == self.ice_token else []
            elif "expand_column" in message:
                history = row.get(message["expand_column"])
                result += copy.deepcopy(history) if isinstance(history, list) else []
            else:
                result.append(self._formatted(message, row))
        return result

    def _formatted(self, message: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        changed = copy.deepcopy(message)
        if self.format_variables and isinstance(changed["content"], str):
            changed["content"] = substitute(changed["content"], row)
        return changed


def _check_message(message: Any, number: int) -> None:
    if isinstance(message, str) or (isinstance(message, dict) and "expand_column" in message):
        return
    if not isinstance(message, dict) or "content" not in message or message.get("role") not in _MESSAGE_ROLES:
        raise InputProblem(
            f"messages[{number}] is {message!r}; it needs 'content' and a 'role' of {', '.join(sorted(_MESSAGE_ROLES))}"
        )
