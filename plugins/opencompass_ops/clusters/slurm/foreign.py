"""Jobs that something else submitted, by what people know of them: ``job:ID`` or ``name:NAME``; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opencompass_ops.clusters.slurm.rows import Row

JOB, NAME = "job:", "name:"


def is_foreign(key: str) -> bool:
    """Whether the key names a job that is none of our tokens, which have no colon."""
    return key.startswith((JOB, NAME))


def row_of(key: str, rows: Iterable[Row]) -> Row | None:
    """The job's row; of several with one name the newest."""
    if key.startswith(JOB):
        return next((row for row in rows if row.job_id == key.removeprefix(JOB)), None)
    named = [row for row in rows if row.name == key.removeprefix(NAME)]
    return max(named, key=lambda row: int(row.job_id), default=None)


def ids_and_names(keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """What accounting must be asked for."""
    ids = [key.removeprefix(JOB) for key in keys if key.startswith(JOB)]
    return ids, [key.removeprefix(NAME) for key in keys if key.startswith(NAME)]
