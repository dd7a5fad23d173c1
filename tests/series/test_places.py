"""Folders as they are asked in earnest: by a process on this host, and over SSH on a login node."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checkpoint_folders import write_checkpoint
from clusters.ssh_server import serving
from inference.identity import weights_identity
from opencompass_ops.clusters import connections
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.connections import SshTarget
from opencompass_ops.clusters.shell import close_shells
from opencompass_ops.errors import PlanError, UnsureError
from opencompass_ops.series.config import CLUSTER, PlaceConfig, Series
from opencompass_ops.series.folder import FolderPlace
from opencompass_ops.series.ledger import INCOMPLETE, READY
from opencompass_ops.series.looking import look
from opencompass_ops.series.pattern import Pattern

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


async def test_a_folder_of_this_host_is_looked_at_and_its_weights_are_those_of_the_plan(tmp_path: Path):
    folder = write_checkpoint(tmp_path / "ckpt" / "iter_100" / "hf")
    write_checkpoint(tmp_path / "ckpt" / "iter_200" / "hf", tokenizer=False)
    series = Series.from_values("run7", {
        "checkpoints": {"at": str(tmp_path / "ckpt"), "pattern": "iter_{step}/hf"},
        "suite": "a", "ready": {"settle_minutes": 0},
    })  # fmt: skip
    place = FolderPlace(series.checkpoints, None, is_theirs=False)
    whole, half = await look(series, place, {}, datetime.now(UTC))
    assert (whole.name, whole.state, whole.digest) == ("iter_100/hf", READY, weights_identity(folder))
    assert (half.name, half.state, half.reason) == ("iter_200/hf", INCOMPLETE, "holds no tokenizer")
    assert await place.bring("iter_100/hf", whole.digest) == str(folder)
    with pytest.raises(PlanError, match="was overwritten or deleted"):
        await place.bring("iter_100/hf", "sha256:another")


async def test_a_folder_of_the_cluster_is_looked_at_on_its_login_node(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = write_checkpoint(tmp_path / "ckpt" / "step-100", shards=2)
    cluster = ClusterConfig(
        "bed", kind="slurm", connection_id="login_node", python=sys.executable, state_dir=str(tmp_path / "state"),
        code_dir=(str(repo), str(repo / "plugins")),
    )  # fmt: skip
    place = PlaceConfig(str(tmp_path / "ckpt"), Pattern("step-{step}"), on=CLUSTER)
    async with serving() as server:
        target = SshTarget(
            "127.0.0.1", server.port, "hpc", key_file=server.key_file(tmp_path), host_key=server.known_host
        )

        async def resolver(_: str) -> SshTarget:
            return target

        monkeypatch.setattr(connections, "_resolver", resolver)
        there = FolderPlace(place, cluster, is_theirs=True)
        report = await there.listing()
        assert [one.name for one in report.checkpoints] == ["step-100"]
        ((_, inside),) = await there.inspect(report.checkpoints)
        assert len(inside.tensors) == 2
        digest = (await there.identities(report.checkpoints))["step-100"]
        assert digest == weights_identity(folder)
        assert await there.bring("step-100", digest) == str(folder)
        assert server.wire.accepted == 1, "over one connection"
        await close_shells()


async def test_a_host_whose_python_cannot_look_is_no_empty_folder(tmp_path: Path):
    cluster = ClusterConfig("here", python="/bin/false")
    place = FolderPlace(PlaceConfig(str(tmp_path), Pattern("{step}")), cluster, is_theirs=False)
    with pytest.raises(UnsureError, match="could not be looked at on this host"):
        await place.listing()


async def test_jobs_see_a_folder_of_this_host_by_their_own_path(tmp_path: Path):
    write_checkpoint(tmp_path / "step-1")
    cluster = ClusterConfig("here", mounts={str(tmp_path): "/data/ckpt"})
    place = FolderPlace(PlaceConfig(str(tmp_path), Pattern("step-{step}")), cluster, is_theirs=False)
    digest = (await place.identities((await place.listing()).checkpoints))["step-1"]
    assert await place.bring("step-1", digest) == "/data/ckpt/step-1"
