"""The shell against a real sshd with its limits, and a real login shell with its profile."""

from __future__ import annotations

import asyncio
import json
import pwd
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.fixtures import MakeTestbed
from cluster.testbed import Testbed
from opencompass_ops.clusters.shell import Answer, Shell, close_shells, shell_for
from opencompass_ops.errors import LostError, UnreachableError

pytestmark = pytest.mark.slurm

Reach = Callable[[Testbed], Shell]


@pytest.fixture
async def reach(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reach]:
    def reach(bed: Testbed) -> Shell:
        monkeypatch.setenv("AIRFLOW_CONN_TESTBED", json.dumps(bed.airflow_connection()))
        return shell_for("testbed")

    yield reach
    await close_shells()


@pytest.fixture
def profile(testbed: Testbed) -> Iterator[Path]:
    """What bash runs first when sshd starts it."""
    path = Path(pwd.getpwnam(testbed.user).pw_dir) / ".bashrc"
    path.write_text("")
    path.chmod(0o644)
    yield path
    path.unlink()


async def test_fifty_callers_are_one_connection_in_sshds_log(testbed: Testbed, reach: Reach) -> None:
    before = testbed.connections
    answers = await asyncio.gather(*(reach(testbed).run('squeue -h; echo "$1"', [str(n)]) for n in range(50)))
    assert [int(answer.stdout) for answer in answers] == list(range(50))
    assert testbed.connections == before + 1


async def test_sbatch_takes_a_script_from_stdin_and_options_from_arguments(testbed: Testbed, reach: Reach) -> None:
    options = ["--parsable", "--job-name=it's $(id)", f"--output={testbed.shared}/%j.out"]
    answer = await reach(testbed).run('sbatch "$@"', options, stdin=b"#!/bin/sh\ntrue\n")
    job = answer.stdout.decode().strip()
    assert testbed.run("squeue", "-h", "-t", "all", f"--jobs={job}", "--format=%j").strip() == "it's $(id)"


async def test_a_submission_is_completed_though_its_connection_is_cut(testbed: Testbed, reach: Reach) -> None:
    folder = testbed.make_folder("cut")
    script = f'touch {folder}/begun; until [ -e {folder}/go ]; do sleep 0.01; done; sbatch --parsable "$@" >{folder}/id'
    arguments = [f"--output={testbed.shared}/%j.out", "--wrap=true"]
    before = testbed.connections
    call = asyncio.create_task(reach(testbed).run(script, arguments))
    await appears(folder / "begun")
    assert testbed.cut_connections() > 0
    with pytest.raises(LostError, match="connection ended before the answer"):
        await call
    (folder / "go").touch()
    await appears(folder / "id")
    assert (await reach(testbed).run("echo fine")).stdout == b"fine\n"
    assert testbed.connections == before + 2


async def test_a_noisy_login_profile_is_in_no_answer(testbed: Testbed, reach: Reach, profile: Path) -> None:
    profile.write_text(
        'echo "motd: 0 answer 1 0 0 0"; echo oops >&2; set -v; export BASH_ENV=~/.bashrc\n'
        "squeue() { echo mine; }; export -f squeue; alias cat=false; cd /; umask 0\n"
    )
    answer = await reach(testbed).run("squeue -h --name=nobody; umask; pwd; cat", stdin=b"end")
    home = pwd.getpwnam(testbed.user).pw_dir
    assert answer == Answer(0, f"0077\n{home}\nend".encode(), b"")


async def test_sshd_with_room_for_five_sessions_is_enough(make_testbed: MakeTestbed, reach: Reach) -> None:
    bed = make_testbed(accounting="none", nodes=1, max_sessions=5)
    before = bed.connections
    aside = [reach(bed).run_aside('sleep 0.05; echo "$1"', [str(number)]) for number in range(20)]
    answers = await asyncio.gather(reach(bed).run("echo 100"), *aside)
    assert [int(answer.stdout) for answer in answers] == [100, *range(20)]
    assert bed.connections == before + 1


async def test_a_connection_that_sshd_refuses_unheard_is_made_later(make_testbed: MakeTestbed, reach: Reach) -> None:
    bed = make_testbed(accounting="none", nodes=1, max_startups="6:100:6")
    before = bed.connections
    with ExitStack() as strangers:
        for _ in range(6):
            stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", bed.bed.ports.ssh)))
            assert stranger.recv(3) == b"SSH"
        with pytest.raises(UnreachableError, match=r"before the login.*MaxStartups"):
            await reach(bed).run("true")
    async with asyncio.timeout(60):
        while not await answers(reach(bed)):
            pass
    assert bed.connections == before + 1


async def answers(shell: Shell) -> bool:
    try:
        return (await shell.run("echo fine")).stdout == b"fine\n"
    except UnreachableError:
        return False


async def appears(path: Path) -> None:
    async with asyncio.timeout(60):
        while not path.exists():
            await asyncio.sleep(0.01)
