"""A run before its gate: the one way in for the DAG and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.gates.policy import OFF, GatePolicy
from opencompass_ops.results.coverage import INFER_ONLY

if TYPE_CHECKING:
    from opencompass_ops.gates.record import GateRecord


def gate(run_dir: str | Path, *, database_url: str) -> GateRecord:
    """Judge what a run found, against what the results database knows, and write ``summary/gate.json``.

    :param run_dir: a run directory that was summarized.
    :param database_url: SQLAlchemy URL of the results database.
    :raises OpsError: the database cannot be read.
    """
    from opencompass_ops.gates.judging import judge_run
    from opencompass_ops.gates.record import GateRecord
    from opencompass_ops.gates.verdict import SKIPPED
    from opencompass_ops.results.store import Store

    files = LocalFiles(run_dir)
    plan = Plan.from_json(files.read(layout.PLAN))
    policy = policy_of(plan)
    if policy.mode == OFF or plan.mode == INFER_ONLY:
        why = "it is off" if policy.mode == OFF else "the run has no scores"
        record = GateRecord(SKIPPED, policy.mode, notes=(why,))
    else:
        with Store.open(database_url) as store:
            record = judge_run(store, str(files.root.absolute()), policy)
    files.write(layout.GATE, record.to_json())
    return record


def policy_of(plan: Plan) -> GatePolicy:
    """The policy that the run was planned with."""
    return GatePolicy.from_text(plan.params.get("gate"), plan.params.get("baseline"))
