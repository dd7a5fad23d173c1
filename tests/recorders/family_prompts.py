"""Record the prompts that OpenCompass's own inferencers put to a model, for configs of its library.

Run it in OpenCompass's own virtualenv; it needs nothing of this project beyond these tests, and no network::

    VENV/bin/python tests/recorders/family_prompts.py > tests/golden/families/prompts.json
    VENV/bin/python tests/recorders/family_prompts.py show siqa_ppl_7845b0 lm   # the prompts themselves

The rows are those of ``tests/family_data.py``. A model stands in that writes down what it is asked; the loader,
retriever, templates, inferencer and template parser are OpenCompass's. A line says the config, the number of its
dataset among ``datasets_of``, the kinds of templates, and a digest of the prompts for each kind of model. Left out is
what OpenCompass itself cannot render: configs that want other data, and messages for models that read text.
"""

from __future__ import annotations

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
from family_prompts import FAMILIES, KINDS, datasets_of, digest


def main(arguments: list[str]) -> int:
    """Print the record, or the prompts of one config and kind; returns the exit code."""
    logging.disable(logging.CRITICAL)
    socket.getaddrinfo = refuse  # OpenCompass would try to download what it misses, for minutes each
    wanted = arguments[1:]
    with (
        redirect_stdout(sys.stderr),
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as null,
        redirect_stderr(null),
    ):
        lay_down(Path(folder))
        os.environ.update(COMPASS_DATA_CACHE=folder, HF_DATASETS_OFFLINE="1", HF_HOME=f"{folder}/hf")
        os.chdir(folder)
        lines = list(record(wanted[:1]))
    for line in lines:
        if not wanted:
            line = {**line, "prompts": {kind: digest(prompts) for kind, prompts in line["prompts"].items()}}
            print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        elif wanted[1] in line["prompts"]:
            print(json.dumps(line["prompts"][wanted[1]], ensure_ascii=False, indent=1))
    return 0


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
            prompts = {kind: found for kind in KINDS if (found := rendered(dataset, kind)) is not None}
            if prompts:
                yield {"config": f"{file.parent.name}/{file.name}", "number": number, "prompts": prompts}


def rendered(config: dict[str, Any], kind: str) -> list[Any] | None:
    """Every prompt in the order of the inferencer's requests; None where OpenCompass cannot."""
    ranks = "PPL" in str(config["infer_cfg"]["inferencer"]["type"])
    if ranks and kind in ("chat", "api"):
        return None
    model = listener(kind)
    try:
        with tempfile.TemporaryDirectory() as out:
            infer(config, model, out)
    except Exception:
        return None
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

        def get_ppl(self, inputs: list[Any], mask_length: Any = None) -> list[float]:
            self.heard += [plain(each) for each in inputs]
            return [0.0] * len(inputs)

        def get_token_len(self, prompt: str) -> int:
            return 1

    return Listener()


def plain(prompt: Any) -> Any:
    return prompt if isinstance(prompt, str) else [dict(turn) for turn in prompt]


if __name__ == "__main__":
    sys.exit(main(sys.argv))
