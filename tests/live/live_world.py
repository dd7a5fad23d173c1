"""What live tests move: runs, instances, and jobs that can be held, failed and counted."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.embedded import COMPONENTS, EmbeddedAirflow, signal_session
from small_world import STAND_IN

DAG = "opencompass_eval"
GATED, STANDING_IN = "gated", "standing_in"
"""Cluster configs of this host: jobs that load the model, and jobs that do all but its arithmetic."""

# Stands for the interpreter of the jobs: holds or fails a job while a file asks for it, else becomes the real one.
GATE = """#!{python}
import os, pathlib, sys, time
folder = pathlib.Path({folder!r})
spec = next((pathlib.Path(a).stem for a in sys.argv if a.endswith(".json")), "")
shard = spec.rpartition("-")[0]  # infer-0003-1a2b3c is infer-0003
while any((folder / ("hold-" + name)).exists() for name in (shard, "all")) and "probe" not in sys.argv:
    time.sleep(0.05)
if (folder / ("fail-" + shard)).exists():
    sys.exit("this job was told to fail")
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""

EVAL = """
models = [dict(type='HuggingFaceBaseModel', abbr='tiny', path={model!r}, max_out_len={out}, max_seq_len=256,
               batch_size={batch}, run_cfg=dict(num_gpus={gpus}))]
datasets = [dict(
    type='inference.datasets.JsonlDataset', abbr='sums', path={data!r},
    reader_cfg=dict(input_columns=['question'], output_column='answer'),
    infer_cfg=dict(
        prompt_template=dict(type='PromptTemplate', template='{{question}}'),
        retriever=dict(type='ZeroRetriever'), inferencer=dict(type='GenInferencer')),
    eval_cfg=dict(evaluator=dict(type='AccEvaluator')))]
"""


@dataclass
class World:
    """The running Airflow and what the tests need to move it.

    :param folder: configs and the results database.
    :param place: models, data, gates and outputs, where the jobs see them too.
    :param cluster: name of the cluster config, whose ``python`` is the gate.
    :param kind: its kind.
    :param dag: which DAG is triggered.
    """

    airflow: EmbeddedAirflow
    folder: Path
    place: Path
    cluster: str = GATED
    kind: str = "local"
    dag: str = DAG

    @property
    def gates(self) -> Path:
        """Files at which jobs wait."""
        return self.place / "gates"

    @property
    def second_model(self) -> Path:
        """A copy of the model with other weights."""
        return self.place / "second-model"

    @property
    def infer(self) -> str:
        """The task whose instances are the infer shards."""
        return f"infer_{self.kind}"

    def config(self, name: str, rows: int, *, out: int = 2, batch: int = 8, gpus: int = 0) -> str:
        """Write an evaluation of ``rows`` rows; returns the config's path."""
        data = self.place / "data" / name
        data.mkdir(parents=True, exist_ok=True)
        # Other questions for each name: what one test answered must not be reused by the next.
        lines = [json.dumps({"question": f"{name} {n}+{n + 1}=", "answer": str(2 * n + 1)}) for n in range(rows)]
        for split in ("train", "test"):
            (data / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
        path = self.folder / "configs" / f"eval_{name}.py"
        path.write_text(EVAL.format(model=str(self.place / "model"), data=str(data), out=out, batch=batch, gpus=gpus))
        return str(path)

    def start(self, config: str, **params: Any) -> str:
        """Trigger a run with the form's params; returns the run id."""
        work_dir = str(self.place / "outputs" / Path(config).stem)
        asked = {"config": config, "cluster": self.cluster, "work_dir": work_dir}
        return self.airflow.rest.trigger(self.dag, asked | params)

    def wait(self, run: str, timeout: float = 240) -> str:
        """The run's final state."""
        return self.airflow.rest.wait(self.dag, run, timeout=timeout)

    def assert_green(self, run: str, timeout: float = 240) -> None:
        """Wait for the run's end; the failure shows what its failed tasks said last."""
        if self.wait(run, timeout) == "success":
            return
        failed = [ti for ti in self.airflow.rest.instances(self.dag, run) if ti["state"] == "failed"]
        said = [self.log(run, ti["task_id"], ti["map_index"], ti["try_number"])[-3000:] for ti in failed[:3]]
        pytest.fail("\n".join([f"{run}: {len(failed)} tasks failed", *said]))

    def instances(self, run: str, task: str) -> list[dict[str, Any]]:
        """Task instances of one task, by map index."""
        found = [ti for ti in self.airflow.rest.instances(self.dag, run) if ti["task_id"] == task]
        return sorted(found, key=lambda ti: ti["map_index"])

    def run_dir(self, run: str) -> Path:
        """The run directory, once it was planned."""
        path = f"dags/{self.dag}/dagRuns/{run}/taskInstances/plan/xcomEntries/return_value"
        value = until(lambda: self._maybe(path), "the plan's XCom")
        body = value["value"]
        return Path((json.loads(body) if isinstance(body, str) else body)["run_dir"])

    def xcom(self, run: str, task: str, key: str) -> Any:
        """One XCom value."""
        path = f"dags/{self.dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
        body = self.airflow.rest.request("GET", path)["value"]
        return json.loads(body) if isinstance(body, str) and body[:1] in "{[" else body

    def maybe_xcom(self, run: str, task: str, key: str, map_index: int, having: str) -> Any:
        """One XCom value of a mapped instance once it has a field; None before."""
        path = f"dags/{self.dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}?map_index={map_index}"
        body = (self._maybe(path) or {}).get("value")
        value = json.loads(body) if isinstance(body, str) else body
        return value if value and value.get(having) else None

    def log(self, run: str, task: str, map_index: int = -1, attempt: int = 1) -> str:
        """The task's log as the UI shows it."""
        path = f"dags/{self.dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"
        return json.dumps(self.airflow.rest.request("GET", path, params={"map_index": map_index}))

    def clear(self, run: str, task: str, map_index: int) -> None:
        """Clear one mapped instance and what follows it, as a user would in the UI."""
        body = {
            "dry_run": False, "dag_run_id": run, "task_ids": [[task, map_index]], "only_failed": False,
            "include_downstream": True, "reset_dag_runs": True,
        }  # fmt: skip
        self.airflow.rest.request("POST", f"dags/{self.dag}/clearTaskInstances", json=body)

    def mark_task(self, run: str, task: str, map_index: int, state: str) -> None:
        """Mark one mapped instance."""
        path = f"dags/{self.dag}/dagRuns/{run}/taskInstances/{task}/{map_index}"
        self.airflow.rest.request("PATCH", path, json={"new_state": state})

    def mark_run(self, run: str, state: str) -> None:
        """Mark the whole run."""
        self.airflow.rest.request("PATCH", f"dags/{self.dag}/dagRuns/{run}", json={"state": state})

    def worker(self, run: str) -> int | None:
        """Pid of the worker that has an infer shard."""
        found = [instance for instance in self.instances(run, self.infer) if instance["state"] == "running"]
        return found[0]["pid"] if found else None

    def owner(self, run: str) -> int | None:
        """Which triggerer has the first infer shard."""
        job = self.instances(run, self.infer)[0]["triggerer_job"]
        return job["id"] if job else None

    @contextmanager
    def frozen(self, component: str) -> Iterator[None]:
        """A component that hangs, and goes on afterwards.

        It is never stopped while it holds SQLite's lock: everybody else would fail of that, which is no fault of a
        component that hangs beside a real database.
        """
        leader = self.airflow.pids[component]

        def stopped() -> bool:
            signal_session(leader, signal.SIGSTOP)
            if free := self._database_is_free():
                return free
            signal_session(leader, signal.SIGCONT)
            return False

        until(stopped, f"moment in which {component} holds no lock")
        try:
            yield
        finally:
            signal_session(leader, signal.SIGCONT)

    def mend(self) -> None:
        """Each component runs, and runs once: what a failed test stopped or added is not the next one's fault."""
        alive = self.airflow.pids
        for leader in alive.values():
            signal_session(leader, signal.SIGCONT)
        for name in alive.keys() - COMPONENTS.keys():
            self.airflow.kill(name, signal.SIGTERM)
        for name in COMPONENTS.keys() - alive.keys():
            self.airflow.start(name)

    def _database_is_free(self) -> bool:
        with closing(sqlite3.connect(self.airflow.home.database, timeout=0.5, isolation_level=None)) as database:
            try:
                database.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                return False
            database.execute("ROLLBACK")
            return True

    def forget(self) -> None:
        """Drop the results database, so that nothing is known of earlier answers."""
        for file in self.folder.glob("results.db*"):
            file.unlink()

    def hold(self, shard: str = "all") -> Path:
        """Jobs of this shard wait before they start, until the returned file is unlinked."""
        gate = self.gates / f"hold-{shard}"
        gate.touch()
        return gate

    def fail(self, shard: str) -> Path:
        """Jobs of this shard end with an error, until the returned file is unlinked."""
        gate = self.gates / f"fail-{shard}"
        gate.touch()
        return gate

    @staticmethod
    def starts(run_dir: Path) -> dict[str, int]:
        """Token -> how often its job started, as the jobs themselves noted."""
        return {file.parent.name: len(file.read_text().splitlines()) for file in run_dir.glob("jobs/*/starts")}

    def _maybe(self, path: str) -> Any:
        try:
            return self.airflow.rest.request("GET", path)
        except RuntimeError:
            return None


def write_gate(path: Path, gates: Path, python: str, program: str) -> Path:
    """Write a stand-in for the interpreter of jobs.

    :param gates: where it looks for the files that hold or fail a job.
    :param python: runs it.
    :param program: what it becomes.
    """
    gates.mkdir(exist_ok=True)
    path.write_text(GATE.format(python=python, folder=str(gates), program=program))
    path.chmod(0o755)
    return path


def write_stand_in(path: Path, python: str, gates: Path) -> Path:
    """Write what answers every row without a model.

    :param python: runs it.
    :param gates: where the file ``hold`` says how many rows each job answers before it waits.
    """
    path.write_text(STAND_IN.format(python=python, folder=str(gates)))
    path.chmod(0o755)
    return path


def until(ask: Callable[[], Any], what: str, timeout: float = 90) -> Any:
    """The first true answer; fails the test when there is none in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.1)
    return pytest.fail(f"no {what} within {timeout:.0f} s")


def processes_of(run_dir: Path, word: str = "") -> list[psutil.Process]:
    """Live processes that work on the run directory: supervisors, jobs and whatever they started.

    :param word: only those with this argument.
    """
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if (
            str(run_dir) in " ".join(words)
            and (not word or word in words)
            and process.info["status"] != psutil.STATUS_ZOMBIE
            and process.pid != os.getpid()
        ):
            found.append(process)
    return found


def kill(pid: int) -> None:
    """SIGKILL, as the kernel's OOM killer would."""
    os.kill(pid, signal.SIGKILL)
