"""Record the rows that OpenCompass's own loaders make of the small data sets of ``tests/generation_data.py``.

Run it in OpenCompass's own virtualenv; no network is needed::

    PYTHONPATH=tests VENV/bin/python tests/recorders/generation_rows.py > tests/golden/families/generation_rows.json
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from generation_data import CASES, lay_down
from recorders.family_rows import rows_of


def main() -> None:
    """Print the record."""
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        lay_down(Path(folder))
        os.environ.update(COMPASS_DATA_CACHE=folder, HF_DATASETS_OFFLINE="1", HF_HOME=f"{folder}/hf")
        os.chdir(folder)  # some loaders take the path as it is
        recorded = [{"case": case, "splits": rows_of(dict(case))} for case in CASES]
    lines = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in recorded]
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
