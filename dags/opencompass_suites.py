"""One Airflow DAG for every suite that was published: ``opencompass-ops publish SUITE``."""

from opencompass_ops.dag_factory import build_suite_dag
from opencompass_ops.suites import published_suites

for name in published_suites():
    globals()[f"suite_{name}"] = build_suite_dag(name)
