"""``make image``: build both images with the engine that is there, and say how they get where they are needed."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from opencompass_ops import __version__

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("docker", "podman")
AIRFLOW, INFERENCE = "opencompass-ops", "opencompass-inference"
_DOCKERFILES = {AIRFLOW: "Dockerfile", INFERENCE: "inference/Dockerfile"}


class NoEngine(RuntimeError):
    """Nothing here can build an image; the message says what to do."""


@dataclass(frozen=True)
class Build:
    """Which images are built, and how.

    :param engine: ``docker`` or ``podman``.
    :param version: their tag, beside ``latest``.
    :param registry: ``ghcr.io/team``; "" for names without one.
    :param bases: other base images than those of the Dockerfiles, by name of the image.
    """

    engine: str
    version: str = __version__
    registry: str = ""
    bases: tuple[tuple[str, str], ...] = ()

    def name(self, image: str) -> str:
        """What it is called in the registry."""
        return f"{self.registry}/{image}" if self.registry else image

    def command(self, image: str) -> list[str]:
        """The argv that builds one of them, in the root of the checkout."""
        base = dict(self.bases).get(image)
        tags = [f"--tag={self.name(image)}:{tag}" for tag in (self.version, "latest")]
        # Podman's own format has no health checks and no SHELL; registries and converters read docker's.
        podman = ["--format=docker"] if self.engine == "podman" else []
        arguments = [f"--build-arg=BASE={base}"] if base else []
        return [self.engine, "build", *podman, f"--file={_DOCKERFILES[image]}", *tags, *arguments, "."]

    def next_steps(self) -> str:
        """Lines to push the images, or to make files of the GPU image that Slurm's nodes read."""
        engine, here = self.engine, f"{self.name(INFERENCE)}:{self.version}"
        file = f"{INFERENCE}-{self.version}"
        pushed = [f"{self.name(image)}:{self.version}" for image in _DOCKERFILES]
        tag = [] if self.registry else [f"{engine} tag {name} REGISTRY/{name}" for name in pushed]
        push = [f"{engine} push {name if self.registry else f'REGISTRY/{name}'}" for name in pushed]
        daemon = f"apptainer build {file}.sif docker-daemon:{here}"
        archive = f"apptainer build {file}.sif docker-archive:{file}.tar"
        save = f"{engine} save {'--format=docker-archive ' if engine == 'podman' else ''}--output={file}.tar {here}"
        pull = here if self.registry else f"REGISTRY/{here}"
        address, _, path = pull.partition("/")
        sections = {
            "To a registry": [*tag, *push],
            "A .sif for apptainer": [daemon] if engine == "docker" else [save, archive],
            "The same on the cluster, from a file or a registry": [
                *([save] if engine == "docker" else []),
                archive,
                f"apptainer build {file}.sif docker://{pull}",
            ],
            "A .sqsh for pyxis": [
                f"enroot import --output={file}.sqsh {'dockerd' if engine == 'docker' else 'podman'}://{here}",
                f"enroot import --output={file}.sqsh docker://{address}#{path}",
            ],
        }
        text = "\n".join(f"{title}:\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections.items())
        return (
            f"{text}\nThen name it in the cluster config (docs/containers.md):\n"
            f'  container = dict(runtime="apptainer", image="/shared/images/{file}.sif")\n'
            f'  container = dict(runtime="pyxis", image="/shared/images/{file}.sqsh")'
        )


def engine(named: str) -> str:
    """The engine that was named, or the first one that works here.

    :raises NoEngine: there is none; the message says why and what to do.
    """
    if named and named not in ENGINES:
        raise NoEngine(f"ENGINE={named} is not known; there are {' and '.join(ENGINES)}")
    lacking = []
    for each in (named,) if named else ENGINES:
        if not shutil.which(each):
            lacking.append(f"{each} is not installed")
        elif subprocess.run([each, "version"], capture_output=True, check=False).returncode != 0:
            lacking.append(f"{each} is installed and does not work (see `{each} version`)")
        else:
            return each
    raise NoEngine(
        f"{', '.join(lacking)}; install or start one of them (Debian: apt-get install podman), or build on another "
        "machine and copy the images (docs/installation.md)"
    )


def main() -> int:
    """Build, then tell; the engine's own output is shown as it comes."""
    parser = argparse.ArgumentParser(prog="python -m scripts.image", description=__doc__)
    parser.add_argument("--engine", default="", help="docker or podman (default: the first one that is there)")
    parser.add_argument("--registry", default="", help="such as ghcr.io/team; names go before it")
    parser.add_argument("--base", default="", help="base of the Airflow image")
    parser.add_argument("--inference-base", default="", help="base of the GPU image, e.g. one with torch and CUDA")
    asked = parser.parse_args()
    bases = ((AIRFLOW, asked.base), (INFERENCE, asked.inference_base))
    try:
        build = Build(engine(asked.engine), registry=asked.registry.rstrip("/"), bases=bases)
        for image in _DOCKERFILES:
            print(f"Building {build.name(image)}:{build.version}", flush=True)
            subprocess.run(build.command(image), cwd=ROOT, check=True)
    except NoEngine as error:
        print(f"make image: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"make image: {' '.join(error.cmd)} ended with {error.returncode}; it says why above", file=sys.stderr)
        return 1
    print(f"\n{build.next_steps()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
