"""Slurm, reached over SSH or as local commands: ``sbatch`` words, job script, what is sent, what is read back."""
