"""One config through mmengine, with its two known defects worked around.

Both were seen with mmengine-lite 0.10.7: inside a virtualenv every module of the standard library counts as third
party (``os`` becomes a lazy object that raises an empty RuntimeError when it is called), and a base named by its
package (``opencompass.configs...``) is looked for among installed distributions only.

This module patches mmengine for the whole process, so only the config reader's child imports and runs it.
"""

from __future__ import annotations

import ast
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config import config as mm_config
from mmengine.config import utils as mm_utils

from opencompass_ops.configs import bases, syntax
from opencompass_ops.configs.plain import plain_config
from opencompass_ops.configs.syntax import ConfigProblem

_PREFIX = "opencompass_ops_base_"


class Reader:
    """Reads one config; keeps track of the file that is being parsed, because that is the culprit of an error.

    ``overlaid`` has the bases that were taken in place of a file of OpenCompass's library, and that file.

    :param config_dirs: folders that stand for ``opencompass.configs``.
    :param library: OpenCompass's own ``configs``, where there is one.
    """

    def __init__(self, config_dirs: Sequence[Path], library: Path | None = None) -> None:
        self._config_dirs, self._library = config_dirs, library
        self._open: list[tuple[Path, ast.Module]] = []
        self._located: dict[str, str] = {}
        self.seen: set[str] = set()
        self.overlaid: list[tuple[str, str]] = []

    def read(self, path: Path) -> dict[str, Any]:
        """The config's plain values.

        :raises ConfigProblem: what mmengine's syntax forbids, a base that is missing or lacks a name.
        :raises NotPlainError: a value that JSON cannot hold.
        """
        text = path.read_text(encoding="utf-8")
        tree = syntax.parse(str(path), text)
        self.seen.add(str(path))
        self._patch()
        lazy = not syntax.is_old_style(tree, text)
        config = Config.fromfile(str(path), lazy_import=lazy, import_custom_modules=False, format_python_code=False)
        return plain_config(config.to_dict())

    def place(self, error: BaseException) -> tuple[str, int]:
        """File and line of the last config frame of an error; line 0 when no config was running."""
        frames = reversed(traceback.extract_tb(error.__traceback__))
        found = next((frame for frame in frames if frame.filename in self.seen), None)
        return (found.filename, found.lineno or 0) if found else ("", 0)

    def _patch(self) -> None:
        vars(mm_config)["_is_builtin_module"] = is_standard_library
        vars(mm_utils)["_is_builtin_module"] = is_standard_library
        vars(mm_config)["get_installed_path"] = self._folder_of
        parse, base_modules = Config._parse_lazy_import, Config._get_base_modules
        Config._parse_lazy_import = staticmethod(lambda filename: self._parse_lazy(parse, filename))
        Config._get_base_modules = staticmethod(lambda nodes: self._base_modules(base_modules, nodes))

    def _parse_lazy(self, parse: Callable[[str], Any], filename: str) -> Any:
        path = Path(filename)
        if any(path == outer for outer, _ in self._open):
            raise ConfigProblem(filename, 0, "reads itself as its base; remove it from read_base()")
        self.seen.add(filename)
        tree = syntax.parse(filename, path.read_text(encoding="utf-8"))
        syntax.check(filename, tree)
        self._open.append((path, tree))
        try:
            return parse(filename)
        except KeyError as error:
            line = syntax.line_of_import(tree, str(error.args[0]))
            if self.place(error)[0] == filename or not line:
                raise
            raise ConfigProblem(filename, line, f"the base has no {error}; name what it defines") from error
        finally:
            self._open.pop()

    def _base_modules(self, original: Callable[[list[ast.stmt]], list[str]], nodes: list[ast.stmt]) -> list[str]:
        path, _ = self._open[-1]
        for node in syntax.base_imports(str(path), ast.Module(body=nodes, type_ignores=[])):
            self._locate(path, node)
        return original(nodes)

    def _locate(self, importer: Path, node: ast.ImportFrom) -> None:
        """Point an import at its file: mmengine joins the folder of a package with the rest of the name."""
        places = list(bases.candidates(node, importer, self._config_dirs, self._library))
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            text = bases.not_found(node, importer, self._config_dirs, self._library)
            raise ConfigProblem(str(importer), node.lineno, text)
        if bases.is_of_opencompass(node):
            theirs = [folder for folder in bases.libraries(importer, self._library) if not found.is_relative_to(folder)]
            others = (place for place in places if any(place.is_relative_to(folder) for folder in theirs))
            self.overlaid += [(str(found), str(other)) for other in others if other.is_file()]
        if not node.level:
            package = f"{_PREFIX}{len(self._located)}"
            self._located[package] = str(found.parent)
            node.module = f"{package}.{found.stem}"

    def _folder_of(self, package: str) -> str:
        return self._located.get(package) or str(bases.installed_package(package))


def is_standard_library(name: str) -> bool:
    """Whether a module is one that configs really import; ``mmengine.config`` has ``read_base``."""
    return name.split(".")[0] in sys.stdlib_module_names or name.startswith("mmengine.config")
