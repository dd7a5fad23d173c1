"""What live tests run beside the shipped DAG."""

from datetime import timedelta

from airflow.sdk import DAG

from opencompass_ops.dag_factory import build_eval_dag
from opencompass_ops.sensors.slurm import SlurmJobSensor

impatient = build_eval_dag("impatient_eval", default_args={"execution_timeout": timedelta(seconds=60)})

with DAG("slurm_jobs", schedule=None, params={"job_ids": []}, render_template_as_native_obj=True) as jobs:
    SlurmJobSensor(task_id="wait", cluster="bed", job_ids="{{ params.job_ids }}")
