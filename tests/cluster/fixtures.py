"""Testbeds as pytest fixtures; they go when the session ends, however it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster import containers, packages
from cluster.blueprint import Options
from cluster.containers import InferenceImage
from cluster.packages import Host, Verdict
from cluster.testbed import Testbed, sweep
from opencompass_ops.clusters.processes import ProcessId
from workers import one_at_a_time

PLACE = Path("/tmp")  # open to all users and short, unlike pytest's own folders
PREFIX = "opencompass-ops-bed-"
TRIAL_SECONDS = 120
MakeTestbed = Callable[..., Testbed]


@pytest.fixture(scope="session")
def slurm_packages() -> None:
    """Skips without Slurm; where the packages were to be installed and are not there, it fails."""
    provide(packages.SLURM)


def provide(needed: Mapping[str, tuple[str, ...]], host: Host | None = None) -> None:
    """See to it that these packages are there, or end the test with the reason why they are not.

    :param host: what counts of this host; as it is where Slurm is concerned when left out.
    """
    with one_at_a_time():
        decision = packages.decide(host or packages.look(needed))
        if decision.verdict is Verdict.SKIP:
            pytest.skip(decision.reason)
        if decision.verdict is Verdict.FAIL:
            pytest.fail(decision.reason, pytrace=False)
        if decision.verdict is Verdict.INSTALL:
            packages.install(needed)


@pytest.fixture(scope="session")
def _swept() -> None:
    """Testbeds of killed sessions go first."""
    sweep(PLACE.glob(f"{PREFIX}*"))


@pytest.fixture(scope="session")
def testbed(slurm_packages: None, _swept: None) -> Iterator[Testbed]:
    """The testbed that all tests of a session share; whoever breaks it mends it."""
    bed = _up(Options(), ProcessId.mine())
    yield bed
    bed.down()


@pytest.fixture
def make_testbed(slurm_packages: None, _swept: None) -> Iterator[MakeTestbed]:
    """Make a testbed with other options for one test: ``make_testbed(accounting="none", min_job_age=2)``."""
    beds: list[Testbed] = []

    def make(owner: ProcessId | None = None, **options: Any) -> Testbed:
        beds.append(_up(Options(**options), owner or ProcessId.mine()))
        return beds[-1]

    yield make
    for bed in beds:
        bed.down()


def _up(options: Options, owner: ProcessId) -> Testbed:
    return Testbed.up(Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE)), options, owner)


@pytest.fixture(scope="session")
def inference_image(testbed: Testbed, repo: Path) -> InferenceImage:
    """The inference image, for ``container=dict(runtime="podman", ...)`` in jobs of ``testbed``'s users.

    The session's first container loads it from its archive, as it would on a real cluster.
    """
    provide(packages.CONTAINERS)
    if not testbed.bed.is_private:
        pytest.skip("containers run in jobs of a testbed that root brought up; its users have homes of their own")
    image = containers.offer(testbed.bed, _built(repo))
    containers.give_podman(testbed.bed)
    try:
        testbed.ssh("srun", "bash", "-c", containers.trial(image), timeout=TRIAL_SECONDS)
    except RuntimeError as problem:
        pytest.skip(f"rootless podman does not run containers in jobs on this host: {problem}")
    return image


def _built(repo: Path) -> Path:
    """The image's archive; where nothing may be installed, a base that cannot be fetched is a reason to skip."""
    try:
        with one_at_a_time():
            return containers.build(repo, repo / ".cache")
    except RuntimeError as problem:
        if packages.told():
            raise
        pytest.skip(f"the image cannot be built here: {problem}")
