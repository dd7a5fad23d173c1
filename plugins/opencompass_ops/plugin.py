"""What Airflow loads at start-up; light, since every component imports it."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class OpenCompassOpsPlugin(AirflowPlugin):
    """Makes the package visible in Airflow's list of plugins."""

    name = "opencompass_ops"
