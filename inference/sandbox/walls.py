"""How the server is started: by bubblewrap or nsjail where they are, else by itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import inference
import opencompass_ops.contract
from inference.sandbox import confines

PACKAGES = ("numpy",)
"""What programs may import beside the standard library, where it is installed; HumanEval's own package needs it."""

BUBBLEWRAP, NSJAIL, KERNEL = "bubblewrap", "nsjail", ""
"""Who makes the server's namespaces; the last one stands for the server itself."""
_BINARIES = {BUBBLEWRAP: "bwrap", NSJAIL: "nsjail"}

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "PYTHONHASHSEED": "0",  # so that a program that depends on the order of a set gets the same verdict again
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""All variables that programs have; none of the job's."""

_BOOT = (
    "import sys; roots, settings = sys.argv[1:-1], sys.argv[-1]; own = sys.path[1:]; sys.path[:] = roots + own; "
    "from inference.sandbox.forkserver import main; sys.path[:] = own; sys.argv[:] = ['']; main(settings)"
)


def wrappers() -> list[str]:
    """Those that are installed, the strongest first, and the kernel alone."""
    return [*(name for name, binary in _BINARIES.items() if shutil.which(binary)), KERNEL]


def command(wrapper: str, secret: str) -> list[str]:
    """The command that starts a server; standard input is its socket.

    :param wrapper: one of :func:`wrappers`.
    :param secret: path of a file that programs must not be able to read.
    """
    settings = {"secret": secret, "wrapped": bool(wrapper), "packages": packages()}
    server = [interpreter(), "-s", "-S", "-B", "-c", _BOOT, *_roots(), json.dumps(settings)]
    if wrapper == BUBBLEWRAP:
        return [*_bubblewrap(), *server]
    return [*_nsjail(), *server] if wrapper == NSJAIL else server


def interpreter() -> str:
    """This interpreter without its virtual environment."""
    return os.path.realpath(sys.executable)


def packages() -> dict[str, list[str]]:
    """Folders of each of :data:`PACKAGES` that is installed: its own, and that of its shared objects."""
    specs = {name: importlib.util.find_spec(name) for name in PACKAGES}
    own = {name: Path(spec.origin).parent for name, spec in specs.items() if spec and spec.origin}
    return {name: [str(folder), str(folder.with_name(f"{name}.libs"))] for name, folder in own.items()}


def _roots() -> list[str]:
    return [str(Path(inference.__path__[0]).parent), str(Path(opencompass_ops.contract.__path__[0]).parents[1])]


def _visible() -> list[str]:
    """What the server itself needs in a file system of its own."""
    ours = Path(inference.__path__[0]), Path(opencompass_ops.contract.__path__[0])
    code = [ours[0] / "__init__.py", ours[0] / "sandbox", ours[1].parent / "__init__.py", ours[1]]
    of_packages = [Path(folder) for folders in packages().values() for folder in folders]
    places = [Path(interpreter()), *confines.libraries(), *confines.shared_objects(), *of_packages, *code]
    return list(dict.fromkeys(str(place) for place in places if place.exists() and not _is_device(place)))


def _is_device(place: Path) -> bool:
    return place.is_char_device()


def _hidden() -> list[str]:
    """What lies in visible places and is none of the programs' business."""
    allowed = [folder for folders in packages().values() for folder in folders]
    return [str(path) for path in confines.installed_beside() if not any(f.startswith(f"{path}/") for f in allowed)]


def _bubblewrap() -> list[str]:
    """https://github.com/containers/bubblewrap, bwrap(1)."""
    binds = [word for place in _visible() for word in ("--ro-bind", place, place)]
    hidden = [word for place in _hidden() for word in ("--tmpfs", place)]
    return [
        *("bwrap", "--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *binds, *hidden, *("--remount-ro", "/", "--chdir", "/", "--"),
    ]  # fmt: skip


def _nsjail() -> list[str]:
    """https://github.com/google/nsjail; limits and times are the server's."""
    binds = [word for place in _visible() for word in ("--bindmount_ro", place)]
    hidden = [word for place in _hidden() for word in ("--tmpfsmount", place)]
    return [
        *("nsjail", "--mode", "o", "--really_quiet", "--keep_env", "--disable_rlimits", "--time_limit", "0"),
        *("--disable_proc", "--cwd", "/"), *binds, *hidden, "--",
    ]  # fmt: skip
