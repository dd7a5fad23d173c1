"""Where a job's environment comes from: a container image, a conda environment, one that has OpenCompass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.clusters import values as v
from opencompass_ops.errors import ConfigError

APPTAINER, PYXIS, DOCKER, PODMAN = "apptainer", "pyxis", "docker", "podman"


@dataclass(frozen=True)
class Container:
    """The image that jobs run in, and what runs it.

    :param runtime: ``apptainer``, ``pyxis``, ``docker`` or ``podman``.
    :param image: for apptainer a ``.sif`` or a ``docker://`` address, for pyxis a ``.sqsh`` or a ``docker://`` address
        as enroot writes it, for docker and podman a name.
    :param archive: docker and podman: a file that ``save`` wrote; the image is loaded from it, not pulled.
    :param mounts: further folders, cluster path -> path in the container; ``:ro`` behind the latter for reading only.
    :param gpu_args: options that give the GPUs to the container; None for the runtime's usual ones.
    :param args: further options of the runtime, for ``srun`` with pyxis.
    :param program: path of the runtime; "" for its usual name.
    """

    runtime: str
    image: str
    archive: str = ""
    mounts: Mapping[str, str] = field(default_factory=dict)
    gpu_args: tuple[str, ...] | None = None
    args: tuple[str, ...] = ()
    program: str = ""

    @classmethod
    def from_values(cls, where: str, values: Any) -> Container | None:
        """Validate plain values; None and ``"none"`` mean that jobs run on the node itself.

        :raises ConfigError: an unknown key or runtime, no image, a path that is not absolute.
        """
        if values is None or values == "none":
            return None
        container = cls(**{"runtime": "", "image": "", **v.parse(where, values, _CONTAINER)})
        if not container.runtime or not container.image:
            raise ConfigError(f"{where}: runtime and image must be given, e.g. dict(runtime='podman', image='...')")
        by_file = container.image.startswith("/") or "://" in container.image
        if container.runtime in (APPTAINER, PYXIS) and not by_file:
            raise ConfigError(
                f"{where}: image {container.image!r} of {container.runtime} must be a file's absolute path or an "
                "address like 'docker://registry/name:tag'"
            )
        if container.archive and container.runtime not in (DOCKER, PODMAN):
            raise ConfigError(f"{where}: archive is for docker and podman; give the file itself as image")
        return container


VARIABLES, PYTHON, PATH, RUN = "variables", "python", "path", "run"


@dataclass(frozen=True)
class Conda:
    """The conda environment that jobs run in, and how it is entered; nothing is activated in a login shell.

    :param way: ``variables``: ANACONDA_DIR and DEFAULT_CONDA_ENV_NAME say which one it is, as images of ModelArts do;
        ``python``: its interpreter by absolute path; ``path``: its programs first on PATH; ``run``: ``conda run``.
    :param env: the environment's name, or its folder as an absolute path; "" with ``variables`` where the setup
        sets them.
    :param root: the folder conda is installed in; needed where ``env`` is a name, except for ``run``.
    :param libraries: whether its ``lib`` folder comes first on LD_LIBRARY_PATH.
    """

    way: str = PATH
    env: str = ""
    root: str = ""
    libraries: bool = False

    @classmethod
    def from_values(cls, where: str, values: Any) -> Conda | None:
        """Validate plain values; None for no conda.

        :raises ConfigError: an unknown key or way, or an environment that cannot be found from what is given.
        """
        if values is None:
            return None
        conda = cls(**{"way": PATH, **v.parse(where, values, _CONDA)})
        if conda.way == VARIABLES:
            if bool(conda.env) != bool(conda.root) or conda.env.startswith("/"):
                raise ConfigError(f"{where}: with way 'variables' give env as a name and root, or neither of them")
        elif not conda.env:
            raise ConfigError(f"{where}: env must be the environment's name or folder")
        elif not conda.env.startswith("/") and not conda.root and (conda.way != RUN or conda.libraries):
            raise ConfigError(f"{where}: env {conda.env!r} is a name; give root, the folder conda is installed in")
        return conda

    @property
    def prefix(self) -> str:
        """The environment's folder; "" where only the job can know it."""
        if self.env.startswith("/"):
            return self.env
        return f"{self.root.rstrip('/')}/envs/{self.env}" if self.root and self.env else ""


@dataclass(frozen=True)
class OpenCompass:
    """What runs shards that only OpenCompass itself can: its virtualenv, or its image.

    :param python: the interpreter that has OpenCompass, in the image if there is one; "" for ``python3`` there.
    :param container: the image; None where jobs run as the cluster's others do.
    :param probe_python: the interpreter that has OpenCompass where data are looked at; "" for ``python``. An image
        needs one: a program that passes its arguments to the image's interpreter will do.
    """

    python: str = ""
    container: Container | None = None
    probe_python: str = ""

    @classmethod
    def from_values(cls, where: str, values: Any) -> OpenCompass | None:
        """Validate plain values; None where the cluster has no OpenCompass.

        :raises ConfigError: an unknown key, or neither interpreter nor image.
        """
        if values is None:
            return None
        found = cls(**v.parse(where, values, _OPENCOMPASS))
        if not found.python and found.container is None:
            raise ConfigError(f"{where}: give python, the interpreter that has OpenCompass, or container, its image")
        return found


def _mounts(where: str, value: Any) -> dict[str, str]:
    mounts = v.mapping(where, value)
    for outside, inside in mounts.items():
        for path in (outside, inside.removesuffix(":ro")):
            if not path.startswith("/") or any(c in path for c in ":,"):
                raise ConfigError(
                    f"{where}: {path!r} must be an absolute path without ':' and ',', which separate mounts"
                )
    return mounts


_absolute = v.matching(r"/[^\x00-\x1f]*", "an absolute path")
_CONTAINER: dict[str, v.Parser] = {
    "runtime": v.choice(APPTAINER, PYXIS, DOCKER, PODMAN),
    "image": v.matching(r"[A-Za-z0-9/][!-~]*", "an image name, address or file"),
    "archive": _absolute,
    "mounts": _mounts,
    "gpu_args": v.maybe(v.texts),
    "args": v.texts,
    "program": v.text,
}
_OPENCOMPASS: dict[str, v.Parser] = {
    "python": v.text,
    "container": Container.from_values,
    "probe_python": v.text,
}
_CONDA: dict[str, v.Parser] = {
    "way": v.choice(VARIABLES, PYTHON, PATH, RUN),
    "env": v.matching(r"[A-Za-z0-9_/][^\x00-\x1f]*", "a name or an absolute path"),
    "root": _absolute,
    "libraries": v.flag,
}
