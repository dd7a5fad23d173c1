"""On-demand evaluation from the UI, REST or ``airflow dags trigger``."""

from opencompass_ops.dag_factory import build_eval_dag

dag = build_eval_dag()
