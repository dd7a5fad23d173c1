"""Evaluate language models on a schedule: OpenCompass configs, cluster jobs, scores, plots."""

__version__ = "0.1.0"
