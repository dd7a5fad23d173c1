"""Tables in the docs that tests write: a run replaces the rows of the tests that it ran."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Table:
    """The table at the end of a Markdown file.

    :param path: the file; it need not be there.
    :param head: all that stands above the first row.
    :param keys: how many of the first cells name a row.
    """

    def __init__(self, path: Path, head: str, keys: int = 1) -> None:
        self._path = path
        self._head = head
        self._keys = keys
        lines = path.read_text().splitlines() if path.exists() else []
        known = [tuple(line[2:-2].split(" | ")) for line in lines if line.startswith("| ")]
        self._rows = {cells[:keys]: cells for cells in known[1:]}  # the first one names the columns

    def put(self, *cells: str) -> None:
        """Add a row, or replace the one of that name."""
        clean = tuple(" ".join(cell.replace("|", "/").split()) for cell in cells)
        self._rows[clean[: self._keys]] = clean

    def write(self) -> None:
        """Write the file, rows sorted by name."""
        rows = (f"| {' | '.join(cells)} |\n" for _, cells in sorted(self._rows.items()))
        self._path.write_text(self._head + "".join(rows))


def commit() -> str:
    """The short name of the commit that is checked out."""
    argv = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "?"
