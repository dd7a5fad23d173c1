"""Names, ports and configuration texts of testbeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import settings
from cluster.blueprint import PORTS, Blueprint, Options
from opencompass_ops.clusters.processes import ProcessId


@pytest.fixture
def bed(tmp_path: Path) -> Blueprint:
    return Blueprint.draw(Path("/tmp/b"), Options())


def test_a_blueprint_is_read_as_it_was_written(tmp_path: Path) -> None:
    options = Options(accounting="none", min_job_age=2, nodes=2, extra=("MaxJobCount=5",))
    bed = Blueprint.draw(tmp_path, options, ProcessId.mine()) if len(str(tmp_path)) < 80 else None
    assert bed is not None
    bed.write()
    assert Blueprint.read(tmp_path) == bed


def test_two_testbeds_share_no_name_and_no_port() -> None:
    one, other = (Blueprint.draw(Path(f"/tmp/{name}"), Options(users=2)) for name in "ab")
    assert not set(one.nodes) & set(other.nodes)
    ports = [*one.ports.slurmd, one.ports.ssh, one.ports.slurmctld, one.ports.slurmdbd]
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(PORTS)


def test_a_path_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(ValueError, match="too long a path"):
        Blueprint.draw(Path("/tmp") / ("x" * 90), Options())


def test_an_unknown_kind_of_accounting_is_refused() -> None:
    with pytest.raises(ValueError, match="'mysql'"):
        Options(accounting="mysql")


def test_every_node_has_a_port_and_gpus(bed: Blueprint) -> None:
    text = settings.slurm_conf(bed)
    for node, port in zip(bed.nodes, bed.ports.slurmd, strict=True):
        assert f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} " in text
    assert text.count("Gres=gpu:h100:8\n") == 4
    assert settings.gres_conf(bed).count("/nvidia[0-7]\n") == 4


def test_options_reach_the_configuration() -> None:
    options = Options("none", min_job_age=2, max_sessions=3, max_startups="2:30:4", extra=("MaxJobCount=5",))
    bed = Blueprint.draw(Path("/tmp/b"), options)
    text = settings.slurm_conf(bed)
    assert "AccountingStorageType=accounting_storage/none\n" in text
    assert "MinJobAge=2\n" in text
    assert "MaxJobCount=5\n" in text
    assert "MaxSessions 3\nMaxStartups 2:30:4\n" in settings.sshd_config(bed)


def test_slurm_takes_the_last_of_two_lines_so_more_lines_come_after_ours(bed: Blueprint) -> None:
    text = settings.slurm_conf(Blueprint.draw(Path("/tmp/b"), Options(extra=("MaxJobCount=5",))))
    assert text.index("MaxJobCount=20000") < text.index("MaxJobCount=5\n") < text.index("NodeName=")


def test_the_host_key_is_known_under_its_port(bed: Blueprint) -> None:
    assert settings.known_hosts(bed, "ssh-ed25519 AAAA me\n") == f"[127.0.0.1]:{bed.ports.ssh} ssh-ed25519 AAAA\n"
