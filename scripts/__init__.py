"""What the Makefile runs: an embedded Airflow and its start-up."""
