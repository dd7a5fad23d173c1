"""OpenCompass's way, run on the login node: a pool of processes, each of which blocks on an srun client.

As its SlurmRunner does (0.5.x): ``srun ... -N1 -u -J NAME COMMAND`` through a shell, up to 32 at once, each after a
random pause of up to 10 s, output into a file. Its own imports, hundreds of MB, are left out. Standard library only.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import time

WORKERS = 32


def launch(command: dict[str, str]) -> int:
    """Run one command; returns its exit code."""
    time.sleep(random.randint(0, 10))
    with open(command["log"], "w") as log:  # noqa: PTH123  # as there
        return subprocess.run(command["line"], shell=True, stdout=log, stderr=log, check=False).returncode


def main() -> None:
    """Run the commands of the JSON list on stdin; prints their exit codes as a JSON list."""
    commands = json.load(sys.stdin)
    with multiprocessing.Pool(WORKERS) as pool:
        print(json.dumps(list(pool.imap_unordered(launch, commands))))


if __name__ == "__main__":
    main()
