"""A secret of an Airflow connection reaches the jobs, and is in no XCom, no log, no database and no run directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from slurm_world import CLUSTER, LIGHT, SlurmWorld

from canary import PROVE, Canary

pytestmark = [pytest.mark.live, pytest.mark.slurm]

NAME = "canary"


def test_a_secret_of_the_connection_is_seen_by_the_jobs_only(slurm_world: SlurmWorld):
    world, canary = slurm_world, Canary()
    connection = world.bed.airflow_connection() | {"connection_id": NAME}
    connection["extra"] = json.dumps({**connection["extra"], "secrets": {"HF_TOKEN": canary.secret}})
    world.airflow.rest.request("POST", "connections", json=connection)
    proof = write_cluster(world)
    with canary:
        run = world.start(world.config("secret", rows=4), cluster=NAME, max_num_workers=2)
        world.assert_green(run)
    assert proof.read_text() == canary.digest
    assert canary.argvs == set()
    # Airflow's own copy of the connection is encrypted; its logs, its database and the results lie in these folders.
    assert canary.shown_in([world.folder, world.place, world.bed.bed.folder]) == []
    assert world.airflow.home.database.is_relative_to(world.folder)
    (token,) = world.evidence(run).tokens("infer-0000")
    assert token in world.log(run, world.infer, 0)


def write_cluster(world: SlurmWorld) -> Path:
    """A cluster whose setup tells all it knows and whose jobs say what secret they were given; returns where."""
    proof, program, light = world.place / "proof", world.place / "proving", str(world.place / LIGHT)
    proves = PROVE.format(path=str(proof), name=b"HF_TOKEN")
    program.write_text(f"#!{world.bed.python}\nimport sys\n{proves}\nos.execv({light!r}, [{light!r}, *sys.argv[1:]])\n")
    program.chmod(0o755)
    values = {"place": str(world.place), "python": str(program), "group": world.bed.bed.group}
    text = (
        CLUSTER.format(connection=NAME, **values) + "secrets = ['HF_TOKEN']\nsetup = ['env', 'set -x', 'export -p']\n"
    )
    (world.folder / "configs/clusters" / f"{NAME}.py").write_text(text)
    return proof
