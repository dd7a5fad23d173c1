"""An inference job killed at random moments, many times over."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time

import pytest

from inference.heartbeat import Progress
from inference.infer import infer
from inference.startup import import_work
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles

pytestmark = [pytest.mark.soak, pytest.mark.model]

KILLS, SECONDS = 200, 170


@pytest.fixture
def spec(make_spec, gen_dataset, ppl_dataset):
    return make_spec(gen_dataset, ppl_dataset)


def start(folder, spec):
    """A process that works on the shard; forked, because importing torch takes longer than the work."""
    pid = os.fork()
    if pid == 0:
        try:
            infer(LocalFiles(folder), spec, "oc-soak", Progress())
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def ends_within(pid, seconds):
    """Whether the process ended by itself, and well; it is killed when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0
            return True
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] == 0


def predictions(folder, spec):
    return [LocalFiles(folder).read(layout.prediction(spec.model_abbr, part.name)) for part in spec.parts]


def test_predictions_do_not_show_how_often_their_job_was_killed(tmp_path, spec, record):
    import_work()
    begun = time.monotonic()
    assert ends_within(start(tmp_path / "undisturbed", spec), 60)
    whole = time.monotonic() - begun
    wanted, chance = predictions(tmp_path / "undisturbed", spec), random.Random(5)
    kills = finished = 0
    while kills < KILLS or not finished:
        assert time.monotonic() - begun < SECONDS, f"only {kills} kills"
        limit = chance.uniform(0, whole) if kills < KILLS else 60
        if not ends_within(start(tmp_path / "killed", spec), limit):
            kills += 1
            continue
        finished += 1
        assert predictions(tmp_path / "killed", spec) == wanted
        shutil.rmtree(tmp_path / "killed")
    record(
        "inference job, killed at random (SIGKILL)",
        f"44 rows, {KILLS} kills",
        f"{finished} of {finished} ends byte-equal to the undisturbed one, {time.monotonic() - begun:.0f} s",
    )
