"""What OpenCompass left in a folder is taken by name when somebody names the folder, and only as far as it fits."""

from __future__ import annotations

import json

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.plan import ResultAdoption
from opencompass_ops.staleness import Wanted, describe_stale
from opencompass_ops.unsigned import ORIGIN, make_result, unsigned_judgements, unsigned_parts
from small_world import make_world


def write(folder, name, rows):
    path = folder / "predictions" / "m" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({str(number): {"prediction": "x"} for number in range(rows)}))
    return path


def ranges(folder, rows):
    return [(part.start, part.stop) for part in unsigned_parts(folder, "m", "d", rows, "pair")]


def test_parts_are_taken_until_a_number_is_missing(tmp_path):
    for number, rows in enumerate((4, 4, 2)):
        write(tmp_path, f"d_{number}", rows)
    assert ranges(tmp_path, 10) == [(0, 4), (4, 8), (8, 10)]
    assert ranges(tmp_path, 12) == []


def test_the_whole_file_wins_and_a_wrong_number_of_rows_is_none(tmp_path):
    write(tmp_path, "d_0", 10)
    write(tmp_path, "d", 9)
    assert ranges(tmp_path, 9) == [(0, 9)]
    assert ranges(tmp_path, 10) == []


def test_files_of_another_number_of_rows_are_told(tmp_path):
    write(tmp_path, "d_0", 4)
    write(tmp_path, "d_1", 3)
    asked = [Wanted("m", "d", "pair", {"rows": rows}) for rows in (10, 7)]
    assert describe_stale(tmp_path, asked) == ["m/d: the predictions in the folder have 7 rows, 10 are asked; not used"]


def test_a_file_that_a_manifest_or_a_job_speaks_for_is_not_taken_by_name(tmp_path):
    path = write(tmp_path, "d", 3)
    assert ranges(tmp_path, 3) == [(0, 3)]
    owner = tmp_path / layout.owner("m", "d")
    owner.write_text("fingerprint")
    assert ranges(tmp_path, 3) == []
    owner.unlink()
    path.with_name("d.manifest.json").write_text("{}")
    assert ranges(tmp_path, 3) == []


def test_a_damaged_file_is_not_taken(tmp_path):
    write(tmp_path, "d", 3).write_text('{"0": {"predic')
    assert ranges(tmp_path, 3) == []


def say(folder, name, dataset, body):
    path = folder / "results" / name / f"{dataset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))
    return path.relative_to(folder).as_posix()


JUDGED_SET = {
    "abbr": "d",
    "eval_cfg": {
        "judging": {"mode": "singlescore", "judges": [{"abbr": "wise"}, {"abbr": "old"}], "meta_judge": None},
        "judged_models": ["m"],
    },
}


def test_what_all_judges_said_scores_a_pair_and_what_one_of_them_said_does_not(tmp_path):
    one = say(tmp_path, "m_judged-by--wise", "d", {"score": 7.0, "details": {}})
    assert unsigned_judgements(tmp_path, "m", JUDGED_SET) == ()
    two = say(tmp_path, "m_judged-by--old", "d", {"score": 5.0})
    assert unsigned_judgements(tmp_path, "m", JUDGED_SET) == (one, two)
    assert unsigned_judgements(tmp_path, "other", JUDGED_SET) == ()
    files = LocalFiles(tmp_path)
    make_result(files, ResultAdoption("m", "d", "evaluation", one, (one, two)))
    path = layout.result("m", "d")
    assert json.loads(files.read(path)) == {"score (m_judged-by--wise)": 7.0, "score (m_judged-by--old)": 5.0}
    signed = Manifest.from_json(files.read(layout.manifest(path)))
    assert (signed.fingerprint, signed.details) == ("evaluation", {"origin": ORIGIN, JUDGED: [one, two]})
    assert unsigned_judgements(tmp_path, "m", JUDGED_SET) == ()  # a manifest speaks for the pair now


def test_words_that_a_judge_left_in_parts_are_taken_and_make_no_number(tmp_path):
    whole = say(tmp_path, "m_judged-by--old", "d", {"0": {"prediction": "[[5]]"}})
    parts = [say(tmp_path, "m_judged-by--wise", f"d_{number}", {"score": number}) for number in range(2)]
    found = unsigned_judgements(tmp_path, "m", JUDGED_SET)
    assert found == (*parts, whole)
    make_result(LocalFiles(tmp_path), ResultAdoption("m", "d", "evaluation", parts[0], found))
    assert json.loads((tmp_path / layout.result("m", "d")).read_text()) == {"judged": ", ".join(found)}
    (tmp_path / parts[1]).write_text("[")
    (tmp_path / layout.manifest(layout.result("m", "d"))).unlink()
    assert unsigned_judgements(tmp_path, "m", JUDGED_SET) == ()


@pytest.fixture
def world(tmp_path, monkeypatch):
    yield from make_world(tmp_path, monkeypatch)


@pytest.mark.process
def test_a_folder_without_manifests_is_scored_and_viewed_as_opencompass_would(world):
    config = world.config()
    first, before = world.evaluate(config)
    for manifest in first.run_dir.rglob("*.manifest.json"):
        manifest.unlink()
    with pytest.raises(PlanError, match="lack some"):
        world.evaluate(config, mode="eval", reuse="latest", limit=3)
    viewed, after = world.evaluate(config, mode="viz", reuse="latest")
    assert viewed.plan.evaluations == ()
    assert "taken by name from the reused folder" in viewed.text
    assert after.text.splitlines()[:3] == before.text.splitlines()[:3]
    for manifest in first.run_dir.rglob("*.manifest.json"):
        manifest.unlink()
    scored, after = world.evaluate(config, mode="eval", reuse="latest")
    assert scored.plan.shards == ()
    assert len(scored.plan.evaluations) == 1
    assert after.text.splitlines()[:3] == before.text.splitlines()[:3]
    files = LocalFiles(first.run_dir)
    signed = Manifest.from_json(files.read(layout.manifest(layout.prediction("tiny", "sums"))))
    assert signed.details == {"origin": ORIGIN}
