"""The code that jobs run, as one archive named by its content."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from opencompass_ops import __file__ as package_file
from opencompass_ops import shipped
from opencompass_ops.clusters.local_jobs import state_root
from opencompass_ops.errors import JobRefused


@dataclass(frozen=True)
class Code:
    """``contract/`` and ``inference/`` as one file.

    :param name: equal content, equal name; the folder it is unpacked into.
    :param archive: a tar.gz.
    """

    name: str
    archive: bytes = field(repr=False)


@cache
def pack() -> Code:
    """The archive; the same bytes from the same sources, wherever and whenever it is made.

    :raises JobRefused: a package is not there.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in sorted(_files()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    content = buffer.getvalue()
    return Code(hashlib.sha256(content).hexdigest()[:16], gzip.compress(content, mtime=0))


def unpacked() -> Path:
    """The folder for ``PYTHONPATH`` of jobs on this host, made unless it is there.

    It holds nothing else, unlike the folder into which a wheel was installed: jobs whose interpreter has another
    environment must not find Airflow's packages.
    """
    code, place = pack(), state_root() / "code"
    folder = place / code.name
    if not folder.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{code.name}-", dir=place))
        for name, path in _files():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, aside / name)
        try:
            aside.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(aside)
    return folder


def _files() -> Iterator[tuple[str, Path]]:
    yield "opencompass_ops/__init__.py", Path(package_file)
    for name, folder in shipped.packages().items():
        if not (folder / "__init__.py").is_file():
            raise JobRefused(
                f"the package {name} that jobs import is not at {folder}; install the whole of this project"
            )
        yield from ((f"{name}/{path.relative_to(folder).as_posix()}", path) for path in folder.rglob("*.py"))
