"""Tells the control side every few seconds how far the job is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import TracebackType

from inference.claim import now
from inference.timing import Timing
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Heartbeat

_SECONDS = 2.0


@dataclass
class Progress:
    """Written by the work, read by the heartbeat.

    :param phase: one of ``records.PHASES``.
    :param done: items finished, those of earlier attempts included.
    :param total: items of the shard.
    :param tokens: read and written so far, 0 when nobody counts them (several processes).
    :param timings: what each part took, by its name; for its manifest.
    """

    phase: str = "starting"
    done: int = 0
    total: int = 0
    message: str = ""
    tokens: int = 0
    timings: dict[str, Timing] = field(default_factory=dict)


class Pulse:
    """Rewrites ``heartbeat.json`` from a thread while the job runs.

    :param files: the run directory.
    :param token: whose heartbeat.
    :param progress: what to report.
    """

    def __init__(self, files: LocalFiles, token: str, progress: Progress) -> None:
        self._files = files
        self._path = layout.heartbeat(token)
        self._progress = progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._write()
            if self._stop.wait(_SECONDS):
                self._write()
                return

    def _write(self) -> None:
        seen = self._progress
        beat = Heartbeat(seen.phase, seen.done, seen.total, now(), seen.message, seen.tokens)
        try:
            self._files.write(self._path, beat.to_json())
        except OSError as error:  # A full disk must stop the work where it writes results, not here.
            print(f"heartbeat not written: {error}", flush=True)
