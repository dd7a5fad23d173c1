"""Who is asked for what has no native class, what is refused where there is nobody, and where such jobs run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opencompass_ops import bridging
from opencompass_ops.bridging import INTERPRETER, complete, with_own_opencompass
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract.probe import DatasetProbe, ModelProbe, ProbeReport, ProbeRequest, RequestProbe
from opencompass_ops.contract.spec import EVAL, NATIVE, OPENCOMPASS, Part, ShardSpec
from opencompass_ops.errors import ConfigError, PlanError
from opencompass_ops.planning.fingerprint import engine_identity, evaluation_fingerprint, pair_fingerprint

BARE = ClusterConfig("bare")
EQUIPPED = ClusterConfig.from_values("equipped", {"kind": "local", "opencompass": {"python": "/envs/oc/bin/python"}})
REPORT = ProbeReport(
    models=(ModelProbe("m", "sha256:1", "t"),),
    datasets=(DatasetProbe("plain", 5, 5), DatasetProbe("odd", bridge="unknown dataset type 'Odd'")),
    requests=(
        RequestProbe("m", "plain", "digest", eval_bridge="unknown evaluator type 'Judge'"),
        RequestProbe("m", "odd", "", "unknown dataset type 'Odd'", "unknown dataset type 'Odd'"),
    ),
)


def request(**model):
    return ProbeRequest(({"abbr": "m", **model},), ({"abbr": "plain"}, {"abbr": "odd"}))


@pytest.fixture
def asked(monkeypatch):
    """Every question to OpenCompass; it says that the odd data set has seven rows."""
    questions = []

    def probe(question, cluster):
        questions.append((question, cluster))
        found = tuple(DatasetProbe(config["abbr"], 7, 7, digest="rows") for config in question.datasets)
        return ProbeReport(datasets=found, versions={"opencompass": "0.5.4"})

    monkeypatch.setattr(bridging, "probe", probe)
    return questions


def test_opencompass_is_asked_only_for_what_it_must_load(asked):
    report = complete(REPORT, request(), EQUIPPED, EQUIPPED)
    ((question, _),) = asked
    assert ([config["abbr"] for config in question.datasets], question.engine) == (["odd"], OPENCOMPASS)
    assert [(dataset.rows, dataset.bridge != "") for dataset in report.datasets] == [(5, False), (7, True)]
    assert [pair.digest for pair in report.requests] == ["digest", "rows"]
    assert report.versions == {"opencompass": "0.5.4"}


def test_nobody_is_asked_where_everything_is_native(asked):
    native = replace(REPORT, datasets=REPORT.datasets[:1], requests=(RequestProbe("m", "plain", "digest"),))
    assert complete(native, request(), BARE, BARE) == native
    assert asked == []


def test_without_an_opencompass_each_culprit_carries_the_next_step(asked):
    report = complete(REPORT, request(), BARE, BARE)
    assert asked == []
    for dataset in report.datasets:
        assert "cluster 'bare' names none" in dataset.error
        assert "make opencompass-venv" in dataset.error


def test_predictions_need_no_opencompass_to_score_them(asked):
    report = complete(REPORT, request(), BARE, None)
    assert [bool(dataset.error) for dataset in report.datasets] == [False, True]


def test_judges_of_the_eval_section_are_refused_where_something_is_scored(asked):
    judged = replace(REPORT, datasets=(DatasetProbe("plain", 5, 5, unscorable="judges"),), requests=())
    assert "judges; or take it out" in complete(judged, request(), BARE, BARE).datasets[0].error
    assert not complete(judged, request(), BARE, None).datasets[0].error


def test_a_key_in_the_open_is_refused_by_its_place_and_never_shown(asked):
    with pytest.raises(PlanError, match="model m: key") as caught:
        complete(REPORT, request(key="sk-very-secret-1234567890"), EQUIPPED, EQUIPPED)
    assert "very-secret" not in str(caught.value)
    complete(REPORT, request(key="ENV:JUDGE_KEY"), EQUIPPED, EQUIPPED)
    complete(REPORT, request(key="ENV"), EQUIPPED, EQUIPPED)


def test_jobs_of_opencompass_run_in_its_virtualenv_or_image_and_others_do_not():
    assert EQUIPPED.for_engine(NATIVE) == EQUIPPED
    assert EQUIPPED.for_engine(OPENCOMPASS).interpreter == "/envs/oc/bin/python"
    image = {"runtime": "apptainer", "image": "/images/oc.sif"}
    inside = ClusterConfig.from_values(
        "c", {"opencompass": {"container": image, "python": "python3", "probe_python": "/bin/oc"}}
    )
    job, probe = inside.for_engine(OPENCOMPASS), inside.for_probe(OPENCOMPASS)
    assert (job.container.image, job.interpreter) == ("/images/oc.sif", "python3")
    assert (probe.container, probe.interpreter) == (None, "/bin/oc")
    assert job.account == inside.account
    assert ClusterConfig.from_values("c", json.loads(json.dumps(inside.to_values()))) == inside


def test_an_opencompass_that_is_neither_virtualenv_nor_image_is_refused():
    with pytest.raises(ConfigError, match="give python"):
        ClusterConfig.from_values("c", {"opencompass": {}})


def test_a_local_cluster_takes_the_virtualenv_that_make_made(tmp_path, monkeypatch):
    monkeypatch.delenv(INTERPRETER, raising=False)
    assert with_own_opencompass(BARE, tmp_path).opencompass is None
    python = tmp_path / ".opencompass" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    assert with_own_opencompass(BARE, tmp_path).opencompass.python == str(python)
    assert with_own_opencompass(EQUIPPED, tmp_path) == EQUIPPED
    assert with_own_opencompass(replace(BARE, kind="slurm"), tmp_path).opencompass is None


def test_who_answers_and_scores_counts_in_the_fingerprints():
    model, dataset = {"abbr": "m", "type": "M", "batch_size": 1}, {"abbr": "d", "infer_cfg": {}}
    bridged = engine_identity("no class", ProbeReport(versions={"opencompass": "0.5.4"}))
    newer = engine_identity("no class", ProbeReport(versions={"opencompass": "0.5.5"}))
    assert engine_identity("", ProbeReport()) == ""
    probe = ModelProbe("m", "w", "t")
    answers = {pair_fingerprint(model, probe, dataset, "r", engine) for engine in ("", bridged, newer)}
    scores = {evaluation_fingerprint("pair", dataset, model, engine) for engine in ("", bridged, newer)}
    assert (len(answers), len(scores)) == (3, 3)
    other = pair_fingerprint({**model, "batch_size": 2}, probe, dataset, "r", bridged)
    assert other not in answers  # OpenCompass pads its batches, and scores what it pads


def test_the_engine_is_in_the_title_of_a_shard():
    part = Part({"abbr": "d"}, None, 0, 1, 1, "", "")
    assert ShardSpec("i", EVAL, {"abbr": "m"}, (part,), engine=OPENCOMPASS).label == "m/d [engine: opencompass]"
    assert ShardSpec("i", EVAL, {"abbr": "m"}, (part,)).label == "m/d"
