"""Output folders into the database."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from sqlalchemy import select

from opencompass_ops import cli
from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.imports.ingest import ingest_folders
from opencompass_ops.imports.naming import Naming
from opencompass_ops.imports.reading import NEW, UNCHANGED
from opencompass_ops.results import models
from opencompass_ops.results.engine import transaction
from opencompass_ops.results.rows import IMPORTED
from opencompass_ops.results.store import Store
from opencompass_ops.results.summary import summarize
from output_folder import STAMP, OutputFolder, graded
from summary_cases import cases

HOSTILE = "import os\nos.system('touch /tmp/opencompass-ops-was-here')\nmodels = datasets = []\n"


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/results.db") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints and two data sets, all scored."""
    checkpoints = {f"tiny-step-{step}": {"path": f"/ckpt/tiny/step-{step}"} for step in (100, 200)}
    made = OutputFolder(tmp_path / "outputs" / "default" / STAMP, checkpoints, ["sums", "facts"])
    for model, marks in (("tiny-step-100", [True, False, False, False]), ("tiny-step-200", [True, True, True, False])):
        made.result(model, "sums", graded(*marks))
        made.result(model, "facts", {"exact_match": 12.5, "f1": 20.25})
        made.prediction(model, "facts_0", 5)
        made.prediction(model, "facts_1", 3)
    return made


def content(store):
    with transaction(store._engine, write=False) as connection:
        return {t.name: sorted(map(repr, connection.execute(select(t)))) for t in models.metadata.sorted_tables}


def test_scores_come_with_n_error_version_mode_series_and_step(store, folder, tmp_path):
    done = ingest_folders(store, [tmp_path], Naming())
    (run,) = done.runs
    assert (run.state, run.scores, run.samples, done.left_out) == (NEW, 6, 8, [])
    rows = {(row.dataset, row.metric, row.step): row for row in store.history()}
    first = rows["sums", "accuracy", 100]
    assert (first.value, first.stderr, first.n, first.version, first.mode) == (
        25.0,
        25.0,
        4,
        folder.version("sums"),
        "gen",
    )
    assert (first.series, first.origin, first.weights_id, first.model) == ("tiny", IMPORTED, "", "tiny-step-100")
    assert first.path == str(folder.path / "results" / "tiny-step-100" / "sums.json")
    counted = rows["facts", "f1", 200]
    assert (counted.value, counted.stderr, counted.n) == (20.25, None, 8)
    assert [sample.correct for sample in store.samples(first.evaluation_fingerprint)] == [True, False, False, False]
    assert [(row.series, row.step) for row in store.checkpoints("tiny")] == [("tiny", 100), ("tiny", 200)]


def test_an_import_again_changes_nothing_and_reads_nothing(database_url, folder, tmp_path):
    with Store.open(database_url) as store:
        ingest_folders(store, [tmp_path], Naming())
        before = content(store)
        assert [run.state for run in ingest_folders(store, [tmp_path], Naming()).runs] == [UNCHANGED]
        assert content(store) == before
        assert before["prediction"] == []


def test_what_was_added_since_is_taken(store, folder, tmp_path):
    ingest_folders(store, [tmp_path], Naming())
    folder.result("tiny-step-100", "more", graded(True, False))
    (run,) = ingest_folders(store, [tmp_path], Naming()).runs
    assert (run.state, run.scores) == (NEW, 7)
    assert store.leaderboard("more")[0].value == 50.0


def test_other_names_for_series_are_taken_although_no_file_changed(store, folder, tmp_path):
    ingest_folders(store, [tmp_path], Naming())
    ingest_folders(store, [tmp_path], Naming.parse("moe", ""))
    assert {row.series for row in store.checkpoints()} == {"moe"}


def test_an_import_that_was_interrupted_is_done_again(store, folder, tmp_path):
    def interrupt(rows):
        for number, row in enumerate(rows):
            if number == 2:
                raise KeyboardInterrupt
            yield row

    record = store.record_run
    store.record_run = lambda run, pairs=(): record(run, interrupt(pairs))
    with pytest.raises(KeyboardInterrupt):
        ingest_folders(store, [tmp_path], Naming())
    store.record_run = record
    assert len(store.history()) == 3
    (run,) = ingest_folders(store, [tmp_path], Naming()).runs
    assert (run.state, len(store.history())) == (NEW, 6)


def test_imported_scores_are_found_by_no_plan(store, folder, tmp_path):
    ingest_folders(store, [tmp_path], Naming())
    prints = [row.evaluation_fingerprint for row in store.history()]
    assert all(each.startswith("imported:") for each in prints)
    assert content(store)["prediction"] == []


def test_a_second_launch_in_the_folder_says_what_its_own_datasets_are(store, tmp_path):
    folder = OutputFolder(tmp_path / STAMP, {"m": {}}, ["sums"])
    folder.datasets = ["facts"]
    folder.config("20240201_090000_78")
    for dataset in ("sums", "facts"):
        folder.result("m", dataset, graded(True, True))
    ingest_folders(store, [tmp_path], Naming())
    assert {row.dataset: row.version for row in store.history()} == {
        "sums": folder.version("sums"),
        "facts": folder.version("facts"),
    }


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("m/cut", '{"accuracy": 50.0, "details": {"0": {"pr', "damaged or cut short"),
        ("m/empty", "", "damaged or cut short"),
        ("m/deep", "[" * 100_000, "damaged or cut short"),
        ("m/list", [1, 2], "holds a list"),
        ("m/failed", {"error": "no predictions"}, "the evaluator failed: no predictions"),
        ("m/words", {"note": "text", "type": 7}, "no number that is a metric"),
        ("m/huge", '{"accuracy": 1' + "0" * 400 + "}", "beyond all measure"),
        ("m/odd\udcff", {"accuracy": 1.0}, "has a name that is no text"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_reason_and_stops_nothing(
    database_url, tmp_path, name, body, says
):
    folder = OutputFolder(tmp_path / "runs" / STAMP, {"m": {}}, ["good"])
    folder.result("m", "good", graded(True, False))
    folder.result(*name.split("/"), body)
    with Store.open(database_url) as store:
        done = ingest_folders(store, [tmp_path / "runs"], Naming())
        assert [row.dataset for row in store.history()] == ["good"]
    (left_out,) = done.left_out
    assert says in left_out.reason


def test_foreign_files_are_named_and_those_of_judges_and_of_our_own_are_not(store, tmp_path):
    folder = OutputFolder(tmp_path / STAMP, {"m": {}}, ["d"])
    folder.result("m", "d", graded(True, False))
    for name in ("d_replica0", "d_llm_judge_replica1", "d.manifest"):
        folder.result("m", name, {"0": {"prediction": "A"}})
    (folder.path / "results" / "notes.txt").write_text("x")
    (folder.path / "results" / "lonely.json").write_text("{}")
    done = ingest_folders(store, [tmp_path], Naming())
    assert [one.path.name for one in done.left_out] == ["lonely.json", "notes.txt"]
    assert len(store.history()) == 1


@pytest.mark.parametrize("text", ["models = [", "datasets = 1 / 0\n", HOSTILE], ids=["broken", "failing", "hostile"])
def test_a_config_that_cannot_be_read_costs_the_version_only(store, folder, tmp_path, text):
    (config,) = (folder.path / "configs").iterdir()
    config.write_text(text)
    done = ingest_folders(store, [tmp_path], Naming())
    (left_out,) = done.left_out
    assert left_out.path == config
    assert {(row.version, row.mode, row.series) for row in store.history()} == {("", "unknown", "tiny")}


def test_abbrs_with_a_slash_are_told_apart_by_the_config(store, tmp_path):
    folder = OutputFolder(tmp_path / STAMP, {"org/m": {}, "plain": {}}, ["family/part", "d"])
    for model in ("org/m", "plain"):
        for dataset in ("family/part", "d"):
            folder.result(model, dataset, graded(True, True))
    ingest_folders(store, [tmp_path], Naming())
    assert {(row.model, row.dataset) for row in store.history()} == {
        (model, dataset) for model in ("org/m", "plain") for dataset in ("family/part", "d")
    }
    assert all(row.version for row in store.history())


def test_every_number_of_the_tables_of_random_runs_is_found(store, tmp_path):
    """The tables are those that OpenCompass writes, byte by byte (``test_summary_golden``)."""
    chosen = dict(enumerate(islice(cases(), 0, None, 4)))
    for number, case in chosen.items():
        settings = {model["abbr"]: {"summarizer_abbr": model["column"]} for model in case["models"]}
        names = [dataset["abbr"] for dataset in case["datasets"]]
        folder = OutputFolder(tmp_path / f"run{number}" / STAMP, settings, names)
        folder.config(f"{STAMP}_77", summarizer={"summary_groups": case["groups"]})
        for model, results in case["results"].items():
            for dataset, result in results.items():
                folder.result(model, dataset, result)
    assert len(ingest_folders(store, [tmp_path], Naming()).runs) == len(chosen)
    found = {}
    for row in store.history():
        found.setdefault(row.run_dir, set()).add((row.dataset, row.metric, row.model, f"{row.value:.02f}"))
    for number, case in chosen.items():
        columns = {model["abbr"]: model["column"] for model in case["models"]}
        stored = found.get(str(tmp_path / f"run{number}" / STAMP), set())
        stored |= {(dataset, metric, columns.get(model, model), cell) for dataset, metric, model, cell in stored}
        assert numbers_of_the_table(case) - stored == set()
    assert sum(len(numbers_of_the_table(case)) for case in chosen.values()) > 900


def numbers_of_the_table(case):
    """Dataset, metric, column and number of every cell of the whole table that holds one."""
    planned = [PlannedModel(model["abbr"], "", "", model["column"]) for model in case["models"]]
    datasets = [PlannedDataset(dataset["abbr"], "", "gen", 1) for dataset in case["datasets"]]
    results = {(model, name): result for model, found in case["results"].items() for name, result in found.items()}
    summary = summarize(STAMP, planned, datasets, results, {"summary_groups": case["groups"]})
    return {
        (row[0], row[2], column, cell)
        for row in summary.rows
        for column, cell in zip(summary.header[4:], row[4:], strict=True)
        if cell not in ("-", "nan", "inf", "-inf")
    }


def run_cli(*arguments):
    return cli.main(["ingest", *map(str, arguments)])


@pytest.fixture
def database(tmp_path, monkeypatch):
    file = tmp_path / "results.db"
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", f"sqlite:///{file}")
    return file


def test_the_command_says_what_it_took_and_the_boards_show_it(folder, database, tmp_path, capsys):
    assert run_cli(tmp_path / "outputs") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"{folder.path}: imported, 6 scores and 8 samples of 2 models, 2 datasets",
        "  tiny: step 100, 200",
        f"runs: 1 imported; 6 scores and 8 samples into sqlite:///{database}; 0 left out",
    ]
    assert cli.main(["leaderboard", "--series", "tiny", "--dataset", "sums"]) == 0
    assert cli.main(["checkpoints", "--series", "tiny"]) == 0
    assert capsys.readouterr().out.count("imported") == 4


def test_a_dry_run_says_the_same_and_writes_nothing(folder, database, tmp_path, capsys):
    (folder.path / "results" / "notes.txt").write_text("x")
    assert run_cli(tmp_path / "outputs", "--dry-run", "--series", "moe") == 1
    said = capsys.readouterr().out
    assert "imported, 6 scores and 8 samples" in said
    assert "  moe: step 100, 200" in said
    assert f"left out: {folder.path}/results/notes.txt: is no results/MODEL/DATASET.json" in said
    assert not database.exists()


def test_the_same_as_json(folder, database, tmp_path, capsys):
    assert run_cli(tmp_path / "outputs", tmp_path / "none", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["runs"][0]["models"]["tiny-step-200"] == {"series": "tiny", "step": 200}
    assert said["left_out"] == [{"path": f"{tmp_path}/none", "reason": "there is no such folder; correct the name"}]


def test_a_pattern_that_cannot_work_is_told_before_anything_is_read(database, tmp_path, capsys):
    assert run_cli(tmp_path, "--step-pattern", "(") == 2
    assert "no regular expression" in capsys.readouterr().err
