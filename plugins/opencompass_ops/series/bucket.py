"""A prefix of a bucket that speaks S3: Amazon's, MinIO, Ceph, Alibaba OSS."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec
from opencompass_ops.contract.checkpoints import (
    ARCHIVE_END,
    ARCHIVE_START,
    ARCHIVE_TAIL,
    HEADER_LIMIT,
    MODEL_FILES,
    Header,
    Inside,
    ScanReport,
    SeenCheckpoint,
    SeenFile,
    header_length,
    is_read_whole,
    is_weights,
    parse_header,
    summed_files,
)
from opencompass_ops.errors import ConfigError, PlanError, UnsureError
from opencompass_ops.instance import absolute
from opencompass_ops.series.config import Series
from opencompass_ops.series.keys import Keys
from opencompass_ops.series.places import KeysOf, Looked
from opencompass_ops.series.staging import Stage

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ModuleNotFoundError as missing:
    raise ConfigError(f"series in object stores need {missing.name}; pip install 'opencompass-ops[s3]'") from missing

log = logging.getLogger(__name__)

ABANDONED = timedelta(hours=24)
"""An upload of which nothing has come for so long counts as given up."""

_HEAD_BYTES = 1 << 16
_BLOCK = 8 << 20
_GONE = ("NoSuchKey", "404", "412", "PreconditionFailed")
_FORBIDDEN = ("AccessDenied", "403", "NotImplemented", "501")


class BucketPlace:
    """Asked over the network from here; jobs read a mount, or a copy that is downloaded for them.

    :param keys_of: asked for the keys of the series' connection.
    """

    def __init__(self, series: Series, keys_of: KeysOf) -> None:
        place = series.checkpoints
        self._place = place
        self._keys_of = keys_of
        self._bucket, _, prefix = place.at.partition("://")[2].partition("/")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._stage = Stage(absolute(place.stage) / series.name) if place.stage else None

    async def listing(self) -> ScanReport:
        """What is there now, uploads in progress included; see :class:`Place`."""
        client = await self._client()
        return await asyncio.to_thread(_sure, self._list, client)

    async def inspect(self, seen: Sequence[SeenCheckpoint], checksums: str = "") -> list[Looked]:
        """What is in the files, by ranges of them; see :class:`Place`."""
        client = await self._client()
        return [(one, await asyncio.to_thread(_sure, self._look_into, client, one, checksums)) for one in seen]

    async def identities(self, seen: Sequence[SeenCheckpoint]) -> dict[str, str]:
        """Which weights, by the store's own tags of content; see :class:`Place`."""
        return {one.name: _identity(one) for one in seen}

    async def bring(self, name: str, digest: str) -> str:
        """Where the bucket is mounted, or a copy of it; see :class:`Place`."""
        now = await self._now(name, digest)
        if now is None:
            raise PlanError(f"{self._key(name)} was overwritten or deleted since it was found; the next look will tell")
        if self._stage is None:
            return f"{self._place.mount.rstrip('/')}/{name}"
        client, files = await self._client(), now.files

        def download(folder: Path) -> None:
            for file in files:
                _sure(_download, client, self._bucket, f"{self._key(name)}/{file.name}", file, folder)

        return str(await asyncio.to_thread(self._stage.bring, digest, name, download))

    async def is_still(self, name: str, digest: str) -> bool:
        """Whether the mounted bucket holds the same weights; a copy does. See :class:`Place`."""
        return self._stage is not None or await self._now(name, digest) is not None

    async def _now(self, name: str, digest: str) -> SeenCheckpoint | None:
        """The checkpoint as it lies there; None when it is another one or gone."""
        now = (one for one in (await self.listing()).checkpoints if one.name == name)
        return next((one for one in now if _identity(one) == digest), None)

    def tidy(self, wanted: Collection[str]) -> None:
        """Remove copies; see :class:`Place`."""
        if self._stage:
            self._stage.tidy(wanted)

    def sweep(self) -> None:
        """Delete them; see :class:`Place`."""
        if self._stage:
            self._stage.sweep()

    async def _client(self) -> Any:
        connection = self._place.connection
        keys = await self._keys_of(connection) if connection else Keys()
        return await asyncio.to_thread(client_for, keys, self._place.scheme)

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _list(self, client: Any) -> ScanReport:
        uploads = self._uploads(client)
        files: dict[str, list[SeenFile]] = {name: [] for name in uploads}
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for entry in (entry for page in pages for entry in page.get("Contents", ())):
            name, _, file = entry["Key"][len(self._prefix) :].rpartition("/")
            if file and self._place.pattern.step(name) is not None:
                moment = int(entry["LastModified"].timestamp() * 1000)
                files.setdefault(name, []).append(SeenFile(file, entry["Size"], moment, moment, entry["ETag"]))
        seen = [
            SeenCheckpoint(name, tuple(sorted(found, key=lambda file: file.name)), tuple(sorted(uploads.get(name, ()))))
            for name, found in sorted(files.items())
        ]
        return ScanReport(time.time_ns() // 1_000_000, tuple(seen))

    def _uploads(self, client: Any) -> dict[str, set[str]]:
        """Files whose upload in parts has begun and not ended, by checkpoint."""
        found: dict[str, set[str]] = {}
        try:
            pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                name, _, file = upload["Key"][len(self._prefix) :].rpartition("/")
                if self._place.pattern.step(name) is not None and self._is_alive(client, upload):
                    found.setdefault(name, set()).add(file)
        except ClientError as error:
            if _code(error) not in _FORBIDDEN:
                raise
            log.warning("uploads to %s cannot be listed (%s); only what is missing tells of them", self._bucket, error)
        return found

    def _is_alive(self, client: Any, upload: dict[str, Any]) -> bool:
        """Whether it began a short while ago, or a part of it came then."""
        since = datetime.now(UTC) - ABANDONED
        if upload["Initiated"] > since:
            return True
        try:
            which = {"Bucket": self._bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            pages = client.get_paginator("list_parts").paginate(**which)
            return any(part["LastModified"] > since for page in pages for part in page.get("Parts", ()))
        except ClientError as error:
            if _code(error) == "NoSuchUpload":
                return False
            raise

    def _look_into(self, client: Any, seen: SeenCheckpoint, checksums: str) -> Inside:
        texts: dict[str, str | None] = {}
        promised: dict[str, int | None] = {}
        tensors: dict[str, list[str]] = {}
        for file in seen.files:
            read = _Reader(client, self._bucket, f"{self._key(seen.name)}/{file.name}", file)
            if is_read_whole(file.name, checksums):
                texts[file.name] = read.text()
            elif is_weights(file.name) and file.name.endswith(".safetensors"):
                header = read.header()
                promised[file.name] = header.promised if header else None
                tensors |= {file.name: list(header.tensors)} if header else {}
            elif is_weights(file.name) and read.range(0, 4) == ARCHIVE_START:
                whole = ARCHIVE_END in read.range(max(0, file.size - ARCHIVE_TAIL), file.size)
                promised[file.name] = file.size if whole else None
        named = summed_files(texts.get(checksums)) if checksums else {}
        digests = {
            file.name: _Reader(client, self._bucket, f"{self._key(seen.name)}/{file.name}", file).digest()
            for file in seen.files
            if file.name in named
        }
        return Inside(seen.name, texts, promised, tensors, digests)


class _Reader:
    """Pieces of one object, as long as it is the one that was listed; of another one, nothing."""

    def __init__(self, client: Any, bucket: str, key: str, file: SeenFile) -> None:
        self._get = {"Bucket": bucket, "Key": key, "IfMatch": file.tag}
        self._client = client
        self._size = file.size

    def range(self, start: int, stop: int) -> bytes:
        if start >= min(stop, self._size):
            return b""
        try:
            answer = self._client.get_object(**self._get, Range=f"bytes={start}-{min(stop, self._size) - 1}")
        except ClientError as error:
            if _code(error) in _GONE:
                return b""
            raise
        return bytes(answer["Body"].read())

    def text(self) -> str | None:
        try:
            return self.range(0, HEADER_LIMIT).decode()
        except UnicodeDecodeError:
            return None

    def header(self) -> Header | None:
        head = self.range(0, _HEAD_BYTES)
        length = header_length(head)
        if len(head) < 8 or length > HEADER_LIMIT:
            return None
        text = head[8 : 8 + length]
        if len(text) < length:
            text += self.range(len(head), 8 + length)
        return parse_header(text) if len(text) == length else None

    def digest(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, self._size, _BLOCK):
            digest.update(self.range(start, start + _BLOCK))
        return digest.hexdigest()


def client_for(keys: Keys, scheme: str) -> Any:
    """A client of the store; what the keys leave open, the environment and ``~/.aws`` say."""
    # Alibaba OSS refuses buckets in the path, other own endpoints rarely have names for buckets; and stores other than
    # Amazon's need not know the checksums that botocore adds since 1.36.
    usual = {
        "s3": {"addressing_style": "virtual" if scheme == "oss" else "path" if keys.endpoint else "auto"},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "retries": {"max_attempts": 5, "mode": "standard"},
        "connect_timeout": 10,
        "read_timeout": 60,
    }
    return boto3.client(
        "s3",
        endpoint_url=keys.endpoint or None,
        aws_access_key_id=keys.key or None,
        aws_secret_access_key=keys.secret or None,
        aws_session_token=keys.token or None,
        region_name=keys.region or ("us-east-1" if keys.endpoint else None),
        config=Config(**{**usual, **keys.options}),
    )


def _sure(ask: Any, *arguments: Any) -> Any:
    """What the store answers.

    :raises UnsureError: it does not, or refuses.
    """
    try:
        return ask(*arguments)
    except (BotoCoreError, ClientError) as error:
        raise UnsureError(f"the object store does not answer as it should: {error}") from error


def _download(client: Any, bucket: str, key: str, file: SeenFile, folder: Path) -> None:
    reader = _Reader(client, bucket, key, file)
    with (folder / file.name).open("xb") as target:
        for start in range(0, file.size, _BLOCK):
            target.write(reader.range(start, start + _BLOCK))
        if target.tell() != file.size:
            raise PlanError(f"{key} was overwritten or deleted while it was downloaded; the next look will tell")


def _identity(seen: SeenCheckpoint) -> str:
    kept = (file for file in seen.files if is_weights(file.name) or file.name in MODEL_FILES)
    return "etag:" + codec.digest([[file.name, file.size, file.tag] for file in kept])


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
