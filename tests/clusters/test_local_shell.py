"""Frames through a real bash: bytes stay bytes, and nothing a script does reaches the next one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opencompass_ops.clusters.shell import Answer, Shell, close_shells, shell_for
from opencompass_ops.errors import LostError, UnreachableError

pytestmark = pytest.mark.process

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@pytest.fixture
async def shell(tmp_path, monkeypatch) -> AsyncIterator[Shell]:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    yield shell_for("")
    await close_shells()


async def appears(path: Path, seconds: float = 20.0) -> str:
    async with asyncio.timeout(seconds):
        while not path.exists() or not path.read_text():
            await asyncio.sleep(0.01)
    return path.read_text()


async def is_empty(folder: Path, seconds: float = 20.0) -> bool:
    async with asyncio.timeout(seconds):
        while list(folder.iterdir()):
            await asyncio.sleep(0.01)
    return True


async def test_a_script_has_its_arguments_its_stdin_and_three_answers(shell):
    answer = await shell.run('printf "%s|" "$@"; cat; echo oops >&2; exit 3', ("a b", "", "'", "$(id)"), b"in")
    assert answer == Answer(3, b"a b||'|$(id)|in", b"oops\n")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stdin=st.binary(max_size=5000), arguments=st.lists(texts, max_size=5), noise=st.binary(max_size=300))
async def test_any_bytes_and_any_arguments_come_through_unchanged(shell, stdin, arguments, noise):
    script = "cat; for argument; do printf '%s\\0' \"$argument\" >&2; done"
    answer = await shell.run(script, arguments, stdin + noise)
    assert answer == Answer(0, stdin + noise, "".join(f"{argument}\0" for argument in arguments).encode())


async def test_an_argument_that_is_no_utf8_comes_through(shell):
    name = b"caf\xe9'\xff".decode(errors="surrogateescape")
    assert (await shell.run('printf "%s" "$1"', [name])).stdout == b"caf\xe9'\xff"


async def test_megabytes_go_in_and_out(shell):
    data = bytes(range(256)) * 40_000
    assert (await shell.run("cat", stdin=data)).stdout == data


async def test_arguments_longer_than_a_command_line_come_through(shell):
    long = "x" * 3_000_000
    assert (await shell.run('printf "%s" "${#1}"', [long])).stdout == b"3000000"


async def test_a_script_that_reads_too_much_sees_the_end_and_not_the_next_script(shell):
    greedy = asyncio.create_task(shell.run("cat; cat; wc -c", stdin=b"mine"))
    after = asyncio.create_task(shell.run("echo next"))
    assert (await greedy).stdout.split() == [b"mine0"]
    assert (await after).stdout == b"next\n"


async def test_a_signal_is_a_return_code_above_128(shell):
    assert (await shell.run("kill -KILL $$")).returncode == 137


async def test_a_hang_up_and_a_broken_pipe_end_neither_a_script_nor_the_shell(shell):
    answer = await shell.run("kill -HUP $PPID $$; kill -PIPE $PPID $$; echo alive")
    assert answer == Answer(0, b"alive\n", b"")


@pytest.mark.parametrize(
    "script",
    [
        "exit",
        "exec 0<&- 1>&- 2>&-",
        "if",
        "set -e; false",
        "trap 'echo bye' EXIT; kill -TERM $$",
        "exec cat",
        "kill $$",
    ],
)
async def test_nothing_that_a_script_does_reaches_the_next_one(shell, script):
    assert isinstance(await shell.run(script), Answer)
    assert await shell.run("echo fine") == Answer(0, b"fine\n", b"")


async def test_what_a_script_leaves_in_the_background_neither_delays_nor_enters_an_answer(shell, tmp_path):
    waiting = f"until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    left = f"({waiting}; echo late; echo late >&2; echo done >{tmp_path}/done) & echo begun"
    assert await shell.run(left) == Answer(0, b"begun\n", b"")
    shutil.copy("/dev/null", tmp_path / "go")
    answer = await shell.run(f"until [ -s {tmp_path}/done ]; do sleep 0.01; done; echo mine")
    assert answer == Answer(0, b"mine\n", b"")


async def test_scripts_are_private_and_begin_at_home(shell, tmp_path):
    answer = await shell.run(f"umask; pwd; stat -c %a {tmp_path}/tmp/*")
    assert answer.stdout.decode().split() == ["0077", str(Path.home()), "700"]


async def test_the_login_environment_cannot_change_what_a_script_means(shell, tmp_path, monkeypatch):
    (tmp_path / "rc").write_text("echo from BASH_ENV\n")
    monkeypatch.setattr(
        "opencompass_ops.clusters.local_line._environment",
        lambda: {"PATH": "/usr/bin:/bin", "BASH_ENV": str(tmp_path / "rc"), "BASH_FUNC_cat%%": "() { echo fake; }"},
    )
    assert await shell.run("cat", stdin=b"real") == Answer(0, b"real", b"")


async def test_secrets_of_this_process_are_not_in_the_environment_of_scripts(shell, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "canary")
    monkeypatch.setenv("HF_TOKEN", "canary")
    assert b"canary" not in (await shell.run("env")).stdout


async def test_a_script_goes_on_when_its_caller_gave_up_and_cleans_up(shell, tmp_path):
    script = f"until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo out; echo err >&2; echo submitted >{tmp_path}/done"
    with pytest.raises(LostError, match="may run still"):
        await shell.run(script, timeout=0.2)
    assert (await shell.run("echo next")).stdout == b"next\n"
    await close_shells()
    (tmp_path / "go").touch()
    assert await appears(tmp_path / "done") == "submitted\n"
    assert await is_empty(tmp_path / "tmp")


async def test_a_bash_that_is_killed_in_mid_script_is_lost(shell):
    with pytest.raises(LostError, match="connection ended"):
        await shell.run("kill -KILL $PPID")
    assert (await shell.run("echo next")).stdout == b"next\n"


async def test_a_bash_that_is_killed_while_idle_is_replaced(shell, tmp_path):
    pid = int((await shell.run("echo $PPID")).stdout)
    await shell.run_aside(
        f"kill -KILL {pid}; until ! kill -0 {pid} 2>/dev/null || grep -q Z /proc/{pid}/stat; do :; done"
    )
    async with asyncio.timeout(20):
        while not shell._session.ended:
            await asyncio.sleep(0.01)
    assert (await shell.run("echo next")).stdout == b"next\n"


async def test_half_a_frame_never_runs(shell, tmp_path):
    """The connection ends while the script is being sent."""
    from opencompass_ops.clusters.framing import frame, opening
    from opencompass_ops.clusters.local_line import LocalLine

    data = frame("abc", 1, f"echo ran >{tmp_path}/ran\n:", (), b"0123456789")
    for length in range(0, len(data), 7):
        stream = await LocalLine().open()
        await stream.write(opening("abc") + data[:length])
        stream._writer.write_eof()
        while await stream.read():
            pass
        stream.close()
    assert not (tmp_path / "ran").exists()
    assert await is_empty(tmp_path / "tmp")


async def test_a_host_without_room_for_the_script_is_unreachable_with_the_reason(shell, tmp_path):
    (tmp_path / "tmp").rmdir()
    with pytest.raises(UnreachableError, match="mktemp"):
        await shell.run("true")


async def test_closing_leaves_nothing_behind(shell, tmp_path):
    await shell.run("true")
    assert list((tmp_path / "tmp").iterdir())
    await close_shells()
    assert await is_empty(tmp_path / "tmp")


async def test_there_is_one_shell_per_event_loop(shell):
    assert shell_for("") is shell
    other = await asyncio.to_thread(asyncio.run, _shell_of_another_loop())
    assert other is not shell


async def _shell_of_another_loop() -> Shell:
    try:
        return shell_for("")
    finally:
        await close_shells()
