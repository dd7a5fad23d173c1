"""Whether a pair may be scored when that means to run programs which the model wrote."""

from __future__ import annotations

from collections.abc import Mapping

from opencompass_ops.contract.spec import NATIVE, SANDBOXED, UNSANDBOXED
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.pairs import SplitPair


def why_not(split: SplitPair, run_code: str | None) -> str:
    """Why the pair must not be scored, "" when it may.

    :param run_code: what the request says.
    """
    pair = split.pair
    needed = SANDBOXED if pair.eval_engine == NATIVE else UNSANDBOXED
    if not pair.probe.runs_code or run_code in (needed, UNSANDBOXED):
        return ""
    where = "" if needed == SANDBOXED else ", as OpenCompass does it: in no sandbox"
    return (
        f"{pair.probe.runs_code} runs programs that the model wrote{where}; "
        f"to allow it, say run_code={needed} (--run-code {needed})"
    )


def refuse_unasked(forbidden: Mapping[tuple[str, str], str]) -> None:
    """Refuse a run that only scores and must not.

    :param forbidden: by model and dataset, why not.
    :raises PlanError: there is one.
    """
    if forbidden:
        said = [f"{'/'.join(key)}: {why}" for key, why in forbidden.items()]
        raise PlanError("Nothing was started, because not everything may be scored:\n- " + "\n- ".join(said))
