"""The fault matrix: what machines and people do to jobs on a real Slurm, and what must hold all the same."""
