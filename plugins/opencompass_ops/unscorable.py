"""Evaluations of which nothing can be scored, so that no job is started for them."""

from __future__ import annotations

from opencompass_ops.clusters import attempts
from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import EVAL, ShardSpec
from opencompass_ops.errors import MissingParts


def refusal(run_dir: str, shard: str) -> MissingParts | None:
    """Why a shard need not be submitted: it is an evaluation, and no part of what it scores was answered.

    Where some parts are there, the evaluation itself says which are not. None for every other shard, and where an
    inference job ended well: a shared file system may show another host's files late.
    """
    files = LocalFiles(run_dir)
    spec = ShardSpec.from_json(files.read(layout.shard_spec(shard)))
    if spec.kind != EVAL or any(not evidence.part_problem(files, spec.model_abbr, part) for part in spec.parts):
        return None
    plan = Plan.from_json(files.read(layout.PLAN))
    writers = [name for pair in plan.pairs if pair.evaluation == shard for name in pair.shards]
    ends = {name: _end(files, plan, name) for name in writers}
    if any(end == "" for end in ends.values()):
        return None
    told = "; ".join(f"{name}: {end}" for name, end in list(ends.items())[:3]) or "no shard of this run answers it"
    return MissingParts(
        f"{spec.label}: not started, because nothing of it was answered ({told}); it is scored when its inference has "
        "ended well and it is cleared, or the run goes on with reuse"
    )


def _end(files: LocalFiles, plan: Plan, shard: str) -> str:
    """How the shard's last submission ended, in one line; "" when it ended well."""
    try:
        attempt = attempts.current(files, plan.instance, plan.run_dir, shard)
        outcome = attempts.verdict(files, attempt.token) or (attempt.previous or (None,))[-1]
    except (OSError, codec.SchemaError):
        outcome = None
    if outcome is None:
        return "never ended"
    return "" if outcome.ok else (outcome.reason.splitlines() or [outcome.state.value])[0][:200]
