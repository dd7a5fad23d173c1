"""Record what OpenCompass gets from every config of its library: one digest per file.

Run it in OpenCompass's own virtualenv; it needs nothing of this project::

    VENV/bin/python tests/recorders/config_dictionaries.py > tests/golden/configs/opencompass_dictionaries.txt

A line is ``DIGEST PATH``, or ``- PATH  REASON`` where OpenCompass itself cannot read the file. The digest is the
beginning of the sha256 of the dictionary as JSON with sorted keys: ``Config.fromfile(path).to_dict()`` as OpenCompass
calls it, classes as dotted names, tuples as lists, keys as text, and the folder of the configs as ``<configs>``.
Top-level helpers (functions, modules, open files, classes made in the config) are not part of it: no reader of a
config looks at them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import logging
import os
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

DIGITS = 10
HELPERS = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, io.IOBase)


def main() -> int:
    """Print the record; returns the exit code."""
    if sys.prefix != sys.base_prefix:
        return outside_the_virtualenv()
    from mmengine.config import Config

    logging.disable(logging.CRITICAL)
    spec = importlib.util.find_spec("opencompass")
    root = Path(spec.submodule_search_locations[0], "configs").resolve()
    print(f"# opencompass {version('opencompass')}, mmengine-lite {version('mmengine-lite')}: see tests/recorders")
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                values = Config.fromfile(str(path), format_python_code=False).to_dict()
            print(digest(values, root), name)
        except BaseException as error:  # whatever a broken config raises is its record
            text = " ".join(str(error).split()).replace(str(root), "<configs>")
            print(f"- {name}  {type(error).__name__}: {text:.120}")
    return 0


def outside_the_virtualenv() -> int:
    """The same with the virtualenv's packages and the interpreter that it was made of.

    Inside a virtualenv mmengine takes most of the standard library for packages of others, and OpenCompass cannot
    read its own configs that call it. One config lists a set: its order is that of hash seed 0.
    """
    packages = [path for path in sys.path if path.endswith("-packages")]
    settings = {"PYTHONPATH": os.pathsep.join(packages), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    environment = {**os.environ, **settings}
    return subprocess.run([sys._base_executable, *sys.argv], env=environment, check=False).returncode


def digest(values: dict[str, Any], root: Path) -> str:
    """The beginning of the dictionary's sha256."""
    kept = {key: value for key, value in values.items() if not isinstance(value, HELPERS)}
    text = json.dumps(plain(kept), sort_keys=True, ensure_ascii=False).replace(str(root), "<configs>")
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def plain(value: Any) -> Any:
    """Tuples as lists and keys as text; what JSON does not know stays, and its digest fails."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
