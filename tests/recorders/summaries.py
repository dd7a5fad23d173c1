"""Record what OpenCompass's DefaultSummarizer writes for the runs of ``tests/summary_cases.py``, and for the groups of
its own summarizer configs.

Run it in OpenCompass's own virtualenv; it needs nothing of this project beyond these tests, and no network::

    VENV/bin/python tests/recorders/summaries.py > tests/golden/summary/random_summaries.json
    VENV/bin/python tests/recorders/summaries.py 17    # the files of case 17 (from 0) in full

``cases`` holds per case, ``library`` per summarizer config the digests that ``summary_cases.summed_up`` makes. A case
on which OpenCompass fails is null. The metrics that the subsets of a group share come out of a set; here they are
sorted.
"""

from __future__ import annotations

import functools
import json
import logging
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import opencompass
from mmengine.config import Config, ConfigDict
from opencompass.summarizers import default

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from summary_cases import SEED, STAMP, cases, infer_cfg, library_case, summed_up

default.functools = SimpleNamespace(reduce=lambda function, sets: sorted(functools.reduce(function, sets)))


def summarize(case: dict[str, Any], folder: Path) -> dict[str, str]:
    """The three files that OpenCompass writes."""
    models = []
    for model in case["models"]:
        short = {} if model["column"] == model["abbr"] else {"summarizer_abbr": model["column"]}
        models.append({"abbr": model["abbr"], "type": "t", "path": "p", **short})
        for dataset, result in case["results"][model["abbr"]].items():
            path = folder / "results" / model["abbr"] / f"{dataset}.json"
            path.parent.mkdir(parents=True, exist_ok=True)  # a name of its library holds a slash
            path.write_text(json.dumps(result))
    datasets = [{"abbr": dataset["abbr"], "path": "p", "infer_cfg": infer_cfg(dataset)} for dataset in case["datasets"]]
    config = ConfigDict(models=models, datasets=datasets, work_dir=str(folder))
    rows, groups = (ConfigDict(a=case[key]).a for key in ("rows", "groups"))
    default.DefaultSummarizer(config, dataset_abbrs=rows, summary_groups=groups).summarize(time_str=STAMP)
    return {suffix: (folder / "summary" / f"summary_{STAMP}.{suffix}").read_text() for suffix in ("txt", "csv", "md")}


def recorded(case: dict[str, Any]) -> dict[str, str] | str:
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        try:
            return summarize(case, Path(folder))
        except Exception as error:  # whatever it fails with is what it does
            return f"{type(error).__name__}: {error}"


def library() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every summarizer config of OpenCompass's library that has groups, with results for some of their datasets."""
    root = Path(opencompass.__file__).parent / "configs" / "summarizers"
    for path in sorted(root.rglob("*.py")):
        try:
            with redirect_stdout(sys.stderr):  # configs may print
                values = Config.fromfile(path, format_python_code=False).to_dict()
        except Exception as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        case = library_case(random.Random(SEED), values)
        if case:
            yield path.relative_to(root).as_posix(), case


def main(wanted: list[str]) -> int:
    """Print the record, or the wanted cases in full; returns the exit code."""
    logging.disable(logging.CRITICAL)  # OpenCompass logs to the standard output
    if wanted:
        chosen = [case for number, case in enumerate(cases()) if str(number) in wanted]
        chosen += [case for name, case in library() if name in wanted]
        for case in chosen:
            found = recorded(case)
            print(found if isinstance(found, str) else "\n".join(found.values()))
        return 0
    digests = [None if isinstance(found := recorded(case), str) else summed_up(found) for case in cases()]
    of_library = {
        name: None if isinstance(found := recorded(case), str) else summed_up(found) for name, case in library()
    }
    print(json.dumps({"cases": digests, "library": of_library}, indent=0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
