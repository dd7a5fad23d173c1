"""One model x dataset: its parts, and which of them are answered already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from opencompass_ops.contract import layout
from opencompass_ops.contract.probe import DatasetProbe
from opencompass_ops.contract.spec import NATIVE, OPENCOMPASS, Part
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.fingerprint import evaluation_fingerprint, part_fingerprint
from opencompass_ops.planning.partition import Candidate, Range, Tiler
from opencompass_ops.planning.tiling import KnownPart, best_cover, find_tiling, gaps


@dataclass(frozen=True)
class Price:
    """What work is expected to take.

    :param row_seconds: of one row; above 0.
    :param load_seconds: of a job besides answering.
    :param is_known: whether a row's seconds are learned from just this work, not guessed.
    """

    row_seconds: float = 1.0
    load_seconds: float = 0.0
    is_known: bool = False


@dataclass(frozen=True)
class Pair:
    """A model x dataset before it is split.

    :param fingerprint: of the pair.
    :param known: parts of this fingerprint that exist.
    :param tiling: known parts that answer the whole dataset; None when there are none such.
    :param begun: the ranges into which the run was planned before, when some of them are answered or begun.
    :param price: what its rows and the load of its model are expected to take.
    :param bridge: why only OpenCompass can answer it, "" when we can.
    :param eval_bridge: why only OpenCompass can score it, "" when we can.
    :param against: fingerprints of the pairs that judges compare this one with.
    :param is_reference: whether judges only compare others with it, and it has no score of its own.
    :param scorer: identity of who scores, see :func:`~opencompass_ops.planning.fingerprint.engine_identity`.
    """

    model: Mapping[str, Any]
    dataset: Mapping[str, Any]
    probe: DatasetProbe
    fingerprint: str
    known: tuple[KnownPart, ...]
    tiling: tuple[KnownPart, ...] | None
    begun: tuple[Range, ...] = ()
    price: Price = Price()
    bridge: str = ""
    eval_bridge: str = ""
    scorer: str = ""
    against: tuple[str, ...] = ()
    is_reference: bool = False

    @property
    def engine(self) -> str:
        """Who answers."""
        return OPENCOMPASS if self.bridge else NATIVE

    @property
    def eval_engine(self) -> str:
        """Who scores; "" where nobody does."""
        if self.is_reference:
            return ""
        return OPENCOMPASS if self.eval_bridge else NATIVE

    @property
    def key(self) -> tuple[str, str]:
        """Abbr of the model and of the dataset."""
        return str(self.model["abbr"]), str(self.dataset["abbr"])

    @property
    def name(self) -> str:
        """What people read."""
        return "/".join(self.key)

    def candidate(self, done: frozenset[str] = frozenset()) -> Candidate:
        """The pair as a partitioner sees it."""
        known = {(part.start, part.stop) for part in self.known}
        kept = self.begun or tuple((part.start, part.stop) for part in best_cover(self.known))
        return Candidate(
            self.dataset,
            self.probe.rows,
            self.probe.selected,
            done,
            model=self.key[0],
            engine=self.engine,
            row_seconds=self.price.row_seconds,
            is_known=self.price.is_known,
            load_seconds=self.price.load_seconds,
            kept=kept,
            answered=known.intersection(kept),
        )

    def missing(self) -> str:
        """Which rows have no usable prediction, for people."""
        open_rows = gaps(self.known, self.probe.selected)
        said = ", ".join(f"{start}..{stop - 1}" for start, stop in open_rows)
        return f"rows {said} of {self.probe.selected}" if said else "the parts that exist overlap"


def make_pair(
    model: Mapping[str, Any],
    dataset: Mapping[str, Any],
    probe: DatasetProbe,
    fingerprint: str,
    known: Sequence[KnownPart],
    begun: Sequence[Range] = (),
    price: Price = Price(),
) -> Pair:
    """A pair with those known parts that really answer it.

    :param begun: as :attr:`Pair.begun`; what is not of these rows does not count.
    """
    own = tuple(
        part
        for part in known
        if part.total == probe.selected >= part.stop > part.start >= 0
        and part.fingerprint == part_fingerprint(fingerprint, part.start, part.stop)
    )
    tiles = [start for start, _ in begun] + [probe.selected] == [0] + [stop for _, stop in begun]
    tiling = find_tiling(own, probe.selected)
    return Pair(model, dataset, probe, fingerprint, own, tiling, tuple(begun) if tiles else (), price)


@dataclass(frozen=True)
class SplitPair:
    """A pair with its parts.

    :param parts: tile the dataset, in order.
    :param sources: path of the known prediction by name of the part that it answers.
    """

    pair: Pair
    parts: tuple[Part, ...]
    sources: Mapping[str, str]

    @property
    def open_parts(self) -> tuple[Part, ...]:
        """The parts that a job has to answer."""
        return tuple(part for part in self.parts if part.name not in self.sources)

    @property
    def evaluation_fingerprint(self) -> str:
        """Identity of the pair's score."""
        pair = self.pair
        return evaluation_fingerprint(pair.fingerprint, pair.dataset, pair.model, pair.scorer, pair.against)

    def candidate(self) -> Candidate:
        """What is left for the partitioner to deal out."""
        return self.pair.candidate(frozenset(self.sources))


def split(pair: Pair, partitioner: Tiler) -> SplitPair:
    """Keep the ranges of a tiling that exists; else split anew and take over the parts that fit.

    :raises PlanError: the partitioner cannot split the dataset.
    """
    if pair.tiling is not None:
        numbers = [None] if len(pair.tiling) == 1 else list(range(len(pair.tiling)))
        parts = tuple(_part(pair, n, known.start, known.stop) for n, known in zip(numbers, pair.tiling, strict=True))
        return SplitPair(pair, parts, {p.name: known.path for p, known in zip(parts, pair.tiling, strict=True)})
    paths = {(known.start, known.stop): known.path for known in sorted(pair.known, key=lambda k: k.path, reverse=True)}
    pieces = partitioner.tile(pair.candidate())
    parts = tuple(_part(pair, piece.index, piece.start, piece.stop) for piece in pieces)
    sources = {part.name: paths[part.start, part.stop] for part in parts if (part.start, part.stop) in paths}
    return SplitPair(pair, parts, sources)


def _part(pair: Pair, index: int | None, start: int, stop: int) -> Part:
    return Part(
        dataset=dict(pair.dataset),
        index=index,
        start=start,
        stop=stop,
        total=pair.probe.selected,
        fingerprint=part_fingerprint(pair.fingerprint, start, stop),
        pair_fingerprint=pair.fingerprint,
    )


def refuse_shared_names(split_pairs: Sequence[SplitPair]) -> None:
    """Refuse parts of two pairs that would be written to one file, or one below the other's file.

    :raises PlanError: names both.
    """
    owners: dict[PurePosixPath, SplitPair] = {}
    for split_pair in split_pairs:
        for part in split_pair.parts:
            file = PurePosixPath(layout.prediction(split_pair.pair.key[0], part.name))
            _refuse_shared(file, split_pair, owners.setdefault(file, split_pair))
    for file, split_pair in owners.items():
        for folder in file.parents:
            _refuse_shared(folder, split_pair, owners.get(folder, split_pair))


def _refuse_shared(file: PurePosixPath, one: SplitPair, other: SplitPair) -> None:
    if one.pair.key != other.pair.key:
        raise PlanError(
            f"{other.pair.name} and {one.pair.name} would both write {file.relative_to('predictions')}; give one of "
            "them another abbr"
        )
