"""A killed shard goes on where it stopped, and nobody can tell from its predictions."""

from __future__ import annotations

import json
import shutil

import pytest

from inference import generation, ranking, scorer
from inference.heartbeat import Progress
from inference.infer import infer
from inference.problems import InputProblem
from opencompass_ops.contract import layout, variables
from opencompass_ops.contract.evidence import part_problem
from opencompass_ops.contract.files import LocalFiles

pytestmark = pytest.mark.model


class Killed(BaseException):
    """Stands for SIGKILL: nothing but what is on disk survives."""


@pytest.fixture(params=["gen", "ppl"])
def spec(request, make_spec, gen_dataset, ppl_dataset):
    return make_spec({"gen": gen_dataset, "ppl": ppl_dataset}[request.param], start=2, stop=20)


@pytest.fixture
def forwards(monkeypatch):
    """Items of each batch that the engine ran."""
    seen = []
    for kind in (generation.Generation, ranking.Ranking):
        original = kind.answer

        def answer(self, batch, original=original):
            seen.append(tuple(batch))
            return original(self, batch)

        monkeypatch.setattr(kind, "answer", answer)
    return seen


def run(folder, spec):
    files = LocalFiles(folder)
    infer(files, spec, "oc-test", Progress())
    part = spec.parts[0]
    assert part_problem(files, spec.model_abbr, part) == ""
    assert not files.exists(layout.journal(spec.model_abbr, part.name))
    return files.read(layout.prediction(spec.model_abbr, part.name))


def kill_after(monkeypatch, count):
    """Die when ``count`` batches are journaled."""
    from inference.journal import Journal

    original, seen = Journal.append, []

    def append(self, answers):
        if len(seen) == count:
            raise Killed
        original(self, answers)
        seen.append(1)

    monkeypatch.setattr(Journal, "append", append)
    return lambda: monkeypatch.setattr(Journal, "append", original)


@pytest.mark.parametrize("scale", ["0.5", "0.01"])
def test_a_shard_resumed_with_fewer_rows_at_once_gives_the_same_bytes(tmp_path, spec, forwards, monkeypatch, scale):
    undisturbed = run(tmp_path / "a", spec)
    planned = list(forwards)
    revive = kill_after(monkeypatch, 2)
    with pytest.raises(Killed):
        run(tmp_path / "b", spec)
    revive()
    forwards.clear()
    monkeypatch.setenv(variables.BATCH_SCALE, scale)
    assert run(tmp_path / "b", spec) == undisturbed
    assert forwards == planned[2:]


def test_what_is_generated_at_once_is_no_more_than_the_scale_allows(tmp_path, make_spec, gen_dataset, monkeypatch):
    seen, generate = [], generation.Generation._generate
    monkeypatch.setattr(
        generation.Generation,
        "_generate",
        lambda self, items, width: seen.append(len(items)) or generate(self, items, width),
    )
    monkeypatch.setenv(variables.BATCH_SCALE, "0.5")
    run(tmp_path, make_spec(gen_dataset))
    assert max(seen) == 2


def test_what_is_scored_at_once_is_no_more_than_the_scale_allows(tmp_path, make_spec, ppl_dataset, monkeypatch):
    seen, read = [], scorer.read
    monkeypatch.setattr(
        scorer, "read", lambda model, rows, width, *_: seen.append((len(rows), width)) or read(model, rows, width, *_)
    )
    monkeypatch.setenv(variables.BATCH_SCALE, "0.5")
    run(tmp_path, make_spec(ppl_dataset))
    assert all(rows * width <= 200 for rows, width in seen if rows > 1)
    assert max(rows for rows, _ in seen) > 2


def test_a_resumed_shard_computes_the_missing_items_and_gives_the_same_bytes(
    tmp_path, spec, forwards, monkeypatch, capsys
):
    undisturbed = run(tmp_path / "a", spec)
    planned = list(forwards)
    forwards.clear()
    revive = kill_after(monkeypatch, 2)
    with pytest.raises(Killed):
        run(tmp_path / "b", spec)
    revive()
    forwards.clear()
    capsys.readouterr()
    assert run(tmp_path / "b", spec) == undisturbed
    assert forwards == planned[2:]
    done = sum(len(batch) for batch in planned[:2])
    assert f"answered {18 - done} items, {done} restored from the journal" in capsys.readouterr().out


def test_a_batch_that_was_half_journaled_gives_the_same_bytes(tmp_path, spec, forwards, monkeypatch, capsys):
    undisturbed = run(tmp_path / "a", spec)
    planned = list(forwards)
    revive = kill_after(monkeypatch, 3)
    with pytest.raises(Killed):
        run(tmp_path / "b", spec)
    revive()
    path = tmp_path / "b" / layout.journal(spec.model_abbr, spec.parts[0].name)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = len(planned[0]) + 1
    path.write_bytes(b"".join(lines[:kept]) + lines[kept][:40])
    forwards.clear()
    capsys.readouterr()
    assert run(tmp_path / "b", spec) == undisturbed
    assert forwards == planned[1:]
    assert f"answered {18 - kept} items, {kept} restored" in capsys.readouterr().out


def test_a_finished_shard_runs_nothing(tmp_path, spec, forwards):
    first = run(tmp_path, spec)
    forwards.clear()
    assert run(tmp_path, spec) == first
    assert forwards == []


def test_a_journal_of_another_request_is_set_aside(tmp_path, spec, forwards):
    path = tmp_path / layout.journal(spec.model_abbr, spec.parts[0].name)
    path.parent.mkdir(parents=True)
    path.write_text('{"idx": "0", "fingerprint": "other", "truncated": false, "prediction": "stale"}\n')
    body = json.loads(run(tmp_path, spec))
    assert body["0"]["prediction"] != "stale"
    assert path.with_name(path.name + ".bak").exists()


def test_a_bad_dataset_does_not_stop_the_other_parts_of_the_shard(tmp_path, make_spec, gen_dataset, ppl_dataset):
    broken = {**gen_dataset, "abbr": "broken", "path": "./data/absent.jsonl"}
    spec = make_spec(broken, ppl_dataset)
    with pytest.raises(InputProblem, match="broken"):
        infer(LocalFiles(tmp_path), spec, "oc-test", Progress())
    assert part_problem(LocalFiles(tmp_path), "tiny", spec.parts[1]) == ""
    assert not (tmp_path / layout.prediction("tiny", "broken")).exists()


def test_weights_that_changed_since_the_plan_are_refused(tmp_path, make_spec, gen_dataset, tiny_model):
    from inference.identity import weights_identity

    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    spec = make_spec(gen_dataset, weights_id=weights_identity(copy), model={"path": str(copy)})
    weights = copy / "model.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(bytes(body))
    with pytest.raises(InputProblem, match="changed since the plan"):
        infer(LocalFiles(tmp_path), spec, "oc-test", Progress())
