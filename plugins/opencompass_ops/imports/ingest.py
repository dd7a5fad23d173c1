"""Output folders into the database, run by run; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.imports.folders import RunFolder, Unread, find_runs
from opencompass_ops.imports.foreign import dumps_of, result_files, said_by
from opencompass_ops.imports.naming import Naming, Place
from opencompass_ops.imports.reading import NEW, OURS, UNCHANGED, RunImport, RunReading
from opencompass_ops.results.findings import examine
from opencompass_ops.results.ingest import ingest_findings
from opencompass_ops.results.scores import scores_of
from opencompass_ops.results.store import Store

REVISION = 1
"""Raised when the same files would be imported otherwise; then every folder is read again."""

DUMPS_AT_ONCE = 64
"""Configs that are held in memory together; one of thousands of datasets takes megabytes."""


@dataclass(frozen=True)
class Import:
    """:param unread: folders that hold no run, or cannot be looked into."""

    runs: tuple[RunImport, ...]
    unread: tuple[Unread, ...]

    @property
    def left_out(self) -> list[Unread]:
        """Everything that was not taken, and why."""
        return [*self.unread, *(one for run in self.runs for one in run.unread)]


def ingest_folders(
    store: Store | None,
    folders: Sequence[Path],
    naming: Naming,
    tell: Callable[[RunImport], None] = lambda run: None,
) -> Import:
    """Record every run in or below the folders; what cannot be read never stops the rest.

    :param store: None reads everything and records nothing.
    :param tell: is told of each run when it is done.
    :raises OpsError: the database cannot be written.
    """
    found, unread = find_runs(folders)
    known = store.run_fingerprints() if store else {}
    done = []
    for some in _batches(found):
        changed = [run for run in some if not run.is_ours and known.get(str(run.path)) != _fingerprint(run, naming)]
        dumps = {loaded.path: loaded for loaded in load([dump for run in changed for dump in dumps_of(run)])}
        for run in some:
            if run.is_ours:
                done.append(_record_ours(store, run))
            elif run not in changed:
                done.append(RunImport(run.path, UNCHANGED))
            else:
                done.append(_record(store, run, [dumps[dump] for dump in dumps_of(run) if dump in dumps], naming))
            tell(done[-1])
    return Import(tuple(done), tuple(unread))


def _batches(runs: Sequence[RunFolder]) -> Iterator[list[RunFolder]]:
    """Runs with some :data:`DUMPS_AT_ONCE` configs together."""
    batch: list[RunFolder] = []
    held = 0
    for run in runs:
        batch.append(run)
        held += len(dumps_of(run))
        if held >= DUMPS_AT_ONCE:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _fingerprint(run: RunFolder, naming: Naming) -> str:
    return run.digest(REVISION, naming.series, naming.pattern.pattern if naming.pattern else "")


def _record_ours(store: Store | None, run: RunFolder) -> RunImport:
    done, files = RunImport(run.path, OURS), LocalFiles(run.path)
    try:
        plan = Plan.from_json(files.read(layout.PLAN))
    except (OSError, codec.SchemaError) as error:
        done.unread.append(Unread(run.path / layout.PLAN, f"cannot be read ({error}); summarise the run again"))
        return done
    done.places = {model.abbr: Place(model.column, model.step) for model in plan.models}
    done.datasets = {dataset.abbr for dataset in plan.datasets}
    findings = examine(files, plan)
    if store:
        recorded = ingest_findings(store, files, plan, findings)
        done.scores, done.samples = recorded.scores, recorded.samples
        done.unread += [Unread(run.path, line) for line in recorded.damaged]
    else:
        done.scores = len(scores_of(plan, findings))
        done.samples = sum(len(finding.result.samples) for finding in findings)
    return done


def _record(store: Store | None, run: RunFolder, dumps: Sequence[LoadedConfig], naming: Naming) -> RunImport:
    said, unread = said_by(dumps)
    files, foreign = result_files(run, said)
    done = RunImport(run.path, NEW, unread=[*unread, *foreign])
    models = {file.model: said.models.get(file.model) for file in files}
    places = naming.places({abbr: model.path if model else "" for abbr, model in models.items()})
    reading = RunReading(run, said, files, places, done)
    if store is None:
        for _ in reading.pairs():
            pass
        return done
    # Recorded last with its fingerprint: an import that is interrupted is done again.
    store.record_run(reading.row(""), reading.pairs())
    store.record_run(reading.row(_fingerprint(run, naming)))
    return done
