"""What lies where a training run writes its checkpoints: asked there, told as plain values, judged elsewhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.contract import codec

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")

MODEL_FILES = ("config.json", "generation_config.json", "adapter_config.json")
"""They determine, beside the weights, what a model answers."""

ARCHIVE_START, ARCHIVE_END = b"PK\x03\x04", b"PK\x05\x06"
"""How what ``torch.save`` writes since 1.6, a zip archive, begins, and what stands near its end."""
ARCHIVE_TAIL = (1 << 16) + 22
"""Bytes in which :data:`ARCHIVE_END` stands: an archive's end record has 22, and a comment of at most 64 KiB."""

_TRAINING_STATE = re.compile(r"(optimizer|scheduler|scaler|rng_state|training_args|random_states).*")
_TOKENIZER_FILES = re.compile(
    r"(tokenizer|special_tokens_map|added_tokens|vocab|merges|chat_template|tokenization_|sentencepiece|spiece).*"
    r"|.*\.(model|tiktoken)"
)


def is_weights(name: str) -> bool:
    """Whether a file of this name holds weights; optimizer and trainer states are none."""
    return name.endswith(WEIGHT_SUFFIXES) and not _TRAINING_STATE.fullmatch(name)


def is_tokenizer(name: str) -> bool:
    """Whether a file of this name belongs to a tokenizer."""
    weights = name.endswith(WEIGHT_SUFFIXES) and not name.startswith("tokenizer")
    return bool(_TOKENIZER_FILES.fullmatch(name)) and not weights


def is_read_whole(name: str, checksums: str) -> bool:
    """Whether a file of this name is a small text that tells of the others.

    :param checksums: name of the checksum manifest, "" for none.
    """
    return name.endswith(".index.json") or name in ("config.json", checksums)


@dataclass(frozen=True)
class SeenFile:
    """One file of a checkpoint's folder.

    :param size: bytes.
    :param modified_ms: when its content was last written, as the place says; milliseconds since 1970.
    :param changed_ms: the later of that and of the last change of its entry, which a copy cannot set back.
    :param tag: what an object store or a hub says of its content; "" where nothing does.
    """

    name: str
    size: int
    modified_ms: int
    changed_ms: int
    tag: str = ""


@dataclass(frozen=True)
class SeenCheckpoint:
    """What is listed without opening a file.

    :param name: its path below the place, with ``/``.
    :param files: those directly in it, by name.
    :param uploads: names of files that are being uploaded at this moment.
    :param revision: what stands for all of its files where a place keeps revisions, "" where it does not.
    """

    name: str
    files: tuple[SeenFile, ...] = ()
    uploads: tuple[str, ...] = ()
    revision: str = ""

    @property
    def signature(self) -> str:
        """Equal as long as nothing in it changes."""
        files = [[file.name, file.size, file.modified_ms, file.changed_ms, file.tag] for file in self.files]
        return codec.digest([self.revision] if self.revision else [files, self.uploads])


@dataclass(frozen=True)
class Inside:
    """What a look into the files of one checkpoint tells.

    :param texts: content of small files by name: indexes, ``config.json``, the checksum manifest; None for one that
        cannot be read as text.
    :param promised: bytes that each weight file must have, as its own header says; None where it has no such header
        and should; files whose format says nothing are left out.
    :param tensors: names of the tensors in each safetensors file.
    :param digests: sha256 (hex) of the files that the checksum manifest names and that are there.
    """

    name: str
    texts: dict[str, str | None] = field(default_factory=dict)
    promised: dict[str, int | None] = field(default_factory=dict)
    tensors: dict[str, list[str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanRequest:
    """``python -m inference checkpoints`` reads this from stdin.

    :param folder: where checkpoints appear, ``~`` included.
    :param pattern: regular expression that the path of a checkpoint below the folder matches as a whole; "" for no
        listing.
    :param depth: how many folders such a path has.
    :param inspect: checkpoints whose files are looked into.
    :param checksums: name of their checksum manifest, "" for none.
    :param identify: checkpoints whose weights are identified.
    :param cache_dir: where digests of files are remembered, "" for nowhere.
    """

    folder: str
    pattern: str = ""
    depth: int = 1
    inspect: tuple[str, ...] = ()
    checksums: str = ""
    identify: tuple[str, ...] = ()
    cache_dir: str = ""

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ScanRequest:
        """Read a request; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text)


@dataclass(frozen=True)
class ScanReport:
    """The answer.

    :param now_ms: the clock of the place, milliseconds since 1970.
    :param identities: of the weights, by checkpoint; one that vanished or cannot be read is missing.
    :param problem: why nothing could be listed, "" when it could.
    """

    now_ms: int
    checkpoints: tuple[SeenCheckpoint, ...] = ()
    inside: tuple[Inside, ...] = ()
    identities: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ScanReport:
        """Read a report; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text, nested={"checkpoints": _seen, "inside": Inside})  # type: ignore[dict-item]


def _seen(name: str, files: list[dict[str, Any]], uploads: list[str], revision: str) -> SeenCheckpoint:
    return SeenCheckpoint(name, tuple(SeenFile(**file) for file in files), tuple(uploads), revision)


HEADER_LIMIT = 100 << 20
"""Bytes of a safetensors header that the format allows."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself.

    :param promised: bytes that the whole file must have.
    :param tensors: their names.
    """

    promised: int
    tensors: tuple[str, ...]


def header_length(start: bytes) -> int:
    """Bytes of a safetensors header, which the file's first eight (little endian) tell.

    Format: https://github.com/huggingface/safetensors#format
    """
    return int.from_bytes(start[:8], "little")


def parse_header(text: bytes) -> Header | None:
    """A safetensors header; None when it is none or is cut off.

    :param text: the bytes between the first eight and the tensors.
    """
    try:
        tensors = {name: entry for name, entry in json.loads(text).items() if name != "__metadata__"}
        payload = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        return None
    return Header(8 + len(text) + payload, tuple(tensors))


def summed_files(manifest: str | None) -> dict[str, str]:
    """File name to sha256 (hex) of a checksum manifest: the lines of ``sha256sum``, or a JSON object of the same."""
    try:
        values = json.loads(manifest or "")
        return {str(name): str(digest).lower() for name, digest in values.items()}
    except (ValueError, AttributeError):
        lines = re.findall(r"^([0-9a-fA-F]{64})[ \t]+\*?(?:\./)?(\S.*?)\s*$", manifest or "", re.MULTILINE)
        return {name: digest.lower() for digest, name in lines}
