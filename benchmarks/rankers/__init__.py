"""The same questions ranked by each side, in a process and an interpreter of its own."""
