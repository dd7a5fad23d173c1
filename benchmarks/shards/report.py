"""Tables of what was measured; pure, but for what machine and commit these are."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.shards.diagnostics import ACCOUNTING, CANCELLATIONS, QUERY, SUBMISSIONS
from benchmarks.shards.meters import Sample
from benchmarks.shards.site import Site
from benchmarks.shards.ways import HOLD_SECONDS, Measured

BEGIN, END = "<!-- begin: make bench-slurm -->", "<!-- end: make bench-slurm -->"
_PEAK_SECONDS = 10
_SETTLE_SECONDS = 10

Row = tuple[str, Callable[[Measured], str]]


def tables(site: Site, first: Measured, scaled: Sequence[Measured], beside: Sequence[Measured]) -> str:
    """Everything, as Markdown.

    :param first: the run before all others.
    :param scaled: runs of many shards through a DAG.
    :param beside: the same shards in several ways, ours first.
    """
    parts = [_conditions(site.bed.run("squeue", "--version").strip()), _begun(first)]
    if scaled:
        held = f"Jobs wait until all are submitted and {HOLD_SECONDS} s more; with no-op tasks nothing is submitted."
        parts += [held, scaled_table(scaled, site.uid)]
    if beside:
        length = f"Jobs of {site.seconds} s. In parentheses: times as much as SlurmOperator."
        parts += [length, beside_table(beside, site.uid)]
    return "\n\n".join(parts) + "\n"


def put(document: Path, text: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace what stands between the marks.

    :raises ValueError: the document has no marks.
    """
    before, begin, rest = document.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not end:
        raise ValueError(f"{document} needs the lines {marks[0]} and {marks[1]}, between which the tables go")
    document.write_text(f"{before}{begin}\n{text}{end}{after}")


def scaled_table(measured: Sequence[Measured], uid: int) -> str:
    """Many shards through a DAG, submitted, held and let go."""
    return _table(measured, _scaled_rows(uid))


def rate(samples: Sequence[Sample], count: Callable[[Sample], int]) -> float:
    """Per minute, from the first to the last sample."""
    first, last = samples[0], samples[-1]
    return 60 * (count(last) - count(first)) / max(last.at - first.at, 1.0)


def peak(samples: Sequence[Sample], count: Callable[[Sample], int], seconds: float = _PEAK_SECONDS) -> float:
    """The most per second over any time of about ``seconds``."""
    most = 0.0
    for number, first in enumerate(samples):
        last = next((later for later in samples[number:] if later.at - first.at >= seconds), samples[-1])
        most = max(most, (count(last) - count(first)) / max(last.at - first.at, seconds))
    return most


def _scaled_rows(uid: int) -> tuple[Row, ...]:
    def submitting(one: Measured) -> Sequence[Sample]:
        return one.meter.between(one.planned, one.submitted)

    def waiting(one: Measured) -> Sequence[Sample]:
        return one.meter.between(one.submitted + _SETTLE_SECONDS, one.released)

    def last(one: Measured) -> Sample:
        return one.meter.samples[-1]

    return (
        ("SSH connections", lambda one: str(one.connections)),
        ("plan to last submission, s", lambda one: f"{one.submitted - one.planned:.0f}"),
        ("jobs let go to end of run, s", lambda one: f"{one.ended - one.released:.0f}"),
        ("squeue a minute, submitting", lambda one: f"{rate(submitting(one), _queries):.1f}"),
        ("squeue a minute, all wait", lambda one: f"{rate(waiting(one), _queries):.1f}"),
        ("squeue a second, at most", lambda one: f"{peak(one.meter.samples, _queries):.2f}"),
        ("sbatch, and with --test-only", lambda one: f"{_submissions(last(one))}, {_tests(last(one))}"),
        ("scancel", lambda one: str(_cancellations(last(one)))),
        ("sacct", lambda one: str(one.accounting.kinds[ACCOUNTING])),
        ("RPCs of the account, a shard", lambda one: f"{last(one).rpcs.users[uid] / one.shards:.1f}"),
        ("RPCs of the account a minute, all wait", lambda one: f"{rate(waiting(one), _of(uid)):.1f}"),
        ("worker slots held, all wait, at most", lambda one: str(max(sample.slots for sample in waiting(one)))),
        ("worker slot seconds a shard", lambda one: f"{_slot_seconds(one.meter.samples) / one.shards:.1f}"),
        ("triggerer before, MB", lambda one: f"{one.meter.samples[0].triggerer:.0f}"),
        ("triggerer at most, MB", lambda one: f"{max(sample.triggerer for sample in one.meter.samples):.0f}"),
        ("triggerer after, MB", lambda one: f"{last(one).triggerer:.0f}"),
        ("stalls over 0.2 s and the longest: submitting", lambda one: _stalls(one, one.planned, one.submitted)),
        ("all wait", lambda one: _stalls(one, one.submitted, one.released)),
        ("ending", lambda one: _stalls(one, one.released, one.ended)),
        ("login node, CPU s a minute, all wait", lambda one: f"{_cpu(waiting(one)):.2f}"),
    )


def _beside_rows(uid: int) -> tuple[tuple[str, Callable[[Measured], float]], ...]:
    def most(one: Measured, value: Callable[[Sample], float]) -> float:
        return max(value(sample) for sample in one.meter.samples)

    def more(one: Measured, value: Callable[[Sample], float]) -> float:
        return most(one, value) - value(one.meter.samples[0])

    def mean(one: Measured, value: Callable[[Sample], float]) -> float:
        return sum(value(sample) for sample in one.meter.samples) / len(one.meter.samples)

    return (
        ("plan to end, s", lambda one: one.ended - one.planned),
        ("SSH connections", lambda one: one.connections),
        ("worker slots held, at most", lambda one: most(one, lambda sample: sample.slots)),
        ("worker slot seconds", lambda one: _slot_seconds(one.meter.samples)),
        ("RPCs of the account", lambda one: one.meter.samples[-1].rpcs.users[uid]),
        ("of them squeue", lambda one: _queries(one.meter.samples[-1])),
        ("of them sbatch or srun", lambda one: _submissions(one.meter.samples[-1])),
        ("RPCs a second, at most", lambda one: peak(one.meter.samples, _of(uid))),
        ("triggerer, MB more, at most", lambda one: more(one, lambda sample: sample.triggerer)),
        (
            "workers, MB more, mean",
            lambda one: max(0.0, mean(one, lambda sample: sample.workers) - one.meter.samples[0].workers),
        ),
        ("workers, MB more, at most", lambda one: more(one, lambda sample: sample.workers)),
        ("login node, MB, at most", lambda one: most(one, lambda sample: sample.login)),
    )


def beside_table(measured: Sequence[Measured], uid: int) -> str:
    """Several ways and their ratios to the first."""
    ours = measured[0]

    def cell(value: Callable[[Measured], float]) -> Callable[[Measured], str]:
        def text(one: Measured) -> str:
            figure = f"{value(one):.1f}".removesuffix(".0")
            if one is ours or not value(ours):
                return figure
            return f"{figure} ({value(one) / value(ours):.1f})"

        return text

    return _table(measured, [(name, cell(value)) for name, value in _beside_rows(uid)])


def _table(measured: Sequence[Measured], rows: Sequence[Row]) -> str:
    lines = [("", *(f"{one.way}, {one.shards}" for one in measured)), ("---", *("---:" for _ in measured))]
    lines += [(name, *(cell(one) for one in measured)) for name, cell in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _queries(sample: Sample) -> int:
    return sample.rpcs.kinds[QUERY]


def _tests(sample: Sample) -> int:
    return sample.rpcs.kinds["REQUEST_JOB_WILL_RUN"]


def _submissions(sample: Sample) -> int:
    return sum(sample.rpcs.kinds[kind] for kind in SUBMISSIONS)


def _cancellations(sample: Sample) -> int:
    return sum(sample.rpcs.kinds[kind] for kind in CANCELLATIONS)


def _of(uid: int) -> Callable[[Sample], int]:
    return lambda sample: sample.rpcs.users[uid]


def _cpu(samples: Sequence[Sample]) -> float:
    first, last = samples[0], samples[-1]
    return 60 * (last.login_cpu - first.login_cpu) / max(last.at - first.at, 1.0)


def _slot_seconds(samples: Sequence[Sample]) -> float:
    return sum(later.slots * (later.at - earlier.at) for earlier, later in pairwise(samples))


def _stalls(one: Measured, begin: float, end: float) -> str:
    seconds = [stall.seconds for stall in one.stalls if begin <= stall.at < end]
    return f"{len(seconds)}, {max(seconds):.1f} s" if seconds else "0"


def _begun(first: Measured) -> str:
    samples = first.meter.samples
    stalls = _stalls(first, 0, first.ended)
    return (
        f"A run of {first.shards} shards came first and made what lasts: {first.connections} SSH connection, "
        f"{samples[-1].triggerer - samples[0].triggerer:.0f} MB of imports in the triggerer (stalls: {stalls}). "
        "The figures below do not contain it."
    )


def _conditions(slurm: str) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    processor = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ": ?")
    memory = psutil.virtual_memory().total / 2**30
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"{now}, commit {commit}; {os.cpu_count()} cores ({processor.partition(': ')[2]}), {memory:.0f} GiB, Linux "
        f"{platform.release()}, for Slurm, sshd, Airflow and the jobs together, load {os.getloadavg()[2]:.1f} at the "
        f"end; {slurm}, Airflow {version('apache-airflow-core')} with SQLite, LocalExecutor, parallelism 8, one "
        f"triggerer, Python {platform.python_version()}."
    )
