"""What comes with this package besides its modules: example DAGs, example configs, and the code that jobs run.

A checkout has them where people edit them, beside ``plugins/``; a wheel carries them inside the package and beside it
(``force-include`` and ``packages`` in pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_EXAMPLES = _PACKAGE / "examples"


def source_tree() -> Path | None:
    """The root of the checkout that this package is imported from; None where it was installed."""
    root = _PACKAGE.parents[1]
    return root if _PACKAGE.parent.name == "plugins" and (root / "inference" / "__init__.py").is_file() else None


def dags() -> Path:
    """The folder of the example DAG files."""
    root = source_tree()
    return root / "dags" if root else _EXAMPLES / "dags"


def configs() -> Path:
    """The folder of the example configs."""
    root = source_tree()
    return root / "include" / "configs" if root else _EXAMPLES / "configs"


def packages() -> dict[str, Path]:
    """The packages that jobs import, by the path that each has below a folder of ``PYTHONPATH``."""
    beside = source_tree() or _PACKAGE.parent
    return {"inference": beside / "inference", "opencompass_ops/contract": _PACKAGE / "contract"}
