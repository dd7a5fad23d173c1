"""Whole runs under a live scheduler and triggerer: what is green, what is red, and what is reused."""

from __future__ import annotations

import json

import httpx
import pytest
from live_world import DAG, World, until

pytestmark = pytest.mark.live


def test_a_run_is_scored_and_the_same_request_again_starts_no_job(world: World):
    config = world.config("twice", rows=40)
    first = world.start(config, max_num_workers=2, max_partition_size=20 * 20)
    world.assert_green(first)
    folder = world.run_dir(first)
    assert sum(world.starts(folder).values()) == 3  # two shards and one evaluation
    assert "sums" in json.dumps(world.xcom(first, "summarize", "summary"))

    second = world.start(config, max_num_workers=2, max_partition_size=20 * 20)
    world.assert_green(second)
    assert world.starts(world.run_dir(second)) == {}
    assert (world.run_dir(second) / "results/tiny/sums.json").read_bytes() == (
        folder / "results/tiny/sums.json"
    ).read_bytes()
    assert "| sums |" in next(iter((world.run_dir(second) / "summary").glob("*.md"))).read_text()


def test_a_plan_that_fails_turns_the_run_red_and_says_why(world: World):
    run = world.start("eval_nowhere")
    assert world.wait(run) == "failed"
    assert "eval_nowhere" in world.log(run, "plan")
    assert world.instances(run, "summarize")[0]["state"] == "failed"


def test_one_of_eight_shards_fails_for_good(world: World):
    # Two models of four shards each: what the failed shard does not touch is scored.
    config = world.config("eight", rows=64)
    world.fail("infer-0006")
    run = world.start(
        config,
        max_num_workers=4,
        max_partition_size=16 * 20,
        retry=0,
        model_overrides=[{"path": str(world.folder / "model"), "abbr": "good"}, {"path": str(world.second_model)}],
    )
    assert world.wait(run) == "failed"
    folder = world.run_dir(run)
    states = [instance["state"] for instance in world.instances(run, "infer_local")]
    assert sorted(states) == ["failed"] + ["success"] * 7
    assert (folder / "results/good/sums.json").exists()
    summary = world.log(run, "summarize")
    assert "1/2" in summary
    assert "sums_2" in summary


def test_the_job_and_its_log_can_be_seen_while_it_runs_by_who_may_see_the_dag(world: World):
    gate = world.hold()
    run = world.start(world.config("seen", rows=16))
    job = until(lambda: world.maybe_xcom(run, "infer_local", "job", 0, having="job_id"), "the job's id")
    assert job["cluster"] == "gated"
    assert job["token"] in (world.run_dir(run) / "jobs" / job["token"]).name
    path = f"dags/{DAG}/dagRuns/{run}/taskInstances/infer_local/links"
    links = world.airflow.rest.request("GET", path, params={"map_index": 0})["extra_links"]
    address = links["Job log"]
    assert httpx.get(address, trust_env=False).status_code == 401
    signed_in = {"Authorization": f"Bearer {world.airflow.rest.token()}"}
    page = httpx.get(address, headers=signed_in, trust_env=False)
    assert page.status_code == 200, page.text
    assert f"job_id   {job['job_id']}\n" in page.text
    gate.unlink()
    world.assert_green(run)
    assert "answered 16 items" in httpx.get(address, headers=signed_in, trust_env=False).text
    skipped = [world.instances(run, task)[0]["state"] for task in ("infer_slurm", "eval_slurm")]
    assert skipped == ["skipped", "skipped"]
