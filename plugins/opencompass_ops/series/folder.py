"""A folder of the worker, or of the cluster behind its login node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm.login import run_on_login
from opencompass_ops.contract import codec
from opencompass_ops.contract.checkpoints import ScanReport, ScanRequest, SeenCheckpoint
from opencompass_ops.errors import PlanError, UnsureError
from opencompass_ops.series.config import PlaceConfig
from opencompass_ops.series.places import Looked

TIMEOUT_S = 1800
"""A first look hashes up to 4 GiB of weights per checkpoint."""

_COMMAND = ("-m", "inference", "checkpoints")


class FolderPlace:
    """Asked by ``python -m inference checkpoints``, which runs where the folder is.

    :param cluster: where the series is evaluated, None where its suite says so.
    :param is_theirs: whether the folder is the cluster's.
    """

    def __init__(self, place: PlaceConfig, cluster: ClusterConfig | None, *, is_theirs: bool) -> None:
        self._place = place
        self._cluster = cluster
        self._is_theirs = is_theirs

    async def listing(self) -> ScanReport:
        """What is there now; see :class:`Place`."""
        return await self._ask(pattern=self._place.pattern.regex, depth=self._place.pattern.depth)

    async def inspect(self, seen: Sequence[SeenCheckpoint], checksums: str = "") -> list[Looked]:
        """What is in the files; see :class:`Place`."""
        report = await self._ask(inspect=tuple(one.name for one in seen), checksums=checksums)
        by_name = {one.name: one for one in seen}
        return [(by_name[inside.name], inside) for inside in report.inside]

    async def identities(self, seen: Sequence[SeenCheckpoint]) -> dict[str, str]:
        """Which weights; the same that the plan of a run will find. See :class:`Place`."""
        return (await self._ask(identify=tuple(one.name for one in seen))).identities

    async def bring(self, name: str, digest: str) -> str:
        """Where it lies already; see :class:`Place`."""
        if not await self.is_still(name, digest):
            raise PlanError(
                f"{name} was overwritten or deleted since it was found; the next look will tell, nothing is to be done"
            )
        path = str(PurePosixPath(Path(self._place.at).expanduser() if not self._is_theirs else self._place.at, name))
        return path if self._is_theirs or self._cluster is None else self._cluster.on_cluster(path)

    async def is_still(self, name: str, digest: str) -> bool:
        """Whether the folder holds the same weights; see :class:`Place`."""
        return (await self._ask(identify=(name,))).identities.get(name) == digest

    def tidy(self, wanted: Collection[str]) -> None:
        """Nothing was brought."""

    def sweep(self) -> None:
        """Nothing was brought."""

    async def _ask(
        self,
        *,
        pattern: str = "",
        depth: int = 1,
        inspect: tuple[str, ...] = (),
        checksums: str = "",
        identify: tuple[str, ...] = (),
    ) -> ScanReport:
        remote = self._cluster if self._is_theirs and self._cluster and self._cluster.connection_id else None
        request = ScanRequest(
            folder=self._place.at,
            pattern=pattern,
            depth=depth,
            inspect=inspect,
            checksums=checksums,
            identify=identify,
            cache_dir=_cache_dir(remote),
        )
        where = f"the login node of cluster {remote.name!r}" if remote else "this host"
        ended = await (_there(request, remote) if remote else _here(request, self._cluster))
        if ended.returncode != 0:
            tail = "\n".join((ended.stdout + ended.stderr).decode(errors="replace").splitlines()[-15:]) or "nothing"
            raise UnsureError(f"{self._place.at} could not be looked at on {where} ({ended.returncode}):\n{tail}")
        try:
            return ScanReport.from_json(ended.stdout)
        except codec.SchemaError as error:
            raise UnsureError(f"the look at {self._place.at} on {where} left no readable report: {error}") from error


async def _there(request: ScanRequest, cluster: ClusterConfig) -> Answer:
    argv = (cluster.interpreter, *_COMMAND)
    return await run_on_login(cluster, argv, request.to_json().encode(), timeout=TIMEOUT_S)


async def _here(request: ScanRequest, cluster: ClusterConfig | None) -> Answer:
    # Needs nothing but the standard library, so this Python will do where the cluster's is another host's.
    here = cluster if cluster and cluster.kind == "local" else ClusterConfig("worker")
    process = await asyncio.create_subprocess_exec(
        *(here.interpreter, *_COMMAND),
        env=here.job_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            stdout, stderr = await process.communicate(request.to_json().encode())
    except TimeoutError as error:
        raise UnsureError(f"the look at {request.folder} took more than {TIMEOUT_S} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Answer(process.returncode or 0, stdout, stderr)


def _cache_dir(remote: ClusterConfig | None) -> str:
    """Where the probe of a plan remembers digests, too: what was hashed once is not hashed again."""
    if remote:
        return str(Path(remote.state_dir or "~/.opencompass-ops", "cache"))
    return str(Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "opencompass-ops"))
