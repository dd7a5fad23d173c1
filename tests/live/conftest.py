"""A live Airflow with tiny models and small data sets, shared by all live tests."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_world import DAG, GATED, STANDING_IN, World, write_gate, write_stand_in
from slurm_world import SlurmWorld

from chat_servers import ChatServer, chat_server
from cluster.testbed import Testbed
from opencompass_ops.budgets import meter
from opencompass_ops.messages.channels import LARK_CONNECTION
from scripts.embedded import EmbeddedAirflow


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> Iterator[World]:
    """One Airflow for all live tests: starting it takes longer than most of them."""
    from demo.model import make_model, make_tokenizer, save

    folder = tmp_path_factory.mktemp("world")
    tokenizer = make_tokenizer(f"{n}+{n + 1}={(2 * n + 1) % 97}" for n in range(400))
    for seed, name in enumerate(("model", "second-model")):
        save(make_model(tokenizer, seed), tokenizer, folder / name)
    stand_in = write_stand_in(folder / "stand-in", sys.executable, folder / "gates")
    clusters = folder / "configs" / "clusters"
    clusters.mkdir(parents=True)
    for name, program in {GATED: sys.executable, STANDING_IN: str(stand_in)}.items():
        gate = write_gate(folder / f"{name}.py", folder / "gates", sys.executable, program)
        (clusters / f"{name}.py").write_text(
            f"kind = 'local'\npython = {str(gate)!r}\nwork_dir = {str(folder / 'outputs')!r}\n"
            f"data_dir = {str(folder)!r}\nstate_dir = {str(folder / 'state')!r}\nenv = dict(OMP_NUM_THREADS='1')\n"
        )
    dags = folder / "dags"
    for source in (repo / "dags", Path(__file__).parent / "dags"):
        shutil.copytree(source, dags, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    env = {
        "OPENCOMPASS_OPS_CONFIG_DIR": str(folder / "configs"),
        "OPENCOMPASS_OPS_DATABASE": f"sqlite:///{folder / 'results.db'}",
        "OPENCOMPASS_OPS_HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "CUDA_VISIBLE_DEVICES": "0,1,2",  # devices that nobody has to have: no live test computes on one
        meter.TICK: "2",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    }
    with EmbeddedAirflow(folder / "airflow", dags=dags, env=env, cache=repo / ".cache") as airflow:
        airflow.rest.wait_for_dag(DAG)
        yield World(airflow, folder, place=folder)


@pytest.fixture(scope="session")
def slurm_world(world: World, testbed: Testbed) -> SlurmWorld:
    """The same Airflow with a Slurm behind a login node."""
    return SlurmWorld.beside(world, testbed)


@pytest.fixture
def chat(world: World) -> Iterator[ChatServer]:
    """A bot, and Airflow's connection to it."""
    with chat_server(secret="canary-secret") as server:
        extra = json.dumps({"secret": "canary-secret", "language": "zh"})
        body = {"connection_id": LARK_CONNECTION, "conn_type": "lark", "host": server.address, "password": server.token}
        world.airflow.rest.request("POST", "connections", json={**body, "extra": extra})
        try:
            yield server
        finally:
            world.airflow.rest.request("DELETE", f"connections/{LARK_CONNECTION}")


@pytest.fixture(autouse=True)
def _as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for name in {"world", "slurm_world"} & set(request.fixturenames):
        world = request.getfixturevalue(name)
        world.mend()
        for gate in world.gates.iterdir():
            gate.unlink()
