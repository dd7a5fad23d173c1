"""A summarizer that only OpenCompass has sees the scores that manifests vouch for, and nothing else of the folder."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from test_bridge import World, part, shard

from inference.bridge.parameters import viz_parameters
from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.contract.spec import VIZ

pytestmark = pytest.mark.process

# Like OpenCompass's: finds the run below its work dir, reads results by name, writes below summary/.
MAIN = """
import json, runpy, sys
from pathlib import Path
cfg = runpy.run_path(sys.argv[1])
folder = Path(sys.argv[sys.argv.index("-w") + 1], sys.argv[sys.argv.index("-r") + 1])
found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/**/*.json"))
told = cfg["summarizer"]["told"]
if told == "fail":
    raise TypeError("unexpected keyword")
if told != "nothing":
    (folder / "summary" / "20260101_000000").mkdir(parents=True)
    (folder / "summary" / "20260101_000000" / "list.txt").write_text("\\n".join(found))
"""


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    main = tmp_path / "site" / "opencompass" / "cli" / "main.py"
    main.parent.mkdir()
    main.write_text(MAIN)
    return made


def score(world: World, dataset: str, fingerprint: str = "evaluation", judged: tuple[str, ...] = ()) -> None:
    path, body = layout.result("m", dataset), b'{"accuracy": 50.0}'
    whole = ("m", dataset, "s", "t", 0, 1, 1, 1, fingerprint, "pair")
    manifest = Manifest(f"{dataset}.json", codec.digest_bytes(body), *whole, details={JUDGED: list(judged)})
    world.files.write(path, body)
    world.files.write(layout.manifest(path), manifest.to_json())


def spec_of(world: World, told: str, *datasets: str):
    options = {
        "config": {"models": [], "summarizer": {"type": "opencompass.summarizers.Odd", "told": told}},
        "pairs": [["m", dataset, "evaluation"] for dataset in datasets],
    }
    whole = replace(part(), dataset={"abbr": "Odd"})
    return replace(shard(world.folder, whole, abbr="summary", kind=VIZ), options=options)


def test_it_sees_what_this_run_answered_scored_and_judged_and_its_files_lie_in_summary(world):
    world.files.write("results/b_m_judged-by--j/odd.json", "{}")
    score(world, "odd", judged=("results/b_m_judged-by--j/odd.json",))
    score(world, "group/even")
    score(world, "stale", fingerprint="of another request")
    world.files.write(layout.result("m", "unsigned"), '{"accuracy": 1.0}')
    for name in ("odd", "odd_0", "group/even_0", "group/even_1", "group/even_3", "stale"):
        world.files.write(layout.prediction("m", name), "{}")
    spec = spec_of(world, "", "odd", "group/even", "stale", "unsigned", "missing")
    for token in ("t1", "t2"):  # what a job before has left is no obstacle
        record, log = world.run(spec, token)
        assert record.returncode == 0, log
        assert evidence.job_problem(world.files, spec, token) == ""
    listed = json.loads(world.files.read(layout.tables(spec.id)))
    assert listed == ["summary/20260101_000000/list.txt"]
    seen = world.files.read(listed[0]).decode().splitlines()
    assert [path for path in seen if path.startswith("results/")] == [
        "results/b_m_judged-by--j/odd.json",
        "results/m/group/even.json",
        "results/m/odd.json",
    ]
    assert [path for path in seen if path.startswith("predictions/")] == [
        "predictions/m/group/even_0.json",
        "predictions/m/group/even_1.json",
        "predictions/m/odd.json",
    ]


@pytest.mark.parametrize(("told", "error"), [("fail", "TypeError: unexpected keyword"), ("nothing", "wrote nothing")])
def test_a_summarizer_that_fails_or_writes_nothing_says_so(world, told, error):
    score(world, "odd")
    record, _ = world.run(spec_of(world, told, "odd"))
    assert error in record.error
    assert not record.retryable


def test_a_config_for_tables_asks_for_no_secret(world):
    spec = spec_of(world, "ENV:JUDGE_KEY")
    values: dict = {}
    exec(viz_parameters(spec), values)
    assert values["summarizer"]["told"] == "ENV:JUDGE_KEY"
