"""A dialogue and a model's meta template become text for language models or turns for chat models.

Reproduces OpenCompass's ``LMTemplateParser`` and ``APITemplateParser`` (0.5.3), the trailing newline
that chat models get from the empty SYSTEM turn included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inference.problems import InputProblem
from inference.prompt_template import Item, Rendered
from inference.requests import Prompt

GENERATE = "gen"
RANK = "ppl"

CHAT_META: dict[str, Any] = {
    "round": [
        {"role": "HUMAN", "api_role": "HUMAN"},
        {"role": "SYSTEM", "api_role": "HUMAN"},
        {"role": "BOT", "api_role": "BOT", "generate": True},
    ]
}
"""What OpenCompass gives ``withChatTemplate`` models that configure none."""

_MESSAGE_ROLE = {"HUMAN": "user", "BOT": "assistant", "SYSTEM": "system"}

_SPEAKER = {name: role for role, name in _MESSAGE_ROLE.items()}

Role = dict[str, Any]


class MetaTemplate:
    """A model's ``meta_template``, checked.

    :param config: ``round``, and optionally ``reserved_roles``, ``begin`` and ``end``.
    :raises InputProblem: it has another shape or names a role twice.
    """

    def __init__(self, config: Any) -> None:
        if not isinstance(config, dict) or not isinstance(config.get("round"), list):
            raise InputProblem(f"meta_template needs a list 'round', not {config!r}")
        self.round: list[Any] = config["round"]
        self.begin = config.get("begin", "")
        self.end = config.get("end", "")
        self.roles: dict[str, Role] = {}
        for entry in (*self.round, *config.get("reserved_roles", ())):
            if isinstance(entry, dict):
                self._add_role(entry)
        self._order = {entry["role"]: number for number, entry in enumerate(self.round) if isinstance(entry, dict)}

    def _add_role(self, entry: Role) -> None:
        role = entry.get("role")
        if not isinstance(role, str) or role in self.roles:
            raise InputProblem(f"meta_template role {role!r} must be a name that stands there once; see {entry!r}")
        self.roles[role] = entry

    def spoken(self, turn: dict[str, Any]) -> Role:
        """The role's begin, end and so on, with what the turn says.

        :raises InputProblem: neither the turn's role nor its ``fallback_role`` is known here.
        """
        return {**self.roles[_resolve(turn, self.roles)], **turn}

    def rounds(self, dialogue: list[dict[str, Any]]) -> list[list[Any]]:
        """The dialogue as filled rounds of the meta template; roles a round lacks stay empty.

        A new round begins where a role does not come after the one before it.

        :raises InputProblem: a turn's role has no place in a round.
        """
        filled: list[dict[str, Role]] = [{}]
        last = -1
        for turn in dialogue:
            role = _resolve(turn, self._order)
            if self._order[role] <= last:
                filled.append({})
            filled[-1][role] = {**self.roles[role], **turn}
            last = self._order[role]
        return [[self._fill(entry, known) for entry in self.round] for known in filled]

    def _fill(self, entry: Any, known: dict[str, Role]) -> Any:
        return known.get(entry["role"], entry) if isinstance(entry, dict) else entry


def _resolve(turn: dict[str, Any], known: dict[str, Any]) -> str:
    for role in (turn.get("role"), turn.get("fallback_role")):
        if role in known:
            return str(role)
    raise InputProblem(
        f"turn {turn!r} has neither a role nor a fallback_role that the model's meta_template knows here "
        f"({', '.join(known)}); add it to reserved_roles, or give the turn a fallback_role"
    )


def _walk(prompt: list[Item]) -> Iterator[tuple[str, Any]]:
    """``("text", string)``, ``("turn", turn)`` of begin and end, ``("ice" or "round", dialogue)`` in order.

    As in OpenCompass, a bare string within a round comes before that round.
    """
    sections: list[str] = []
    dialogue: list[dict[str, Any]] = []
    for item in prompt:
        if isinstance(item, str):
            yield "text", item
        elif "section" not in item:
            if sections and sections[-1] in ("ice", "round"):
                dialogue.append(item)
            else:
                yield "turn", item
        elif item["pos"] == "begin":
            sections.append(item["section"])
            dialogue = []
        elif sections.pop() in ("ice", "round"):
            yield item["section"], dialogue


def join(prompt: Rendered) -> str:
    """Text for a model without meta template: what is not empty, one below the other.

    As in OpenCompass, an empty first item still puts a newline before the second.
    """
    if isinstance(prompt, str):
        return prompt
    items = [item if isinstance(item, str) else item.get("prompt", "") for item in prompt if _is_said(item)]
    return "".join(("\n" if number else "") + text for number, text in enumerate(items) if text)


def is_messages(prompt: Any) -> bool:
    """Whether a prompt is a list of OpenAI messages, which no meta template changes."""
    return isinstance(prompt, list) and bool(prompt) and all(isinstance(m, dict) and "content" in m for m in prompt)


def _dialogue(messages: list[dict[str, Any]]) -> list[Item]:
    """Messages as a dialogue template gives them: what the system says first is no part of a round."""
    turns = [
        {"role": _SPEAKER[message["role"]], "fallback_role": "HUMAN", "prompt": message["content"]}
        for message in messages
    ]
    opening = next((number for number, turn in enumerate(turns) if turn["role"] != "SYSTEM"), len(turns))
    return [
        *turns[:opening],
        {"section": "round", "pos": "begin"},
        *turns[opening:],
        {"section": "round", "pos": "end"},
    ]


def _is_said(item: Item) -> bool:
    return isinstance(item, str) or set(item) != {"section", "pos"}


def to_text(prompt: Rendered, meta: MetaTemplate | None, mode: str) -> str:
    """The full text for a language model.

    OpenAI messages, which OpenCompass refuses here, are a dialogue of the meta template's roles; without one,
    their contents one below the other.

    :param mode: :data:`GENERATE` stops where the model begins to speak; :data:`RANK` takes it all.
    :raises InputProblem: a turn has no role the meta template knows.
    """
    if is_messages(prompt):
        if meta is None:
            return "\n".join(message["content"] for message in prompt if message["content"])  # type: ignore[index]
        prompt = _dialogue(prompt)  # type: ignore[arg-type]  # messages are dicts
    if isinstance(prompt, str) or meta is None:
        return join(prompt)
    text = str(meta.begin)
    for kind, content in _walk(prompt):
        if kind == "text":
            text += content
        elif kind == "turn":
            text += _say(meta.spoken(content))
        else:
            said, stopped = _say_rounds(meta.rounds(content), stop_last=mode == GENERATE and kind == "round")
            text += said
            if stopped:
                return text
    return text + str(meta.end)


def _say(role: Any) -> str:
    if isinstance(role, str):
        return role
    return str(role.get("begin", "")) + str(role.get("prompt", "")) + str(role.get("end", ""))


def _say_rounds(rounds: list[list[Any]], stop_last: bool) -> tuple[str, bool]:
    text = ""
    for number, entries in enumerate(rounds):
        for entry in entries:
            if stop_last and number == len(rounds) - 1 and isinstance(entry, dict) and entry.get("generate"):
                return text + str(entry.get("begin", "")), True
            text += _say(entry)
    return text, False


def to_turns(prompt: Rendered, meta: MetaTemplate | None, mode: str) -> Prompt:
    """The turns ``{role, prompt}`` for a chat model; a string stays one, and so do OpenAI messages.

    :param mode: :data:`GENERATE` leaves out the turn the model is to speak.
    :raises InputProblem: a turn has no role the meta template knows, or nothing is left to say.
    """
    if is_messages(prompt):
        return prompt  # type: ignore[return-value]  # messages are dicts
    if isinstance(prompt, str) or meta is None:
        return join(prompt)
    turns: list[dict[str, Any]] = []
    for kind, content in _walk(prompt):
        if kind == "turn":
            turns.append(_turn(meta.spoken(content)))
        elif kind != "text":  # bare strings have no speaker, so chat models never see them
            said, stopped = _turn_rounds(meta.rounds(content), stop_last=mode == GENERATE and kind == "round")
            turns += said
            if stopped:
                break
    if not turns:
        raise InputProblem(f"the dialogue says nothing to the model: {prompt!r}")
    return [*_opening(meta.begin), *_merge(turns, "prompt")]


def _opening(begin: Any) -> list[dict[str, Any]]:
    if not begin:
        return []
    if not isinstance(begin, dict) or not {"role", "prompt"} <= set(begin):
        raise InputProblem(f"a chat model's meta_template 'begin' must be one turn {{role, prompt}}, not {begin!r}")
    return [begin]


def _turn(role: Any) -> dict[str, Any]:
    if isinstance(role, str) or "api_role" not in role:
        raise InputProblem(f"meta_template entry {role!r} needs an 'api_role' (HUMAN, BOT or SYSTEM) for a chat model")
    return {"role": role["api_role"], "prompt": _say(role)}


def _turn_rounds(rounds: list[list[Any]], stop_last: bool) -> tuple[list[dict[str, Any]], bool]:
    turns: list[dict[str, Any]] = []
    for number, entries in enumerate(rounds):
        for entry in entries:
            if stop_last and number == len(rounds) - 1 and isinstance(entry, dict) and entry.get("generate"):
                return turns, True
            turns.append(_turn(entry))
    return turns, False


def _merge(turns: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    merged: list[dict[str, Any]] = []
    for turn in turns:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1] = {**merged[-1], key: merged[-1][key] + "\n" + turn[key]}
        else:
            merged.append(dict(turn))
    return merged


def to_messages(prompt: Prompt) -> list[dict[str, str]]:
    """The messages ``{role, content}`` for a tokenizer's chat template.

    Turns without text are dropped and neighbours of one role joined by a newline, as OpenCompass does;
    messages that are already in this form keep their borders.

    :raises InputProblem: a turn's role is none of HUMAN, BOT and SYSTEM.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if is_messages(prompt):
        return [message for message in prompt if message["content"]]
    return _merge([_message(turn) for turn in prompt if turn["prompt"]], "content")


def _message(turn: dict[str, Any]) -> dict[str, Any]:
    if turn.get("role") not in _MESSAGE_ROLE:
        raise InputProblem(
            f"turn {turn!r} has none of the roles {', '.join(_MESSAGE_ROLE)}; see the model's meta_template"
        )
    return {"role": _MESSAGE_ROLE[turn["role"]], "content": turn["prompt"]}
