"""Airflow sensors: wait for a job that something else submitted."""
