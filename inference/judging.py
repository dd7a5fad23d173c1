"""Predictions put before a judge: what it is asked of each row, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from inference.judge import Answer, Judge, Question, Unanswered, ask
from inference.loaders import Row
from inference.meta_template import GENERATE, MetaTemplate, to_messages, to_turns
from inference.problems import InputProblem, NotNative
from inference.prompt_template import PromptTemplate, RawPromptTemplate
from inference.registry import build_kwargs
from inference.requests import Prompt
from inference.verdicts import Verdicts

_META: dict[str, Any] = {
    "round": [{"role": "HUMAN", "api_role": "HUMAN"}, {"role": "BOT", "api_role": "BOT", "generate": True}]
}
"""What OpenCompass gives a judge that configures none."""
_Template = Union[PromptTemplate, RawPromptTemplate]
_TEMPLATES: dict[str, Callable[..., _Template]] = {
    "PromptTemplate": PromptTemplate,
    "RawPromptTemplate": RawPromptTemplate,
}
_MASKED = "reference"
"""The column that is empty in what the judge is asked, as the answer is in every prompt; ``obj_gold`` is not."""


@dataclass(frozen=True)
class Court:
    """What evaluators that ask a judge are given.

    :param verdicts: what is known already, and where new answers go.
    :param data_dir: the folder that data paths start at.
    :param pause: waits so many seconds, between tries.
    """

    verdicts: Verdicts
    data_dir: str = ""
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Verdict:
    """:param asked: what the judge was shown, as prediction files hold it.
    :param said: its answer, or why there is none.
    """

    asked: Prompt
    said: Answer


def check_template(config: Any) -> None:
    """Refuse a judge's template that is none.

    :raises InputProblem: it has another shape or type.
    """
    _template(config)


def prompts_for_judge(template_cfg: Any, judge_cfg: Any, rows: Sequence[Row]) -> list[Prompt]:
    """What the judge is shown of each row: turns of a dialogue, or messages.

    :raises InputProblem: the template or the judge's meta template does not make a prompt.
    """
    template = _template(template_cfg)
    given = judge_cfg.get("meta_template") if judge_cfg else _META
    meta = MetaTemplate(given) if given else None
    filled = [
        template.generation(row, [])
        if isinstance(template, RawPromptTemplate)
        else template.generation(row, "", _MASKED)
        for row in rows
    ]
    return [to_turns(one, meta, GENERATE) for one in filled]  # type: ignore[arg-type]  # messages are dicts too


def _template(config: Any) -> _Template:
    type_, options = build_kwargs(config, "the judge's prompt_template")
    name = str(type_).rsplit(".", 1)[-1]
    if name not in _TEMPLATES:
        raise NotNative(f"the judge's prompt_template of type {type_!r}")
    try:
        return _TEMPLATES[name](**options)
    except TypeError as error:
        raise InputProblem(f"the judge's prompt_template: {error}; correct its options {sorted(options)}") from error


def judge_rows(judge: Judge, prompts: Sequence[Prompt], court: Court) -> list[Verdict]:
    """What the judge says to each prompt; what it said before is not asked again, and equal questions once."""
    questions = [judge.question(to_messages(_plain(prompt))) for prompt in prompts]
    keys = [repr(question) for question in questions]
    known: dict[str, Answer] = {}
    for key, question in zip(keys, questions, strict=True):
        found = None if key in known else court.verdicts.find(question)
        if found is not None:
            known[key] = found
    open_: dict[str, Question] = {key: one for key, one in zip(keys, questions, strict=True) if key not in known}
    print(f"judge {judge.model}: {len(open_)} of {len(prompts)} to ask", flush=True)
    answers = ask(judge, list(open_.values()), court.verdicts.keep, court.pause) if open_ else []
    known.update(zip(open_, answers, strict=True))
    return [Verdict(prompt, known[key]) for prompt, key in zip(prompts, keys, strict=True)]


def _plain(prompt: Prompt) -> Prompt:
    """Without halves of surrogate pairs, which models can say and JSON cannot."""
    if isinstance(prompt, str):
        return _clean(prompt)
    return [{key: _clean(value) if isinstance(value, str) else value for key, value in turn.items()} for turn in prompt]


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def entries(verdicts: Mapping[int, Verdict], references: Sequence[Any]) -> dict[str, Any]:
    """Verdicts by number in the form of a prediction file; those that failed are not in it."""
    return {
        str(number): {
            "origin_prompt": verdict.asked,
            "prediction": verdict.said,
            **({"gold": references[number]} if references[number] else {}),
        }
        for number, verdict in verdicts.items()
        if not isinstance(verdict.said, Unanswered)
    }
