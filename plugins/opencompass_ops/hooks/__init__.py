"""Airflow connections to the inside's plain values."""
