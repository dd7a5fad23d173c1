"""Messages about runs, from Airflow: the notifier, the callbacks of the DAGs, and what both tell."""
