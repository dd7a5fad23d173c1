"""The few REST calls that trigger a DAG and watch its run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx

PAGE = 100  # [api] maximum_page_limit
LOCKED_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before a request is repeated that Airflow's SQLite refused as locked: seen while a scheduler was busy.
Airflow rolls such a request back, so nothing is done twice."""
FINAL_STATES = ("success", "failed")

StateCounts = dict[str, Counter[str]]
"""Task id -> how many of its instances are in which state."""


class AirflowRest:
    """A signed-in client of one Airflow.

    :param url: base address, e.g. ``http://127.0.0.1:8080``.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        # the address is loopback: a proxy from the environment would only get in the way
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Drop the connections."""
        self._http.close()

    def health(self) -> dict[str, str]:
        """Component -> status; empty while the API server does not answer."""
        try:
            answer = self._http.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return {}
        if answer.status_code != httpx.codes.OK:
            return {}
        return {name: (part or {}).get("status") or "unknown" for name, part in answer.json().items()}

    def token(self) -> str:
        """A bearer token of the user; valid for a day."""
        answer = self._http.post("/auth/token", json=self._login)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Call ``/api/v2/{path}`` and return the JSON answer, None when it has no body.

        :raises RuntimeError: Airflow refused; the message holds its reason.
        """
        if "Authorization" not in self._http.headers:
            self._http.headers["Authorization"] = f"Bearer {self.token()}"
        answer = self._http.request(method, f"/api/v2/{path}", **options)
        for pause in LOCKED_PAUSES:
            if not (answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and "Database error" in answer.text):
                break
            time.sleep(pause)
            answer = self._http.request(method, f"/api/v2/{path}", **options)
        if answer.is_error:
            raise RuntimeError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:2000]}")
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag_id: str, timeout: float = 120) -> None:
        """Return once the DAG processor has read ``dag_id``.

        :raises RuntimeError: a DAG file cannot be imported; the message holds the trace.
        :raises TimeoutError: no such DAG within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if any(dag["dag_id"] == dag_id for dag in self.request("GET", "dags", params={"limit": PAGE})["dags"]):
                return
            if errors := self.request("GET", "importErrors")["import_errors"]:
                raise RuntimeError("\n".join(f"{e['filename']}: {e['stack_trace']}" for e in errors))
            time.sleep(0.5)
        raise TimeoutError(f"no DAG {dag_id} after {timeout:.0f} s; see dag-processor.log")

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str | None = None) -> str:
        """Start a run of ``dag_id`` with ``conf`` as its params; returns the run id."""
        body = {"logical_date": None, "conf": conf} | ({"dag_run_id": run_id} if run_id else {})
        return str(self.request("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def instances(self, dag_id: str, run_id: str) -> Iterator[dict[str, Any]]:
        """Every task instance of a run, mapped ones included."""
        offset = 0
        while True:
            page = self.request(
                "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": PAGE, "offset": offset}
            )
            yield from page["task_instances"]
            offset += PAGE
            if offset >= page["total_entries"]:
                return

    def wait(
        self,
        dag_id: str,
        run_id: str,
        on_progress: Callable[[StateCounts], None] | None = None,
        timeout: float = 600,
    ) -> str:
        """Watch a run until it ends; returns ``success`` or ``failed``.

        :param on_progress: called with the counts of states whenever they change.
        :raises TimeoutError: the run is not over after ``timeout`` seconds; it keeps running.
        """
        deadline = time.monotonic() + timeout
        seen: StateCounts = {}
        while time.monotonic() < deadline:
            with suppress(httpx.ReadTimeout):  # seen while 1,000 jobs ended on two cores; it is asked again
                state = str(self.request("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])
                counts = _count(self.instances(dag_id, run_id)) if on_progress else {}
                if on_progress and counts != seen:
                    on_progress(counts)
                    seen = counts
                if state in FINAL_STATES:
                    return state
            time.sleep(1)
        raise TimeoutError(f"run {run_id} of {dag_id} is not over after {timeout:.0f} s; see {self.url}/dags/{dag_id}")


def _count(instances: Iterator[dict[str, Any]]) -> StateCounts:
    """Count states by task id; an instance without a state counts as ``waiting``."""
    counts: StateCounts = {}
    for instance in instances:
        counts.setdefault(instance["task_id"], Counter())[instance["state"] or "waiting"] += 1
    return counts
