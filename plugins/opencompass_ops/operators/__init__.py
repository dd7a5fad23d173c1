"""Airflow operators: plan a run, submit its shards, summarize it."""
