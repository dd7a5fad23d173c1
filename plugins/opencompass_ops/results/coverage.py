"""What of a run is there, what is not, and why: next to the table and as JSON for tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from opencompass_ops.contract import SCHEMA_VERSION
from opencompass_ops.results.findings import PairFinding

_PREDICTED = "predicted"
INFER_ONLY = "infer"
"""The run mode that promises predictions but no scores."""

NAMED = 5
"""Missing pairs named in the one line; the rest is counted."""


@dataclass(frozen=True)
class PairCoverage:
    """One model x dataset.

    :param rows: rows the pair has.
    :param predicted: rows whose predictions are there and right.
    :param reused: rows among them that an earlier run had predicted.
    :param scored: whether there is a result that scores these predictions.
    :param evaluated: ``computed``, ``reused`` or "" when not scored.
    :param missing: one line per prediction file that cannot be used.
    :param reason: why the pair lacks what the run promised, "" when it lacks nothing.
    """

    model: str
    dataset: str
    rows: int
    predicted: int
    reused: int
    scored: bool
    evaluated: str
    missing: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Coverage:
    """The whole run.

    :param promised: ``scored`` or, in mode infer, ``predicted``.
    """

    promised: str
    pairs: tuple[PairCoverage, ...]

    @property
    def lacking(self) -> tuple[PairCoverage, ...]:
        """Pairs that lack what the run promised."""
        return tuple(pair for pair in self.pairs if pair.reason)

    @property
    def scored(self) -> int:
        """How many pairs have a score."""
        return sum(pair.scored for pair in self.pairs)

    @property
    def line(self) -> str:
        """How much is there, and what is not and why, in one line."""
        lacking = self.lacking
        line = f"coverage {len(self.pairs) - len(lacking)}/{len(self.pairs)} pairs"
        if not lacking:
            return f"{line}, {self._rows()}"
        named = "; ".join(f"{pair.model}/{pair.dataset} ({pair.reason})" for pair in lacking[:NAMED])
        more = f"; and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        noun = "pair" if len(lacking) == 1 else "pairs"
        return f"{line}, {len(lacking)} {noun} not {self.promised}: {named}{more}"

    def failures(self) -> tuple[str, ...]:
        """One line per pair that lacks what the run promised."""
        return tuple(f"{pair.model}/{pair.dataset} not {self.promised}: {pair.reason}" for pair in self.lacking)

    def to_json(self) -> str:
        """The text of ``summary/coverage.json``."""
        body = {"schema_version": SCHEMA_VERSION, "line": self.line, "scored": self.scored, **asdict(self)}
        return json.dumps(body, ensure_ascii=False, indent=2) + "\n"

    def _rows(self) -> str:
        predicted = sum(pair.predicted for pair in self.pairs)
        reused = sum(pair.reused for pair in self.pairs)
        results = sum(pair.evaluated == "reused" for pair in self.pairs)
        return f"{predicted} rows predicted ({reused} reused), {self.scored} scored ({results} reused)"


def cover(mode: str, findings: Sequence[PairFinding]) -> Coverage:
    """Say what of a run is there.

    :param mode: of the run: all, infer, eval or viz.
    :param findings: of every planned pair.
    """
    promised = _PREDICTED if mode == INFER_ONLY else "scored"
    pairs = (_cover_pair(promised if finding.pair.scorer else _PREDICTED, finding) for finding in findings)
    return Coverage(promised, tuple(pairs))


def _cover_pair(promised: str, finding: PairFinding) -> PairCoverage:
    pair, good = finding.pair, [part for part in finding.parts if not part.problem]
    missing = tuple(f"part {part.name}: {part.problem}" for part in finding.parts if part.problem)
    scored = not finding.result.problem
    computed = "computed" if pair.evaluation else "reused"
    return PairCoverage(
        model=pair.model,
        dataset=pair.dataset,
        rows=pair.rows,
        predicted=sum(part.stop - part.start for part in good),
        reused=sum(part.stop - part.start for part in good if part.reused),
        scored=scored,
        evaluated=computed if scored else "",
        missing=missing,
        reason=_reason(promised, finding, missing),
    )


def _reason(promised: str, finding: PairFinding, missing: tuple[str, ...]) -> str:
    if promised == "scored" and not finding.result.problem:
        return ""
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return missing[0] + more
    return "" if promised == _PREDICTED else finding.result.problem
