"""What a script prepares before the workload: setup, modules, conda, search paths; pure."""

from __future__ import annotations

from collections.abc import Iterator

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.words import assignment, word, words
from opencompass_ops.clusters.software import PATH, VARIABLES


def software(config: ClusterConfig, code_dir: str) -> Iterator[str]:
    """What setup, modules and conda prepare; all of it goes to ``setup.log`` in the job's folder."""
    if config.setup:
        yield _SETUP.format(lines=words(config.setup))
    if config.modules:
        yield _MODULES.format(modules=words(config.modules))
    yield "\n".join(line.strip("\n") for line in _conda(config))
    if config.library_path:
        yield _prefixed("LD_LIBRARY_PATH", word(":".join(config.library_path)))
    if code_dir and config.container:
        yield f"export {assignment('PYTHONPATH', code_dir)}"
    elif code_dir:
        yield _prefixed("PYTHONPATH", word(code_dir))


_SETUP = """
oc_why="a command of setup failed; see jobs/$oc_token/setup.log"
printf '%s\\n' {lines} > "$oc_job_dir/setup.sh"
set -e
source "$oc_job_dir/setup.sh" > "$oc_job_dir/setup.log" 2>&1
set +euxv
"""

_MODULES = """
oc_why="modules could not be loaded; see jobs/$oc_token/setup.log"
if ! declare -F module > /dev/null; then
    for oc_file in /etc/profile.d/*modules*.sh /etc/profile.d/*lmod*.sh; do
        [ ! -r "$oc_file" ] || source "$oc_file"
    done
fi
module load {modules} >> "$oc_job_dir/setup.log" 2>&1 || exit 1
"""

_CONDA = """
oc_why='the conda environment is not there; correct conda in the cluster config'
oc_conda={prefix}
[ -d "$oc_conda" ] || exit 1
"""


def _conda(config: ClusterConfig) -> Iterator[str]:
    conda = config.conda
    if conda is None:
        return
    prefix = word(conda.prefix)
    if conda.way == VARIABLES:
        if conda.env:
            yield f"export ANACONDA_DIR={word(conda.root)} DEFAULT_CONDA_ENV_NAME={word(conda.env)}"
        prefix = "$ANACONDA_DIR/envs/$DEFAULT_CONDA_ENV_NAME"
    if conda.prefix or conda.way == VARIABLES:
        yield _CONDA.format(prefix=prefix)
    if conda.way in (VARIABLES, PATH):
        yield "export PATH=$oc_conda/bin:$PATH"
    if conda.libraries:
        yield _prefixed("LD_LIBRARY_PATH", "$oc_conda/lib")


def _prefixed(variable: str, folders: str) -> str:
    return f"export {variable}={folders}${{{variable}:+:${variable}}}"
