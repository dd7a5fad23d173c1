"""A real Slurm with sshd on this machine, for the tests: ``python -m cluster up`` with ``PYTHONPATH=plugins:tests``."""
