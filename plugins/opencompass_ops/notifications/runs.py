"""What Airflow knows of a run, put together with its folder, and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import conf
from airflow.sdk.log import mask_secret

from opencompass_ops.hooks.channels import channels

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opencompass_ops.messages.channels import Channel
    from opencompass_ops.messages.collecting import Circumstances
    from opencompass_ops.messages.digest import Digest, Promotion
    from opencompass_ops.messages.ledger import Entry, Ledger

Say = Callable[[str], None]

PROBLEM_KEY = "problem"
"""XCom of a task that plans, looks for checkpoints or begins an evaluation: why it failed."""
SPENT_KEY = "spent"
"""XCom of a task that plans: limits on GPU-hours for which it refused, a run's own aside."""
TOLD_KEY = "told"
"""XCom and state of the task that notifies: what was told of a run that has no folder."""
SUCCESS = "success"
"""The reason that Airflow gives the callback of a DAG whose run has not failed."""
_MANUAL = "manual"
_PROBLEM_CHARACTERS = 2000


def leave_problem(context: Context, error: Exception) -> None:
    """For whoever tells that the task has failed; secrets are masked."""
    from opencompass_ops.configs.masking import mask
    from opencompass_ops.errors import HoursSpent

    context["ti"].xcom_push(key=PROBLEM_KEY, value=str(mask(str(error)))[:_PROBLEM_CHARACTERS])
    if isinstance(error, HoursSpent):
        context["ti"].xcom_push(key=SPENT_KEY, value=list(error.granted))


@dataclass(frozen=True)
class AirflowRun:
    """A run of one of our DAGs, as a task or a callback of the DAG sees it.

    :param context: of the task, or of the callback.
    :param say: called with one line per message.
    :param looks_for: the series whose checkpoints this run looks for; "" for an evaluation.
    """

    context: Context
    say: Say
    looks_for: str = ""

    def tell_start(self) -> list[Entry]:
        """Tell that the run was planned, where somebody wants to know."""
        from opencompass_ops.messages.collecting import started

        if not self.run_dir:
            return []
        return self._tell(started(self.run_dir, self.seen()), ())

    def tell_end(self, kept: Any = (), *, patient: bool = False) -> list[Entry]:
        """Tell how the run ended, what was told already aside.

        :param kept: entries of a run that has no folder, as its ledger had them.
        :param patient: nothing waits for this.
        """
        from opencompass_ops.messages.collecting import ended, unplanned

        if self._planned.get("dry_run"):
            return []
        task, problem = self._problem()
        log = self._log() or (task if problem else "")
        seen = self.seen(problem, task=task, log=log, page="summarize" if self.run_dir else "")
        digest = ended(self.run_dir, seen) if self.run_dir else unplanned(self._name, seen, self._series)
        return self._tell(digest, kept, patient=patient)

    def tell_look(self, problem: str = "") -> list[Entry]:
        """Tell that looking for checkpoints has failed; the same reason at most once a day, however often it looks.

        :param problem: the reason; "" for what the task left that failed.
        """
        from opencompass_ops.messages.collecting import unplanned

        task = str(getattr(self.context.get("ti"), "task_id", "discover"))
        found = self._pull(task, PROBLEM_KEY)
        reasons = [str(one) for one in (found if isinstance(found, list) else [found]) if one]  # of a mapped task, many
        reason = problem or "; ".join(reasons) or f"task {task} has failed; its log says why"
        digest = unplanned(self._name, self.seen(reason, task=task, log=task), self.looks_for)
        return self._tell(replace(digest, launch=f"{self.looks_for}: {reason}"), (), patient=True)

    @property
    def run_dir(self) -> str:
        """The run directory; "" for a dry run and where there is none."""
        return "" if self._planned.get("dry_run") else str(self._planned.get("run_dir", ""))

    @property
    def is_asked(self) -> bool:
        """Whether whoever started the run wants messages."""
        return bool(self._params.get("lark"))

    @property
    def is_scheduled(self) -> bool:
        """Whether nobody started it by hand: by its type, or because it belongs to a series of checkpoints."""
        run_type = str(getattr(self.context.get("dag_run"), "run_type", _MANUAL))
        return run_type.rpartition(".")[2].lower() != _MANUAL or bool(self._series)

    def seen(self, problem: str = "", *, task: str = "summarize", log: str = "", page: str = "") -> Circumstances:
        """What only Airflow knows.

        :param problem: what went wrong beside the shards.
        :param task: the task where that was.
        :param log: the task whose log says most, as Airflow's pages name it.
        :param page: the one that shows the scores.
        """
        from opencompass_ops.messages.collecting import Circumstances
        from opencompass_ops.messages.digest import Link

        promotion = self._promotion()
        base = conf.get("api", "base_url", fallback="").rstrip("/")
        run = f"{base}/dags/{quote(self._dag_id)}/runs/{quote(str(self.context['run_id']), safe='')}"
        links = [
            Link("run", run),
            *(Link(what, f"{run}/tasks/{task}") for what, task in (("log", log), ("page", page)) if task),
            *([Link("answer", f"{run}/tasks/approve/required_actions")] if promotion else []),
        ]
        return Circumstances(
            promotion=promotion,
            checkpoint=self._checkpoint(),
            user=str(getattr(self.context.get("dag_run"), "triggering_user_name", None) or "airflow"),
            launch=str(self.context["run_id"]),
            problem=problem,
            task=task,
            links=tuple(links) if "://" in base else (),  # else Airflow was not told its own address
        )

    def wanting(self, digest: Digest) -> list[Channel]:
        """The chats that shall be told."""
        known = [*channels(self.say), *self._configured()]
        if self.is_asked and not known:
            self.say(
                "messages were asked for, but there is no connection opencompass_lark or opencompass_slack that can be "
                "used, and no lark_bot_url in the config; set one of them"
            )
        return [one for one in known if one.wants(digest, asked=self.is_asked, scheduled=self.is_scheduled)]

    def _tell(self, digest: Digest, kept: Any, *, patient: bool = False) -> list[Entry]:
        from opencompass_ops.messages.sending import PATIENT_SECONDS, SECONDS
        from opencompass_ops.messages.telling import tell

        seconds = PATIENT_SECONDS if patient else SECONDS
        return tell(digest, self.wanting(digest), self._ledger(kept, digest), self.say, seconds=seconds)

    def _configured(self) -> list[Channel]:
        """The chat that the config names, where messages are asked for; its address lies in no file and no XCom."""
        from opencompass_ops.errors import OpsError
        from opencompass_ops.messages.channels import configured_channel
        from opencompass_ops.resolved import configured_address

        if not self.is_asked or not self.run_dir:
            return []
        try:
            url = configured_address(dict(self._params))
            found = [configured_channel(url)] if url else []
        except OpsError as error:
            self.say(f"no messages to lark_bot_url: {error}")
            return []
        for channel in found:
            for secret in channel.secrets:
                mask_secret(secret)
        return found

    def _ledger(self, kept: Any, digest: Digest) -> Ledger:
        from opencompass_ops.messages.ledger import DayLedger, RunLedger, ShortLedger

        if self.looks_for:
            return DayLedger(self.looks_for, digest.key)
        return RunLedger(self.run_dir) if self.run_dir else ShortLedger(kept or ())

    def _problem(self) -> tuple[str, str]:
        """The task where something went wrong beside the shards, and what; "" for nothing.

        A red gate is none: its verdict is told as such.
        """
        if not self._planned:
            return "plan", str(self._pull("plan", PROBLEM_KEY) or self.context.get("reason") or "")
        summary = self._pull("summarize", "summary")
        if summary is None:
            return "summarize", "task summarize has not ended well; its log says why"
        if summary["failed"]:
            return "summarize", str(summary["coverage"])
        verdict = self._pull("gate", "gate")
        if verdict is None:
            return "gate", "the gate has ended without its verdict; its log says why"
        reason = str(self.context.get("reason") or SUCCESS)  # only a callback of the DAG has one
        if reason == SUCCESS or verdict.get("is_red"):
            return "summarize", ""
        task = str(getattr(self.context.get("ti"), "task_id", "promote"))
        return task, f"the run has failed after its scores were complete ({reason}); the log of the task says why"

    def _promotion(self) -> Promotion | None:
        """That for which a person is, or was, asked."""
        from opencompass_ops.gates.record import ANSWER_KEY, PROMOTION_KEY
        from opencompass_ops.messages.digest import Answer, Promotion

        asked = self._pull("gate", PROMOTION_KEY)
        if not asked or not asked["approval"]:
            return None
        answer = Answer(self._pull("approve", ANSWER_KEY) or Answer.WAITS)
        name = f"{asked['version']} ({asked['model']})" if asked["version"] else asked["model"]
        return Promotion(name, asked["approval_days"], answer)

    def _checkpoint(self) -> str:
        """Version and name of the checkpoint that a series evaluates by this run; a message does without, too."""
        from opencompass_ops.errors import OpsError
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.series.ledger import Ledger

        if not self._series or self.looks_for:
            return ""
        try:
            with Ledger.open(results_url()) as ledger:
                found = ledger.evaluation(str(self.context["run_id"]))
        except OpsError as error:
            self.say(f"the message names no version: {error}")
            return ""
        return f"{found.version} ({found.name})" if found else ""

    def _log(self) -> str:
        """The task whose log says most: of the first shard that failed."""
        from opencompass_ops.messages.collecting import first_failure

        return first_failure(self.run_dir) if self.run_dir else "plan"

    @cached_property
    def _planned(self) -> Mapping[str, Any]:
        """What the task ``plan`` returned; empty when it failed, or the DAG has none."""
        return self._pull("plan", "return_value") or {}

    @property
    def _series(self) -> str:
        return self.looks_for or str(self._params.get("series") or "")

    @property
    def _name(self) -> str:
        return str(self._params.get("config") or self._dag_id)

    @property
    def _params(self) -> Mapping[str, Any]:
        return self.context.get("params") or {}

    @property
    def _dag_id(self) -> str:
        return str(self.context["dag"].dag_id)

    def _pull(self, task: str, key: str) -> Any:
        ti = self.context.get("ti")
        return ti.xcom_pull(task_ids=task, key=key) if ti is not None else None
