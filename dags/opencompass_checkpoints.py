"""One Airflow DAG for every series: ``include/configs/series/NAME.yaml``, see docs/series.md."""

from opencompass_ops.series_dag import build_series_dags

globals().update(build_series_dags())
