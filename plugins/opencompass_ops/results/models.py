"""The tables as queries see them. :mod:`opencompass_ops.results.migrations` creates them.

Keys are natural (a run is its directory, a prediction its path), so that the same run ingested
twice meets its own rows and the same SQL serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

metadata = MetaData()

run = Table(
    "run",
    metadata,
    Column("run_dir", Text, primary_key=True),
    Column("stamp", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("config_fingerprint", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("pairs", Integer, nullable=False),
    Column("scored", Integer, nullable=False),
    Column("coverage", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)


def _of_run() -> ForeignKey:
    return ForeignKey("run.run_dir", ondelete="CASCADE")


prediction = Table(
    "prediction",
    metadata,
    Column("path", Text, primary_key=True),
    Column("run_dir", Text, _of_run(), nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("pair_fingerprint", Text, nullable=False, index=True),
    Column("start", Integer, nullable=False),
    Column("stop", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("weights_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

score = Table(
    "score",
    metadata,
    Column("run_dir", Text, _of_run(), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("dataset", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("value", Float, nullable=False),
    Column("stderr", Float),
    Column("n", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("step", BigInteger),
    Column("evaluation_fingerprint", Text, nullable=False, index=True),
    Column("weights_id", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Index("ix_score_curve", "series", "dataset", "metric"),
    Index("ix_score_model", "model"),
)
"""A gate reads one curve at a time, whatever else is stored."""

sample = Table(
    "sample",
    metadata,
    Column("evaluation_fingerprint", Text, primary_key=True),
    Column("idx", Integer, primary_key=True),
    Column("row", Text, nullable=False),
    Column("correct", Boolean),
    Column("score", Float),
)

timing = Table(
    "timing",
    metadata,
    Column("token", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("weights_bytes", BigInteger, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("row_cost", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", Text, nullable=False, index=True),
)
"""Outlives the run that it was measured in: what work costs is known better the more of it was seen."""

usage = Table(
    "usage",
    metadata,
    Column("token", Text, primary_key=True),
    Column("day", Text, primary_key=True, index=True),
    Column("owner", Text, nullable=False, index=True),
    Column("series", Text, nullable=False, index=True),
    Column("run_dir", Text, nullable=False, index=True),
    Column("cluster", Text, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("gpu_seconds", Float, nullable=False),
)
"""Outlives the run: what was used counts, whatever became of its folder."""

metered_job = Table(
    "metered_job",
    metadata,
    Column("token", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("run_dir", Text, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("began", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("expected", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)
"""Jobs that some process sees through now, so that all processes agree which of them are the newest."""

sighting = Table(
    "sighting",
    metadata,
    Column("series", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
)
"""What the last look at a series' place says; see :mod:`opencompass_ops.series.ledger`."""

evaluation = Table(
    "evaluation",
    metadata,
    Column("series", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("suite", Text, nullable=False),
    Column("run_id", Text, nullable=False, index=True, unique=True),
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("begun_at", Text, nullable=False),
    Column("ended_at", Text, nullable=False),
    Column("stops", Integer, nullable=False),
    Column("earlier", Text, nullable=False),
)
"""Outlives runs and checkpoints: it says what was evaluated, and under which version."""
