"""``make demo``: train, evaluate every checkpoint through Airflow, print the table, check the scores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from demo.messages import connections, told
from demo.place import Place, place
from demo.verdict import Learned, read_scores, verdict
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from scripts.airflow_rest import StateCounts
from scripts.embedded import EmbeddedAirflow

DAG = "opencompass_eval"
RUN_SECONDS = 900  # far more than it takes, for machines that are busy with other things


def main() -> int:
    """The whole demo; returns 0 when the scores are what they should be."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    start = time.monotonic()
    with place(os.environ.get("CLUSTER", "local")) as where:
        # in a process of its own, so that torch's memory is free again before Airflow starts
        train = [sys.executable, "-m", "demo.train", "--out", str(where.trained), "--data", str(where.data)]
        subprocess.run(train, check=True)
        checkpoints = where.bring(sorted(where.trained.glob("step-*")))
        print("Starting Airflow (about 20 s)", flush=True)
        env, port = where.env | connections(), int(os.environ.get("PORT", "0"))
        with EmbeddedAirflow(Path(".airflow"), port=port, env=env) as airflow:
            summary, gate = evaluate(airflow, where, checkpoints)
        run_dir = where.keep(Path(summary["run_dir"]))
    files = LocalFiles(run_dir)
    plan = Plan.from_json(files.read(layout.PLAN))
    print(f"\n{summary['table']}\n\n{summary['coverage']}\n{reused(plan)}")
    learned = verdict(plan, read_scores(files, plan))
    print(f"\n{gate['text']}\n")
    report(run_dir, learned, time.monotonic() - start)
    return 0 if all(one.ok for one in learned) else 1


def evaluate(airflow: EmbeddedAirflow, where: Place, checkpoints: list[Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Trigger the DAG on every checkpoint and wait; returns what ``summarize`` and ``gate`` left as their XComs.

    :raises RuntimeError: the run failed; the message names the tasks and their page.
    """
    airflow.rest.wait_for_dag(DAG)
    run = airflow.rest.trigger(DAG, params(where, checkpoints))
    print(f"Evaluating; watch it on {airflow.url}/dags/{DAG} (user {airflow.user}, password {airflow.password})")
    seen: StateCounts = {}

    def on_progress(counts: StateCounts) -> None:
        seen.update(counts)
        print(f"  {time.strftime('%H:%M:%S')}  {progress(counts)}", flush=True)

    if airflow.rest.wait(DAG, run, on_progress, timeout=RUN_SECONDS) != "success":
        failed = ", ".join(task for task, states in seen.items() if states["failed"])
        raise RuntimeError(f"the run failed in {failed}; its logs are in {airflow.home.logs}/dag_id={DAG}/run_id={run}")
    return left(airflow, run, "summarize", "summary"), left(airflow, run, "gate", "gate")


def left(airflow: EmbeddedAirflow, run: str, task: str, key: str) -> dict[str, Any]:
    """The XCom of a task."""
    entry = f"dags/{DAG}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
    return dict(airflow.rest.request("GET", entry)["value"])


def params(where: Place, checkpoints: list[Path]) -> dict[str, Any]:
    """What the form would send: one override per checkpoint, two jobs at once."""
    return {
        "config": "eval_tiny",
        "cluster": where.cluster,
        "work_dir": str(where.outputs),
        "max_num_workers": 2,
        "lark": True,  # tell whatever chat there is a connection to
        "model_overrides": [{"path": str(checkpoint)} for checkpoint in checkpoints],
    }


def progress(counts: StateCounts) -> str:
    """``infer_local 3 success 2 deferred · ...`` for the tasks that have begun."""
    begun = ((task, states) for task, states in counts.items() if set(states) != {"waiting"})
    return " · ".join(f"{task} " + " ".join(f"{n} {state}" for state, n in states.items()) for task, states in begun)


def reused(plan: Plan) -> str:
    """What the run did not have to do again."""
    models = {pair.model for pair in plan.pairs}
    again = {pair.model for pair in plan.pairs if pair.shards}
    line = f"Inferred {len(again)} of {len(models)} checkpoints in {len(plan.shards)} jobs"
    return f"{line}; reused the predictions of {len(models - again)}"


def report(run_dir: Path, learned: list[Learned], seconds: float) -> None:
    """Where everything is, and whether the scores are what they should be."""
    for one in learned:
        print(f"{'ok' if one.ok else 'NOT OK'}: {one.text}")
    print(told(run_dir))
    print(f"\nSummary and plot: {run_dir}/summary\nWeb page: make airflow\nTook {seconds:.0f} s")


def _as_interrupt(signum: int, frame: object) -> None:
    """A plain ``kill`` stops Airflow too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, TimeoutError, subprocess.CalledProcessError) as error:
        sys.exit(f"make demo: {error}")
    except KeyboardInterrupt:
        sys.exit("make demo: stopped")
