"""The policy over audit events, without a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.policy import Policy, refusal, source_read

READ, WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """Configs with a virtualenv inside, and a scratch folder."""
    names = ("configs", "configs/.venv/lib", "scratch")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    sources, libraries, scratch = (str((tmp_path / name).resolve()) for name in names)
    return Policy((sources,), (libraries,), scratch)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("open", ("{configs}/a.py", "r", READ)),
        ("open", (b"{configs}/a.py", "rb", READ)),
        ("open", ("{configs}/.venv/lib/x.py", "r", READ)),
        ("open", ("{scratch}/t", "w", WRITE)),
        ("open", ("/dev/null", "w", WRITE)),
        ("open", (3, "r", READ)),
        ("os.mkdir", ("{scratch}/d", 0o777, -1)),
        ("os.rename", ("{scratch}/a", "{scratch}/b", -1, -1)),
        ("os.listdir", ("{configs}",)),
        ("import", ("json", None, None, None, None)),
        ("compile", (None, "x")),
    ],
)
def test_what_describing_needs_is_allowed(policy: Policy, event: str, arguments: tuple[Any, ...]):
    assert refusal(policy, event, _placed(policy, arguments)) == ""


@pytest.mark.parametrize(
    ("event", "arguments", "part"),
    [
        ("open", ("{configs}/../secret", "r", READ), "it reads"),
        ("open", ("{configs}x/a.py", "r", READ), "it reads"),
        ("open", ("{configs}/a.py", None, WRITE), "it writes"),
        ("open", ("{configs}/a.py", "a", os.O_RDWR), "it writes"),
        ("os.rename", ("{scratch}/a", "{configs}/b", -1, -1), "it writes"),
        ("os.rename", ("{configs}/a", "{scratch}/b", -1, -1), "it writes"),
        ("os.symlink", ("/etc", "{scratch}/b", -1), "it writes"),
        ("os.remove", ("{configs}/a.py", -1), "it writes"),
        ("os.scandir", ("/",), "it reads /,"),
        ("socket.getaddrinfo", ("host", 80, 0, 0, 0), "network"),
        ("os.posix_spawn", ("/bin/true", [], {}), "starts a program"),
        ("ctypes.dlopen", ("libc.so.6",), "starts a program"),
        ("sqlite3.connect", ("/tmp/x.db",), "outside itself"),
        ("os.killpg", (1, 9), "outside itself"),
    ],
)
def test_what_describing_does_not_need_is_refused(policy: Policy, event: str, arguments: tuple[Any, ...], part: str):
    assert part in refusal(policy, event, _placed(policy, arguments))


def test_sources_count_as_read_and_libraries_inside_them_do_not(policy: Policy):
    (configs,), (library,) = policy.sources, policy.libraries
    assert source_read(policy, "open", (f"{configs}/a.py", "r", READ)) == f"{configs}/a.py"
    assert source_read(policy, "open", (f"{library}/a.py", "r", READ)) == ""
    assert source_read(policy, "open", (f"{policy.scratch}/a", "r", READ)) == ""
    assert source_read(policy, "os.listdir", (configs,)) == ""


def _placed(policy: Policy, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with the fixture's folders in place of their names."""

    def place(text: str) -> str:
        return text.replace("{configs}", policy.sources[0]).replace("{scratch}", policy.scratch)

    placed = (place(os.fsdecode(item)) if isinstance(item, (str, bytes)) else item for item in arguments)
    return tuple(
        os.fsencode(new) if isinstance(old, bytes) else new for old, new in zip(arguments, placed, strict=True)
    )
