"""One deferring task and one that follows it, to see that every component works."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG

with DAG("tiny"):
    wait = TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=2), deferrable=True)
    say = PythonOperator(task_id="say", python_callable=print, op_args=["hello from the worker"])
    wait >> say
