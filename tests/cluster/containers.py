"""The image of ``inference/Dockerfile``, built without a registry, and podman for the testbed's users.

The base is a bootstrapped Debian with Python. torch, transformers and datasets are not in it: they are 2 GB, so the
folder that they are installed in here is mounted into the build and into every container. Everything else is what a
user would build and run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.accounts import ids
from cluster.blueprint import Blueprint
from cluster.programs import PATH, output

NAME = "localhost/opencompass-inference:latest"
SUITE = "bookworm"
PACKAGES = "/opt/packages"  # where the installed packages are mounted
BUILD_SECONDS = 240

# crun cannot do cgroups of both versions side by side, which runc can; limits above the host's hard ones are refused.
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass(frozen=True)
class InferenceImage:
    """What a cluster config's ``container`` needs.

    :param archive: the file to load it from; all users may read it.
    :param mounts: folders that must be mounted into its containers.
    """

    name: str
    archive: Path
    mounts: Mapping[str, str]


def storage_conf(folder: Path) -> str:
    """podman's storage.conf: images and containers lie below ``folder``."""
    return f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'


def packages_folder() -> Path:
    """Where torch and its friends are installed on this host."""
    return Path(sysconfig.get_path("purelib")).resolve()


def build(repo: Path, cache: Path) -> Path:
    """The image of this checkout as an archive; base and image are kept in ``cache`` until their content changes.

    :raises RuntimeError: bootstrapping or building failed; the message is the program's.
    """
    archive = cache / f"inference-{_digest(repo)}.tar"
    if archive.exists():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    base = _base(cache)
    # A build that failed leaves its storage mounted, and its error is the one to see.
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache, ignore_cleanup_errors=True) as scratch:
        aside = Path(scratch) / "image.tar"
        _podman(Path(scratch), "import", "--quiet", str(base), "base")
        _podman(
            Path(scratch),
            *("build", "--quiet", "--file", str(repo / "inference" / "Dockerfile"), "--tag", NAME),
            *(
                "--build-arg",
                "BASE=base",
                "--build-arg",
                "METRICS=",
                "--volume",
                f"{packages_folder()}:{PACKAGES}:ro",
                str(repo),
            ),
        )
        _podman(Path(scratch), "save", "--quiet", "--output", str(aside), NAME)
        for old in cache.glob("inference-*.tar"):
            old.unlink()
        aside.replace(archive)
    return archive


def _base(cache: Path) -> Path:
    """Debian with a Python that reads the mounted packages; its version must be theirs."""
    if sys.version_info[:2] != (3, 11):
        raise RuntimeError(f"{SUITE}'s Python is 3.11; it cannot use packages that Python {sys.version} installed")
    ready = cache / f"{SUITE}.tar"
    if not ready.exists():
        with tempfile.TemporaryDirectory(prefix="base-", dir=cache) as scratch:
            aside = Path(scratch) / "base.tar"
            seen = f'echo {PACKAGES} > "$1/usr/local/lib/python3.11/dist-packages/mounted.pth"'
            small = 'rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*'
            left_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale")]
            hooks = [f"--customize-hook={hook}" for hook in (seen, small)]
            what = ["--variant=minbase", "--include=python3,python-is-python3", *left_out, *hooks]
            environment = {"PATH": PATH, "TMPDIR": scratch}
            output(["mmdebstrap", "--quiet", *what, SUITE, str(aside)], environment, timeout=BUILD_SECONDS)
            aside.replace(ready)
    return ready


def _digest(repo: Path) -> str:
    """Changes with every file that the image is made of."""
    sources = [repo / "inference", repo / "plugins/opencompass_ops/contract"]
    files = [path for source in sources for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files += [repo / "constraints.txt", repo / "scripts/base_pins.py", repo / "plugins/opencompass_ops/__init__.py"]
    files += [Path(__file__)]
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(f"{path.name}\0".encode() + path.read_bytes())
    return content.hexdigest()[:16]


def _podman(folder: Path, *arguments: str) -> None:
    """Run podman with its settings and its images below ``folder``."""
    settings = {"CONTAINERS_CONF": folder / "containers.conf", "CONTAINERS_STORAGE_CONF": folder / "storage.conf"}
    settings["CONTAINERS_CONF"].write_text(CONTAINERS_CONF)
    settings["CONTAINERS_STORAGE_CONF"].write_text(storage_conf(folder))
    environment = {"PATH": PATH, "HOME": str(folder), "TMPDIR": str(folder)} | {k: str(v) for k, v in settings.items()}
    output(["podman", *arguments], environment, timeout=BUILD_SECONDS)


def give_podman(bed: Blueprint) -> None:
    """Set podman up for the testbed's users, as a site does for all of its own."""
    for user in bed.users:
        home = bed.home(user)
        folder = home / ".config" / "containers"
        folder.mkdir(parents=True)
        (folder / "containers.conf").write_text(CONTAINERS_CONF)
        (folder / "storage.conf").write_text(storage_conf(home / "podman"))
        for path in (home / ".config", folder, *folder.iterdir()):
            os.chown(path, *ids(user))


def offer(bed: Blueprint, archive: Path) -> InferenceImage:
    """Put the archive where the users can read it."""
    place = bed.folder / "images" / archive.name
    place.parent.mkdir()
    shutil.copy(archive, place)
    place.chmod(0o644)
    return InferenceImage(NAME, place, {str(packages_folder()): f"{PACKAGES}:ro"})


def trial(image: InferenceImage) -> str:
    """A job script that shows whether containers run on this host; it does not keep the image loaded."""
    return f"""set -e
podman load --quiet --input {image.archive} > /dev/null
podman run --rm {volumes(image)} {image.name} --help > /dev/null
podman rmi --all > /dev/null"""


def volumes(image: InferenceImage) -> str:
    """The image's mounts as options of ``podman run``."""
    return " ".join(f"--volume {here}:{there}" for here, there in image.mounts.items())
