"""The demo: train a tiny model, evaluate its checkpoints through Airflow, check what came out."""
