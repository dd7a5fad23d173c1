"""The command ``ingest``: output folders of OpenCompass into the results database."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opencompass_ops.imports.ingest import Import
    from opencompass_ops.imports.reading import RunImport

STEPS_SHOWN = 6


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``command``, a function from the parsed arguments to the exit code."""
    ingest = commands.add_parser("ingest", help="put output folders of OpenCompass into the results database")
    ingest.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="runs, or folders that hold them at any depth"
    )
    ingest.add_argument("--series", default="", metavar="NAME", help="the training run that all models belong to")
    ingest.add_argument(
        "--step-pattern",
        default="",
        metavar="REGEX",
        help="groups (?P<step>...) and (?P<series>...), searched in a model's name, then in its path; "
        "default: step-1000, iter_2000, checkpoint-500 and the like",
    )
    ingest.add_argument("--dry-run", action="store_true", help="say what would go in; write nothing")
    ingest.add_argument("--json", action="store_true", help="what was taken and what was left out, as JSON")
    ingest.set_defaults(command=_ingest)


def _ingest(arguments: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from opencompass_ops.imports.ingest import ingest_folders
    from opencompass_ops.imports.naming import Naming
    from opencompass_ops.results.store import Store

    naming = Naming.parse(arguments.series, arguments.step_pattern)
    with nullcontext() if arguments.dry_run else Store.open() as store:
        tell = (lambda run: None) if arguments.json else (lambda run: print(_line(run), flush=True))
        done = ingest_folders(store, arguments.folders, naming, tell)
        where = store.name if store else "nowhere, this is a dry run"
    print(json.dumps(_values(done), indent=2, ensure_ascii=False) if arguments.json else _total(done, where))
    return 1 if done.left_out else 0


def _line(run: RunImport) -> str:
    """One run: what it brought, and below it what was left out."""
    said = f"{run.path}: {run.state}"
    if run.places:
        said += (
            f", {run.scores} scores and {run.samples} samples of {len(run.places)} models, {len(run.datasets)} datasets"
        )
    series: dict[str, list[int]] = {}
    for place in run.places.values():
        series.setdefault(place.series, []).extend([] if place.step is None else [place.step])
    lines = [f"  {name}: {_steps(steps)}" for name, steps in sorted(series.items())]
    return "\n".join([said, *lines, *(f"  left out: {one}" for one in run.unread)])


def _steps(steps: list[int]) -> str:
    """A series' steps, the middle of many left out."""
    shown = [str(step) for step in sorted(set(steps))]
    if len(shown) > STEPS_SHOWN:
        shown = [*shown[: STEPS_SHOWN // 2], "...", *shown[-STEPS_SHOWN // 2 :]]
    return f"step {', '.join(shown)}" if shown else "no step"


def _total(done: Import, where: str) -> str:
    scores, samples = (sum(numbers) for numbers in ((r.scores for r in done.runs), (r.samples for r in done.runs)))
    states = [run.state for run in done.runs]
    runs = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "none"
    lines = [f"left out: {one}" for one in done.unread]
    lines.append(f"runs: {runs}; {scores} scores and {samples} samples into {where}; {len(done.left_out)} left out")
    return "\n".join(lines)


def _values(done: Import) -> dict[str, Any]:
    runs = [
        {
            "path": str(run.path),
            "state": run.state,
            "scores": run.scores,
            "samples": run.samples,
            "models": {abbr: {"series": place.series, "step": place.step} for abbr, place in run.places.items()},
            "datasets": sorted(run.datasets),
            "left_out": _left_out(run.unread),
        }
        for run in done.runs
    ]
    return {"runs": runs, "left_out": _left_out(done.unread)}


def _left_out(unread: Any) -> list[dict[str, str]]:
    return [{"path": str(one.path), "reason": one.reason} for one in unread]
