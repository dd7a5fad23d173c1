"""``make lock``: write constraints.txt, the exact version of everything that the requirement files bring.

The versions come from an installation into a fresh virtualenv, so pip's own resolver chose them and they
work together. CUDA's libraries stay out: which of them torch needs depends on where its wheel comes from, and
torch pins them itself. So does torch's local version (``+cpu``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-dev.txt")
# newer torch wheels exist; this is the one that pip also finds as a CPU build
HELD = ("torch==2.13.0",)
LEFT_OUT = re.compile(r"nvidia-|cuda-|triton$")
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!]+)(\+[a-z0-9.]+)?")
HEADER = "# Made by `make lock`; change requirements.txt or requirements-dev.txt instead.\n"


def pins(freeze: str) -> list[str]:
    """The lines of ``pip freeze`` as portable pins.

    :raises ValueError: a line is not a plain pin, such as a path of this machine.
    """
    found = []
    for line in freeze.splitlines():
        match = PIN.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} is not NAME==VERSION; install it from a package index")
        name, version = match[1].lower(), match[2]
        if not LEFT_OUT.match(name):
            found.append(f"{name}=={version}")
    return sorted(found)


def main() -> None:
    """Install into a throw-away virtualenv, then write what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [str(Path(folder) / "bin" / "python"), "-m", "pip"]
        print("Resolving every requirement in a fresh virtualenv (minutes)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        wanted = [argument for file in FILES for argument in ("-r", str(ROOT / file))]
        subprocess.run([*pip, "install", "--quiet", *HELD, *wanted], check=True)
        frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    text = HEADER + "\n".join(pins(frozen)) + "\n"
    aside = ROOT / f".constraints.{os.getpid()}"
    aside.write_text(text)
    aside.replace(ROOT / "constraints.txt")
    print(f"constraints.txt holds {text.count('==')} pins")


if __name__ == "__main__":
    main()
