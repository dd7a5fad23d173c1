"""Did a checkpoint get worse? Paired comparisons, a detector for series, and the verdict of a run."""
