"""Where a shard's task links to, and the XCom that says what its job is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

from airflow.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

JOB_KEY = "job"
"""XCom: cluster, token, run directory, shard and log; the cluster's job id as soon as it is known."""

LOG_KEY = "job_log"
"""XCom: the link itself."""

PREFIX = "opencompass-ops"
LOG_PAGE = "/log"


class JobLogLink(BaseOperatorLink):
    """Shows what the job has printed, from Airflow's page."""

    name = "Job log"
    xcom_key = LOG_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The page's address; called on a worker, which also pushes it before the task defers."""
        place = {name: getattr(ti_key, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
        base = conf.get("api", "base_url", fallback="/").rstrip("/") + "/"
        return urljoin(base, f"{PREFIX}{LOG_PAGE}?{urlencode(place)}")
