"""``make compose-env``: the file ``.env`` that compose.yaml reads, with secrets that were made for this place."""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

FILE = Path(".env")


def fernet_key() -> str:
    """A key for the passwords in Airflow's database: 32 bytes, in the alphabet of URLs."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def word() -> str:
    """A secret without characters that would need quoting in a URL, a shell or a file of variables."""
    return secrets.token_hex(24)


def variables(root: Path) -> dict[str, tuple[str, Callable[[], str]]]:
    """Name -> what it is for, and its value when nobody gave one.

    :param root: of the checkout.
    """
    return {
        "AIRFLOW_UID": ("the user of all processes; who owns the folders below", lambda: str(os.getuid())),
        "SHARED_DIR": ("weights, ./data and run folders, under the same path inside", lambda: str(root / "shared")),
        "PROJECT_DIR": ("holds dags/ and include/configs/, as `opencompass-ops init` makes it", lambda: str(root)),
        "PORT": ("of the web page, on 127.0.0.1", lambda: "8080"),
        "OPENCOMPASS_OPS_INSTANCE": (
            "jobs are found again by this name; never change it",
            lambda: secrets.token_hex(4),
        ),
        "ADMIN_USER": ("who may sign in first", lambda: "admin"),
        "ADMIN_PASSWORD": ("set when the user is made, not later", word),
        "POSTGRES_PASSWORD": ("of Airflow's own database; set when it is made", word),
        "RESULTS_PASSWORD": ("of the database of scores; set when it is made", word),
        "REDIS_PASSWORD": ("of the broker between scheduler and workers", word),
        "FERNET_KEY": ("encrypts connections in Airflow's database; keep a copy", fernet_key),
        "JWT_SECRET": ("signs what components tell the API server", word),
        "API_SECRET_KEY": ("signs sessions and requests for logs", word),
    }


def completed(text: str, wanted: dict[str, tuple[str, Callable[[], str]]]) -> tuple[str, list[str]]:
    """The file with what it lacks, and the names of that; what is there stays as it is.

    :param text: the file as it is, "" when there is none.
    :param wanted: as :func:`variables` gives them.
    """
    there = {line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line and not line.startswith("#")}
    missing = [name for name in wanted if name not in there]
    lines = [f"# {wanted[name][0]}\n{name}={wanted[name][1]()}\n" for name in missing]
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "".join(lines), missing


def main() -> int:
    """Write the file for its owner only, make the shared folder, and say what is next."""
    argparse.ArgumentParser(prog="python -m scripts.compose_env", description=__doc__).parse_args()
    text, missing = completed(FILE.read_text() if FILE.exists() else "", variables(Path.cwd()))
    if missing:
        aside = FILE.with_name(f".env.{os.getpid()}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
        aside.replace(FILE)
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    if said["SHARED_DIR"] == str(Path.cwd() / "shared"):  # another one is somebody's file system
        Path(said["SHARED_DIR"]).mkdir(exist_ok=True)
    print(f"{FILE}: " + (f"added {', '.join(missing)}" if missing else "has everything"))
    print(
        f"Correct SHARED_DIR if weights and data lie elsewhere, then:\n  docker compose up --build --detach\n"
        f"  http://127.0.0.1:{said['PORT']}  user {said['ADMIN_USER']}, password: ADMIN_PASSWORD in {FILE}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
