"""Answers what a shard's journals lack; the only part of a shard that needs torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import transformers.modeling_utils  # noqa: F401  # would else be imported late, see startup.py
from transformers.utils import logging as transformers_logging

from inference import journal
from inference.answerer import Answerer, Failed
from inference.batches import rows_at_once
from inference.build import CHOICE, LIKELIHOOD, SURPRISE, build_requests, inference_mode
from inference.compat import AsOpenCompass, read_padding
from inference.datasets import load_rows
from inference.forms import Choices, Form, Likelihoods, Perplexities, Texts
from inference.generation import Generation, read_decoding
from inference.heartbeat import Progress
from inference.journal import Answer, Journal
from inference.model import device_name, load_model, place
from inference.options import read_rule
from inference.pressure import Pressure, batch_tokens
from inference.problems import InputProblem
from inference.ranking import Ranking
from inference.requests import GenerationRequest
from inference.timing import Timing
from inference.tokens import Tokens, load_tokens
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import DUMP_RES_LENGTH, Part, ShardSpec

READY = "Starting inference process"
"""OpenCompass's words once the model is loaded; people and log watchers look for them."""

_REPORT_SECONDS = 10.0
_TOLD = 5
"""Failed items that a message names."""


@dataclass(frozen=True)
class Share:
    """Which batches this process answers: every ``world``-th, from ``rank``.

    Whole batches are shared out, never items, so the answers do not depend on the number of processes.
    """

    rank: int = 0
    world: int = 1


def work(
    files: LocalFiles,
    spec: ShardSpec,
    parts: Sequence[Part],
    progress: Progress,
    finish: Callable[[Part], None],
    share: Share = Share(),
) -> None:
    """Load the model and journal this process's share of every part's missing items.

    A part whose data are wrong does not stop the others; it is refused at the end.

    :param parts: parts of the shard that are not yet answered.
    :param finish: called after each part of which this process's share is journaled.
    :raises InputProblem: model or data are not what they must be.
    """
    progress.phase = "loading"
    transformers_logging.disable_progress_bar()  # noise in a log file
    tokens = load_tokens(spec.model)
    model = load_model(spec.model, place(share.world))
    print(READY, flush=True)
    progress.phase = "running"
    problems = []
    for part in parts:
        began = time.monotonic()
        try:
            answered = _answer_part(files, spec, part, _open_part(spec, part, model, tokens), progress, share)
        except InputProblem as problem:
            print(f"{part.name}: {problem}", flush=True)
            problems.append(f"{part.name}: {problem}")
        else:
            progress.timings[part.name] = Timing(time.monotonic() - began, answered, device_name())
            finish(part)
    if problems:
        raise InputProblem("; ".join(problems))


def _open_part(spec: ShardSpec, part: Part, model: Any, tokens: Tokens) -> Answerer:
    rows = load_rows(part.dataset, spec.data_dir)
    requests = build_requests(
        spec.model,
        part.dataset,
        rows,
        start=part.start,
        stop=part.stop,
        limit=part.total,
        count_tokens=tokens.count,
        max_seq_len=spec.model.get("max_seq_len"),
    )
    generations = [request for request in requests if isinstance(request, GenerationRequest)]
    if generations:
        at_once = rows_at_once(batch_size(spec, part))
        seed = f"{part.pair_fingerprint}:{part.start}"
        decoding = read_decoding(spec.model, part.dataset["infer_cfg"]["inferencer"], seed)
        with_lengths = bool(spec.options.get(DUMP_RES_LENGTH))
        size = batch_size(spec, part)
        return Generation(model, tokens, generations, decoding, size, at_once, with_lengths=with_lengths)
    return _open_ranking(spec, part, model, tokens, requests)


def _open_ranking(spec: ShardSpec, part: Part, model: Any, tokens: Tokens, requests: Sequence[Any]) -> Answerer:
    if spec.model.get("opencompass_compat"):
        padding = read_padding(spec.model, model, tokens)
        return AsOpenCompass(model, tokens, requests, batch_size(spec, part), padding)
    budget = batch_tokens(spec.model)
    pressure = Pressure(budget, [model.config.to_dict(), str(model.dtype)])
    return Ranking(model, tokens, _form(part.dataset), requests, budget, pressure)


def _form(dataset_cfg: dict[str, Any]) -> Form[Any]:
    """What the dataset's inferencer asks."""
    inferencer = dataset_cfg["infer_cfg"]["inferencer"]
    mode = inference_mode(dataset_cfg)
    if mode == LIKELIHOOD:
        return Likelihoods()
    if mode == CHOICE:
        return Choices(single_token=bool(inferencer.get("single_token", True)))
    return Texts() if mode == SURPRISE else Perplexities(read_rule(inferencer))


def batch_size(spec: ShardSpec, part: Part) -> int:
    """Rows of a batch: the dataset's inferencer wins over the model, as in OpenCompass."""
    inferencer = part.dataset.get("infer_cfg", {}).get("inferencer", {})
    return int(inferencer.get("batch_size") or spec.model.get("batch_size") or 1)


def _answer_part(
    files: LocalFiles, spec: ShardSpec, part: Part, answerer: Answerer, progress: Progress, share: Share
) -> int:
    """Journal what is missing of this process's share; returns how many items that were.

    :raises InputProblem: the model could not answer some items; the others are journaled.
    """
    restored = journal.read(files, spec.model_abbr, part)
    share_of = answerer.batches[share.rank :: share.world]
    mine = [batch for batch in share_of if any(item not in restored for item in batch)]
    cut = sum(answerer.truncated)
    print(f"{part.name}: {part.count} items, {len(mine)} batches to answer, {cut} prompts truncated", flush=True)
    for note in answerer.notes:
        print(f"{part.name}: {note}", flush=True)
    kept = sum(item in restored for batch in share_of for item in batch)
    progress.done += kept
    answered, tokens, reported = 0, 0, time.monotonic()
    failed: list[str] = []
    with Journal(files, spec.model_abbr, part, share.rank) as book:
        for number, batch in enumerate(mine, 1):
            # The whole batch is run even when some of it was restored: see inference/batches.py.
            fresh = []
            for item, entry in zip(batch, answerer.answer(batch), strict=True):
                if isinstance(entry, Failed):
                    failed.append(entry.reason)
                elif item not in restored:
                    fresh.append(Answer(item, entry, answerer.truncated[item]))
            book.append(fresh)
            answered += len(fresh)
            progress.done += len(fresh)
            progress.tokens += answerer.token_count - tokens
            tokens = answerer.token_count
            if time.monotonic() - reported > _REPORT_SECONDS:
                print(f"{part.name}: batch {number} of {len(mine)}, {answered} items answered", flush=True)
                reported = time.monotonic()
    print(f"{part.name}: answered {answered} items, {kept} restored from the journal", flush=True)
    if failed:
        raise InputProblem(
            f"{len(failed)} of {part.count} items failed, the others are kept: {'; '.join(failed[:_TOLD])}"
        )
    return answered
