"""Whatever goes wrong, in whatever order: no shard is lost, none is done twice, none succeeds without its files.

The real remote scripts, job scripts and control code run against a fake Slurm (``fake/``), in virtual time.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.clusters.slurm.fake.faults import EVERYTHING
from tests.clusters.slurm.fake.slurm import Site
from tests.clusters.slurm.fake.world import Report, Setting, Step, play

pytestmark = pytest.mark.process

EXAMPLES, SOAK_EXAMPLES = 25, 600

SITES = st.builds(
    Site,
    nodes=st.integers(1, 2),
    accounting=st.booleans(),
    lag=st.sampled_from([0.0, 5.0]),
    min_job_age=st.sampled_from([15.0, 300.0]),
    completing=st.sampled_from([0.0, 1.0, 20.0]),
    ids=st.sampled_from([8, 1000]),
)
SETTINGS = st.builds(
    Setting,
    site=SITES,
    shards=st.integers(1, 3),
    limit=st.integers(1, 2),
    seconds=st.sampled_from([2.0, 10.0]),
    requeue=st.booleans(),
    bad=st.integers(0, 1),
)
STEPS = st.builds(
    Step,
    after=st.sampled_from([0.0, 1.0, 3.0, 8.0, 20.0, 60.0]),
    fault=st.sampled_from(sorted(EVERYTHING)),
    number=st.integers(0, 9),
)
SCHEDULES = st.lists(STEPS, max_size=6)


def test_without_faults_every_shard_is_one_job():
    report = play(Setting(shards=3, limit=2), ())
    assert (report.problems, report.jobs) == ([], 3)


def test_a_submission_that_was_killed_counts_though_the_queue_was_looked_at_just_before():
    report = play(Setting(shards=2), (Step(0, "login_reboots", 1),))
    assert (report.problems, report.struck) == ([], {"login_reboots": 1})


@pytest.mark.parametrize("fault", ["preempted", "requeued"])
def test_a_job_that_is_put_back_before_the_queue_shows_it_does_not_work_beside_the_next(fault):
    setting = Setting(site=Site(nodes=1, accounting=False), shards=1, requeue=True)
    report = play(setting, (Step(0, "squeue_lags", 3), Step(8, fault)))
    assert (report.problems, report.struck) == ([], {"squeue_lags": 1, fault: 1})


# A failure is told at once; `make soak` looks for the smallest schedule that shows it.
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(SETTINGS, SCHEDULES)
def test_no_schedule_of_faults_loses_doubles_or_makes_up_a_shard(setting, schedule):
    assert play(setting, schedule).problems == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_schedule_of_very_many_does(record):
    reports: list[Report] = []
    begun = time.monotonic()

    @settings(max_examples=SOAK_EXAMPLES, deadline=None)
    @given(SETTINGS, SCHEDULES)
    def explore(setting, schedule):
        reports.append(play(setting, schedule))
        assert reports[-1].problems == []

    explore()
    struck = sum((report.struck for report in reports), Counter())
    assert len(struck) >= 3 / 4 * len(EVERYTHING)  # some faults need a moment that few schedules hit
    hours = sum(report.seconds for report in reports) / 3600
    record(
        "Slurm jobs, random fault schedules (fake cluster)",
        f"{len(reports)} schedules, {struck.total()} faults of {len(struck)} of {len(EVERYTHING)} kinds",
        f"0 lost, 0 doubled of {sum(report.jobs for report in reports)} jobs in {hours:.0f} h of the cluster's time, "
        f"{time.monotonic() - begun:.0f} s",
    )
