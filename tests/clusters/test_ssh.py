"""One connection for everybody, and what is lost on it is never an answer."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncssh
import pytest
from ssh_server import Server, serving

from opencompass_ops.clusters import connections, framed, ssh, ssh_connection
from opencompass_ops.clusters.connections import SshTarget
from opencompass_ops.clusters.shell import Answer, Shell, close_shells, shell_for
from opencompass_ops.clusters.ssh import SshLine
from opencompass_ops.errors import ConfigError, LostError, UnreachableError, UnsureError

pytestmark = pytest.mark.process


@pytest.fixture
async def server(tmp_path_factory, monkeypatch) -> AsyncIterator[Server]:
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scripts")))  # bash that is killed leaves its folder
    async with serving() as server:
        yield server
        await close_shells()


@pytest.fixture
def target(server, tmp_path) -> SshTarget:
    return SshTarget(
        "127.0.0.1", server.port, "hpc", key_file=server.key_file(tmp_path), host_key=server.known_host, timeout=20
    )


@pytest.fixture
def reach(monkeypatch) -> Callable[[SshTarget], Shell]:
    """The shell of a connection that stands for ``target``, without pauses between attempts."""
    monkeypatch.setattr(ssh, "_jitter", lambda _longest: 0.0)

    def reach(target: SshTarget) -> Shell:
        async def resolver(_connection_id: str) -> SshTarget:
            return target

        monkeypatch.setattr(connections, "_resolver", resolver)
        return shell_for("login_node")

    return reach


@pytest.fixture
async def shell(reach, target) -> Shell:
    return reach(target)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_fifty_callers_share_one_connection_and_one_session(shell, server):
    answers = await asyncio.gather(*(shell.run('echo "$1"', [str(number)]) for number in range(50)))
    assert [int(answer.stdout) for answer in answers] == list(range(50))
    assert (server.wire.accepted, server.logins, server.sessions) == (1, 1, 1)


async def test_bytes_and_arguments_come_through_unchanged(shell):
    answer = await shell.run('cat; printf "%s" "$1" >&2; exit 7', ["a 'b\n$(id)"], bytes(range(256)))
    assert answer == Answer(7, bytes(range(256)), b"a 'b\n$(id)")


async def test_megabytes_go_up_beside_the_shell_while_it_answers(shell, server):
    data = bytes(range(256)) * 20_000
    upload = asyncio.create_task(shell.run_aside("cat | wc -c", stdin=data))
    assert (await shell.run("echo poll")).stdout == b"poll\n"
    assert int((await upload).stdout) == len(data)
    assert (server.wire.accepted, server.sessions) == (1, 2)


@pytest.mark.parametrize("cut", [1, 30, 100, 150])
async def test_a_connection_that_breaks_in_mid_answer_is_lost_and_made_again_once(shell, server, tmp_path, cut):
    await shell.run("true")
    server.wire.cut_after = cut
    with pytest.raises(LostError, match="login_node: the connection ended before the answer"):
        await shell.run(f"echo ran >>{tmp_path}/ran; printf %099d 0")
    answers = await asyncio.gather(*(shell.run("echo again") for _ in range(5)))
    assert {answer.stdout for answer in answers} == {b"again\n"}
    assert server.wire.accepted == server.logins == 2
    assert (tmp_path / "ran").read_text() == "ran\n"


@pytest.mark.parametrize("cut", [0, 1, 37, 38, 39, 60, 90, 124])
async def test_a_session_that_closes_without_an_exit_status_gives_no_answer(shell, server, cut):
    server.vanish_after = cut
    with pytest.raises(UnreachableError if cut < 39 else LostError):
        await shell.run("echo ran")
    assert server.vanish_after is None
    assert (await shell.run("echo again")).stdout == b"again\n"
    assert server.wire.accepted == 1


async def test_a_bash_that_ends_with_status_0_in_mid_script_is_lost(shell):
    with pytest.raises(LostError):
        await shell.run("kill -TERM $PPID")


async def test_a_script_that_has_begun_is_completed_though_the_connection_breaks(shell, server, tmp_path):
    script = f"echo >{tmp_path}/begun; until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo x; echo >{tmp_path}/done"
    call = asyncio.create_task(shell.run(script))
    await until((tmp_path / "begun").exists)
    server.wire.drop()
    with pytest.raises(LostError):
        await call
    (tmp_path / "go").touch()
    await until((tmp_path / "done").exists)


async def test_a_connection_that_broke_while_idle_is_made_again_and_nobody_notices(shell, server):
    await shell.run("true")
    server.wire.drop()
    await until(lambda: shell._session.ended)
    assert (await shell.run("echo fine")).stdout == b"fine\n"
    assert server.wire.accepted == 2


async def test_a_server_that_falls_silent_is_lost_and_then_left(shell, server, monkeypatch):
    await shell.run("true")
    monkeypatch.setattr(ssh_connection, "_OPEN_SECONDS", 2.0)
    server.wire.silence()
    with pytest.raises(LostError, match="no answer within"):
        await shell.run("true", timeout=0.1)
    assert (await shell.run("echo back")).stdout == b"back\n"
    assert server.wire.accepted == 2


NOISE = """
echo "Welcome to the cluster"; echo "deadbeef answer 1 0 0 0"; printf '\\0\\377 end 1\\n'; echo oops >&2
cat() { echo "not the real cat"; }; export -f cat
export BASH_ENV=/dev/fd/9; alias bash=false; set -v
"""


async def test_whatever_the_login_profile_says_and_exports_is_not_in_any_answer(shell, server):
    server.profile = NOISE
    for number in range(3):
        assert await shell.run("cat", stdin=b"real %d" % number) == Answer(0, b"real %d" % number, b"")


async def test_noise_that_never_ends_makes_right_answers_or_lost_ones(shell, server):
    server.profile = "(for i in {1..3000}; do echo noise; done; sleep 0.01; for i in {1..3000}; do echo noise; done) &"
    for number in range(20):
        try:
            assert (await shell.run('printf "%s" "$1"', [str(number)])).stdout == str(number).encode()
        except UnsureError:
            continue


async def test_a_profile_that_ends_the_session_is_unreachable_and_its_words_are_shown(shell, server):
    server.profile = "echo 'your account has expired'; exit 0"
    with pytest.raises(UnreachableError, match="your account has expired"):
        await shell.run("true")


async def test_a_session_that_says_nothing_is_unreachable(shell, server, monkeypatch):
    monkeypatch.setattr(framed, "_GREETING_SECONDS", 0.1)
    server.silent = True
    with pytest.raises(UnreachableError, match="did not begin"):
        await shell.run("true")
    server.silent = False
    assert (await shell.run("echo fine")).stdout == b"fine\n"


async def test_channels_that_are_refused_are_asked_for_again(shell, server, tmp_path):
    server.refuse_sessions = 3
    await shell.run(f"echo ran >>{tmp_path}/ran")
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert (server.sessions, server.wire.accepted) == (1, 1)


async def test_a_server_that_allows_few_sessions_still_runs_everything(target, server, monkeypatch):
    async def resolver(_connection_id: str) -> SshTarget:
        return target

    monkeypatch.setattr(connections, "_resolver", resolver)
    shell = shell_for("login_node")
    server.max_sessions = 5
    aside = [shell.run_aside('echo "$1"', [str(number)]) for number in range(12)]
    answers = await asyncio.gather(shell.run("echo 100"), *aside)
    assert [int(answer.stdout) for answer in answers] == [100, *range(12)]
    assert (server.wire.accepted, server.most_sessions) == (1, 5)


async def test_a_server_without_room_for_a_channel_is_unreachable_with_the_setting_to_raise(shell, server):
    server.refuse_sessions = 1000
    with pytest.raises(UnreachableError, match="MaxSessions"):
        await shell.run("true")
    server.refuse_sessions = 0
    assert (await shell.run("echo fine")).stdout == b"fine\n"


async def test_sessions_that_hang_on_the_server_do_not_block_it_for_ever(shell, server):
    server.max_sessions = 1
    with pytest.raises(LostError):
        await shell.run("sleep 3", timeout=0.1)
    server.open_sessions = 1  # a real sshd counts the session as long as the script runs
    with pytest.raises(UnreachableError, match="MaxSessions"):
        await shell.run("true")
    await until(lambda: not server.wire.open)
    server.open_sessions = 0
    assert (await shell.run("echo fine")).stdout == b"fine\n"
    assert server.wire.accepted == 2


async def test_all_who_come_while_a_connection_is_made_share_its_error(shell, server):
    server.wire.refuse = 1
    results = await asyncio.gather(*(shell.run_aside("true") for _ in range(4)), return_exceptions=True)
    assert {type(result) for result in results} == {UnreachableError}
    assert all("before the login" in str(result) and "MaxStartups" in str(result) for result in results)
    assert server.wire.accepted == 1
    assert (await shell.run("echo fine")).stdout == b"fine\n"


async def test_a_caller_who_gives_up_does_not_end_the_attempt_for_the_others(shell, server):
    server.wire.delay = 0.02
    impatient = asyncio.create_task(shell.run_aside("echo 1"))
    patient = asyncio.create_task(shell.run_aside("echo 2"))
    await until(lambda: server.wire.accepted)
    impatient.cancel()
    assert (await patient).stdout == b"2\n"
    assert server.wire.accepted == 1


async def test_a_caller_who_gives_up_while_a_channel_opens_leaves_none_behind(shell, server):
    await shell.run("true")
    server.wire.delay = 0.05
    for _ in range(3):
        impatient = asyncio.create_task(shell.run_aside("true"))
        sessions = server.sessions
        await until(lambda: server.sessions > sessions)  # noqa: B023  # called at once
        impatient.cancel()
    await until(lambda: server.open_sessions == 1)


async def test_a_wrong_host_key_is_refused_with_the_next_step(reach, target, server):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(UnreachableError, match=r"Host key is not trusted.*differs from host_key"):
        await reach(replace(target, host_key=other)).run("true")
    assert server.logins == 0


async def test_an_unknown_host_key_is_refused_with_the_next_step(reach, target, server, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UnreachableError, match=rf"ssh-keyscan -p {server.port} 127.0.0.1.*~/.ssh/known_hosts"):
        await reach(replace(target, host_key=None)).run("true")
    assert server.logins == 0


async def test_a_host_key_that_is_not_checked_is_warned_about(reach, target, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(logging.Logger, "warning", lambda _self, text, *values: warnings.append(text % values))
    await reach(replace(target, host_key=None, check_host_key=False)).run("true")
    assert [text for text in warnings if "host key is not checked" in text]


async def test_a_refused_login_names_user_and_key(reach, target, tmp_path):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "wrong"))
    with pytest.raises(UnreachableError, match=r"hpc@127.0.0.1:\d+.*Permission denied.*key_file .*/wrong"):
        await reach(replace(target, key_file=str(tmp_path / "wrong"))).run("true")


async def test_a_port_where_nobody_listens_is_named(reach, target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UnreachableError, match=rf"hpc@127.0.0.1:{port}.*nobody listens"):
        await reach(replace(target, port=port)).run("true")


async def test_a_server_that_does_not_answer_is_given_up_in_time(reach, target, server):
    server.wire.deaf = True
    with pytest.raises(UnreachableError, match=r"no connection within 0\.2 s"):
        await reach(replace(target, timeout=0.2)).run("true")


async def test_a_private_key_that_cannot_be_read_is_a_mistake_of_the_connection(reach, target):
    with pytest.raises(ConfigError, match="private_key") as caught:
        await reach(replace(target, key_file=None, private_key="-----BEGIN canary")).run("true")
    assert "canary" not in str(caught.value)


async def test_a_private_key_in_the_connection_logs_in(reach, target, server):
    key = server.user_key.export_private_key(passphrase="open sesame").decode()
    shell = reach(replace(target, key_file=None, private_key=key, passphrase="open sesame"))
    assert (await shell.run("echo in")).stdout == b"in\n"


async def test_a_proxy_command_carries_the_connection(reach, target, server, tmp_path):
    (tmp_path / "proxy.py").write_text(PROXY)
    command = f"{sys.executable} {tmp_path}/proxy.py %h %p"
    assert (await reach(replace(target, proxy_command=command)).run("echo in")).stdout == b"in\n"
    assert (tmp_path / "proxy.used").read_text() == f"127.0.0.1 {server.port}"


async def test_a_proxy_command_that_fails_is_named(reach, target):
    with pytest.raises(UnreachableError, match="the proxy command 'false %h' ended"):
        await reach(replace(target, proxy_command="false %h")).run("true")


PROXY = """
import os, pathlib, socket, sys, threading
pathlib.Path(__file__).with_suffix(".used").write_text(" ".join(sys.argv[1:]))
wire = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        wire.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := wire.recv(65536):
    os.write(1, data)
"""


async def test_an_id_that_is_no_connection_is_a_host_of_the_ssh_config(server, target, tmp_path, monkeypatch):
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.known_host}\n")
    (folder / "config").write_text(
        f"Host big-cluster\n  HostName 127.0.0.1\n  Port {server.port}\n  User hpc\n"
        f"  IdentityFile {target.key_file}\n  RequestTTY force\n  ForwardAgent yes\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (await shell_for("big-cluster").run("echo in")).stdout == b"in\n"
    assert server.logins == 1
    assert server.terminals == [None]  # one would change line ends and echo what is sent


async def test_closing_ends_the_connection_and_the_next_call_makes_a_new_one(shell, server):
    await shell.run("true")
    await shell.close()
    await until(lambda: not server.wire.open)
    assert (await shell.run("echo in")).stdout == b"in\n"
    assert server.wire.accepted == 2


async def test_closing_while_connecting_leaves_nobody_waiting(shell, server):
    server.wire.deaf = True
    call = asyncio.create_task(shell.run("true"))
    await until(lambda: server.wire.accepted)
    await shell.close()
    with pytest.raises(UnreachableError, match="closed while connecting"):
        await call


async def test_pauses_before_new_attempts_double_up_to_a_minute_and_are_random(target, monkeypatch, server):
    async def resolver(_connection_id: str) -> SshTarget:
        return replace(target, port=1)

    limits: list[float] = []
    monkeypatch.setattr(connections, "_resolver", resolver)
    monkeypatch.setattr(ssh, "_jitter", lambda longest: limits.append(longest) or 0.0)
    line = SshLine("login_node")
    for _ in range(9):
        with pytest.raises(UnreachableError):
            await line.open()
    assert limits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_connections_that_break_at_once_are_not_made_again_in_haste(shell, server, monkeypatch):
    limits: list[float] = []
    monkeypatch.setattr(ssh, "_jitter", lambda longest: limits.append(longest) or 0.0)
    for _ in range(4):
        await shell.run("true")
        server.wire.drop()
        await until(lambda: shell._session.ended)
    await shell.run("true")
    assert limits == [1, 2, 4, 8]
    monkeypatch.setattr(ssh, "_STABLE_SECONDS", 0.0)
    server.wire.drop()
    await until(lambda: shell._session.ended)
    await shell.run("true")
    assert limits == [1, 2, 4, 8]


async def test_too_many_connections_in_an_hour_are_warned_about(target, server, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(ssh.log, "warning", lambda text, *values: warnings.append(text % values))
    line = SshLine("login_node")
    for _ in range(31):
        line._count()
    assert warnings == ["31 connections to login_node within an hour; sites ban accounts for that"]
