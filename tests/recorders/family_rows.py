"""Record the rows that OpenCompass's own loaders make of the small data sets of ``tests/family_data.py``.

Run it in OpenCompass's own virtualenv; it needs nothing of this project beyond these tests, and no network::

    VENV/bin/python tests/recorders/family_rows.py > tests/golden/families/rows.json

For each case of ``tests/family_cases.py`` a list of splits: name ("" for an only one), columns in order, rows.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from family_cases import CASES
from family_data import lay_down


def main() -> int:
    """Print the record; returns the exit code."""
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        recorded = record(Path(folder))
    print(
        "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in recorded) + "\n]"
    )
    return 0


def record(folder: Path) -> list[dict[str, Any]]:
    lay_down(folder)
    os.environ.update(COMPASS_DATA_CACHE=str(folder), HF_DATASETS_OFFLINE="1", HF_HOME=str(folder / "hf"))
    os.chdir(folder)  # some loaders take the path as it is
    return [{"case": case, "splits": rows_of(case)} for case in CASES]


def rows_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    options = {key: value for key, value in case.items() if key != "type"}
    loaded = find_class(case["type"]).load(**options)
    splits = loaded.items() if hasattr(loaded, "keys") else [("", loaded)]
    return [
        {"split": name, "columns": table.column_names, "rows": [list(row.values()) for row in table]}
        for name, table in splits
    ]


def find_class(name: str) -> Any:
    import opencompass.datasets as package

    if hasattr(package, name):
        return getattr(package, name)
    for module in pkgutil.walk_packages(package.__path__, "opencompass.datasets."):
        if name.split("Dataset")[0].casefold() in module.name.casefold().replace("_", ""):
            found = getattr(importlib.import_module(module.name), name, None)
            if found:
                return found
    raise SystemExit(f"OpenCompass has no dataset class {name}")


if __name__ == "__main__":
    sys.exit(main())
