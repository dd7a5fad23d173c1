"""One look at a series' place: what is there, what is complete, and why the rest is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from opencompass_ops.contract.checkpoints import SeenCheckpoint
from opencompass_ops.errors import UnsureError
from opencompass_ops.series.config import Series
from opencompass_ops.series.ledger import GONE, INCOMPLETE, OUTSIDE, READY, Sighting
from opencompass_ops.series.places import Place
from opencompass_ops.series.readiness import newest_change_ms, not_ready
from opencompass_ops.series.selection import outside


@dataclass(frozen=True)
class _Found:
    """A checkpoint of the listing.

    :param known: what the look before says of these very files, None where something changed.
    :param since: when these very files were first seen.
    """

    seen: SeenCheckpoint
    step: int
    known: Sighting | None
    since: datetime


class Means(Protocol):
    """Whether a look is for a checkpoint that its series does not mean."""

    def __call__(self, name: str, step: int, completed: datetime | None) -> bool:
        """:param completed: when its last file was written; None when that is not known yet."""
        ...


def nothing_else(name: str, step: int, completed: datetime | None) -> bool:
    """For a look at what the series means."""
    return False


async def look(
    series: Series, place: Place, before: Mapping[str, Sighting], now: datetime, means: Means = nothing_else
) -> list[Sighting]:
    """What is there now, by step; checkpoints that are gone included.

    Files are looked into and weights identified only where something changed since a look that found them complete.

    :param before: what the last look said.
    :param now: of this host's clock, with a time zone.
    :param means: which checkpoints are meant beside those that the series means; one that is ready has as its reason
        why the series does not mean it.
    :raises UnsureError: the place cannot be asked, or its folder is not there any more.
    """
    report = await place.listing()
    if report.problem and before:
        raise UnsureError(f"series {series.name}: {report.problem}, and it was there before; is it still mounted?")
    found = [_found(one, step, before.get(one.name), now) for one, step in _meant(series, report.checkpoints)]
    sightings = []
    fresh: list[_Found] = []
    for one in found:
        reason = outside(one.step, _completed(one.seen), series.limits)
        if reason and not means(one.seen.name, one.step, _completed(one.seen)):
            sightings.append(_sighting(series, one, now, OUTSIDE, reason))
        elif one.known and one.known.state == READY:
            sightings.append(_sighting(series, one, now, READY, reason, one.known.digest))
        else:
            fresh.append(one)
    sightings += await _judge(series, place, fresh, report.now_ms, now, means)
    sightings += _gone(before, {one.seen.name for one in found})
    return sorted(sightings, key=lambda one: (one.step, one.name))


def _meant(series: Series, seen: Sequence[SeenCheckpoint]) -> list[tuple[SeenCheckpoint, int]]:
    steps = ((one, series.checkpoints.pattern.step(one.name)) for one in seen)
    return [(one, step) for one, step in steps if step is not None]


def _found(seen: SeenCheckpoint, step: int, before: Sighting | None, now: datetime) -> _Found:
    same = before if before and before.state != GONE and before.signature == seen.signature else None
    return _Found(seen, step, same, datetime.fromisoformat(same.since) if same else now)


def _completed(seen: SeenCheckpoint) -> datetime | None:
    return datetime.fromtimestamp(newest_change_ms(seen) / 1000, UTC) if seen.files else None


async def _judge(
    series: Series, place: Place, fresh: Sequence[_Found], place_now_ms: int, now: datetime, means: Means
) -> list[Sighting]:
    """Look into the files; of what is complete, find out which weights it holds."""
    inspected = await place.inspect([one.seen for one in fresh], series.ready.checksums) if fresh else []
    looked = {seen.name: (seen, inside) for seen, inside in inspected}
    sightings: list[Sighting] = []
    complete: list[tuple[_Found, str]] = []
    for one in fresh:
        if one.seen.name not in looked:
            sightings.append(_sighting(series, one, now, INCOMPLETE, "vanished while it was looked at"))
            continue
        seen, inside = looked[one.seen.name]
        # Either clock will do: a file server's may be wrong, and ours knows how long nothing has changed.
        quiet_ms = max(place_now_ms - newest_change_ms(seen), int((now - one.since).total_seconds() * 1000))
        reasons = not_ready(seen, inside, series.ready, quiet_ms=quiet_ms)
        late = outside(one.step, _completed(seen), series.limits)  # some places tell times only here
        if late and not means(seen.name, one.step, _completed(seen)):
            sightings.append(_sighting(series, one, now, OUTSIDE, late))
        elif reasons:
            sightings.append(_sighting(series, one, now, INCOMPLETE, "; ".join(reasons)))
        else:
            complete.append((one, late))
    identities = await place.identities([looked[one.seen.name][0] for one, _ in complete]) if complete else {}
    still = {one.name: one.signature for one in (await place.listing()).checkpoints} if complete else {}
    for one, late in complete:
        name, digest = one.seen.name, identities.get(one.seen.name, "")
        if digest and still.get(name) == one.seen.signature:
            sightings.append(_sighting(series, one, now, READY, late, digest))
        else:
            sightings.append(_sighting(series, one, now, INCOMPLETE, "changed while its weights were read"))
    return sightings


def _gone(before: Mapping[str, Sighting], there: set[str]) -> list[Sighting]:
    return [
        replace(old, state=GONE, reason=f"deleted after {old.seen_at[:19].replace('T', ' ')} UTC")
        if old.state != GONE
        else old
        for name, old in before.items()
        if name not in there
    ]


def _sighting(series: Series, one: _Found, now: datetime, state: str, reason: str, digest: str = "") -> Sighting:
    return Sighting(
        series=series.name,
        name=one.seen.name,
        step=one.step,
        state=state,
        reason=reason,
        digest=digest,
        signature=one.seen.signature,
        since=one.since.isoformat(),
        seen_at=now.isoformat(),
    )
