"""The YAML of a series: what is wrong in it is named, with what would be right."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from opencompass_ops.errors import ConfigError
from opencompass_ops.series.config import ENVIRONMENT, Series, read_file, read_series, series_files

LEAST = {"checkpoints": {"at": "/ckpt/run7", "pattern": "step-{step}"}, "suite": "nightly@3"}


def test_the_least_that_a_series_says():
    series = Series.from_values("run7", LEAST)
    assert series.dag_id == "opencompass_checkpoints_run7"
    assert series.dag == "opencompass_eval"
    assert series.name_of(100) == "run7-step-100"
    assert (series.schedule, series.limits.attempts, series.ready.tokenizer) == ("", 3, True)


def test_everything_that_a_series_may_say():
    series = Series.from_values(
        "run7",
        yaml.safe_load(
            """
            title: The run of November
            checkpoints: {at: "s3://bucket/run7/", pattern: "iter_{step}/hf", connection: ceph, stage: /cache/ckpt}
            ready: {settle_minutes: 5, marker: DONE, checksums: SHA256SUMS, tokenizer: false, spread_minutes: 30}
            suite: nightly@3
            cluster: slurm_ssh
            schedule: "*/10 * * * *"
            timezone: Asia/Shanghai
            baseline: 0.0.1
            limits: {every: 1000, newest_first: true, per_day: 8, at_once: 2, gpu_hours: 500, attempts: 2,
                     after_step: 1000, before_step: 90000, after: 2026-11-01, before: "2026-12-01T08:00+08:00"}
            model: {tokenizer_path: /tok, abbr: "big-{step}-step{step}"}
            params: {max_num_workers: 16, partition: eval}
            gate: {max_drop: 1.5}
            dag: opencompass_suite_nightly
            """.replace("{step}-step{step}", "{series}-iter-{step}")
        ),
    )
    assert series.checkpoints.at == "s3://bucket/run7"
    assert series.checkpoints.scheme == "s3"
    assert series.limits.after == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert series.limits.before == datetime(2026, 12, 1, tzinfo=UTC)
    assert series.name_of(5) == "big-run7-iter-5"
    assert series.gate == {"max_drop": 1.5}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suite": None}, "suite must be a string"),
        ({"suit": "a"}, "unknown key 'suit'; did you mean 'suite'"),
        ({"limits": {"evry": 5}}, "limits: unknown key 'evry'; did you mean 'every'"),
        ({"limits": {"every": 0}}, "limits: every must be a whole number of at least 1"),
        ({"limits": {"after": "soon"}}, "limits: after must be a date"),
        ({"checkpoints": {"at": "/ckpt"}}, "'pattern'"),
        ({"checkpoints": {"at": "ckpt", "pattern": "{step}"}}, "'ckpt' must be an absolute folder or a URL"),
        ({"checkpoints": {"at": "ftp://x/y", "pattern": "{step}"}}, "begins with s3://, oss://, hf://"),
        ({"checkpoints": {"at": "s3://b/x", "pattern": "{step}"}}, "mount or stage"),
        ({"checkpoints": {"at": "s3://b", "pattern": "{step}", "mount": "/m", "stage": "/s"}}, "mount or stage"),
        ({"checkpoints": {"at": "hf://o/r", "pattern": "{step}", "mount": "/m"}}, "say stage"),
        ({"checkpoints": {"at": "/x", "pattern": "{step}", "stage": "/s"}}, "a folder needs neither"),
        ({"checkpoints": {"at": "/x", "pattern": "{step}", "on": "cluster"}}, "name it with cluster"),
        ({"checkpoints": {"at": "/x", "pattern": "{step}", "on": "moon"}}, "'worker' or 'cluster'"),
        ({"schedule": "every day"}, "schedule must be a cron expression"),
        ({"schedule": "* * * * * *"}, "schedule must be a cron expression of five fields"),
        ({"schedule": "* * * * * * 2026"}, "schedule must be a cron expression of five fields"),
        ({"schedule": "R R * * *"}, "schedule must be a cron expression of five fields"),
        ({"schedule": "H * * * *"}, "schedule must be a cron expression of five fields"),
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"model": {"path": "/x"}}, "unknown key 'path'"),
        ({"model": {"abbr": "same"}}, "must tell the step"),
        ({"params": {"limit": 0}}, "limit=0: is too small"),
        ({"params": {"cluster": "a", "config": "b"}}, "cluster, config cannot be set here"),
        ({"params": {"max_num_worker": 1}}, "did you mean 'max_num_workers'"),
        ({"ready": {"settle_minutes": -1}}, "a number of at least 0"),
        ({"gate": {"max_drp": 1}}, "there is no setting 'max_drp'"),
    ],
)
def test_what_is_wrong_is_named(changes: dict, said: str):
    with pytest.raises(ConfigError) as error:
        Series.from_values("run7", LEAST | changes)
    assert said in str(error.value)
    assert "series 'run7'" in str(error.value)


def test_a_file_is_read_without_executing_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    (tmp_path / "bad.yaml").write_text("suite: !!python/object/apply:os.system ['true']\n")
    (tmp_path / "run7.yaml").write_text(yaml.safe_dump(LEAST))
    assert list(series_files()) == ["bad", "run7"]
    assert read_series("run7").suite == "nightly@3"
    with pytest.raises(ConfigError, match=r"bad\.yaml cannot be read"):
        read_file(tmp_path / "bad.yaml")
    with pytest.raises(ConfigError, match="there is no series 'run8'; there are: bad, run7"):
        read_series("run8")


@pytest.mark.parametrize("twice", ["suite: nightly@4", "cluster: other"])
def test_a_key_that_is_said_twice_is_named_with_its_line(tmp_path: Path, twice: str):
    file = tmp_path / "run7.yaml"
    file.write_text(yaml.safe_dump({**LEAST, "cluster": "h100"}) + twice)
    with pytest.raises(
        ConfigError, match=rf"run7\.yaml cannot be read: '{twice.partition(':')[0]}' is said twice .*line"
    ):
        read_file(file)


def test_series_lie_in_the_config_folders_and_the_first_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIRS", str(tmp_path / "mine"))
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path / "shipped"))
    for folder, suite in (("mine", "a@1"), ("shipped", "b@1")):
        (tmp_path / folder / "series").mkdir(parents=True)
        (tmp_path / folder / "series" / "run7.yaml").write_text(yaml.safe_dump(LEAST | {"suite": suite}))
    assert read_series("run7").suite == "a@1"


def test_the_shipped_example_is_right(repo: Path):
    files = sorted((repo / "include/configs/series").glob("*.yaml"))
    assert files
    for file in files:
        assert read_file(file).schedule


@pytest.mark.parametrize("schedule", ["0 3 * MAR FRI", "@hourly", "*/5 8-18 * * 1-5"])
def test_a_cron_expression_of_five_fields_is_one(schedule: str):
    assert Series.from_values("run7", LEAST | {"schedule": schedule}).schedule == schedule


def test_a_time_without_a_zone_is_meant_in_that_of_the_series():
    limits = {"after": "2026-11-01", "before": "2026-12-01T08:00+00:00"}
    series = Series.from_values("run7", LEAST | {"timezone": "Asia/Shanghai", "limits": limits})
    assert series.limits.after == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert series.limits.before == datetime(2026, 12, 1, 8, tzinfo=UTC)
