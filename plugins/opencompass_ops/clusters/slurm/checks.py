"""What must be true on a login node before jobs are sent there: scripts to ask, and what their answers mean; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.findings import Finding
from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm.submission import in_words

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct")
TOOLS = ("awk", "base64", "flock", "head", "mktemp", "mv", "sort", "stat", "tar", "timeout")
_OLDEST_SLURM = (20, 2)
_OLDEST_BASH = (4, 2)


@dataclass(frozen=True)
class Check:
    """One question to the login node.

    :param script: bash.
    :param read: what the answer means: what was seen, and the next step or "".
    """

    what: str
    script: str
    read: Callable[[str, Answer], Finding]
    arguments: tuple[str, ...] = ()

    def finding(self, answer: Answer) -> Finding:
        """What the answer means."""
        return self.read(self.what, answer)


def checks(config: ClusterConfig, words: Sequence[str], weights: str = "") -> list[Check]:
    """Every question that a script can answer, in the order in which they are asked.

    :param words: sbatch's options for a job of the kind that will run.
    :param weights: a checkpoint's folder as the cluster sees it, "" for none.
    """
    missing = 'for name in "$@"; do command -v "$name" > /dev/null || echo "$name"; done; printf "%s" "$PATH" >&2'
    asked = [
        Check("commands", missing, _commands, (*COMMANDS, *TOOLS)),
        Check("versions", 'echo "$BASH_VERSION"; sbatch --version', _versions),
        Check("controller", "scontrol ping", _controller),
        Check("partition", "sinfo -h -o '%P|%a|%D|%l|%G'", _partition(config)),
        Check("account", _TEST_ONLY, _account, tuple(words)),
        Check("accounting", "sacct -X -n -P -o JobIDRaw -S now 2>&1", _accounting),
        Check("state folder", _STATE, _state, (config.state_dir,)),
    ]
    if config.data_dir:
        asked.append(Check("data", _FOLDER, _folder("data_dir"), (config.on_cluster(config.data_dir),)))
    if weights:
        asked.append(Check("weights", _WEIGHTS, _weights(weights), (weights,)))
    return asked


# The same clean environment in which jobs are submitted.
_TEST_ONLY = """
env -i PATH="$PATH" HOME="$HOME" USER="${USER-}" LOGNAME="${LOGNAME-}" ${SLURM_CONF:+SLURM_CONF="$SLURM_CONF"} \\
    sbatch --test-only --job-name=opencompass-ops.test "$@" 2>&1 <<< $'#!/bin/sh\\ntrue'
"""
_STATE = """
state=${1:-$HOME/.opencompass-ops}
mkdir -p "$state" && exec 9> "$state/lock" && flock -w 20 9 && echo "$state"
"""
_FOLDER = '[ -d "$1" ] && [ -r "$1" ] && [ -x "$1" ] && echo "$1"'
_WEIGHTS = """
cd "$1" || exit
for file in config.json *.safetensors *.bin; do
    [ -e "$file" ] || continue
    head -c 1 "$file" > /dev/null || exit
    echo "$file"
done
"""


def _commands(what: str, answer: Answer) -> Finding:
    missing, path = _text(answer.stdout).split(), _text(answer.stderr)
    if not missing:
        return Finding(what, f"all on PATH: {', '.join(COMMANDS)} and what our scripts use")
    return Finding(
        what,
        f"not on PATH: {', '.join(missing)}; PATH is {path}",
        "put them on the PATH of shells that are not interactive, for instance in the account's ~/.bashrc, "
        "above any line that leaves early",
    )


def _versions(what: str, answer: Answer) -> Finding:
    bash, _, slurm = _text(answer.stdout).partition("\n")
    seen = f"{slurm or 'sbatch says nothing'}, bash {bash}"
    if _version(slurm) < _OLDEST_SLURM or _version(bash) < _OLDEST_BASH:
        return Finding(what, seen, "this needs Slurm 20.02 and bash 4.2 at least")
    return Finding(what, seen)


def _controller(what: str, answer: Answer) -> Finding:
    seen = " ".join(_text(answer.stdout + answer.stderr).split())
    if answer.returncode == 0 and " UP" in seen:
        return Finding(what, seen)
    return Finding(what, seen or f"scontrol ping ended with {answer.returncode}", "ask the site whether Slurm is down")


def _partition(config: ClusterConfig) -> Callable[[str, Answer], Finding]:
    wanted = [name for name in config.resources.partition.split(",") if name]

    def read(what: str, answer: Answer) -> Finding:
        rows = [line.split("|") for line in _text(answer.stdout).splitlines() if line.count("|") >= 4]
        known = {row[0].rstrip("*"): row for row in rows}
        names = wanted or [row[0].rstrip("*") for row in rows if row[0].endswith("*")]
        hint = f"choose with -p or in resources of the cluster config: {', '.join(known) or 'sinfo shows none'}"
        if not names:
            return Finding(what, "none is asked for, and Slurm has no default one", hint)
        unknown = [name for name in names if name not in known]
        if unknown:
            return Finding(what, f"there is no partition {', '.join(unknown)}", hint)
        seen = "; ".join(
            f"{name}: {known[name][2]} nodes, {known[name][4]}, at most {known[name][3]}" for name in names
        )
        if not any(known[name][1] == "up" for name in names):
            return Finding(what, f"not up: {seen}", hint)
        if config.resources.num_gpus and not any("gpu" in known[name][4] for name in names):
            return Finding(what, f"has no GPUs: {seen}", hint)
        return Finding(what, seen)

    return read


def _account(what: str, answer: Answer) -> Finding:
    seen = in_words(_text(answer.stdout))
    if answer.returncode == 0:
        return Finding(what, f"may submit: {seen}")
    return Finding(what, seen, "correct partition, account, qos, time or GPUs in the cluster config or by their flags")


def _accounting(what: str, answer: Answer) -> Finding:
    if answer.returncode == 0:
        return Finding(what, "sacct answers")
    return Finding(what, f"{' '.join(_text(answer.stdout).split())}; no harm, jobs leave records of their own")


def _state(what: str, answer: Answer) -> Finding:
    if answer.returncode == 0:
        return Finding(what, f"{_text(answer.stdout)} can be written and locked")
    return Finding(what, _problem(answer), "name a folder of the account on a file system with locks as state_dir")


def _folder(key: str) -> Callable[[str, Answer], Finding]:
    def read(what: str, answer: Answer) -> Finding:
        if answer.returncode == 0:
            return Finding(what, f"{_text(answer.stdout)} can be read")
        return Finding(what, f"{key} is no folder that the account can read", f"correct {key} or mounts")

    return read


def _weights(folder: str) -> Callable[[str, Answer], Finding]:
    def read(what: str, answer: Answer) -> Finding:
        files = _text(answer.stdout).splitlines()
        if answer.returncode == 0 and "config.json" in files and len(files) > 1:
            return Finding(what, f"{folder}: config.json and {len(files) - 1} files of weights can be read")
        seen = _problem(answer) if answer.returncode else f"{folder} holds {', '.join(files) or 'no model'}"
        return Finding(what, seen, "name a checkpoint's folder as the cluster sees it, readable for the account")

    return read


def _problem(answer: Answer) -> str:
    return " ".join(_text(answer.stderr or answer.stdout).split()) or f"ended with {answer.returncode}"


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _text(output: bytes) -> str:
    return output.decode(errors="replace").strip()
