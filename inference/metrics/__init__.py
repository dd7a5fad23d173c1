"""Evaluators that belong to no dataset family, one module each; a metric is added by adding its file."""
