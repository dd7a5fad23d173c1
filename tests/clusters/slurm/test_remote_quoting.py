"""The scripts on the login node and the job, with names that a shell would like to read: none is more than a name."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.code import pack
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm import account
from opencompass_ops.clusters.slurm.cluster import SlurmCluster
from opencompass_ops.clusters.slurm.options import job_name, sbatch_words
from opencompass_ops.clusters.slurm.script import job_script
from opencompass_ops.errors import JobRefused
from tests.clusters.slurm.fake import shells, virtual
from tests.clusters.slurm.fake.processes import Process, Reply, Stage
from tests.clusters.slurm.fake.shells import FakeShell, LoginNode
from tests.clusters.slurm.fake.slurm import BEGIN, FakeSlurm, Site

pytestmark = pytest.mark.process

TOKEN, OTHER, REFUSED = (f"oc-1a2b3c-4d5e6f78-infer-000{number}-e1" for number in range(3))
BAIT = [
    *("$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "a]=1; touch pwned; b["),
    *("-rf", "*", "%j", "a  b "),
]
LETTERS = st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/\\")
NAME = (st.sampled_from(BAIT) | st.text(LETTERS, min_size=1, max_size=40)).filter(
    lambda name: name.isprintable() and name.strip(".") != ""
)
INJECTIONS = ["x\n#SBATCH --wrap=touch pwned\ny", "\\'", "\n", ""]
TEXT = st.sampled_from([*BAIT, *INJECTIONS]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40
)


@dataclass
class Recorder:
    """Stands for the workload: notes its words and ends well."""

    words: list[Sequence[str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 4.0

    def begin(self, words: Sequence[str], job_id: str, restart: int) -> Recorder:
        self.words.append(words)
        return self

    def finish(self) -> int:
        return 0

    def terminated(self, after: float) -> int:
        return 143


class Listener(FakeShell):
    """Keeps what scripts complain about: a word too many is an error of ``[`` that changes nothing."""

    complaints = b""

    async def run(self, *given: Any, **more: Any) -> Answer:
        answer = await super().run(*given, **more)
        self.complaints += answer.stderr
        return answer


class Bench:
    """One cluster over the fake login node, in a folder of its own."""

    def __init__(self, root: Path, names: Sequence[str], secrets: Sequence[str]) -> None:
        self.root, self.run_dir = root, root / "run" / names[0]
        self.run_dir.mkdir(parents=True)
        self.work = Recorder()
        self.stage = Stage(root / "fake", lambda: BEGIN + asyncio.get_running_loop().time())
        self.slurm = FakeSlurm(self.stage, Site(), self.work, lambda job, late: None)
        self.shell = Listener(LoginNode(self.stage, self.slurm), lambda: shells.REACHED)
        values = {
            "kind": "slurm",
            "work_dir": str(root / "work" / names[1]),
            "state_dir": str(root / "state" / names[2]),
            "python": str(self.stage.commands / "python"),
            "secrets": list(secrets),
        }
        self.config = ClusterConfig.from_values("hpc", values)
        self.cluster = SlurmCluster(self.config)

    def request(self, token: str, argv: Sequence[str], log: str, title: str, value: str) -> JobRequest:
        """A job with that token."""
        argv = (self.config.interpreter, *argv)
        env = {"VALUE": value}
        log_path = f"logs/infer/{log}.out"
        return JobRequest(token, "group", 9, argv, str(self.run_dir), log_path, f"jobs/{token}", env, title=title)

    def job_dir(self, token: str) -> Path:
        """The submission's folder."""
        return self.run_dir / "jobs" / token

    async def over(self, token: str) -> JobStatus:
        """The job's end."""
        while not (status := (await self.cluster.poll([token]))[token]).state.is_terminal:
            await asyncio.sleep(5)
        return status


async def refuse(slurm: FakeSlurm, words: Sequence[str], process: Process) -> Reply:
    return slurm.refuse(words, "Invalid qos specification")


def sbatch_of(bench: Bench, request: JobRequest) -> list[str]:
    """What sbatch must be given, word by word."""
    head = ["sbatch", "--parsable", f"--job-name={job_name(request.title, request.token)}"]
    script = str(bench.job_dir(request.token) / "slurm.sh")
    return [*head, f"--comment=opencompass-ops:{request.group}", *sbatch_words(request, bench.config), script]


async def live(bench: Bench, asked: JobRequest) -> None:
    """Submit, watch, cancel and refuse, so that every script of ours runs."""
    cluster, slurm = bench.cluster, bench.slurm
    assert await cluster.submit(asked) is Admission.ACCEPTED
    assert slurm.memory[0].words == sbatch_of(bench, asked)
    code = f"{bench.config.work_dir}/.opencompass-ops/code/{pack().name}"
    assert (bench.job_dir(TOKEN) / "slurm.sh").read_text() == job_script(asked, bench.config, code)
    assert (Path(code) / "inference/__main__.py").is_file()
    assert (await bench.over(TOKEN)).state is JobState.SUCCEEDED
    assert bench.work.words == [["python", *asked.argv[1:]]]
    assert (bench.run_dir / asked.log_path).read_text().startswith(f"=== {TOKEN} on n01")
    assert await cluster.submit(asked) is Admission.ADOPTED

    await cluster.submit(replace(asked, token=OTHER, job_dir=f"jobs/{OTHER}"))
    await asyncio.sleep(1)
    first = (await cluster.poll([OTHER]))[OTHER]
    assert first.state is JobState.RUNNING
    assert first.log.startswith(f"=== {OTHER} on n01")  # though the log began with another job's lines
    await cluster.cancel([OTHER])
    assert (bench.job_dir(OTHER) / "slurm.cancelled").exists()
    assert (await bench.over(OTHER)).state is JobState.CANCELLED

    slurm.armed["sbatch"] = [refuse]
    with pytest.raises(JobRefused, match="Invalid qos"):
        await cluster.submit(replace(asked, token=REFUSED, job_dir=f"jobs/{REFUSED}"))
    assert not (bench.job_dir(REFUSED) / "slurm.intent").exists()


@pytest.mark.parametrize("group", ["", "a b", "a,b", "$(id)", "ü", "a\n", "a|b", "x" * 65])
async def test_a_group_that_is_no_plain_word_is_refused_before_anything_runs(tmp_path, group):
    bench = Bench(tmp_path, ("run", "work", "state"), ())
    with pytest.raises(JobRefused, match="must be 1 to 64"):
        await bench.cluster.submit(replace(bench.request(TOKEN, (), "log", "", ""), group=group))


@settings(max_examples=6, deadline=None)
@example(names=BAIT[0:4], argv=BAIT, title=BAIT[0], value=BAIT[1], secret=BAIT[2])
@example(names=BAIT[4:8], argv=INJECTIONS, title=INJECTIONS[0], value=INJECTIONS[0], secret=INJECTIONS[1])
@given(
    names=st.tuples(NAME, NAME, NAME, NAME),
    argv=st.lists(TEXT, max_size=4),
    title=TEXT,
    value=TEXT,
    secret=TEXT.filter(bool),
)
def test_no_name_is_read_by_a_shell(names, argv, title, value, secret):
    async def whole(root: Path) -> None:
        bench = Bench(root, names[:3], ["HF_TOKEN"])
        with (
            mock.patch.object(account, "shell_for", return_value=bench.shell),
            mock.patch.dict(os.environ, {"HF_TOKEN": secret}),
        ):
            await live(bench, bench.request(TOKEN, argv, names[3], title, value))
        bench.slurm.close()
        bench.stage.close()
        assert (bench.work.problems, bench.shell.complaints) == ([], b"")
        assert sorted(path.name for path in root.iterdir()) == ["fake", "run", "state", "work"]
        assert not list((root / "state" / names[2] / "secrets").iterdir())

    with tempfile.TemporaryDirectory() as folder:
        virtual.run(whole(Path(folder)))
        assert not list(Path(folder).rglob("pwned"))
