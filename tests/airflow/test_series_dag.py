"""The DAGs of series: one each, paused, with a schedule that is read without executing a config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from opencompass_ops.contract import layout
from opencompass_ops.series.config import ENVIRONMENT
from opencompass_ops.series.ledger import Evaluation, run_id

pytestmark = pytest.mark.airflow

LEAST = {"checkpoints": {"at": "/ckpt/run7", "pattern": "step-{step}"}, "suite": "nightly@3"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    return tmp_path


def _write(folder: Path, name: str, **more: object) -> None:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(LEAST | more))


def test_every_series_has_a_dag_that_is_paused_until_somebody_switches_it_on(folder: Path):
    from opencompass_ops.series_dag import build_series_dags

    _write(folder, "run7", schedule="*/10 * * * *", timezone="Asia/Shanghai")
    _write(folder, "run8")
    dags = build_series_dags()
    assert sorted(dags) == ["opencompass_checkpoints_run7", "opencompass_checkpoints_run8"]
    dag = dags["opencompass_checkpoints_run7"]
    assert dag.is_paused_upon_creation
    assert not dag.catchup
    assert dag.timetable.expression == "*/10 * * * *"
    assert "Asia/Shanghai" in dag.doc_md
    assert [task.task_id for task in dag.topological_sort()] == ["discover", "evaluate"]
    assert [asset.uri for asset in dag.get_task("evaluate").partial_kwargs["outlets"]] == ["checkpoint://run7/begun"]
    assert list(dag.params) == ["checkpoints", "backfill", "suite", "after_step", "before_step"]
    assert dags["opencompass_checkpoints_run8"].timetable.__class__.__name__ == "NullTimetable"


def test_a_series_that_cannot_be_read_says_so_and_the_others_live_on(folder: Path):
    from opencompass_ops.series_dag import build_series_dags

    _write(folder, "run7")
    _write(folder, "wrong", limits={"evry": 2})
    (folder / "not a name.yaml").write_text("suite: [")
    dags = build_series_dags()
    assert sorted(dags) == [f"opencompass_checkpoints_{name}" for name in ("not_a_name", "run7", "wrong")]
    assert "did you mean 'every'" in dags["opencompass_checkpoints_wrong"].doc_md
    assert "broken" in dags["opencompass_checkpoints_wrong"].tags
    told = {name: dag.on_failure_callback.keywords for name, dag in dags.items()}
    assert told["opencompass_checkpoints_run7"] == {"series": "run7"}
    assert "did you mean 'every'" in told["opencompass_checkpoints_wrong"]["problem"]
    assert dags["opencompass_checkpoints_wrong"].timetable.expression == "0 * * * *"


def test_a_look_that_fails_leaves_its_reason_for_the_message(folder: Path):
    from types import SimpleNamespace

    from opencompass_ops.errors import ConfigError
    from opencompass_ops.operators.discover import DiscoverOperator, StartEvaluationOperator

    _write(folder, "wrong", limits={"evry": 2})
    left: dict[str, str] = {}
    seen = {"ti": SimpleNamespace(xcom_push=lambda key, value: left.update({key: value})), "params": {}}
    start = StartEvaluationOperator(task_id="evaluate", series="wrong", run_id="r", title="t")
    for operator in (DiscoverOperator(task_id="discover", series="wrong"), start):
        left.clear()
        with pytest.raises(ConfigError):
            operator.execute(seen)
        assert "did you mean 'every'" in left["problem"]


def test_the_scheduler_reads_back_what_the_dag_file_made(folder: Path):
    from airflow.serialization.serialized_objects import DagSerialization

    from opencompass_ops.series_dag import build_series_dags

    _write(folder, "run7", schedule="0 3 * * *")
    (dag,) = build_series_dags().values()
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).dag_id == dag.dag_id


@dataclass
class _Asks:
    """A task instance that asks Airflow for one run."""

    run: str = ""
    summarize: str | None = None

    def get_dr_count(self, *, dag_id: str, run_ids: list[str]) -> int:
        return int(bool(self.run))

    def get_dagrun_state(self, *, dag_id: str, run_id: str) -> str:
        return self.run

    def get_task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, object]]:
        return {run_ids[0]: {"summarize": self.summarize}} if self.summarize != "no such task" else {}


@pytest.mark.parametrize(
    ("run", "summarize", "state"),
    [
        ("", None, None),
        ("queued", None, "queued"),
        ("running", "success", "success"),
        ("failed", "success", "success"),
        ("failed", "failed", "failed"),
        ("running", None, "running"),
        ("failed", "no such task", "failed"),
    ],
)
def test_a_run_whose_gate_failed_has_evaluated_its_checkpoint(run: str, summarize: str | None, state: str | None):
    from opencompass_ops.operators.discover import run_state

    assert run_state(_Asks(run, summarize), "opencompass_eval", "series__run7__1") == state


class _Pulls:
    """A task instance that reads what other runs left.

    :param left: (run id, key) -> XCom of the task ``plan``.
    """

    def __init__(self, left: dict[tuple[str, str], object]) -> None:
        self._left = left

    def xcom_pull(
        self, *, task_ids: str, dag_id: str, run_id: str, map_indexes: int, key: str = "return_value"
    ) -> object:
        assert (task_ids, dag_id, map_indexes) == ("plan", "opencompass_eval", -1)
        return self._left.get((run_id, key))


def _row(attempts: int) -> Evaluation:
    return Evaluation(
        "run7", "w", "f", 1, "step-1", 1, "s", run_id("run7", "w", "f", attempts), attempts, "started", "", "2026", ""
    )


def test_an_attempt_goes_on_in_the_newest_folder_of_those_before_it_that_is_there(tmp_path: Path):
    from opencompass_ops.operators.discover import earlier_folder

    for name in ("1", "3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / layout.PLAN).touch()
    left: dict[tuple[str, str], object] = {
        (run_id("run7", "w", "f", attempt), "return_value"): {"run_dir": str(tmp_path / str(attempt))}
        for attempt in (1, 2, 3)
    }
    assert earlier_folder(_Pulls(left), "opencompass_eval", _row(3)) == str(tmp_path / "1")
    assert earlier_folder(_Pulls(left), "opencompass_eval", _row(1)) == ""
    assert earlier_folder(_Pulls({}), "opencompass_eval", _row(3)) == ""


def test_a_plan_that_was_refused_says_which_grant_it_was():
    from opencompass_ops.notifications.runs import SPENT_KEY
    from opencompass_ops.operators.discover import stopped_by

    left: dict[tuple[str, str], object] = {(_row(1).run_id, SPENT_KEY): ["2 GPU-hours of everyone: 2.0 are used"]}
    assert stopped_by(_Pulls(left), "opencompass_eval", _row(1)) == "2 GPU-hours of everyone: 2.0 are used"
    assert stopped_by(_Pulls({}), "opencompass_eval", _row(1)) == ""
