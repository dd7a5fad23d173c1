"""What a site grants, and what of it is left by what was used."""

from __future__ import annotations

import json

import pytest

from opencompass_ops.budgets import events, ledger
from opencompass_ops.budgets.account import table
from opencompass_ops.budgets.hours import HOUR
from opencompass_ops.budgets.site import Grant, Scope, Site, read, site
from opencompass_ops.cli import main
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import ConfigError
from opencompass_ops.results.rows import UsageRow
from opencompass_ops.results.store import Store

GRANTS = """
everyone: {day: 500}
each_user: {day: 100}
each_series: {day: 200, total: 4000}
users: {alice: {day: 300}}
series: {llm-v2: {total: 9000}}
"""
DAY = "2026-01-31"


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'results.db'}") as store:
        yield store


def used(token, hours, owner="alice", series="llm", day=DAY, run_dir="/runs/1"):
    return UsageRow(token, day, owner, series, run_dir, "slurm", 8, hours * HOUR)


def test_a_name_of_its_own_goes_before_what_everybody_gets(tmp_path):
    file = tmp_path / "budgets.yaml"
    file.write_text(GRANTS)
    found = read(file)
    assert [str(scope) for scope in found.scopes("alice", "llm-v2", DAY)] == [
        "500 GPU-hours of everyone on 2026-01-31 (UTC)",
        "300 GPU-hours of user 'alice' on 2026-01-31 (UTC)",
        "9000 GPU-hours of series 'llm-v2'",
    ]
    assert found.scopes("bob", "other", DAY)[1:] == (
        Scope("user", "bob", DAY, 100 * HOUR),
        Scope("series", "other", DAY, 200 * HOUR),
        Scope("series", "other", "", 4000 * HOUR),
    )
    assert [scope.kind for scope in found.scopes("", "", DAY)] == ["everyone"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("each_users: {day: 1}", "unknown key 'each_users'; did you mean 'each_user'"),
        ("everyone: {day: much}", "must be a number of GPU-hours, not 'much'"),
        ("everyone: {day: -1}", "must be a number of GPU-hours, not -1"),
        ("users: [alice]", "must be a table of names"),
        ("{", "cannot be read"),
        ("users: {}\nusers: {}", "'users' is said twice"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path, text, message):
    (tmp_path / "budgets.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "budgets.yaml")


def test_a_file_that_is_named_must_be_there_and_without_any_nothing_is_limited(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))
    assert site() == Site()
    (tmp_path / "budgets.yaml").write_text("everyone: {day: 2}")
    assert site().everyone == Grant(day=2.0)
    monkeypatch.setenv("OPENCOMPASS_OPS_BUDGETS", str(tmp_path / "other.yaml"))
    with pytest.raises(ConfigError, match="there is no such file"):
        site()


def test_the_ledger_takes_the_last_word_on_each_job(store):
    store.record_usage([used("a", 1), used("b", 2, owner="bob"), used("a", 9, day="2026-02-02")])
    store.record_usage([used("a", 3), used("a", 4, day="2026-02-01")])
    store.record_usage([])
    assert ledger.gpu_hours(store, "llm") == pytest.approx(9)
    assert ledger.gpu_hours(store, "llm", DAY) == pytest.approx(5)
    assert ledger.gpu_hours(store, "none") == 0
    assert ledger.spent(store, Scope("user", "alice", DAY, 0)) == pytest.approx(3 * HOUR)
    assert ledger.spent(store, Scope("run", "/runs/1", "", 0)) == pytest.approx(9 * HOUR)
    assert ledger.spent(store, Scope("everyone", "", DAY, 0)) == pytest.approx(5 * HOUR)


def test_what_a_series_has_left_is_the_least_of_its_limits(store):
    grants = Site(everyone=Grant(day=10), each_series=Grant(total=7))
    store.record_usage([used("a", 2), used("b", 5, series="other")])
    assert ledger.remaining(store, grants.scopes("", "llm", DAY)) == pytest.approx(3)
    assert ledger.remaining(store, grants.scopes("", "llm", "2026-02-01")) == pytest.approx(5)
    assert ledger.remaining(store, ()) is None
    assert ledger.exhausted(store, grants.scopes("", "llm", DAY)) == {}
    store.record_usage([used("c", 5, series="other")])
    assert list(ledger.exhausted(store, grants.scopes("", "llm", DAY)).values()) == [
        "10 GPU-hours of everyone on 2026-01-31 (UTC): 12.0 are used"
    ]


def test_the_table_shows_who_used_what_and_what_is_left(store):
    assert table(store, Site(), DAY) == "no GPU was used"
    store.record_usage([used("a", 2), used("b", 0.5, owner="", series="", day="2026-02-01")])
    shown = table(store, Site(each_user=Grant(total=3)), DAY).splitlines()
    assert [line.split() for line in shown[1:3]] == [["2026-02-01", "-", "-", "0.50"], [DAY, "alice", "llm", "2.00"]]
    assert shown[-1] == "3 GPU-hours of user 'alice': 1.00 left"


def test_the_command_tells_what_a_series_has_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", f"sqlite:///{tmp_path / 'results.db'}")
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))
    assert main(["budget"]) == 0
    assert main(["budget", "--series", "llm"]) == 0
    (tmp_path / "budgets.yaml").write_text("each_series: {total: 8}")
    assert main(["budget", "--series", "llm"]) == 0
    assert capsys.readouterr().out.splitlines() == ["no GPU was used", "no limit", "8.00"]
    (tmp_path / "series").mkdir()
    series = "checkpoints: {at: /ckpt, pattern: 'step-{step}'}\nsuite: nightly@1\nowner: ann\nlimits: {gpu_hours: 7}\n"
    (tmp_path / "series" / "llm.yaml").write_text(series)
    (tmp_path / "series" / "torn.yaml").write_text("{")
    assert main(["budget", "--series", "llm"]) == 0
    (tmp_path / "budgets.yaml").write_text("each_user: {day: 6}")
    assert main(["budget", "--series", "llm"]) == 0
    assert main(["budget"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == ["7.00", "6.00", "no GPU was used", "", "7 GPU-hours of series 'llm': 7.00 left"]
    assert "torn: not counted: " in told.err


def test_events_are_summed_up_by_limit_and_torn_lines_are_nothing(tmp_path):
    files = LocalFiles(tmp_path)
    assert events.told(files) == []
    for shard, was_running in (("infer-0", True), ("infer-1", False), ("infer-1", False)):
        events.tell(files, events.Event(events.BUDGET_EXCEEDED, "6 h of the clock per run", shard, shard, was_running))
    files.append("events.jsonl", '{"event": "torn')
    files.append("events.jsonl", json.dumps({"another": "kind"}))
    told = events.told(files)
    assert len(told) == 3
    assert events.summary(told) == ["budget exceeded: 6 h of the clock per run: 1 shards stopped, 1 not begun"]
    assert events.told(files, since="9999") == []
