"""What a run found out: findings in its files, coverage, summary, plots, and the results database.

Importing this package imports neither SQLAlchemy nor matplotlib; the modules that need them do.
"""
