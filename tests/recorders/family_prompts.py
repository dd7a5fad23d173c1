"""Record the prompts that OpenCompass's own inferencers put to a model, for configs of its library.

Run it in OpenCompass's own virtualenv; it needs nothing of this project beyond these tests, and no network::

    VENV/bin/python tests/recorders/family_prompts.py > tests/golden/families/prompts.jsonl
    VENV/bin/python tests/recorders/family_prompts.py siqa_ppl_7845b0 lm   # the prompts themselves

The rows are those of ``tests/family_data.py``. A model stands in that writes down what it is asked; the loader,
retriever, templates, inferencer and template parser are OpenCompass's. A line says the config, the number of its
dataset among ``datasets_of``, and a digest of the prompts for each kind of model. Left out is what OpenCompass itself
cannot render: configs that want other data or find none of it, and messages for models that read text.
"""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from family_data import lay_down
from prompt_kinds import FAMILIES, KINDS, datasets_of, digest


def main(arguments: list[str]) -> int:
    """Print the record, or the prompts of one config and kind; returns the exit code."""
    logging.disable(logging.CRITICAL)
    socket.getaddrinfo = refuse  # OpenCompass would try to download what it misses, for minutes each
    socket.getaddrinfo = refuse  # OpenCompass would try to download what it misses, for minutes each
    wanted = arguments[1:]
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        lay_down(Path(folder))
        os.environ.update(
            COMPASS_DATA_CACHE=folder, HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", HF_HOME=f"{folder}/hf"
        )
        os.chdir(folder)  # some loaders take the path as it is
        for line in record(wanted[:1]):
            print(told(line, wanted), file=sys.__stdout__, flush=True)
    return 0


def told(line: dict[str, Any], wanted: list[str]) -> str:
    if wanted:
        return json.dumps(line["prompts"].get(wanted[1]), ensure_ascii=False, indent=1)
    digests = {kind: digest(prompts) for kind, prompts in line["prompts"].items()}
    return json.dumps({**line, "prompts": digests}, ensure_ascii=False, separators=(",", ":"))


def refuse(*arguments: Any, **options: Any) -> Any:
    raise OSError("no network for recorders")


def record(names: list[str]) -> Any:
    import opencompass
    from mmengine.config import Config

    library = Path(opencompass.__file__).parent / "configs/datasets"
    for file in sorted(file for family in FAMILIES for file in (library / family).glob("*.py")):
        if names and file.stem not in names:
            continue
        try:
            datasets = datasets_of(Config.fromfile(str(file), format_python_code=False).to_dict())
        except Exception:  # what OpenCompass cannot read is not compared
            continue
        for number, dataset in enumerate(datasets):
            prompts = {kind: found for kind in KINDS if (found := rendered(dataset, kind))}
            if prompts:
                yield {"config": f"{file.parent.name}/{file.name}", "number": number, "prompts": prompts}


def rendered(config: dict[str, Any], kind: str) -> list[Any]:
    """Every prompt in the order of the inferencer's requests; none where OpenCompass cannot."""
    ranks = "PPL" in str(config["infer_cfg"]["inferencer"]["type"])
    if ranks and kind in ("chat", "api"):
        return []
    model = listener(kind)
    try:
        with tempfile.TemporaryDirectory() as out:
            infer(config, model, out)
    except Exception:
        return []
    return model.heard


def infer(config: dict[str, Any], model: Any, out: str) -> None:
    from opencompass.registry import ICL_INFERENCERS, ICL_PROMPT_TEMPLATES, ICL_RETRIEVERS
    from opencompass.utils.build import build_dataset_from_cfg

    config = deepcopy(config)
    wanted = config["infer_cfg"]
    retriever = ICL_RETRIEVERS.build({**wanted["retriever"], "dataset": build_dataset_from_cfg(config)})
    given = {"max_out_len": 8, "batch_size": 1, **wanted["inferencer"], "model": model, "max_seq_len": None}
    if "PPL" in str(given["type"]):
        given.pop("max_out_len")
    inferencer = ICL_INFERENCERS.build(given)
    templates = {
        key: ICL_PROMPT_TEMPLATES.build(wanted[key]) for key in ("ice_template", "prompt_template") if key in wanted
    }
    inferencer.inference(retriever, **templates, output_json_filepath=out, output_json_filename="x.json")


def listener(kind: str) -> Any:
    """A model that answers nothing and remembers what it was asked, after its template parser."""
    import numpy as np
    from opencompass.models.base import BaseModel, LMTemplateParser
    from opencompass.models.base_api import APITemplateParser

    class Listener(BaseModel):
        is_api = kind in ("chat", "api")

        def __init__(self) -> None:
            self.heard: list[Any] = []
            parser = APITemplateParser if self.is_api else LMTemplateParser
            self.template_parser = parser(deepcopy(KINDS[kind]))
            self.eos_token_id = None

        def generate(self, inputs: list[Any], max_out_len: int) -> list[str]:
            self.heard += [plain(each) for each in inputs]
            return [""] * len(inputs)

        def get_ppl(self, inputs: list[Any], mask_length: Any = None) -> Any:
            self.heard += [plain(each) for each in inputs]
            return np.zeros(len(inputs))

        def get_token_len(self, prompt: str) -> int:
            return 1

    return Listener()


def plain(prompt: Any) -> Any:
    return prompt if isinstance(prompt, str) else [dict(turn) for turn in prompt]


if __name__ == "__main__":
    sys.exit(main(sys.argv))
