"""The GPUs of this host, and who gets which."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from opencompass_ops.errors import UnsureError


def devices(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The GPUs that this process may hand out, as values for ``CUDA_VISIBLE_DEVICES``.

    :raises UnsureError: nvidia-smi does not answer.
    """
    chosen = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = tuple(name.strip() for name in chosen.split(",") if name.strip())
        # CUDA ignores everything from the first invalid entry on; -1 is the usual way to say "none".
        return names[: names.index("-1")] if "-1" in names else names
    program = shutil.which("nvidia-smi")
    return _ask(program) if program else ()


def choose(wanted: int, available: Sequence[str], used: Iterable[str], share: int) -> tuple[str, ...] | None:
    """The least used devices, lower ones first; None while too few have a free slot.

    :param used: one entry per job and device in use.
    :param share: jobs that may use a device at once.
    """
    load = Counter(used)
    free = sorted((device for device in available if load[device] < share), key=lambda device: load[device])
    return tuple(free[:wanted]) if len(free) >= wanted else None


def _ask(program: str) -> tuple[str, ...]:
    try:
        answer = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnsureError(f"{program} -L does not answer ({error}); look at the GPU driver of this host") from error
    lines = [line for line in answer.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(number) for number in range(len(lines)))
