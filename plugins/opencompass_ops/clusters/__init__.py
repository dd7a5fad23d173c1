"""Where jobs run: one protocol, one file per backend."""
