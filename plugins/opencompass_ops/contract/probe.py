"""The question asked where data and weights live, before any job, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.contract import codec


@dataclass(frozen=True)
class ProbeRequest:
    """``python -m inference probe`` reads this from stdin.

    :param models: resolved OpenCompass model configs, each with ``abbr``.
    :param datasets: resolved OpenCompass dataset configs, each with ``abbr``.
    :param limit: rows kept per dataset, None for all.
    :param data_dir: the folder relative data paths are resolved against.
    :param cache_dir: where digests of big files are remembered, ``~`` included; "" for no cache.
    """

    models: tuple[dict[str, Any], ...]
    datasets: tuple[dict[str, Any], ...]
    limit: int | None = None
    data_dir: str = ""
    cache_dir: str = ""

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ProbeRequest:
        """Read a request; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text)


@dataclass(frozen=True)
class ModelProbe:
    """What is known of a model's files.

    :param weights_id: ``sha256:...`` of all weight files, or ``quick:...`` for very large ones
        (safetensors headers, sizes, samples, mtime in milliseconds).
    :param tokenizer_id: digest of the tokenizer's files and the chat template.
    :param error: one message with the next step when the model cannot be used, else "".
    :param weights_bytes: size of all weight files; 0 when unknown.
    """

    abbr: str
    weights_id: str = ""
    tokenizer_id: str = ""
    error: str = ""
    weights_bytes: int = 0


@dataclass(frozen=True)
class DatasetProbe:
    """What is known of a dataset's rows.

    :param rows: rows of the test split before any range.
    :param selected: rows after ``test_range`` and ``limit``.
    :param error: one message with the next step when the dataset cannot be used, else "".
    """

    abbr: str
    rows: int = 0
    selected: int = 0
    error: str = ""


@dataclass(frozen=True)
class RequestProbe:
    """Digest of every rendered request (prompt, labels, gold) of model x dataset, in order."""

    model: str
    dataset: str
    digest: str


@dataclass(frozen=True)
class ProbeReport:
    """The answer; every list is complete even when some entries carry an error."""

    models: tuple[ModelProbe, ...] = ()
    datasets: tuple[DatasetProbe, ...] = ()
    requests: tuple[RequestProbe, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ProbeReport:
        """Read a report; raises :class:`codec.SchemaError` when it is damaged or too new."""
        nested = {"models": ModelProbe, "datasets": DatasetProbe, "requests": RequestProbe}
        return codec.loads(cls, text, nested=nested)
