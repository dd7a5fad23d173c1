"""A site adds a dataset or a metric in one file of its own, and jobs and probes find it by its name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from inference.demands import DEMANDS, check_demands
from inference.evaluators import EVALUATORS, percent_correct
from inference.extensions import load_extensions
from inference.loaders import LOADERS
from inference.problems import InputProblem
from opencompass_ops.contract import variables

OURS = """
from inference.evaluators import EVALUATORS, percent_correct
from inference.loaders import LOADERS, read_jsonl

@LOADERS.add("HouseDataset")
def load(find, path):
    return read_jsonl(find(path) / "house.jsonl")

@EVALUATORS.add("HouseEvaluator")
def score(predictions, references, *, rows, tolerance=0):
    near = [abs(int(p) - int(r)) <= tolerance for p, r in zip(predictions, references, strict=True)]
    return percent_correct(f"near_{rows[0]['kind']}", near)
"""


@pytest.fixture
def fresh(monkeypatch):
    """As in a new process: nothing of a site is loaded, and what a test loads is forgotten after it."""
    load_extensions()
    for registry in (LOADERS, EVALUATORS, DEMANDS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    load_extensions.cache_clear()
    yield monkeypatch
    load_extensions.cache_clear()


@pytest.mark.parametrize("as_module", [False, True])
def test_one_file_of_a_site_brings_a_dataset_and_a_metric(fresh, tmp_path, as_module):
    file = tmp_path / f"house_{as_module}.py"
    file.write_text(OURS)
    fresh.syspath_prepend(tmp_path)
    fresh.setenv(variables.EXTENSIONS, file.stem if as_module else str(file))
    assert "HouseDataset" in LOADERS.names()
    scored = EVALUATORS.find("anything.HouseEvaluator")(["1", "5"], ["2", "2"], rows=[{"kind": "roof"}], tolerance=1)
    assert [(metric.name, metric.value) for metric in scored.metrics] == [("near_roof", 50.0)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise SystemError('cold')", "SystemError: cold"),
        (OURS.replace("HouseDataset", "GSM8KDataset"), "there is a native dataset GSM8KDataset already"),
        (None, "FileNotFoundError"),
    ],
)
def test_a_site_s_file_that_does_not_import_is_named_with_its_reason(fresh, tmp_path, text, told):
    file = tmp_path / "ours.py"
    if text is not None:
        file.write_text(text)
    fresh.setenv(variables.EXTENSIONS, str(file))
    with pytest.raises(InputProblem) as caught:
        LOADERS.find("GSM8KDataset")
    assert f"{file} of ${variables.EXTENSIONS} cannot be imported" in str(caught.value)
    assert told in str(caught.value)


def test_a_probe_knows_what_its_environment_names(tmp_path):
    (tmp_path / "ours.py").write_text(OURS)
    (tmp_path / "house.jsonl").write_text(json.dumps({"q": "?", "a": "1", "kind": "roof"}) + "\n")
    house = {
        "abbr": "house",
        "type": "ours.HouseDataset",
        "path": str(tmp_path),
        "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
        "infer_cfg": {
            "prompt_template": {"type": "PromptTemplate", "template": "{q}"},
            "retriever": {"type": "ZeroRetriever"},
            "inferencer": {"type": "GenInferencer"},
        },
        "eval_cfg": {"evaluator": {"type": "HouseEvaluator", "tolerance": 1}},
    }
    code = (
        "import json, sys; from inference.probe import probe; from opencompass_ops.contract.probe import ProbeRequest; "
        "print(probe(ProbeRequest((), (json.loads(sys.argv[1]),))).datasets[0])"
    )
    env = {"PYTHONPATH": ":".join(sys.path), variables.EXTENSIONS: str(tmp_path / "ours.py")}
    told = subprocess.run(
        [sys.executable, "-c", code, json.dumps(house)], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "rows=1, selected=1" in told
    assert "error=''" in told


def test_a_site_says_what_its_classes_of_models_demand_of_a_job(fresh, tmp_path):
    check_demands({"type": "house.models.LLMv3", "run_cfg": {"num_gpus": 8}})
    (tmp_path / "ours.py").write_text(
        "from inference.demands import DEMANDS, one_process_a_gpu\nDEMANDS.add('LLMv3')(one_process_a_gpu)\n"
    )
    fresh.setenv(variables.EXTENSIONS, str(tmp_path / "ours.py"))
    load_extensions.cache_clear()
    for name in ("house.models.LLMv3", "opencompass.models.internal.LLMv2"):
        check_demands({"type": name, "run_cfg": {"num_gpus": 8, "num_procs": 8}})
        with pytest.raises(InputProblem, match=r"num_gpus is 8 and num_procs 1; .* make them equal"):
            check_demands({"type": name, "run_cfg": {"num_gpus": 8}})


def test_families_import_nothing_slow():
    code = "import sys; from inference.extensions import load_extensions; load_extensions(); print(*sys.modules)"
    env = {"PYTHONPATH": ":".join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    slow = {"torch", "transformers", "datasets", "pyarrow", "pandas", "numpy", "sklearn", "sympy", "sacrebleu", "nltk"}
    assert slow & set(loaded.split()) == set()


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="there is a native evaluator AccEvaluator already"):
        EVALUATORS.add("AccEvaluator")(lambda predictions, references: percent_correct("x", [True]))
