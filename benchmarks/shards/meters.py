"""Looks every two seconds at who holds what while a way of running shards is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import psutil

from benchmarks.shards.diagnostics import Rpcs

_EVERY_SECONDS = 2.0
_MB = 1e6


@dataclass(frozen=True)
class Sample:
    """One look.

    :param at: seconds since the epoch.
    :param slots: worker slots of Airflow's executor that are in use.
    :param triggerer: MB of the triggerer's processes, resident.
    :param workers: MB of the executor's processes and the tasks in them, shared pages counted once.
    :param login: MB of the account's processes on the login node, shared pages counted once.
    :param login_cpu: CPU seconds that the live ones of those and their ended children took.
    :param rpcs: that slurmctld counts.
    """

    at: float
    slots: int
    triggerer: float
    workers: float
    login: float
    login_cpu: float
    rpcs: Rpcs


class Meter:
    """Takes samples in a thread from entry to exit.

    :param scheduler: pid; the executor's workers are its children.
    :param triggerer: pid.
    :param uid: the account's.
    :param rpcs: what slurmctld counts now.
    """

    def __init__(self, *, scheduler: int, triggerer: int, uid: int, rpcs: Callable[[], Rpcs]) -> None:
        self.samples: list[Sample] = []
        self._scheduler = psutil.Process(scheduler)
        self._triggerer = psutil.Process(triggerer)
        self._uid = uid
        self._rpcs = rpcs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Meter:
        self.samples.append(self.look())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.samples.append(self.look())

    def look(self) -> Sample:
        """One sample."""
        everything = list(psutil.process_iter())
        workers = _children(self._scheduler, recursive=True)
        triggerer = [self._triggerer, *_children(self._triggerer, recursive=True)]
        login = [process for process in everything if self._is_on_login(process)]
        return Sample(
            at=time.time(),
            slots=sum(_is_busy(process) for process in _children(self._scheduler)),
            triggerer=_sum(lambda process: process.memory_info().rss, triggerer) / _MB,
            workers=_sum(_proportional, workers) / _MB,
            login=_sum(_proportional, login) / _MB,
            login_cpu=_sum(lambda process: sum(process.cpu_times()[:4]), login),
            rpcs=self._rpcs(),
        )

    def between(self, begin: float, end: float) -> Sequence[Sample]:
        """The samples of a time, with at least one."""
        inside = [sample for sample in self.samples if begin <= sample.at <= end]
        return inside or [min(self.samples, key=lambda sample: abs(sample.at - end))]

    def _run(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self.samples.append(self.look())

    def _is_on_login(self, process: psutil.Process) -> bool:
        """Whether it is the account's and no part of a job, which runs on this host too."""
        with suppress(psutil.Error):
            return process.uids().real == self._uid and "SLURM_JOB_ID" not in process.environ()
        return False


def _is_busy(worker: psutil.Process) -> bool:
    """Whether it is an executor's worker that has a task; its title says so."""
    with suppress(psutil.Error):
        title = " ".join(worker.cmdline())
        return title.startswith("airflow worker -- LocalExecutor:") and "<idle>" not in title
    return False


def _children(parent: psutil.Process, *, recursive: bool = False) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return parent.children(recursive=recursive)
    return []


def _sum(measure: Callable[[psutil.Process], float], processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            total += measure(process)
    return total


def _proportional(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss)
