"""What a job leaves behind: manifests beside its files, a heartbeat, an exit record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.contract import ENGINE_REVISION, codec

UNANSWERED = "unanswered"
"""In the details of a result's manifest: items that a judge gave no answer to, which a later run asks again."""

JUDGED = "judged"
"""In the details of a result's manifest: run-relative paths of what judges answered, which the result is made of."""

PHASES = ("starting", "loading", "running", "writing", "done")
"""Heartbeat phases in order: process up, weights loading, items answered, files written, finished."""


@dataclass(frozen=True)
class Manifest:
    """Stands beside a prediction or result file, because no file is trusted by its name alone.

    :param file: the file's name in the same folder.
    :param sha256: digest of that file's bytes.
    :param model: the model's abbr.
    :param dataset: the dataset's abbr.
    :param shard: id of the shard that wrote it.
    :param token: token of the job that wrote it.
    :param start: first selected row of the range; rows are ``start..stop-1`` of ``total``.
    :param count: rows in the file.
    :param fingerprint: of the part, or of the evaluation for a result file.
    :param pair_fingerprint: of model x dataset, without the range.
    :param weights_id: identity of the weights that answered.
    :param details: what the writer adds (metrics of a result, truncated rows, versions; ``timing``: the seconds that
        the part took of its job, how many items were answered in them, and the device).
    """

    file: str
    sha256: str
    model: str
    dataset: str
    shard: str
    token: str
    start: int
    stop: int
    total: int
    count: int
    fingerprint: str
    pair_fingerprint: str
    weights_id: str = ""
    engine_revision: int = ENGINE_REVISION
    created_at: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read a manifest; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text)


@dataclass(frozen=True)
class ExitRecord:
    """Written last, by rename: a job without one did not end by itself.

    :param job_id: the cluster's handle (pid, Slurm job id ...), so that an old attempt cannot win.
    :param restart: how often the cluster restarted the job under the same id.
    :param epoch: number of the deliberate submission, from 1.
    :param returncode: 0 only when every part was written.
    :param manifests: run-relative path of each manifest written or found good -> its sha256.
    :param error_type: class name of what went wrong, "" on success.
    :param error: one message that names the culprit and the next step.
    :param retryable: False when the same job would fail the same way.
    """

    token: str
    job_id: str
    restart: int
    epoch: int
    returncode: int
    manifests: dict[str, str] = field(default_factory=dict)
    error_type: str = ""
    error: str = ""
    retryable: bool = True
    host: str = ""
    started_at: str = ""
    finished_at: str = ""

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ExitRecord:
        """Read an exit record; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text)


@dataclass(frozen=True)
class Heartbeat:
    """Rewritten by the running job every few seconds.

    :param phase: one of :data:`PHASES`.
    :param done: items finished, journaled ones of earlier attempts included.
    :param total: items of the shard.
    :param updated_at: ISO 8601, UTC.
    :param tokens: read and written by this job so far, 0 when nobody counts them.
    """

    phase: str
    done: int
    total: int
    updated_at: str
    message: str = ""
    tokens: int = 0

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Heartbeat:
        """Read a heartbeat; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text)
