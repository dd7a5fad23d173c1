"""The constraints of an image: what its base brings stays as it is, everything else is pinned by constraints.txt.

    python base_pins.py constraints.txt > pins.txt

The versions of a base image were tested together by whoever made it: Airflow's with its own providers, NVIDIA's torch
with its own CUDA. A requirement that does not go with them ends the build and names both.

It runs inside the image, with nothing but a Python 3.10.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path


def merged(installed: dict[str, str], constraints: str) -> list[str]:
    """The lines of a constraints file.

    :param installed: name -> version, as the base has them.
    :param constraints: the text of constraints.txt.
    """
    kept = {_normal(name): version for name, version in installed.items()}
    pins = dict(_pins(constraints))
    return [f"{name}=={version}" for name, version in sorted({**pins, **kept}.items())]


def _pins(constraints: str) -> Iterator[tuple[str, str]]:
    for line in constraints.splitlines():
        name, equals, version = line.split("#")[0].strip().partition("==")
        if equals:
            yield _normal(name), version


def _normal(name: str) -> str:
    """Equal names, however they are written (PyPA's name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    found = {each.metadata["Name"]: each.version for each in distributions() if each.metadata["Name"]}
    print("\n".join(merged(found, Path(sys.argv[1]).read_text(encoding="utf-8"))))
