"""Words and paths shared by the control side and the GPU container; standard library only.

A file written by a newer schema is refused: fields are added with defaults, never renamed.
"""

SCHEMA_VERSION = 1

ENGINE_REVISION = 1
"""Raised when the engine's answers to the same requests change; part of every fingerprint."""

EVALUATION_REVISION = 1
"""Raised when scoring of the same predictions changes; part of every evaluation fingerprint."""
