"""OpenCompass configs to plain values: read in a guarded subprocess, checked, named, fingerprinted."""
