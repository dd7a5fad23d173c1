"""``python -m inference messages``: what models would be asked, in lines as OpenCompass dumps them."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache
from typing import Any

from inference.build import build_requests
from inference.datasets import load_rows
from inference.identity import located, located_if_there
from inference.journal import to_bytes
from inference.problems import InputProblem
from inference.requests import GenerationRequest
from opencompass_ops.contract.spec import OPENCOMPASS, Part, ShardSpec


def main_messages() -> int:
    """Answer the specs on stdin, a list of JSON texts, with a list on stdout; what is wrong with a part stands in it.

    An answer: ``model``, ``dataset``, ``start`` of the part, its ``lines``, and the ``problem`` why there are none.
    """
    with redirect_stdout(sys.stderr):  # what libraries print is no part of the answer
        found = [answer for text in json.loads(sys.stdin.buffer.read()) for answer in _answers(text)]
    sys.stdout.buffer.write(json.dumps(found).encode())
    return 0


def message_line(message: Any, gold: Any) -> str:
    """A row as OpenCompass writes it.

    :param message: text for language models, turns for chat models.
    """
    return to_bytes(json.dumps({"message": message, "gold": gold}, ensure_ascii=False)).decode() + "\n"


def _answers(text: str) -> list[dict[str, Any]]:
    spec = ShardSpec.from_json(text)
    if spec.engine == OPENCOMPASS:
        from inference.bridge.messages import rendered

        told = rendered(replace(spec, model=located_if_there(spec.model, spec.data_dir)))
    else:
        told = [_rendered(spec, part) for part in spec.parts]
    return [
        {
            "model": spec.model_abbr,
            "dataset": part.dataset_abbr,
            "start": part.start,
            "lines": lines,
            "problem": problem,
        }
        for part, (lines, problem) in zip(spec.parts, told, strict=True)
    ]


def _rendered(spec: ShardSpec, part: Part) -> tuple[str, str]:
    """The part's lines, and why there are none."""
    try:
        return _lines(spec, part), ""
    except Exception as error:  # the process's edge: whatever one part provokes stands in its answer
        if not isinstance(error, (InputProblem, OSError)):
            traceback.print_exc()
        return "", str(error) or type(error).__name__


def _lines(spec: ShardSpec, part: Part) -> str:
    model = located(spec.model, spec.data_dir)

    @cache
    def tokenizer() -> Any:  # only examples in the prompt ask how long it is
        from inference.tokens import load_tokens

        return load_tokens(model)

    requests = build_requests(
        model,
        part.dataset,
        load_rows(part.dataset, spec.data_dir),
        start=part.start,
        stop=part.stop,
        limit=part.total,
        count_tokens=lambda text: int(tokenizer().count(text)),
        max_seq_len=model.get("max_seq_len"),
    )
    return "".join(
        message_line(request.prompt, request.gold) for request in requests if isinstance(request, GenerationRequest)
    )
