"""Text tables over database rows; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from opencompass_ops.results.rows import CheckpointRow, ScoreRow
from opencompass_ops.results.versions import Versions

NOTHING = "no scores stored yet; run an evaluation first: opencompass-ops run CONFIG"


def leaderboard_table(rows: Sequence[ScoreRow], known: Versions | None = None) -> str:
    """The stored scores, best first within each dataset, version (of its prompts) and metric.

    :param rows: from :meth:`opencompass_ops.results.store.Store.leaderboard`.
    :param known: versions of the checkpoints; they have a column where any row has one.
    """
    if not rows:
        return NOTHING
    versions = [known.of(row.series, row.weights_id, row.step) if known else "" for row in rows]
    has_versions = any(versions)
    named = [(version or "-",) if has_versions else () for version in versions]
    of_model = ("model", "checkpoint") if has_versions else ("model",)
    header = ("dataset", "version", "metric", "#", *of_model, "step", "score", "± SE", "n", "evaluated")
    shown = [(*_place(rows, at), row.model, *named[at], *_score(row)) for at, row in enumerate(rows)]
    return _table(header, shown)


def checkpoints_table(rows: Sequence[CheckpointRow]) -> str:
    """The weights that have scores, by model name and step.

    :param rows: from :meth:`opencompass_ops.results.store.Store.checkpoints`.
    """
    if not rows:
        return NOTHING
    header = ("series", "step", "model", "weights", "last evaluated", "datasets")
    if not any(row.version for row in rows):
        return _table(header, [_checkpoint(row) for row in rows])
    return _table(("version", *header), [(row.version or "-", *_checkpoint(row)) for row in rows])


def _place(rows: Sequence[ScoreRow], index: int) -> tuple[str, str, str, str]:
    boards = [(row.dataset, row.version, row.metric) for row in rows]
    board = boards[index]
    place = index - boards.index(board) + 1
    return (*board, str(place)) if place == 1 else ("", "", "", str(place))


def _score(row: ScoreRow) -> tuple[str, ...]:
    error = "-" if row.stderr is None else f"{row.stderr:.2f}"
    return _step(row.step), f"{row.value:.2f}", error, str(row.n), _when(row.created_at, row.origin)


def _checkpoint(row: CheckpointRow) -> tuple[str, ...]:
    weights = row.weights_id.rpartition(":")[2][:12]
    when = _when(row.last_evaluated, row.origin)
    return row.series or row.model, _step(row.step), row.model, weights or "-", when, ", ".join(row.datasets)


def _step(step: int | None) -> str:
    return "-" if step is None else str(step)


def _when(moment: str, origin: str) -> str:
    """In UTC, and whether the scores came from somebody else's folder."""
    return moment.replace("T", " ").removesuffix("+00:00") + " UTC" + (", imported" if origin else "")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    right = {"#", "step", "score", "± SE", "n"}
    align = ["right" if name in right else "left" for name in header]
    # Names and versions of digits only stay as they are.
    return tabulate(rows, headers=header, disable_numparse=True, colalign=align)
