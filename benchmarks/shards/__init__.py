"""What ``python -m benchmarks.slurm`` measures: many shards of a trivial job on a real Slurm."""
