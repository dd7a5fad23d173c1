"""The modules that bring datasets, post-processors and evaluators: ours, and those a site names.

``$OPENCOMPASS_OPS_EXTENSIONS`` of a job or probe lists a site's own, separated by colons: paths of ``.py``
files or names of importable modules. It belongs into ``env`` of a cluster config, whose owner decides what
code jobs run; nothing of a run's config or form gets there, and Airflow never imports them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from functools import cache
from pathlib import Path

from inference.problems import InputProblem
from opencompass_ops.contract import variables

_OURS = ("inference.families", "inference.metrics")


@cache
def load_extensions() -> None:
    """Import all of them, once per process; they keep what is slow to import inside their functions.

    :raises InputProblem: one of the site's cannot be imported; the message names it and the reason.
    """
    for name in _OURS:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    for entry in filter(None, os.environ.get(variables.EXTENSIONS, "").split(os.pathsep)):
        try:
            _import(entry)
        except Exception as error:  # whatever a site's module provokes, its owner must read which one it was
            raise InputProblem(
                f"{entry} of ${variables.EXTENSIONS} cannot be imported ({type(error).__name__}: {error}); "
                "correct it, or the variable in the cluster config's env"
            ) from error


def _import(entry: str) -> None:
    if not entry.endswith(".py"):
        importlib.import_module(entry)
        return
    spec = importlib.util.spec_from_file_location(Path(entry).stem, entry)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)  # dataclasses and pickles look their module up
    spec.loader.exec_module(module)
