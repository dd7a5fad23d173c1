"""Which devices there are, and who gets which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.devices import choose, devices
from opencompass_ops.errors import UnsureError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ()),
        ("0", ("0",)),
        ("2, 0", ("2", "0")),
        ("-1", ()),
        ("1,-1,3", ("1",)),
        ("GPU-a,MIG-b", ("GPU-a", "MIG-b")),
    ],
)
def test_the_variable_decides(value, expected):
    assert devices({"CUDA_VISIBLE_DEVICES": value}) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "echo 'GPU 0: H200 (UUID: GPU-a)'; echo '  MIG 1g'; echo 'GPU 1: H200 (UUID: GPU-b)'",
            ("0", "1"),
        ),
        ("echo 'NVIDIA-SMI has failed'; exit 9", ()),
    ],
)
def test_without_it_nvidia_smi_is_counted(tmp_path, monkeypatch, script, expected):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert devices({}) == expected


def test_a_host_without_driver_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices({}) == ()


def test_an_nvidia_smi_that_cannot_run_is_no_evidence(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("not a program")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsureError, match="does not answer"):
        devices({})


DEVICES = st.lists(st.integers(0, 7).map(str), unique=True, max_size=8)


@given(DEVICES, st.lists(st.integers(0, 7).map(str), max_size=20), st.integers(0, 8), st.integers(1, 3))
def test_nobody_gets_a_device_without_a_free_slot(available, used, wanted, share):
    chosen = choose(wanted, available, used, share)
    free = [device for device in available if used.count(device) < share]
    if chosen is None:
        assert len(free) < wanted
    else:
        assert len(set(chosen)) == wanted
        assert set(chosen) <= set(free)
        passed_over = set(free) - set(chosen)
        assert all(used.count(mine) <= used.count(other) for mine in chosen for other in passed_over)
