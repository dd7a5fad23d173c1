"""Frozen dataclasses to JSON and back, and the digest of plain values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, TypeVar

from opencompass_ops.contract import SCHEMA_VERSION

Record = TypeVar("Record")


class SchemaError(ValueError):
    """A record cannot be read: not JSON, of a newer schema, or of another shape."""


def dumps(record: Any) -> str:
    """The JSON text of a dataclass instance, with its schema version.

    :param record: a dataclass instance whose fields are plain JSON values, tuples or dataclasses.
    """
    body = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(record)}
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def loads(kind: type[Record], text: str | bytes, nested: dict[str, type] | None = None) -> Record:
    """A dataclass instance from the JSON text that :func:`dumps` wrote.

    :param kind: the dataclass.
    :param text: the JSON text.
    :param nested: for each field that holds a dataclass or a list of them, the class.
    :raises SchemaError: the text is not JSON, of a newer schema, or misses a field.
    """
    name = kind.__name__
    try:
        body = json.loads(text)
        version = body.pop("schema_version")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise SchemaError(f"{name}: not a record ({error}); the file is damaged, remove it and run again") from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise SchemaError(
            f"{name}: schema {version} is newer than {SCHEMA_VERSION}; build image and plugin from one commit"
        )
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # kind is a dataclass
    values = {key: value for key, value in body.items() if key in known}
    for key, item in (nested or {}).items():
        entries = values.get(key) or ()
        values[key] = item(**entries) if isinstance(entries, dict) else tuple(item(**entry) for entry in entries)
    try:
        return kind(**values)
    except TypeError as error:
        raise SchemaError(f"{name}: {error}; the file is damaged, remove it and run again") from error


def digest(value: Any) -> str:
    """The sha256 (hex) of a plain value's canonical JSON: equal values, equal digests."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_bytes(content: bytes) -> str:
    """The sha256 (hex) of bytes."""
    return hashlib.sha256(content).hexdigest()
