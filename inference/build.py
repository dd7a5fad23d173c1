"""Rows to requests: which rows, with which examples, rendered for which kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from inference.datasets import Rows, output_column
from inference.loaders import Row
from inference.meta_template import CHAT_META, GENERATE, RANK, MetaTemplate, to_text, to_turns
from inference.problems import InputProblem
from inference.prompt_template import Item, Messages, PromptTemplate, RawPromptTemplate, Rendered
from inference.registry import Registry, build_kwargs
from inference.requests import (
    ChoiceRequest,
    GenerationRequest,
    Prompt,
    RankingRequest,
    Request,
    SurpriseRequest,
)
from inference.retrievers import Retriever, open_retriever

BASE = "base"
LM = "lm"
CHAT = "chat"

LIKELIHOOD = "ll"
CHOICE = "clp"
SURPRISE = "ppl_only"
_LABELLED = (RANK, LIKELIHOOD)
"""Modes whose template has a prompt for each label."""

Template = Union[PromptTemplate, RawPromptTemplate]
Render = Callable[[Any, str], Prompt]

FAMILIES: Registry[str] = Registry("model")
FAMILIES.add("HuggingFaceBaseModel")(BASE)
FAMILIES.add("HuggingFace", "HuggingFaceCausalLM")(LM)
FAMILIES.add("HuggingFacewithChatTemplate")(CHAT)

INFERENCERS: Registry[str] = Registry("inferencer")
INFERENCERS.add("GenInferencer")(GENERATE)
INFERENCERS.add("PPLInferencer")(RANK)
INFERENCERS.add("LLInferencer")(LIKELIHOOD)
INFERENCERS.add("CLPInferencer")(CHOICE)
INFERENCERS.add("PPLOnlyInferencer")(SURPRISE)

TEMPLATES: Registry[Callable[..., Template]] = Registry("prompt template")
TEMPLATES.add("PromptTemplate")(PromptTemplate)
TEMPLATES.add("RawPromptTemplate")(RawPromptTemplate)


def model_family(model_cfg: dict[str, Any]) -> str:
    """``base`` (no meta template), ``lm`` (its own meta template) or ``chat`` (the tokenizer's chat template).

    :raises InputProblem: nothing native runs the model's type.
    """
    return FAMILIES.find(model_cfg.get("type"))


def inference_mode(dataset_cfg: dict[str, Any]) -> str:
    """``gen``, ``ppl``, ``ll``, ``clp`` or ``ppl_only``, by the dataset's inferencer.

    :raises InputProblem: there is none.
    :raises NotNative: it is another one.
    """
    infer_cfg = dataset_cfg.get("infer_cfg")
    if not isinstance(infer_cfg, dict):
        raise InputProblem(
            "the dataset has no infer_cfg; without prompt_template, retriever and inferencer nothing can be asked"
        )
    return INFERENCERS.find(build_kwargs(infer_cfg.get("inferencer"), "infer_cfg.inferencer")[0])


def check_templates(infer_cfg: dict[str, Any]) -> None:
    """Refuse templates that make no prompt, whatever the rows are.

    :raises InputProblem: they are unknown or unusable.
    """
    _templates(infer_cfg)


def build_requests(
    model_cfg: dict[str, Any],
    dataset_cfg: dict[str, Any],
    rows: Rows,
    limit: int | None = None,
    start: int = 0,
    stop: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
    max_seq_len: int | None = None,
) -> list[Request]:
    """The requests of model x dataset, one per selected row, in order.

    Trailing in-context examples are dropped while a prompt has more than ``max_seq_len`` tokens. For
    ranking, all labels keep the same examples, so that their scores can be compared (OpenCompass drops
    them label by label and keeps more for the earlier ones).

    :param limit: rows kept of the selected ones, None for all.
    :param start: first row wanted, among the kept ones.
    :param stop: end of the rows wanted (exclusive), None for all.
    :param count_tokens: tokens of a text; None drops nothing.
    :raises InputProblem: the config or a row does not make a prompt, or there are fewer rows than ``stop``.
    """
    abbr = dataset_cfg.get("abbr", "?")
    total = len(rows.selected) if limit is None else min(limit, len(rows.selected))
    if stop is not None and stop > total:
        raise InputProblem(
            f"dataset {abbr}: rows {start}..{stop} are wanted, but there are {total}; "
            "the data changed since the plan, plan again"
        )
    try:
        builder = _plan_prompts(model_cfg, dataset_cfg, rows, count_tokens, max_seq_len)
        return [builder.request(index) for index in range(start, total if stop is None else stop)]
    except InputProblem as problem:
        raise type(problem)(f"dataset {abbr}: {problem}") from problem


def renderer(model_cfg: dict[str, Any]) -> Render:
    """How a filled template becomes this model's prompt: called with it and ``gen`` or ``ppl``.

    :raises InputProblem: unknown model type or an unusable meta template.
    """
    family = model_family(model_cfg)
    config = None if family == BASE else model_cfg.get("meta_template")
    if family == CHAT:
        chat = MetaTemplate(config or CHAT_META)
        return lambda prompt, mode: to_turns(prompt, chat, mode)
    meta = MetaTemplate(config) if config else None
    return lambda prompt, mode: to_text(prompt, meta, mode)


def _plan_prompts(
    model_cfg: dict[str, Any],
    dataset_cfg: dict[str, Any],
    rows: Rows,
    count_tokens: Callable[[str], int] | None,
    max_seq_len: int | None,
) -> _Builder:
    mode = inference_mode(dataset_cfg)
    infer_cfg = dataset_cfg["infer_cfg"]
    if mode != GENERATE and model_family(model_cfg) == CHAT:
        raise InputProblem(
            f"{model_cfg['type']} cannot rank ({str(infer_cfg['inferencer']['type']).rpartition('.')[2]}); "
            "use HuggingFaceBaseModel or HuggingFaceCausalLM for this dataset"
        )
    if mode == SURPRISE and output_column(dataset_cfg):
        raise InputProblem("a PPLOnlyInferencer compares with no reference: set reader_cfg's output_column to None")
    prompt_template, ice_template = _templates(infer_cfg)
    return _Builder(
        rows=rows,
        output_column=output_column(dataset_cfg),
        mode=mode,
        labels=_labels(infer_cfg, prompt_template) if mode in _LABELLED else (),
        prompt_template=prompt_template,
        ice_template=ice_template,
        retriever=open_retriever(infer_cfg.get("retriever"), len(rows.train), len(rows.selected)),
        render=renderer(model_cfg),
        fits=_fits(count_tokens, max_seq_len),
    )


def _templates(infer_cfg: dict[str, Any]) -> tuple[Template, Template | None]:
    """The template of the question and that of the examples; one alone may be both."""
    prompt, ice = (_template(infer_cfg, key) for key in ("prompt_template", "ice_template"))
    question = prompt or ice
    if question is None:
        raise InputProblem("infer_cfg has neither prompt_template nor ice_template; it needs one")
    if ice is not None and question.ice_token is None:
        raise InputProblem(
            f"{'prompt_template' if prompt else 'ice_template'} has no ice_token; "
            "name the place of the in-context examples, such as ice_token='</E>'"
        )
    if ice is not None and isinstance(ice, RawPromptTemplate) != isinstance(question, RawPromptTemplate):
        raise InputProblem("prompt_template and ice_template must both be RawPromptTemplate or both PromptTemplate")
    return question, ice


def _template(infer_cfg: dict[str, Any], key: str) -> Template | None:
    if infer_cfg.get(key) is None:
        return None
    type_, kwargs = build_kwargs(infer_cfg[key], f"infer_cfg.{key}")
    try:
        return TEMPLATES.find(type_)(**kwargs)
    except TypeError as error:
        raise InputProblem(f"infer_cfg.{key}: {error}; correct the options {sorted(kwargs)}") from error


def _labels(infer_cfg: dict[str, Any], template: Template) -> tuple[str, ...]:
    if template.labels is None:
        type_ = str(infer_cfg["inferencer"]["type"]).rpartition(".")[2]
        raise InputProblem(f"a {type_} compares labels: give prompt_template a dict with one template per label")
    return tuple(str(label) for label in infer_cfg["inferencer"].get("labels") or template.labels)


def _fits(count_tokens: Callable[[str], int] | None, max_seq_len: int | None) -> Callable[[Prompt], bool]:
    if count_tokens is None or max_seq_len is None:
        return lambda prompt: True
    return lambda prompt: count_tokens(_plain(prompt)) <= max_seq_len


def _plain(prompt: Prompt) -> str:
    if isinstance(prompt, str):
        return prompt
    return "".join(str(turn.get("prompt", turn.get("content", ""))) for turn in prompt)


@dataclass(frozen=True)
class _Builder:
    """Everything one request needs, read from the configs once."""

    rows: Rows
    output_column: str | None
    mode: str
    labels: tuple[str, ...]
    prompt_template: Template
    ice_template: Template | None
    retriever: Retriever
    render: Render
    fits: Callable[[Prompt], bool]

    def request(self, index: int) -> Request:
        """The request of one selected row."""
        row = self.rows[index]
        ice, filled, prompts = self._fitting(row, self.retriever.choose(index))
        gold = row[self.output_column] if self.output_column else None
        if self.mode == GENERATE:
            return GenerationRequest(index=index, prompt=prompts[0], gold=gold)
        if self.mode == SURPRISE:
            return SurpriseRequest(index=index, prompt=prompts[0], shown=self.render(filled[0], GENERATE))
        shown = _plain(self.render(ice, self._rendering))
        bare = tuple(prompt.replace(shown, "") if shown and isinstance(prompt, str) else prompt for prompt in prompts)
        if self.mode == CHOICE:
            return ChoiceRequest(index, prompts[0], bare[0], _choices(row), ice=shown, gold=gold)
        continuation = _continuation(row) if self.mode == LIKELIHOOD else None
        return RankingRequest(index, self.labels, prompts, bare, ice=shown, gold=gold, continuation=continuation)

    @property
    def _rendering(self) -> str:
        """How the model's meta template is applied: with or without a place for an answer."""
        return GENERATE if self.mode in (GENERATE, CHOICE) else RANK

    def _fitting(self, row: Row, examples: list[int]) -> tuple[Any, list[Any], tuple[Prompt, ...]]:
        while True:
            ice = self._ice(examples)
            filled = self._filled(row, ice)
            prompts = tuple(self.render(one, self._rendering) for one in filled)
            if not examples or all(map(self.fits, prompts)):
                return ice, filled, prompts
            examples = examples[:-1]

    def _filled(self, row: Row, ice: Any) -> list[Any]:
        template = self.prompt_template
        if isinstance(template, RawPromptTemplate):
            return [template.generation(row, ice if isinstance(ice, list) else [])]
        if self.mode in _LABELLED:
            return [template.labelled(row, ice, label) for label in self.labels]
        return [template.generation(row, ice, self.output_column)]

    def _ice(self, examples: list[int]) -> Rendered | Messages:
        template = self.ice_template
        if template is None and examples:
            raise InputProblem(
                "the retriever brings examples but there is no ice_template; add one or use ZeroRetriever"
            )
        rows = [self.rows.train[number] for number in examples]
        if isinstance(template, RawPromptTemplate):
            return [message for row in rows for message in template.example(row)]
        is_dialogue = template is not None and template.is_dialogue
        separator, ending = ("", "") if is_dialogue else (self.retriever.separator, self.retriever.ending)
        shown = [template.example(row, self._answer(row)) for row in rows] if template else []
        return _join(shown, separator, ending)

    def _answer(self, row: Row) -> Any:
        if self.output_column is None or self.output_column not in row:
            raise InputProblem(
                f"a training row has no output column {self.output_column!r} to show as an example; "
                f"its columns are: {', '.join(row)}"
            )
        return row[self.output_column]


def _choices(row: Row) -> tuple[str, ...]:
    choices = row.get("choices")
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(one, str) and one for one in choices):
        raise InputProblem(
            f"a CLPInferencer needs a column 'choices' with at least two texts; this row has {choices!r}"
        )
    return tuple(choices)


def _continuation(row: Row) -> str:
    continuation = row.get("cont")
    if not isinstance(continuation, str) or not continuation:
        raise InputProblem(
            "an LLInferencer needs a column 'cont' with the text at the end of the prompts whose probability counts; "
            f"this row has {continuation!r}"
        )
    return continuation


def _join(shown: list[Rendered], separator: str, ending: str) -> Rendered:
    """Examples one after the other; the empty string that OpenCompass puts after dialogues is kept."""
    texts = [example for example in shown if isinstance(example, str)]
    if len(texts) == len(shown):
        return separator.join(texts) + ending
    items: list[Item] = []
    for example in shown:
        items += [example] if isinstance(example, str) else example
        items += [separator] if separator else []
    return [*items, ending]
