"""What a run is bound to by its series."""

from __future__ import annotations

from dataclasses import dataclass

from opencompass_ops.series.config import read_series, series_files
from opencompass_ops.series.ledger import Ledger


@dataclass(frozen=True)
class Terms:
    """Arguments of :func:`opencompass_ops.prepare.prepare`.

    :param user: on whose account the run goes, "" when nobody knows.
    :param weights: identity that the weights must have, "" for any.
    :param series_gpu_hours: that all runs of the series may use; None for no limit.
    """

    user: str
    weights: str = ""
    series_gpu_hours: float | None = None


def terms(url: str, name: str, user: str, run_id: str = "") -> Terms:
    """What a run is bound to.

    The evaluations that a series begins go on its owner's account, whoever had it look. A run that somebody starts by
    hand goes on theirs, also where it names a series; its use counts against what the series may use.

    :param url: of the results database.
    :param name: of the series, "" for none; it need not have a file.
    :param user: who started the run, "" when nobody knows.
    :param run_id: of its DAG run, "" for none.
    :raises ConfigError: the series' file is wrong.
    """
    series = read_series(name) if name in series_files() else None
    with Ledger.open(url) as ledger:
        digest = ledger.digest_of(run_id) if run_id else ""
    # A place may tell weights in its own way: by the tags of an object store, the commits of a hub.
    weights = digest if digest.startswith(("sha256:", "quick:")) else ""
    owner = series.owner if series and digest else ""
    return Terms(owner or user, weights, series.limits.gpu_hours if series else None)
