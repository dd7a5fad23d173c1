"""``make airflow``: the embedded Airflow with its web page, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from scripts.embedded import EmbeddedAirflow

HOME = Path(".airflow")


def main() -> int:
    """Start, say where, wait, stop."""
    parser = argparse.ArgumentParser(prog="python -m scripts.airflow", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of the web page, on 127.0.0.1 (default: 8080)")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        print("Starting Airflow (about 20 s)", flush=True)
        with EmbeddedAirflow(HOME, port=port) as airflow:
            print(f"\n  {airflow.url}\n  user {airflow.user}, password {airflow.password}\n", flush=True)
            print(f"Logs are in {airflow.home.logs}. Ctrl-C stops everything.", flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        print("\nStopped")
        return 0
    except (RuntimeError, TimeoutError) as error:
        print(f"make airflow: {error}", file=sys.stderr)
        return 1


def _as_interrupt(signum: int, frame: object) -> None:
    """A plain ``kill`` stops everything too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
