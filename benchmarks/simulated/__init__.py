"""Runs that are simulated: a generator of what work takes, and the clock of a cluster."""
