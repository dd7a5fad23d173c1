"""Revisions of a model repository on the Hugging Face hub, or on a mirror of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    NotASafetensorsRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    SafetensorsParsingError,
)
from huggingface_hub.hf_api import RepoFile

from opencompass_ops.contract import codec
from opencompass_ops.contract.checkpoints import (
    MODEL_FILES,
    Inside,
    ScanReport,
    SeenCheckpoint,
    SeenFile,
    is_read_whole,
    is_weights,
    summed_files,
)
from opencompass_ops.errors import PlanError, UnsureError
from opencompass_ops.instance import absolute
from opencompass_ops.series.config import Series
from opencompass_ops.series.keys import Keys
from opencompass_ops.series.places import KeysOf, Looked
from opencompass_ops.series.staging import Stage


class HubPlace:
    """Branches and tags of one repository; a revision that is evaluated is downloaded for the jobs.

    :param keys_of: asked for the keys of the series' connection: its endpoint, and the token as password.
    """

    def __init__(self, series: Series, keys_of: KeysOf) -> None:
        place = series.checkpoints
        self._place = place
        self._keys_of = keys_of
        self._repository = place.at.partition("://")[2]
        self._stage = Stage(absolute(place.stage) / series.name)

    async def listing(self) -> ScanReport:
        """The revisions and their commits; their files are asked for in :meth:`inspect`. See :class:`Place`."""
        hub = await self._hub()
        refs = await asyncio.to_thread(_sure, hub.list_repo_refs, self._repository)
        commits = {ref.name: ref.target_commit for ref in (*refs.branches, *refs.tags)}
        seen = [
            SeenCheckpoint(name, revision=commit)
            for name, commit in sorted(commits.items())
            if self._place.pattern.step(name) is not None
        ]
        return ScanReport(time.time_ns() // 1_000_000, tuple(seen))

    async def inspect(self, seen: Sequence[SeenCheckpoint], checksums: str = "") -> list[Looked]:
        """What is in the files; see :class:`Place`."""
        hub = await self._hub()
        return [await asyncio.to_thread(_sure, self._look_into, hub, one, checksums) for one in seen]

    async def identities(self, seen: Sequence[SeenCheckpoint]) -> dict[str, str]:
        """Which weights, by the digests that the hub keeps of files; see :class:`Place`."""
        return {one.name: _identity(one) for one in seen}

    async def bring(self, name: str, digest: str) -> str:
        """A copy of the revision; see :class:`Place`."""
        hub = await self._hub()
        now = {one.name: one for one in (await self.listing()).checkpoints}
        seen = (await self.inspect([now[name]]))[0][0] if name in now else None
        if seen is None or _identity(seen) != digest:
            raise PlanError(f"revision {name} of {self._repository} moved or was deleted since it was found")

        def download(folder: Path) -> None:
            for file in seen.files:
                _sure(
                    lambda file=file: hub.hf_hub_download(
                        self._repository, file.name, revision=seen.revision, local_dir=folder
                    )
                )

        return str(await asyncio.to_thread(self._stage.bring, digest, name, download))

    async def is_still(self, name: str, digest: str) -> bool:
        """Yes: jobs read the copy of a commit; see :class:`Place`."""
        return True

    def tidy(self, wanted: Collection[str]) -> None:
        """Remove copies; see :class:`Place`."""
        self._stage.tidy(wanted)

    def sweep(self) -> None:
        """Delete them; see :class:`Place`."""
        self._stage.sweep()

    async def _hub(self) -> HfApi:
        connection = self._place.connection
        keys = await self._keys_of(connection) if connection else Keys()
        return HfApi(endpoint=keys.endpoint or None, token=keys.secret or None)

    def _look_into(self, hub: HfApi, seen: SeenCheckpoint, checksums: str) -> Looked:
        info = hub.repo_info(self._repository, revision=seen.revision)
        moment = int(info.last_modified.timestamp() * 1000) if info.last_modified else 0
        tree = hub.list_repo_tree(self._repository, revision=seen.revision)
        files = tuple(
            SeenFile(entry.path, entry.size, moment, moment, entry.lfs.sha256 if entry.lfs else entry.blob_id)
            for entry in tree
            if isinstance(entry, RepoFile)
        )
        texts = {file.name: self._text(hub, seen, file) for file in files if is_read_whole(file.name, checksums)}
        promised: dict[str, int | None] = {}
        tensors: dict[str, list[str]] = {}
        for file in files:
            if is_weights(file.name) and file.name.endswith(".safetensors"):
                promised[file.name], tensors[file.name] = self._header(hub, seen, file)
        named = summed_files(texts.get(checksums)) if checksums else {}
        # Of large files the hub keeps the sha256 itself.
        digests = {file.name: file.tag for file in files if file.name in named}
        whole = SeenCheckpoint(seen.name, files, revision=seen.revision)
        return whole, Inside(seen.name, texts, promised, tensors, digests)

    def _text(self, hub: HfApi, seen: SeenCheckpoint, file: SeenFile) -> str | None:
        path = hub.hf_hub_download(self._repository, file.name, revision=seen.revision)
        try:
            return Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return None

    def _header(self, hub: HfApi, seen: SeenCheckpoint, file: SeenFile) -> tuple[int | None, list[str]]:
        try:
            found = hub.parse_safetensors_file_metadata(self._repository, file.name, revision=seen.revision)
        except (SafetensorsParsingError, NotASafetensorsRepoError, ValueError):
            return None, []
        ends = [tensor.data_offsets[1] for tensor in found.tensors.values()]
        # The library does not tell the header's length; what is behind it does, and the hub checked the file's size.
        return (file.size if max(ends, default=0) < file.size else max(ends)), list(found.tensors)


def _sure(ask: Callable[..., Any], *arguments: Any) -> Any:
    """What the hub answers.

    :raises UnsureError: it does not, or refuses.
    """
    try:
        return ask(*arguments)
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UnsureError(f"the hub does not answer as it should: {' '.join(str(error).split())}") from error


def _identity(seen: SeenCheckpoint) -> str:
    kept = (file for file in seen.files if is_weights(file.name) or file.name in MODEL_FILES)
    return "hub:" + codec.digest([[file.name, file.size, file.tag] for file in kept])
