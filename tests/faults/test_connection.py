"""What may go wrong between Airflow and the login node."""

from __future__ import annotations

import asyncio
import socket

import pytest

from cluster.fixtures import MakeTestbed
from faults.conftest import WorldOn
from faults.template import SHARDS
from faults.world import CONNECTION, World, until
from opencompass_ops.clusters.shell import shell_for

pytestmark = pytest.mark.slurm

NOISE = """
echo "Welcome! You have 3 new messages"; printf 'half a line' >&2; printf '\\0\\033[0m\\r'
cd /tmp; umask 077; set -o noclobber; export BASH_ENV=/no/such/file POSIXLY_CORRECT=1
date >> {called}
"""


@pytest.mark.fault(
    "`.bashrc` prints to both streams, changes folder, umask, shell options and variables",
    "no answer holds any of it",
)
async def test_a_noisy_login_profile(world: World) -> None:
    called = world.place / "called"
    called.touch()
    called.chmod(0o666)
    world.profile(NOISE.format(called=called))
    async with world.run().driven():
        pass
    assert called.read_text()


@pytest.mark.fault(
    "every SSH connection is killed while jobs run and are watched", "no state changes but by a new look"
)
async def test_the_connection_is_cut_while_jobs_run(world: World) -> None:
    gate = world.hold()
    run = world.run()
    before = world.bed.connections
    async with run.driven():
        await run.running(SHARDS)
        for _ in range(2):
            await until(lambda: world.bed.cut_connections() > 0, "connection to cut")
        gate.unlink()
    assert world.bed.connections > before + 1
    assert len(run.rows()) == SHARDS + 1


@pytest.mark.soak
@pytest.mark.fault(
    "MaxSessions 2, and both are in use when the shards come",
    "a refused channel is asked for again; everything runs on the one connection",
)
async def test_sshd_opens_no_more_sessions(make_testbed: MakeTestbed, world_on: WorldOn) -> None:
    world = world_on(make_testbed(accounting="none", max_sessions=2))
    release = world.place / "release"
    script = 'until [ -e "$1" ]; do sleep 0.05; done'
    others = [asyncio.create_task(shell_for(CONNECTION).run_aside(script, [str(release)])) for _ in range(2)]
    async with world.run().driven():
        await until(lambda: "no more sessions" in world.bed.sshd_log.read_text(), "refused session")
        release.touch()
    assert [(await other).returncode for other in others] == [0, 0]
    assert world.bed.connections == 1


@pytest.mark.soak
@pytest.mark.fault(
    "MaxStartups 1, and somebody who never logs in has the one place",
    "the connection is made later, without haste; jobs are submitted once",
)
async def test_sshd_drops_new_connections(make_testbed: MakeTestbed, world_on: WorldOn) -> None:
    world = world_on(make_testbed(accounting="none", max_startups="1:100:1"))
    with socket.create_connection(("127.0.0.1", world.bed.bed.ports.ssh)) as stranger:
        stranger.recv(1)
        async with world.run().driven():
            await until(lambda: "drop connection" in world.bed.sshd_log.read_text(), "dropped connection")
            assert world.bed.connections == 0
            stranger.close()
    assert world.bed.connections == 1
