"""What is installed, when, and why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.packages import Host, Verdict, configured, decide, missing, no_services

BARE = Host(missing=("slurmd", "munge"), told=True, is_root=True, configured=(), running=())


def test_packages_that_are_there_are_used() -> None:
    for told in (True, False):
        for is_root in (True, False):
            assert decide(replace(BARE, missing=(), told=told, is_root=is_root)).verdict is Verdict.USE


def test_daemons_of_others_disturb_nobody_when_nothing_is_to_be_installed() -> None:
    assert decide(replace(BARE, missing=(), running=("munged (pid 7)",))).verdict is Verdict.USE


def test_packages_are_installed_by_root_when_told_to() -> None:
    assert decide(BARE).verdict is Verdict.INSTALL


def test_nothing_is_installed_untold_and_the_reason_says_what_to_set() -> None:
    decision = decide(replace(BARE, told=False))
    assert decision.verdict is Verdict.SKIP
    assert "slurmd munge" in decision.reason
    assert "OPENCOMPASS_OPS_TEST_INSTALL=1" in decision.reason


def test_who_was_told_to_install_and_is_not_root_fails() -> None:
    decision = decide(replace(BARE, is_root=False))
    assert decision.verdict is Verdict.FAIL
    assert "needs root" in decision.reason


def test_nothing_is_installed_beside_daemons_of_others() -> None:
    decision = decide(replace(BARE, running=("munged (pid 7)",)))
    assert decision.verdict is Verdict.FAIL
    assert "munged (pid 7)" in decision.reason


@pytest.mark.parametrize(("told", "verdict"), [(True, Verdict.FAIL), (False, Verdict.SKIP)])
@pytest.mark.parametrize("lacking", [(), ("slurmd",)])
def test_the_host_of_a_real_cluster_is_left_alone(told: bool, verdict: Verdict, lacking: tuple[str, ...]) -> None:
    decision = decide(Host(lacking, told, is_root=True, configured=("/etc/slurm/slurm.conf",), running=()))
    assert decision.verdict is verdict
    assert "/etc/slurm/slurm.conf" in decision.reason


@pytest.mark.parametrize("folder", ["slurm", "slurm-llnl"])
def test_a_slurm_conf_below_etc_is_a_real_cluster(tmp_path: Path, folder: str) -> None:
    assert configured(tmp_path, {}) == ()
    conf = tmp_path / "etc" / folder / "slurm.conf"
    conf.parent.mkdir(parents=True)
    conf.touch()
    assert configured(tmp_path, {}) == (str(conf),)


def test_a_slurm_conf_that_the_environment_names_is_a_real_cluster_unless_it_is_a_testbeds(tmp_path: Path) -> None:
    conf = tmp_path / "bed" / "etc" / "slurm.conf"
    conf.parent.mkdir(parents=True)
    assert configured(tmp_path, {"SLURM_CONF": str(conf)}) == (f"SLURM_CONF={conf}",)
    (tmp_path / "bed" / "bed.json").touch()
    assert configured(tmp_path, {"SLURM_CONF": str(conf)}) == ()


def test_a_package_is_missing_when_one_of_its_parts_is(tmp_path: Path) -> None:
    wanted = {"shell": ("sh", "env"), "half": ("sh", "no-such-program"), "plugin": ("usr/lib/*/x.so",)}
    assert missing(wanted, tmp_path) == ("half", "plugin")
    (tmp_path / "usr/lib/x86").mkdir(parents=True)
    (tmp_path / "usr/lib/x86/x.so").touch()
    assert missing(wanted, tmp_path) == ("half",)


def test_no_service_starts_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_services(policy):
        assert "exit 101" in policy.read_text()
    assert not policy.exists()


def test_the_policy_goes_also_when_the_installation_fails(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(RuntimeError, match="no network"), no_services(policy):
        raise RuntimeError("no network")
    assert not policy.exists()


def test_a_policy_that_is_there_is_kept(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\n# the host's own\nexit 101\n")
    policy.chmod(0o755)
    with no_services(policy):
        pass
    assert "the host's own" in policy.read_text()


def test_a_policy_that_lets_services_start_is_no_protection(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o755)
    with pytest.raises(RuntimeError, match="lets services start"), no_services(policy):
        pytest.fail("went on")
    assert policy.exists()
