"""Everything that goes wrong, one function each; its docstring says where it was seen or is documented.

"Testbed" is what a real Slurm 22.05.8 did on this project's testbed (``tests/cluster``), "peers" what users of other
job managers reported, with the issue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from tests.clusters.slurm.fake import shells
from tests.clusters.slurm.fake.processes import Process, Reply
from tests.clusters.slurm.fake.slurm import MESSAGE_TIMEOUT, FakeSlurm, Job, Misbehaviour, timed_out

if TYPE_CHECKING:
    from tests.clusters.slurm.fake.world import World

Fault = Callable[["World", int], bool]
"""Makes a fault, or prepares it; returns whether it struck at once. What is prepared counts when it strikes."""
SUBMIT = "sbatch: error: Batch job submission failed: "
QUOTA = f"AssocMaxSubmitJobLimit\n{SUBMIT}Job violates accounting/QOS policy (job submit limit)"

EVERYTHING: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    """One of the schedule's words."""
    EVERYTHING[function.__name__] = function
    return function


# The connection.


@fault
def unreachable(world: World, number: int) -> bool:
    """The next scripts are not run: sshd drops connections beyond MaxStartups (testbed)."""
    return _connect(world, unreachable, *[shells.UNREACHABLE] * (1 + number % 3))


@fault
def lost_before(world: World, number: int) -> bool:
    """The connection ends before the script has begun (asyncssh reports exit_status None; peers)."""
    return _connect(world, lost_before, *[shells.REACHED] * (number % 3), shells.LOST_BEFORE)


@fault
def lost_after(world: World, number: int) -> bool:
    """The connection ends before the answer is back: ssh killed in mid-sbatch, the job is there (peers)."""
    return _connect(world, lost_after, *[shells.REACHED] * (number % 3), shells.LOST_AFTER)


@fault
def login_reboots(world: World, number: int) -> bool:
    """Scripts end where they are, the job submitted and its id not recorded, or just before that."""
    if world.login.running:
        world.login.reboot()
        return True

    async def at_sbatch(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        if number % 2:
            slurm.obey(words)
        world.login.reboot()
        return Reply(1)

    return _next(world, login_reboots, "sbatch", at_sbatch)


# sbatch.


@fault
def sbatch_times_out_and_has_submitted(world: World, number: int) -> bool:
    """rc 1 after 10 s, and the job runs (testbed: SIGSTOP of slurmctld; Toil 5459, Sisyphus 281, Nextflow 970)."""

    async def taken(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        slurm.accept(words)
        await asyncio.sleep(MESSAGE_TIMEOUT)
        return timed_out("sbatch")

    return _next(world, sbatch_times_out_and_has_submitted, "sbatch", taken)


@fault
def sbatch_times_out(world: World, number: int) -> bool:
    """rc 1 after 10 s, and nothing came of it."""

    async def lost(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        await asyncio.sleep(MESSAGE_TIMEOUT)
        return timed_out("sbatch")

    return _next(world, sbatch_times_out, "sbatch", lost)


@fault
def sbatch_is_slow(world: World, number: int) -> bool:
    """The controller is busy: up to 9 s before the job is there, or between that and the answer (peers)."""

    async def slow(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        before = number % 2 * (1 + number % 9)
        await asyncio.sleep(before)
        if process.returncode is not None:
            return Reply(1)  # it was killed before it had said anything
        reply = slurm.obey(words)
        await asyncio.sleep(9 - before)
        return reply

    return _next(world, sbatch_is_slow, "sbatch", slow)


@fault
def sbatch_blocks(world: World, number: int) -> bool:
    """MaxJobCount is reached: sbatch sleeps and retries, until it is stopped after 40 s (testbed)."""

    async def stopped(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        await asyncio.sleep(40)
        return Reply(124, "", "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n")

    return _next(world, sbatch_blocks, "sbatch", stopped)


@fault
def submitted_twice(world: World, number: int) -> bool:
    """Two jobs of one submission: two login nodes whose file system knows no flock (peers)."""

    async def twice(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        first = slurm.accept(words)
        second = slurm.accept(words, surplus=True)
        return Reply(0, f"{(second if number % 2 else first).id}\n")

    return _next(world, submitted_twice, "sbatch", twice)


@fault
def refused(world: World, number: int) -> bool:
    """rc 1, never to be accepted; an id and a FAILED row under the name stay (testbed)."""

    async def no(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        world.excuse_words(words, "JobRefused")
        return slurm.refuse(words, "Requested node configuration is not available")

    return _next(world, refused, "sbatch", no)


@fault
def refused_and_nobody_heard(world: World, number: int) -> bool:
    """A refusal whose answer is lost with the login node: only the FAILED row stays (testbed)."""

    async def no(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        slurm.refuse(words, "Requested node configuration is not available")
        world.login.reboot()
        return Reply(1)

    return _next(world, refused_and_nobody_heard, "sbatch", no)


@fault
def quota_used_up(world: World, number: int) -> bool:
    """rc 1, to be accepted later (testbed: AssocMaxSubmitJobLimit)."""

    async def busy(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        return slurm.refuse(words, QUOTA)

    return _next(world, quota_used_up, "sbatch", busy)


# The controller's other answers.


@fault
def controller_freezes(world: World, number: int) -> bool:
    """Nobody is answered for a while, from now or the next sbatch on; that is read afterwards (testbed: SIGSTOP)."""
    seconds = 5 + 7 * (number % 10)

    async def now(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        slurm.freeze(seconds)
        return await slurm.answer(words, process)

    if number % 2:
        return _next(world, controller_freezes, "sbatch", now)
    world.slurm.freeze(seconds)
    return True


@fault
def squeue_fails(world: World, number: int) -> bool:
    """rc 1: no evidence, and not an empty queue (testbed; PSI/J and StreamFlow take it for "all done")."""

    async def no(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        return Reply(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")

    for _ in range(1 + number % 3):
        _next(world, squeue_fails, "squeue", no)
    return False


@fault
def squeue_hangs(world: World, number: int) -> bool:
    """No answer for longer than anybody waits; what asked goes on beside the next script (peers: overloaded login)."""

    async def late(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        await asyncio.sleep(70)
        return slurm.obey(words)

    return _next(world, squeue_hangs, "squeue", late)


@fault
def squeue_is_slow(world: World, number: int) -> bool:
    """The answer is up to 10 s old when it comes, older than the files that are read after it (peers)."""

    async def stale(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        reply = slurm.obey(words)
        await asyncio.sleep(1 + number)
        return reply

    for _ in range(1 + number % 3):
        _next(world, squeue_is_slow, "squeue", stale)
    return False


@fault
def squeue_lags(world: World, number: int) -> bool:
    """A job is accepted and shown only later (accounting: always; squeue: behind a site's caching wrapper; peers)."""

    async def late(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
        return Reply(0, f"{slurm.accept(words, hidden=5 + 10 * (number % 6)).id}\n")

    return _next(world, squeue_lags, "sbatch", late)


@fault
def accounting_down(world: World, number: int) -> bool:
    """sacct rc 1 from now on: slurmdbd is down or storage is disabled (testbed; snakemake 38, submitit 1720)."""
    world.slurm.site.accounting = False
    return True


@fault
def accounting_up(world: World, number: int) -> bool:
    """And it is back."""
    world.slurm.site.accounting = True
    return True


@fault
def controller_forgets(world: World, number: int) -> bool:
    """slurmctld was killed: jobs accepted within the last 5 s were not saved and are gone (testbed)."""
    lost = [job for job in world.slurm.live if job.state == "PENDING" and world.now() - job.submitted < 5]
    for job in lost:
        world.slurm.memory.remove(job)
        world.slurm.history.remove(job)
        world.gone.add(job.token)
    return bool(lost)


# What happens to jobs.


@fault
def preempted(world: World, number: int) -> bool:
    """PREEMPTED, or PENDING with one restart more where the job may be requeued (testbed)."""
    return bool(_hit(world, number, "PREEMPTED"))


@fault
def requeued(world: World, number: int) -> bool:
    """scontrol requeue: the same id runs again after 2 min (testbed); only where the job may be requeued."""
    hit = [job for job in _running(world, number) if job.may_requeue]
    for job in hit:
        world.slurm.order(job, "REQUEUE")
    return bool(hit)


@fault
def node_dies(world: World, number: int) -> bool:
    """NODE_FAIL, no last words (testbed: scontrol update state=down)."""
    return bool(_hit(world, number, "NODE_FAIL"))


@fault
def node_is_cut_off(world: World, number: int) -> bool:
    """NODE_FAIL, while the job's processes run on beside those of its successor (testbed: SIGKILL to slurmd)."""
    hit = _running(world, number)
    for job in hit:
        world.slurm.cut_off(job)
    return bool(hit)


@fault
def time_is_over(world: World, number: int) -> bool:
    """TIMEOUT; without a new item it would happen again, which is an end (testbed)."""
    hit = _hit(world, number, "TIMEOUT")
    for job in hit:
        world.excuse(job.token, "JobRefused")
    return bool(hit)


@fault
def somebody_cancels(world: World, number: int) -> bool:
    """scancel by an administrator: CANCELLED (testbed)."""
    hit = _one(world.slurm.live, number)
    for job in hit:
        world.slurm.order(job, "CANCELLED")
        world.excuse(job.token, "JobCancelled")
    return bool(hit)


@fault
def outputs_vanish(world: World, number: int) -> bool:
    """The job ends with 0 and leaves nothing (Nextflow 1285: out of memory, exit 0)."""
    world.ledger.lose_outputs += 1
    for task in world.tasks:
        task.excuses.add("JobFailed")  # too often is too often
    return True


# What happens on our side.


@fault
def controller_killed(world: World, number: int) -> bool:
    """SIGKILL to a triggerer: what it knew is lost, another one takes its shards."""
    world.restart(number)
    return True


@fault
def second_controller(world: World, number: int) -> bool:
    """A redistribution: two triggerers see to the same shards for a while (Airflow 73454)."""
    world.begin_controller()
    return True


@fault
def user_cancels(world: World, number: int) -> bool:
    """Somebody clears the task in Airflow."""
    return world.cancel(number)


def _next(world: World, fault: Fault, command: str, misbehave: Misbehaviour) -> bool:
    """Let the next such command misbehave."""

    def strike(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Coroutine[Any, Any, Reply]:
        world.struck[fault.__name__] += 1
        return misbehave(slurm, words, process)

    world.slurm.armed.setdefault(command, []).append(strike)
    return False


def _connect(world: World, fault: Fault, *fates: str) -> bool:
    """What the connection does to the next scripts."""
    world.fates += [(fault.__name__, fate) for fate in fates]
    return False


def _one(jobs: Sequence[Job], number: int) -> Sequence[Job]:
    """One of the jobs, if there are any."""
    return jobs[number % len(jobs) :][:1] if jobs else []


def _running(world: World, number: int) -> Sequence[Job]:
    return _one([job for job in world.slurm.live if job.state == "RUNNING"], number)


def _hit(world: World, number: int, state: str) -> Sequence[Job]:
    hit = _running(world, number)
    for job in hit:
        world.slurm.order(job, state)
    return hit
