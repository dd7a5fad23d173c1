"""A planned run that was never started, and what an undisturbed run of it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from small_world import SmallWorld

SHARDS = 3
ROWS = 2
"""Of each shard; one is answered before a job can be held in the middle of its work."""

_GENERATED = 20
"""What one row counts as for the partitioner."""


@dataclass(frozen=True)
class Template:
    """What runs are copied from.

    :param small: where data, weights and the file ``hold`` lie; every user can read it.
    :param folder: the planned run directory.
    :param answers: path to bytes of the undisturbed run's predictions and scores.
    """

    small: SmallWorld
    folder: Path
    answers: dict[str, bytes]


def make_template(small: SmallWorld) -> Template:
    """Plan, and run the same plan undisturbed on the local cluster."""
    small.rows(SHARDS * ROWS)
    asked = {"max_num_workers": SHARDS, "max_partition_size": ROWS * _GENERATED}
    planned = small.prepare(small.config(), **asked)
    undisturbed, report = small.evaluate(small.config(), **asked)
    if report.failures or len(planned.plan.shards) != SHARDS:
        raise RuntimeError(f"the undisturbed run is none: {report.text}")
    return Template(small, planned.run_dir, answers(undisturbed.run_dir))


def answers(run_dir: Path) -> dict[str, bytes]:
    """Predictions and scores of a run; manifests, which name jobs and times, are left out."""
    files = LocalFiles(run_dir)
    folders = [Path(layout.prediction("tiny", "x")).parent, Path(layout.result("tiny", "x")).parent]
    paths = [f"{folder}/{name}" for folder in folders for name in files.list(str(folder))]
    return {path: files.read(path) for path in paths if not path.endswith(".manifest.json")}
