"""Which database holds the results, as Airflow knows it."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

CONNECTION_ID = "opencompass_results"


def results_url() -> str:
    """The SQLAlchemy URL of the results database.

    The connection ``opencompass_results`` wins (its URI, e.g. ``postgresql://...``), then the
    environment variable ``OPENCOMPASS_OPS_DATABASE``, then an SQLite file of its own.
    """
    from opencompass_ops.results.store import default_url

    try:
        uri = str(BaseHook.get_connection(CONNECTION_ID).get_uri())
    except AirflowNotFoundException:
        return default_url()
    # Airflow writes postgres://, a name that SQLAlchemy 2 no longer knows.
    return "postgresql://" + uri.removeprefix("postgres://") if uri.startswith("postgres://") else uri
