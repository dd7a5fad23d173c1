"""What the texts of parameters look like, as regular expressions that match them as a whole."""

from __future__ import annotations

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
CLUSTER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
CONFIG_NAME = r"^[^\s/\\][^\s\\]*$"
KEY_VALUE = r"^\s*[^\s=]+\s*=[^\0]*$"
WRITE_KEY_VALUE = "key=value; write for instance datasets.0.path=./data/gsm8k"
HOURS = r"^(off|(?!0+(\.0+)?$)[0-9]{1,4}(\.[0-9]{1,3})?)$"
"""A number of hours above 0, or the word that switches a limit off; 0 could be meant for either."""
