"""With ``opencompass_compat=True`` prediction files are OpenCompass's; without it, rows do not disturb each other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from inference.evaluators import EVALUATORS
from inference.heartbeat import Progress
from inference.infer import infer
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import INFER, Part, ShardSpec
from ranking_cases import CASES, GOLDEN, infer_cfg, make_model, reader, rows

PPL_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the model and the cases' rows."""
    folder = tmp_path_factory.mktemp("rankings")
    make_model(folder / "model")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return folder


def spec_of(name, place, **model):
    case = CASES[name]
    dataset = {
        "abbr": name,
        "type": "JsonlDataset",
        "path": "./rows.jsonl",
        "reader_cfg": reader(case),
        "infer_cfg": infer_cfg(case),
    }
    count, digest = len(rows()), codec.digest(dataset)
    part = Part(dataset, None, 0, count, count, digest, digest)
    settings = {"abbr": "tiny", "path": str(place / "model"), **case["model"], **model}
    return ShardSpec("infer-0000", INFER, settings, (part,), data_dir=str(place))


def predictions(name, place, folder, **model):
    files, spec = LocalFiles(folder), spec_of(name, place, **model)
    infer(files, spec, "oc-test", Progress())
    return json.loads(files.read(layout.prediction("tiny", name)))


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def close(found, wanted):
    """Equal in everything but the last digits of numbers."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict) and list(found) == list(wanted) and all(close(found[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(close, found, wanted))
    if isinstance(wanted, float):
        return found == pytest.approx(wanted, abs=PPL_TOLERANCE)
    return found == wanted


@pytest.mark.model
@pytest.mark.parametrize("name", CASES)
def test_the_prediction_file_is_the_one_that_opencompass_wrote(name, place, tmp_path):
    found, wanted = predictions(name, place, tmp_path, opencompass_compat=True), golden(name)
    assert list(found) == list(wanted)
    different = {key: (found[key], wanted[key]) for key in wanted if not close(found[key], wanted[key])}
    assert different == {}


@pytest.mark.model
@pytest.mark.parametrize("name", ["ppl-alone", "ppl-right", "ppl-older", "ppl-turns", "ll-older", "clp-older"])
def test_where_padding_does_not_count_its_numbers_are_ours_without_compat(name, place, tmp_path):
    found, wanted = predictions(name, place, tmp_path), golden(name)
    for key, entry in wanted.items():
        for field, value in entry.items():
            ours = found[key][field]
            assert close({name: ours[name] for name in value} if isinstance(value, dict) else ours, value), (key, field)


@pytest.mark.model
def test_padding_changes_opencompass_s_scores_and_not_ours(place, tmp_path):
    whole, alone = golden("ppl-batch"), golden("ppl-alone")
    theirs = [abs(whole[key]["label: A"]["PPL"] - alone[key]["label: A"]["PPL"]) for key in alone]
    assert max(theirs) > 0.1
    ours = predictions("ppl-batch", place, tmp_path)
    assert all(ours[key]["label: A"]["PPL"] == pytest.approx(alone[key]["label: A"]["PPL"], abs=1e-3) for key in alone)


@pytest.mark.parametrize("name", ["AveragePPLEvaluator", "AUCROCEvaluator"])
def test_probabilities_are_scored_as_opencompass_does(name):
    record = golden("evaluations")[name]
    scored = EVALUATORS.find(name)(record["predictions"], record["references"])
    assert {metric.name: metric.value for metric in scored.metrics} == pytest.approx(record["result"])


@pytest.mark.soak
def test_the_records_are_what_opencompass_writes_today(repo, tmp_path, opencompass_python):
    made = tmp_path / "made"
    code = "import ranking_cases, pathlib, shutil, sys; place = pathlib.Path(sys.argv[1]); place.mkdir(); "
    code += "shutil.copy(ranking_cases.GOLDEN / 'tokenizer.json', place); ranking_cases.GOLDEN = place; "
    code += "from recorders import rankings; rankings.GOLDEN = place; rankings.main()"
    command = [opencompass_python, "-c", code, str(made)]
    subprocess.run(command, cwd=repo, env={"PYTHONPATH": str(repo / "tests"), "PATH": "/usr/bin:/bin"}, check=True)
    for file in sorted(GOLDEN.iterdir()):
        assert close(json.loads((made / file.name).read_text()), json.loads(file.read_text())), file.name
    assert {file.name for file in Path(made).iterdir()} == {file.name for file in GOLDEN.iterdir()}
