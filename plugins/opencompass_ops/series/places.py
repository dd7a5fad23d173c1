"""Where checkpoints appear, behind one protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from opencompass_ops.contract.checkpoints import Inside, ScanReport, SeenCheckpoint
from opencompass_ops.series.config import BUCKET_SCHEMES, CLUSTER, HUB_SCHEME, Series
from opencompass_ops.series.keys import Keys

Looked = tuple[SeenCheckpoint, Inside]
KeysOf = Callable[[str], Awaitable[Keys]]
"""What an Airflow connection says of an object store or a hub."""


class Place(Protocol):
    """A place that is asked and, but for :meth:`bring`, never changed."""

    async def listing(self) -> ScanReport:
        """What is there now.

        :raises UnsureError: the place cannot be asked; nothing is known then.
        """
        ...

    async def inspect(self, seen: Sequence[SeenCheckpoint], checksums: str = "") -> list[Looked]:
        """What is in the files of some of them; one that vanished is left out.

        :param checksums: name of their checksum manifest, "" for none.
        :raises UnsureError: the place cannot be asked.
        """
        ...

    async def identities(self, seen: Sequence[SeenCheckpoint]) -> dict[str, str]:
        """Which weights some of them hold, by name; one that vanished is left out.

        :raises UnsureError: the place cannot be asked.
        """
        ...

    async def bring(self, name: str, digest: str) -> str:
        """The folder, as jobs see it, that holds a checkpoint; brought there first where jobs cannot read the place.

        :param digest: of its weights, as :meth:`identities` told it.
        :raises PlanError: the checkpoint is another one by now, or gone.
        :raises UnsureError: the place cannot be asked.
        """
        ...

    async def is_still(self, name: str, digest: str) -> bool:
        """Whether jobs that read what :meth:`bring` told would read these weights.

        :param digest: of its weights, as :meth:`identities` told it.
        :raises UnsureError: the place cannot be asked.
        """
        ...

    def tidy(self, wanted: Collection[str]) -> None:
        """Take what was brought and is wanted no longer out of the way, at once.

        :param wanted: digests of the weights that evaluations still read, or may read again.
        """
        ...

    def sweep(self) -> None:
        """Delete what :meth:`tidy` took out of the way; takes minutes where it is much."""
        ...


def open_place(series: Series, keys_of: KeysOf) -> Place:
    """The place of a series; nothing is contacted yet.

    :param keys_of: asked for the keys of a connection.
    :raises ConfigError: its cluster config is wrong, or a library that it needs is not installed.
    """
    place = series.checkpoints
    if place.scheme in BUCKET_SCHEMES:
        from opencompass_ops.series.bucket import BucketPlace

        return BucketPlace(series, keys_of)
    if place.scheme == HUB_SCHEME:
        from opencompass_ops.series.hub import HubPlace

        return HubPlace(series, keys_of)
    from opencompass_ops.resolved import load_cluster
    from opencompass_ops.series.folder import FolderPlace

    cluster = load_cluster(series.cluster) if series.cluster else None
    return FolderPlace(place, cluster, is_theirs=place.on == CLUSTER)
