"""The DAG of a suite: its form has a version and the allowed fields, nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from opencompass_ops.errors import ConfigError
from opencompass_ops.suites import Suite, to_text

pytestmark = pytest.mark.airflow


def _publish(folder: Path, version: str, allow: tuple[str, ...]) -> None:
    suite = Suite("nightly", version, "Sums every night", allow, {}, None, {"models": [], "datasets": []})
    (folder / "suites").mkdir(exist_ok=True)
    (folder / "suites" / f"{suite}.json").write_text(to_text(suite))


def test_the_form_shows_the_newest_versions_allow_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from opencompass_ops.dag_factory import build_suite_dag

    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match="suite nightly@1 is not published"):
        build_suite_dag("nightly")
    for version in ("2", "10"):
        _publish(tmp_path, version, ("path", "limit") if version == "10" else ("path",))
    dag = build_suite_dag("nightly")
    assert dag.dag_id == "opencompass_suite_nightly"
    assert list(dag.params) == ["config", "path", "limit"]
    assert dag.params["config"] == "nightly@10"
    assert dag.params.get_param("config").schema["enum"] == ["nightly@10", "nightly@2"]
    assert dag.params.get_param("limit").schema["minimum"] == 1
    assert {task.task_id for task in dag.tasks} >= {"plan", "summarize"}
