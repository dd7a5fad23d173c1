"""Naive, Size and NumWorker partitioners: which rows of which datasets share a job.

They give OpenCompass's partitions (``opencompass/partitioners``, 0.5.3) in its order and with its part names; what
makes OpenCompass crash (raw message templates, numeric ranges, a size below one row's cost) is defined here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from math import ceil
from typing import Any, Protocol

from opencompass_ops.errors import PlanError
from opencompass_ops.planning.ranges import base_range

GEN_TASK_COEF = 20
LONG_ANSWERS = (
    "bbh*",
    "gsm8k*",
    "math*",
    "strategyqa*",
    "agieval-jec*",
    "agieval-gaokao-mathcloze",
    "agieval-math",
    "*professional_law",
)
"""Datasets whose answers OpenCompass takes to be ten times as long."""

META_KEYS = frozenset({"begin", "round", "end"})


Range = tuple[int, int]
"""First row and the one behind the last."""


@dataclass(frozen=True)
class Candidate:
    """A dataset that is to be split for one model.

    :param dataset: the resolved OpenCompass dataset config, with its ``abbr``.
    :param rows: rows of the test split before any range.
    :param selected: rows after ``test_range`` and the run's limit; at least 1.
    :param done: names of parts that are answered already.
    :param model: abbr of the model.
    :param engine: who answers; a job has one model and one engine.
    :param row_seconds: what one row is expected to take.
    :param is_known: whether that is learned from just this work, not guessed.
    :param load_seconds: what a job of the model is expected to take besides answering.
    :param kept: ranges that shall stay parts of their own, in order and without overlap: they are answered or begun.
    :param answered: those of the kept ranges that need no job.
    """

    dataset: Mapping[str, Any]
    rows: int
    selected: int
    done: Collection[str] = ()
    model: str = ""
    engine: str = ""
    row_seconds: float = 0.0
    is_known: bool = False
    load_seconds: float = 0.0
    kept: tuple[Range, ...] = ()
    answered: Collection[Range] = ()

    @property
    def abbr(self) -> str:
        """The dataset's name."""
        return str(self.dataset["abbr"])


@dataclass(frozen=True)
class Piece:
    """Rows ``start`` to ``stop`` (exclusive) of a dataset's selected rows.

    :param index: number of the part, None for the whole dataset.
    :param test_range: what OpenCompass would write; its last stop may lie behind the rows. None when there is no
        range, or none that a string can say.
    """

    abbr: str
    index: int | None
    start: int
    stop: int
    test_range: str | None = None

    @property
    def name(self) -> str:
        """The stem of the prediction file."""
        return self.abbr if self.index is None else f"{self.abbr}_{self.index}"


Shards = tuple[tuple[Piece, ...], ...]


class Tiler(Protocol):
    """Cuts datasets into parts."""

    def tile(self, candidate: Candidate) -> tuple[Piece, ...]:
        """All parts of a dataset in order, the answered ones included."""
        ...


class Partitioner(Tiler, Protocol):
    """Turns the datasets of one model into shards."""

    def shards(self, candidates: Sequence[Candidate]) -> Shards:
        """The parts that are not answered, grouped into shards."""
        ...


@dataclass(frozen=True)
class Naive:
    """Whole datasets, ``n`` to a shard, in the config's order."""

    n: int = 1

    def tile(self, candidate: Candidate) -> tuple[Piece, ...]:
        """The whole dataset as one part."""
        return (_whole(candidate),)

    def shards(self, candidates: Sequence[Candidate]) -> Shards:
        """Chunks of ``n`` datasets."""
        open_pieces = _open_pieces(self, candidates)
        return tuple(tuple(open_pieces[i : i + self.n]) for i in range(0, len(open_pieces), self.n))


@dataclass(frozen=True)
class Size:
    """Shards of at most ``max_task_size``, the largest datasets first.

    :param max_task_size: in rows times factor (see :func:`row_cost`).
    :param strategy: ``heuristic`` lets small datasets share a shard; ``split`` gives each part its own.
    """

    max_task_size: int = 40000
    gen_task_coef: int = GEN_TASK_COEF
    strategy: str = "heuristic"

    def check(self, candidates: Sequence[Candidate]) -> None:
        """Refuse datasets of which one row alone is above the size.

        :raises PlanError: names them, their cost and the smallest usable size.
        """
        costs = {candidate.abbr: row_cost(candidate.dataset, self.gen_task_coef) for candidate in candidates}
        over = {abbr: cost for abbr, cost in costs.items() if cost > self.max_task_size}
        if over:
            named = ", ".join(f"{abbr} {cost}" for abbr, cost in sorted(over.items()))
            raise PlanError(
                f"max_partition_size={self.max_task_size} is less than the cost of one row ({named}); "
                f"the smallest usable value is {max(over.values())}"
            )

    def tile(self, candidate: Candidate) -> tuple[Piece, ...]:
        """Equal parts, each within the size.

        :raises PlanError: one row alone is above the size.
        """
        factor = row_cost(candidate.dataset, self.gen_task_coef)
        if factor * candidate.selected <= self.max_task_size:
            return (_whole(candidate),)
        self.check([candidate])
        step = self.max_task_size // factor
        step = ceil(candidate.selected / ceil(candidate.selected / step))
        return _split(candidate, step, space=" ")

    def shards(self, candidates: Sequence[Candidate]) -> Shards:
        """Split what is too large, then fill shards greedily in order of size.

        :raises PlanError: one row of a dataset alone is above the size.
        """
        self.check(candidates)
        by_cost = sorted(candidates, key=lambda candidate: self._cost(candidate), reverse=True)
        sized = []
        for candidate in by_cost:
            for piece in _open_pieces(self, [candidate]):
                # OpenCompass counts every split part as full, so split parts never share a shard.
                size = self._cost(candidate) if piece.index is None else self.max_task_size
                sized.append((size, piece))
        if self.strategy == "split":
            return tuple((piece,) for _, piece in sized)
        return self._fill(sorted(sized, key=lambda entry: entry[0], reverse=True))

    def _cost(self, candidate: Candidate) -> int:
        return row_cost(candidate.dataset, self.gen_task_coef) * candidate.selected

    def _fill(self, sized: Sequence[tuple[int, Piece]]) -> Shards:
        shards: list[list[Piece]] = []
        filled = 0
        for size, piece in sized:
            if not shards or filled + size > self.max_task_size:
                shards.append([])
                filled = 0
            shards[-1].append(piece)
            filled += size
        return tuple(tuple(shard) for shard in shards)


@dataclass(frozen=True)
class NumWorker:
    """Every dataset in ``num_split`` parts, dealt out to ``num_worker`` shards.

    :param num_split: parts per dataset; None, and as in OpenCompass 0, for ``num_worker``.
    :param min_task_size: rows that a part has at least.
    :param strategy: ``heuristic`` deals the parts out; ``split`` gives each its own shard.
    """

    num_worker: int = 8
    num_split: int | None = None
    min_task_size: int = 16
    strategy: str = "heuristic"

    def tile(self, candidate: Candidate) -> tuple[Piece, ...]:
        """Equal parts of at least ``min_task_size`` rows; a small dataset stays whole."""
        parts = self.num_split or self.num_worker
        if parts <= 1 or candidate.selected <= self.min_task_size:
            return (_whole(candidate),)
        return _split(candidate, max(ceil(candidate.selected / parts), self.min_task_size), space="")

    def shards(self, candidates: Sequence[Candidate]) -> Shards:
        """Round robin over all open parts: at most ``num_worker`` shards, each with a slice of every dataset."""
        open_pieces = _open_pieces(self, candidates)
        if self.strategy == "split":
            return tuple((piece,) for piece in open_pieces)
        buckets = (tuple(open_pieces[worker :: self.num_worker]) for worker in range(self.num_worker))
        return tuple(bucket for bucket in buckets if bucket)


def row_cost(dataset: Mapping[str, Any], gen_task_coef: int = GEN_TASK_COEF) -> int:
    """OpenCompass's cost of one row: its labels when ranked, else ``gen_task_coef``; tenfold for long answers.

    A template of raw messages, which OpenCompass's partitioner cannot read, is generation.
    """
    infer_cfg = dataset.get("infer_cfg") or {}
    prompt = infer_cfg.get("prompt_template") or {}
    template = prompt.get("template") if "template" in prompt else (infer_cfg.get("ice_template") or {}).get("template")
    ranked = "messages" not in prompt and isinstance(template, Mapping) and not META_KEYS.issuperset(template)
    factor = len(template) if ranked and template else gen_task_coef
    return factor * 10 if any(fnmatch(str(dataset["abbr"]), pattern) for pattern in LONG_ANSWERS) else factor


def _open_pieces(partitioner: Partitioner, candidates: Sequence[Candidate]) -> list[Piece]:
    """The parts without an answer; a dataset answered as a whole has none."""
    return [
        piece
        for candidate in candidates
        if candidate.abbr not in candidate.done
        for piece in partitioner.tile(candidate)
        if piece.name not in candidate.done
    ]


def range_text(candidate: Candidate) -> str | None:
    """The dataset's own range as OpenCompass writes it before a part's; None when no string says it."""
    test_range = (candidate.dataset.get("reader_cfg") or {}).get("test_range")
    return base_range(test_range, candidate.rows, candidate.selected)


def _whole(candidate: Candidate) -> Piece:
    return Piece(candidate.abbr, None, 0, candidate.selected, range_text(candidate) or None)


def _split(candidate: Candidate, step: int, space: str) -> tuple[Piece, ...]:
    """Parts of ``step`` rows; ``space`` is what the partitioner writes after the colon."""
    base = range_text(candidate)
    return tuple(
        Piece(
            candidate.abbr,
            index,
            start,
            min(start + step, candidate.selected),
            None if base is None else f"{base}[{start}:{space}{start + step}]",
        )
        for index, start in enumerate(range(0, candidate.selected, step))
    )
