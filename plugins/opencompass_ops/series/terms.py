"""What a run is bound to by its series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opencompass_ops.clusters.shell import run_to_end
from opencompass_ops.series.config import read_series, series_files
from opencompass_ops.series.ledger import Ledger
from opencompass_ops.series.places import KeysOf, open_place


@dataclass(frozen=True)
class Terms:
    """Arguments of :func:`opencompass_ops.prepare.prepare`.

    :param user: on whose account the run goes, "" when nobody knows.
    :param weights: identity that the weights must have, "" for any.
    :param is_still: whether the checkpoint that the run is to evaluate is there as it was found.
    :param series_gpu_hours: that all runs of the series may use; None for no limit.
    """

    user: str
    weights: str = ""
    is_still: Callable[[], bool] = lambda: True
    series_gpu_hours: float | None = None


def terms(url: str, name: str, user: str, run_id: str = "", keys_of: KeysOf | None = None) -> Terms:
    """What a run is bound to.

    The evaluations that a series begins go on its owner's account, whoever had it look. A run that somebody starts by
    hand goes on theirs, also where it names a series; its use counts against what the series may use.

    :param url: of the results database.
    :param name: of the series, "" for none; it need not have a file.
    :param user: who started the run, "" when nobody knows.
    :param run_id: of its DAG run, "" for none.
    :param keys_of: asked for the keys of a connection, where the run may be an evaluation.
    :raises ConfigError: the series' file is wrong.
    """
    series = read_series(name) if name in series_files() else None
    with Ledger.open(url) as ledger:
        row = ledger.evaluation(run_id) if run_id else None
    limit = series.limits.gpu_hours if series else None
    if row is None:
        return Terms(user, series_gpu_hours=limit)
    # A place may tell weights in its own way: by the tags of an object store, the commits of a hub.
    weights = row.digest if row.digest.startswith(("sha256:", "quick:")) else ""
    if series is None or keys_of is None:
        return Terms(user, weights, series_gpu_hours=limit)

    def is_still() -> bool:
        return run_to_end(open_place(series, keys_of).is_still(row.name, row.digest))

    return Terms(series.owner or user, weights, is_still, limit)
