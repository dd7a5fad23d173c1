"""Folder mode: shows the plugin to Airflow when ``plugins/`` is its plugins folder and nothing is installed.

Where the package is installed its entry point does this, and a second plugin of the same name would be reported.
"""

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="opencompass_ops"):
    from opencompass_ops.plugin import OpenCompassOpsPlugin  # noqa: F401
