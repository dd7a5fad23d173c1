"""How the batch script runs a workload in a container: image once, mounts, GPUs, environment by name; pure.

In every runtime a path inside is the path outside, the user's home stays outside, and only the named variables go in.
Their values stand in no argument list, so that secrets show in none.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.resources import SLURM
from opencompass_ops.clusters.slurm.start import IN_BACKGROUND, Start
from opencompass_ops.clusters.slurm.words import word, words
from opencompass_ops.clusters.software import APPTAINER, DOCKER, PODMAN, PYXIS, Container
from opencompass_ops.contract import variables
from opencompass_ops.errors import JobRefused

_STOP_SECONDS = 60


@dataclass(frozen=True)
class Inside:
    """What the container is given.

    :param argv: the workload.
    :param work: the folder it starts in.
    :param mounts: (outside, inside with ``:ro`` for reading only), outer folders first.
    :param names: variables that go in.
    :param gpu_args: options that give it the job's GPUs; None for the runtime's usual ones, empty without GPUs.
    """

    argv: tuple[str, ...]
    work: str
    mounts: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    gpu_args: tuple[str, ...] | None


def contained(request: JobRequest, config: ClusterConfig, container: Container, code_dir: str) -> Start:
    """The start of a workload in a container.

    :raises JobRefused: the runtimes cannot express it.
    """
    if request.resources.launcher == SLURM:
        raise JobRefused("launcher 'slurm' needs srun inside the job, and an image has none; choose pytorch")
    inside = Inside(
        argv=request.argv,
        work=request.run_dir,
        mounts=_mounts(request, config, container, code_dir),
        names=_names(request, config, code_dir),
        gpu_args=container.gpu_args if request.num_gpus else (),
    )
    start = {APPTAINER: _apptainer, PYXIS: _pyxis, DOCKER: _engine, PODMAN: _engine}[container.runtime]
    return start(container, inside)


def _mounts(
    request: JobRequest, config: ClusterConfig, container: Container, code_dir: str
) -> tuple[tuple[str, str], ...]:
    """Run directories to write, code and data to read, and the config's own."""
    written = [config.on_cluster(config.work_dir)] if config.work_dir.startswith("/") else []
    if not any(PurePosixPath(request.run_dir).is_relative_to(folder) for folder in written):
        written.append(request.run_dir)
    read = [code_dir] if code_dir else list(config.code_dir or ())
    if config.data_dir.startswith("/"):
        read.append(config.on_cluster(config.data_dir))
    mounts = {folder: f"{folder}:ro" for folder in read}
    mounts.update({folder: folder for folder in written})
    mounts.update(container.mounts)
    for path in mounts:
        if ":" in path or "," in path:
            raise JobRefused(f"{path!r} cannot be mounted: ':' and ',' separate mounts; choose another folder")
    return tuple(sorted(mounts.items()))


def _names(request: JobRequest, config: ClusterConfig, code_dir: str) -> tuple[str, ...]:
    ours = (variables.TOKEN, variables.JOB_ID, variables.RESTART, variables.LAUNCHER, "SLURM_JOB_ID")
    code = ("PYTHONPATH",) if code_dir else ()
    return tuple(dict.fromkeys((*config.variables, *request.env, *ours, *code, *config.secrets)))


def _numbered(inside: Inside) -> tuple[str, ...]:
    """The names with Slurm's numbers of the GPUs, where the runtime does not number them anew."""
    return (*inside.names, "CUDA_VISIBLE_DEVICES")


# Scratch on the node takes the place of the home, where libraries would keep their caches.
_SCRATCH = """
oc_why='no scratch folder could be made'
oc_scratch=$(mktemp -d "${TMPDIR:-/tmp}/opencompass-ops.XXXXXXXX") || exit 1
export XDG_CACHE_HOME=$oc_scratch/cache TRITON_CACHE_DIR=$oc_scratch/triton
"""
_CACHES = ("XDG_CACHE_HOME", "TRITON_CACHE_DIR")
_SWEEP = '[ -z "${oc_scratch-}" ] || rm -rf "$oc_scratch"'

# Imported once for all nodes; who comes meanwhile waits. Where locks do nothing, the last rename wins.
_IMPORT = """
oc_why="the image could not be imported; see jobs/$oc_token/image.log"
oc_image=$oc_state/images/{file}
if [ ! -s "$oc_image" ]; then
    mkdir -p "$oc_state/images" && exec 8> "$oc_image.lock" || exit 1
    flock 8
    if [ ! -s "$oc_image" ]; then
        oc_say 'importing the image'
        oc_aside=$oc_state/images/$SLURM_JOB_ID.{file}
        {pull} > "$oc_job_dir/image.log" 2>&1 && mv -f "$oc_aside" "$oc_image" ||
            {{ rm -f "$oc_aside"; exit 1; }}
    fi
    exec 8>&-
fi
"""

_HANDED = """
for oc_name in {names}; do
    [ -z "${{!oc_name+x}}" ] || export "{prefix}_$oc_name=${{!oc_name}}"
done
"""


def _apptainer(container: Container, inside: Inside) -> Start:
    program = container.program or APPTAINER
    prefix = "SINGULARITYENV" if "singularity" in PurePosixPath(program).name else "APPTAINERENV"
    gpus = ("--nv",) if inside.gpu_args is None else inside.gpu_args
    flags = ["exec", "--cleanenv", "--no-home", f"--pwd={inside.work}", *gpus]
    binds = [f"--bind={outside}:{within}" for outside, within in inside.mounts]
    image, before = _file(container.image, "sif", f'{word(program)} pull "$oc_aside" {word(container.image)}')
    command = _lines(
        word(program), *map(word, (*flags, *binds)), '--bind="$oc_scratch"', *map(word, container.args), image
    )
    handed = _HANDED.format(prefix=prefix, names=" ".join((*_numbered(inside), *_CACHES)))
    return Start(
        IN_BACKGROUND.format(command=_lines(command, words(inside.argv))),
        before=(*before, _SCRATCH, handed),
        after=(_SWEEP,),
    )


def _pyxis(container: Container, inside: Inside) -> Start:
    names = ",".join((*_numbered(inside), *_CACHES))
    mounts = ",".join(f"{outside}:{within}" for outside, within in inside.mounts)
    image, before = _file(container.image, "sqsh", f'enroot import --output "$oc_aside" {word(container.image)}')
    flags = [
        *("--nodes=1", "--ntasks=1", f"--export={names}", f"--container-env={names}"),
        *("--no-container-mount-home", f"--container-workdir={inside.work}"),
        *(inside.gpu_args or ()),
        *container.args,
    ]
    command = [
        word(container.program or "srun"),
        '${SLURM_CPUS_PER_TASK:+"--cpus-per-task=$SLURM_CPUS_PER_TASK"}',
        *map(word, flags),
        f"--container-image={image}",
        f'--container-mounts={word(mounts)},"$oc_scratch:$oc_scratch"',
        words(inside.argv),
    ]
    return Start(
        IN_BACKGROUND.format(command=_lines(*command)),
        before=(*before, _SCRATCH),
        # srun answers SIGTERM by killing its step; scancel signals the step itself.
        stop=('scancel --signal=TERM "$SLURM_JOB_ID"',),
        after=(_SWEEP,),
    )


_ENGINE_IMAGE = """
oc_why="the image could not be imported; see jobs/$oc_token/image.log"
if ! {inspect} > /dev/null 2>&1; then
    mkdir -p "$oc_state/images" && exec 8> "$oc_state/images/{file}.$oc_node.lock" || exit 1
    flock 8
    if ! {inspect} > /dev/null 2>&1; then
        oc_say 'importing the image'
        {load} > "$oc_job_dir/image.log" 2>&1 || exit 1
    fi
    exec 8>&-
fi
# A job that was killed outright could not remove its container.
for oc_left in $({program} ps --all --filter=label={label} --format '{{{{.Names}}}}'); do
    oc_there=$(squeue --noheader --jobs="${{oc_left##*.}}" --format=%T 2>&1)
    case $oc_there in '' | *'Invalid job id'*) {remove} "$oc_left" ;; esac
done > /dev/null 2>&1
oc_container=$oc_token.$SLURM_JOB_ID
"""
_LABEL = "opencompass-ops"
_ROOTLESS = """
oc_user=()
if [ "$(id -u)" -ne 0 ]; then
    oc_why='podman has no folder of its own on this node; remove /tmp/opencompass-ops.UID of somebody else'
    oc_user=(--userns=keep-id)
    export XDG_RUNTIME_DIR=/tmp/opencompass-ops.$(id -u)
    mkdir -m 700 "$XDG_RUNTIME_DIR" 2> /dev/null
    [ -O "$XDG_RUNTIME_DIR" ] && [ ! -L "$XDG_RUNTIME_DIR" ] || exit 1
fi
"""
_DOCKER_USER = """
oc_user=("--user=$(id -u):$(id -g)")
"""
_PODMAN_GPUS = """
oc_devices=()
for oc_gpu in ${SLURM_JOB_GPUS//,/ }; do oc_devices+=("--device=nvidia.com/gpu=$oc_gpu"); done
"""
_DOCKER_GPUS = """
oc_devices=("--gpus=\\"device=$SLURM_JOB_GPUS\\"")
"""

# A container of an engine is no child of the batch script and outlives it. It holds on to its stdin, and ends when the
# other end is closed because the script was killed.
_KEPT = """
coproc oc_run {{ exec {command} >&3 3>&-; }}
oc_child=$oc_run_PID
"""


def _engine(container: Container, inside: Inside) -> Start:
    """docker and podman; what differs is how they are given the user and the GPUs, and how they remove."""
    is_podman = container.runtime == PODMAN
    program = container.program or container.runtime
    by_index = inside.gpu_args is None
    inspect = words((program, "image", "inspect", container.image))
    load = words(
        (program, "load", "--input", container.archive) if container.archive else (program, "pull", container.image)
    )
    flags = [
        *("run", "--rm", "--interactive", "--network=host", "--shm-size=8g", "--security-opt=label=disable"),
        *(f"--label={_LABEL}", "--stop-signal=SIGTERM", f"--workdir={inside.work}"),
        *("--env=HOME=/tmp", f"--env={variables.GUARD}=1"),
        *(f"--volume={outside}:{within}" for outside, within in inside.mounts),
        *(f"--env={name}" for name in (inside.names if by_index else _numbered(inside))),
        *(inside.gpu_args or ()),
        *container.args,
        f"--entrypoint={inside.argv[0]}",
    ]
    devices = (_PODMAN_GPUS if is_podman else _DOCKER_GPUS) if by_index else ""
    command = [
        *map(word, (program, *flags)),
        '--name="$oc_container"',
        '"${oc_user[@]}"',
        *(['"${oc_devices[@]}"'] if devices else []),
        words((container.image, *inside.argv[1:])),
    ]
    stop = f'{word(program)} stop -t {_STOP_SECONDS} "$oc_container"'
    remove = f"{word(program)} rm --force{' -t 0' if is_podman else ''}"
    return Start(
        _KEPT.format(command=_lines(*command)),
        before=(
            *([_ROOTLESS] if is_podman else [_DOCKER_USER]),
            _ENGINE_IMAGE.format(
                inspect=inspect,
                load=load,
                file=_file_name(container.image),
                program=word(program),
                label=_LABEL,
                remove=remove,
            ),
            devices,
        ),
        stop=(f'{{ {stop} || kill -TERM "$oc_child"; }} > /dev/null 2>&1 &',),
        after=(f'[ -z "${{oc_container-}}" ] || {remove} "$oc_container" > /dev/null 2>&1',),
    )


def _file(image: str, suffix: str, pull: str) -> tuple[str, tuple[str, ...]]:
    """The image's file as a word, and what makes it where it is given by address."""
    if image.startswith("/"):
        return word(image), ()
    return '"$oc_image"', (_IMPORT.format(file=f"{_file_name(image)}.{suffix}", pull=pull),)


def _file_name(image: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", image).strip("-.")[-60:]
    return f"{readable}-{hashlib.sha256(image.encode()).hexdigest()[:12]}"


def _lines(*pieces: str) -> str:
    """One command, a piece per line."""
    return " \\\n    ".join(pieces)
