"""Where data sets lie, and how one that is missing is got.

OpenCompass's layout: a config names a folder (``./data/gsm8k``) or an id (``opencompass/gsm8k``), and both
start at ``$COMPASS_DATA_CACHE`` or the working directory, else at ``~/.cache/opencompass``. Nothing is ever
downloaded by a job: thousands of jobs would, and compute nodes often cannot.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from inference import memory
from inference.problems import InputProblem, MissingData

ARCHIVES = "http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/"
"""Where OpenCompass's maintainers keep data sets; each archive unpacks to a folder of ``data/``."""

CORE = "https://github.com/open-compass/opencompass/releases/download/0.2.2.rc1/OpenCompassData-core-20240207.zip"
"""The archive of their classic data sets, for those that have none of their own; it unpacks to ``data/``."""


@dataclass(frozen=True)
class Source:
    """:param folder: the data set's place under a data folder.
    :param archive: its file at :data:`ARCHIVES`, or a whole URL of one that holds ``data/``; "" when there is none.
    :param hub: its name on the Hugging Face hub, of which the Parquet files are taken; "" when there is none.
    """

    folder: str
    archive: str = ""
    hub: str = ""

    @property
    def command(self) -> str:
        """What gets the data, to be run in the data folder; "" when nothing is known to."""
        if self.hub:
            return (
                f"hf download {self.hub} --repo-type dataset --revision refs/convert/parquet --local-dir {self.folder}"
            )
        if not self.archive:
            return ""
        if "://" in self.archive:
            return f"curl -fLO {self.archive} && unzip {PurePosixPath(self.archive).name}"
        return f"curl -fLO {ARCHIVES}{self.archive} && unzip {self.archive} -d data"


_SOURCES: dict[str, Source] = {}


def add_source(id_: str, folder: str, archive: str = "", hub: str = "") -> None:
    """Make a data set known by OpenCompass's id, or by its folder where it has none; see :class:`Source`."""
    _SOURCES[id_] = Source(folder, archive, hub)


def find_data(path: Any, data_dir: str) -> Path:
    """Where a config's ``path`` lies.

    :param data_dir: the folder that holds ``data/``; relative paths start there, "" for the working directory.
    :raises InputProblem: it is no path or nothing is there; the message says how to get it.
    """
    if not isinstance(path, str) or not path:
        raise InputProblem(f"path {path!r} is no path; name the data's folder, such as './data/gsm8k'")
    relative = _relative(path)
    places = [Path(root) / relative for root in _roots(data_dir)]
    found = next((place for place in places if _exists(place)), None)
    if found is None:
        cached = f", nor does {places[1]} of COMPASS_DATA_CACHE" if os.environ.get("COMPASS_DATA_CACHE") else ""
        raise MissingData(f"{places[0]} does not exist{cached}", str(places[0]), how_to_get(path, data_dir))
    return found


def _exists(place: Path) -> bool:
    memory.note(place)  # what appears there later goes before what was found elsewhere
    return place.exists()


def _roots(data_dir: str) -> list[str]:
    cache = os.environ.get("COMPASS_DATA_CACHE", "")
    return [data_dir, *([cache] if cache else []), str(Path.home() / ".cache/opencompass")]


def how_to_get(path: str, data_dir: str) -> str:
    """What gets the data of a config's ``path``, to be run where they are missed."""
    wanted = PurePosixPath(_relative(path))
    near = (source for source in _SOURCES.values() if source.command and wanted.is_relative_to(source.folder))
    source = next(near, None)
    put = "put the data there, or set data_dir to the folder that holds data/"
    return f"get it with: cd {data_dir or '.'} && {source.command}; or {put}" if source else put


def _relative(path: str) -> str:
    return _SOURCES[path].folder if path in _SOURCES else path
