"""Rows of a dataset, loaded only when something is asked of them that is not remembered."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from inference import memory
from inference.datasets import Rows, load_rows
from opencompass_ops.contract import codec, variables

_PLACES = ("HOME", "COMPASS_DATA_CACHE", "HF_HOME", "HF_DATASETS_CACHE", variables.EXTENSIONS)
"""Variables that decide which files are read, and by what."""


class RememberedRows:
    """What is asked of one dataset's rows.

    :param config: the resolved dataset config.
    :param data_dir: the folder relative data paths are resolved against.
    :param cache_dir: of what is remembered, "" for nowhere.
    """

    def __init__(self, config: dict[str, Any], data_dir: str, cache_dir: str) -> None:
        self._config, self._data_dir, self._cache_dir = config, data_dir, cache_dir
        self._asked: dict[str, Any] = {}

    def counts(self) -> tuple[int, int]:
        """Rows of the test split, and those that its range leaves.

        :raises InputProblem: they cannot be loaded.
        """
        total, selected = self.remembered("counts", lambda rows: [len(rows.test), len(rows.selected)])
        return int(total), int(selected)

    def remembered(self, what: Any, ask: Callable[[Rows], Any]) -> Any:
        """What ``ask`` says of the rows, asked once as long as files, config and code stay as they are.

        :param what: names the question, and all that the answer depends on besides; plain JSON.
        :param ask: returns a JSON value.
        :raises InputProblem: the rows cannot be loaded, or ``ask`` raises it.
        """
        name = codec.digest(what)
        if name not in self._asked:
            key = [what, self._config, str(Path(self._data_dir).absolute()), _code(), _places()]
            found = memory.recall(self._cache_dir, key)
            if found is None:
                found = ask(self._loaded[0])
                memory.keep(self._cache_dir, key, found, self._loaded[1])
            self._asked[name] = found
        return self._asked[name]

    @cached_property
    def _loaded(self) -> tuple[Rows, memory.Stamps]:
        with memory.noted_files() as seen:
            rows = load_rows(self._config, self._data_dir)
        return rows, seen


def _places() -> list[str | None]:
    return [os.environ.get(name) for name in _PLACES]


@cache
def _code() -> str:
    """Identity of what loads and renders: this package, and what a site adds."""
    ours = sorted(Path(__file__).parent.rglob("*.py"))
    own = [Path(entry) for entry in os.environ.get(variables.EXTENSIONS, "").split(os.pathsep) if entry.endswith(".py")]
    return codec.digest([sys.version, [[str(file), memory.stamp(str(file))] for file in (*ours, *own)]])
