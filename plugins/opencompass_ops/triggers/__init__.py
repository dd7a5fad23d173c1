"""Airflow triggers: where shards are admitted, submitted and waited for."""
