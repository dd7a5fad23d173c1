"""Looks at a cluster the way a run would use it, from the login to a job, and says what to do about what is wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.clusters import connections
from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.findings import Finding
from opencompass_ops.clusters.poller import cluster_for, poller_for
from opencompass_ops.clusters.shell import shell_for
from opencompass_ops.clusters.slurm.checks import checks
from opencompass_ops.clusters.slurm.code import code_dir
from opencompass_ops.clusters.slurm.options import sbatch_words
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import JobRefused, OpsError, UnsureError
from opencompass_ops.run_folder import claim_run_dir

Tell = Callable[[Finding], None]

_LOGIN = "login"
_WITHOUT_HARM = ("host key", "data", "weights")
"""What may be wrong while the trial job still tells something."""

_LOG, _FACTS = "doctor.out", "doctor.json"
_HERE, _THERE = "from-here", "from-there"
_NFS_SECONDS = 10.0
"""How long this host may go on seeing a folder as it was."""

# Runs in the jobs' Python, which may be any: reports instead of failing.
_LOOK = """
import json, os, platform, sys
facts = {"python": platform.python_version(), "node": platform.node(), "gpus": None,
         "given": os.environ.get("CUDA_VISIBLE_DEVICES", ""), "weights": None, "problem": ""}
try:
    import inference.job
except Exception as error:
    facts["problem"] = "%s: %s" % (type(error).__name__, error)
try:
    import torch
    facts["torch"], facts["gpus"] = torch.__version__, torch.cuda.device_count()
except Exception as error:
    facts["torch"] = "%s: %s" % (type(error).__name__, error)
if sys.argv[2]:
    facts["weights"] = os.access(os.path.join(sys.argv[2], "config.json"), os.R_OK)
with open(sys.argv[1], "w") as stream:
    json.dump(facts, stream)
"""


@dataclass(frozen=True)
class Visit:
    """One examination.

    :param config: the cluster, with the resources that were asked for.
    :param folder: a folder for it, below the cluster's work dir.
    :param weights: a checkpoint as jobs see it, "" for none.
    :param seconds: how long the job may wait and run.
    """

    config: ClusterConfig
    folder: Path
    weights: str = ""
    seconds: float = 300.0

    @property
    def token(self) -> str:
        """The job's name."""
        return self.folder.name

    def request(self) -> JobRequest:
        """The trivial job: what it finds lies in its folder."""
        config, there = self.config, self.config.on_cluster(str(self.folder))
        return JobRequest(
            token=self.token,
            group="oc-doctor",
            max_running=100,
            argv=(config.interpreter, "-c", _LOOK, f"{there}/{_FACTS}", self.weights),
            run_dir=there,
            log_path=_LOG,
            job_dir=layout.job(self.token),
            env=config.variables,
            num_gpus=config.resources.num_gpus or 0,
            minutes=config.limits.minutes or config.resources.minutes,
            title="doctor",
            resources=replace(config.resources, launcher=""),
        )


def visit(config: ClusterConfig, work_dir: Path, *, weights: str = "", seconds: float = 300.0) -> Visit:
    """A new examination."""
    folder = work_dir / ".opencompass-ops" / f"oc-doctor-{uuid.uuid4().hex[:8]}"
    return Visit(config, folder, weights, seconds)


async def examine(visit: Visit, tell: Tell) -> bool:
    """Look at everything; what depends on what is wrong is left out.

    :param tell: called with each finding as it is made.
    :returns: whether all is well.
    """
    is_well = True
    try:
        async for finding in _all(visit):
            tell(finding)
            is_well &= finding.ok
    finally:
        shutil.rmtree(visit.folder, ignore_errors=True)
    return is_well


async def _all(visit: Visit) -> AsyncIterator[Finding]:
    config = visit.config
    can_submit = True
    if config.kind == "slurm":
        async for finding in _slurm(visit):
            yield finding
            can_submit &= finding.ok or finding.what in _WITHOUT_HARM
        if not can_submit and finding.what == _LOGIN:
            return
    if config.data_dir and config.probe_on == "host" and not Path(config.data_dir).is_dir():
        says = f"{config.data_dir} is no folder on this host, where probe_on='host' looks at data and weights"
        yield Finding("data here", says, "correct data_dir, or set probe_on='login' in the cluster config")
    folder = await _folder(visit)
    yield folder
    if folder.ok and can_submit:
        async for finding in _job(visit):
            yield finding


async def _slurm(visit: Visit) -> AsyncIterator[Finding]:
    login = await _login(visit.config)
    for finding in login:
        yield finding
    if login[-1].ok:
        async for finding in _login_node(visit):
            yield finding


async def _login(config: ClusterConfig) -> list[Finding]:
    findings = []
    try:
        if config.connection_id:
            findings.append(_host_key(await connections.resolve(config.connection_id)))
        began = time.monotonic()
        answer = await shell_for(config.connection_id).run('echo "$(id -un) on $(uname -n)"')
    except OpsError as error:
        return [*findings, Finding(_LOGIN, str(error), "mend the connection, then look again")]
    where = f"by connection {config.connection_id!r}" if config.connection_id else "on this host, without a connection"
    says = f"{answer.stdout.decode(errors='replace').strip()}, {where}, in {time.monotonic() - began:.1f} s"
    return [*findings, Finding(_LOGIN, says)]


def _host_key(target: connections.SshTarget) -> Finding:
    if not target.check_host_key:
        step = "put host_key into the connection's extra and remove no_host_key_check"
        return Finding("host key", "not checked: whoever answers gets the password and the jobs", step)
    known = "the connection's extra" if target.host_key else target.known_hosts or "~/.ssh/known_hosts"
    return Finding("host key", f"compared with {known}")


async def _login_node(visit: Visit) -> AsyncIterator[Finding]:
    config = visit.config
    shell = shell_for(config.connection_id)
    try:
        words = sbatch_words(visit.request(), config)
    except JobRefused as error:
        yield Finding("resources", str(error), "correct the resources in the cluster config or by their flags")
        return
    for check in checks(config, [word for word in words if not word.startswith("--chdir=")], visit.weights):
        try:
            yield check.finding(await shell.run(check.script, check.arguments))
        except UnsureError as error:
            yield Finding(check.what, str(error), "look again; the connection was lost on the way")
    try:
        folder = await code_dir(shell, config)
        own = ", ".join(config.code_folders) or "installed in the jobs' Python"
        yield Finding("code", f"sent to {folder}" if folder else f"not sent: {own}")
    except OpsError as error:
        yield Finding("code", str(error), "the account must be able to write there")


async def _folder(visit: Visit) -> Finding:
    """Whether both sides see the same folder and may change what the other one wrote."""
    what, config = "run directory", visit.config
    there = config.on_cluster(str(visit.folder))
    files = LocalFiles(visit.folder)
    try:
        claim_run_dir(visit.folder, config)
        files.write(_HERE, visit.token)
        if config.kind == "slurm":
            problem = await _meet(visit, there)
            if problem:
                return Finding(what, problem, _SHARE.format(here=visit.folder.parent.parent, there=there))
    except (OpsError, OSError) as error:
        return Finding(what, str(error), "choose another work_dir, or share it by mounts, umask and group")
    return Finding(
        what, f"{visit.folder.parent.parent} can be written" + (f", there as {there}" * (config.kind != "local"))
    )


_SHARE = (
    "{here} on this host and its folder on the cluster must be one, which both users may write: correct mounts, and "
    "set umask='002' and group where they are different users"
)
_MEET = """
cd "$1" && [ "$(cat "$2")" = "$4" ] && umask "$5" && echo "$4" > "$3" && echo more >> "$2"
"""


async def _meet(visit: Visit, there: str) -> str:
    """Change each other's files; what goes wrong, or ""."""
    files = LocalFiles(visit.folder)
    arguments = (there, _HERE, _THERE, visit.token, visit.config.umask)
    answer = await shell_for(visit.config.connection_id).run(_MEET, arguments)
    if answer.returncode:
        said = " ".join(answer.stderr.decode(errors="replace").split())
        return f"the cluster does not see {there} as this host left it, or may not write there: {said}".rstrip(": ")
    deadline = time.monotonic() + _NFS_SECONDS
    while not files.exists(_THERE):
        if time.monotonic() > deadline:
            return f"what the cluster wrote to {there} does not appear in {visit.folder}"
        await asyncio.sleep(0.2)
    files.append(_THERE, "more")
    return ""


async def _job(visit: Visit) -> AsyncIterator[Finding]:
    began = time.monotonic()
    latest = JobStatus(JobState.QUEUED)

    def seen(status: JobStatus) -> None:
        nonlocal latest
        latest = status

    try:
        async with asyncio.timeout(visit.seconds):
            status = await _run(visit, seen)
    except TimeoutError:
        says = f"{latest.state.value} after {visit.seconds:.0f} s: {latest.reason or 'no reason is known'}; cancelled"
        yield Finding("job", says, "look at squeue and sinfo, or give it longer with --wait")
        return
    except OpsError as error:
        yield Finding("job", str(error), "correct what it names, then look again")
        return
    facts = _facts(visit)
    if status.state is not JobState.SUCCEEDED or facts is None:
        says = f"{status.state.value}: {status.reason or 'it left no word'}; {_tail(visit)}"
        yield Finding("job", says, "python, setup, modules, conda or container of the cluster config do not work there")
        return
    yield Finding(
        "job", f"job {status.job_id} ran on {status.node or facts['node']} within {time.monotonic() - began:.0f} s"
    )
    for finding in _read(visit, facts):
        yield finding


async def _run(visit: Visit, seen: Callable[[JobStatus], None]) -> JobStatus:
    """Submit, wait; the job never outlives the examination."""
    cluster = cluster_for(visit.config)
    try:
        while True:
            try:
                if await cluster.submit(visit.request()) is not Admission.FULL:
                    return await poller_for(visit.config).wait(visit.token, seen)
                seen(JobStatus(JobState.QUEUED, "a quota is used up, or no device is free"))
            except UnsureError as error:
                seen(JobStatus(JobState.UNKNOWN, str(error)))
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        await cluster.cancel([visit.token])
        raise


def _facts(visit: Visit) -> dict[str, Any] | None:
    try:
        found = json.loads(LocalFiles(visit.folder).read(_FACTS))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _tail(visit: Visit) -> str:
    try:
        lines = LocalFiles(visit.folder).read(_LOG).decode(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return "its log ends with: " + " / ".join(lines[-5:])


def _read(visit: Visit, facts: dict[str, Any]) -> list[Finding]:
    """What the job saw."""
    wanted = visit.config.resources.num_gpus or 0
    findings = [_software(visit, facts), _gpus(wanted, facts)]
    if visit.config.container:
        container = visit.config.container
        findings.insert(0, Finding("container", f"{container.runtime} ran {container.image}"))
    if facts["weights"] is not None:
        says = f"{visit.weights} {'can' if facts['weights'] else 'cannot'} be read in a job"
        step = "" if facts["weights"] else "mount it on the nodes, and into the container where there is one"
        findings.append(Finding("weights there", says, step))
    return findings


def _software(visit: Visit, facts: dict[str, Any]) -> Finding:
    says = f"Python {facts['python']}, torch {facts['torch']}"
    if facts["problem"]:
        step = "the jobs need Python 3.10 or later, and contract/ and inference/: see python, code_dir and container"
        return Finding("software", f"{says}; {facts['problem']}", step)
    if facts["gpus"] is None:
        return Finding("software", says, f"install torch and transformers for {visit.config.interpreter}")
    return Finding("software", says)


def _gpus(wanted: int, facts: dict[str, Any]) -> Finding:
    if not wanted:
        return Finding("GPU", "none asked for; --gpus 1 asks for one")
    visible = facts["gpus"] or 0
    if visible == wanted:
        return Finding("GPU", f"{visible} visible to torch")
    step = "look at the driver, at gres.conf, at gpu_args of the container, and whether torch was built with CUDA"
    given = facts["given"] or "nothing"
    return Finding(
        "GPU", f"{wanted} asked for, the cluster gave CUDA_VISIBLE_DEVICES={given}, torch sees {visible}", step
    )
