"""Training runs whose checkpoints are evaluated as they appear; docs/series.md."""
