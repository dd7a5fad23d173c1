"""Every way a config can be bad gives one message that names file, line and next step, and spoils no other file."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.contract.confinement import landlock_version

GOOD = "models = [dict(type='M', path='m')]\n"
BASED = "from mmengine.config import read_base\nwith read_base():\n    "
BAD = {
    "syntax": ("a = 1\nb = = 2\n", ":2: syntax error"),
    "sample_of_the_guide": (
        "infer = dict(\n    partitioner=dict(\n        type='SizePartitioner',\n        max_task_size: int = 2000,\n"
        "        gen_task_coef: int = 20,\n    ),\n)\n",
        ":4: syntax error: 'max_task_size: int = ...' is no argument; write max_task_size=...",
    ),
    "bytes": ("a = '\0'\n", "null bytes"),
    "unknown_base": (BASED + "from .nowhere import models\n", ":3: base config .nowhere not found"),
    "unknown_name": (BASED + "from .good import datasets\n", ":3: the base has no 'datasets'"),
    "broken_base": (BASED + "from .syntax import a\n", "syntax.py:2: syntax error"),
    "raising_base": (BASED + "from .raising import a\n", "raising.py:2: ZeroDivisionError"),
    "circle": (BASED + "from .circle import a\n", "circle.py: reads itself"),
    "star": ("from opencompass.models import *\n", ":1: 'import *' is only for configs"),
    "with_open": (
        BASED + "from .good import models\nwith open(__file__) as f:\n    a = 1\n",
        ":4: only 'with read_base",
    ),
    "several": ("from x.y import z\nimport os, sys\n", ":2: several modules in one import"),
    "raising": ("a = 1\nb = a / 0\n", ":2: ZeroDivisionError: division by zero"),
    "third_party_call": ("from opencompass.utils import f\na = f(1)\n", ":2: calls what it imported"),
    "endless": ("while True:\n    pass\n", "still running after 1 s"),
    "sleeping": ("import time\ntime.sleep(60)\n", "still running after 1 s"),
    "memory": ("a = []\nwhile True:\n    a.append(bytearray(2**26))\n", "needs more than 200 MB of memory"),
    "recursion": ("def f(n):\n    return f(n + 1)\na = f(0)\n", "nested without end"),
    "self_holding": ("a = {}\na['a'] = a\n", "nested without end"),
    "exit": ("import os\nos._exit(0)\n", "ended its own process with code 0"),
    "sys_exit": ("import sys\nsys.exit(3)\n", ":2: ends the program (exit 3)"),
    "network": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", ":2: it uses the network"),
    "download": (
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')\n",
        ":2: it uses the network",
    ),
    "write": (
        "open('/tmp/opencompass-ops-must-not-exist', 'w')\n",
        ":1: it writes /tmp/opencompass-ops-must-not-exist",
    ),
    "write_beside": ("open(__file__ + '.new', 'w')\n", ":1: it writes"),
    "remove": ("import os\nos.remove(__file__)\n", ":2: it writes"),
    "mkdir": ("from pathlib import Path\nPath('new').mkdir()\n", ":2: it writes"),
    "passwd": ("a = open('/etc/passwd').read()\n", ":1: it reads /etc/passwd, outside"),
    "passwd_by_fd": ("import os\na = os.open('/etc/passwd', os.O_RDONLY)\n", ":2: it reads /etc/passwd, outside"),
    "listing": ("import os\na = os.listdir('/etc')\n", ":2: it reads /etc, outside"),
    "system": ("import os\nos.system('true')\n", ":2: it starts a program"),
    "subprocess": ("import subprocess\nsubprocess.run(['true'])\n", ":2: it starts a program"),
    "fork": ("import os\nos.fork()\n", ":2: it starts a program"),
    "native": ("import ctypes\nctypes.CDLL(None)\n", "it starts a program or native code"),
    "limits": ("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (99, 99))\n", ":2: it reaches outside itself"),
    "kill_parent": ("import os\nos.kill(os.getppid(), 9)\n", ":2: it reaches outside itself"),
    "garbled": (
        "import os\nfor fd in range(3, 30):\n    try:\n        os.write(fd, b'{')\n    except OSError:\n        pass\n",
        "garbled",
    ),
    "closed_and_sleeping": (
        "import os\nimport time\nfor fd in range(3, 30):\n    try:\n        os.close(fd)\n    except OSError:\n"
        "        pass\ntime.sleep(60)\n",
        "still running after 1 s",
    ),
    "a_function": ("models = [dict(type='M', hook=len)]\n", "models.0.hook is a builtin_function_or_method"),
    "a_class": ("class X: pass\nmodels = [dict(type=X)]\n", "models.0.type is a type"),
    "a_set": ("models = [dict(type='M', ids={1, 2})]\n", "models.0.ids is a set"),
    "infinite": ("models = [dict(type='M', top=float('inf'))]\n", "models.0.top is inf"),
    "odd_key": ("models = [{None: 1}]\n", "models.0 has the key None"),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedConfig]:
    """All bad configs and one good in a single call, as a run would read them."""
    folder = tmp_path_factory.mktemp("bad")
    for name, (text, _) in BAD.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "good.py").write_text(GOOD)
    paths = [*(folder / f"{name}.py" for name in BAD), folder / "good.py", folder / "absent.py", folder / "x.txt"]
    loaded = load(paths, timeout_s=1, memory_mb=200)
    assert [item.path for item in loaded] == paths
    return {item.path.name.split(".")[0]: item for item in loaded}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_config_gives_one_clear_message(answers: dict[str, LoadedConfig], name: str):
    loaded = answers[name]
    assert BAD[name][1] in loaded.error
    assert str(loaded.path.parent) in loaded.error
    assert "\n" not in loaded.error
    assert "Traceback" not in loaded.error
    assert loaded.values == {}


def test_the_good_config_among_the_bad_loads(answers: dict[str, LoadedConfig]):
    assert answers["good"].error == ""
    assert answers["good"].values == {"models": [{"type": "M", "path": "m"}]}


def test_nothing_was_written(answers: dict[str, LoadedConfig]):
    folder = answers["good"].path.parent
    assert not Path("/tmp/opencompass-ops-must-not-exist").exists()
    assert {path.suffix for path in folder.iterdir()} == {".py"}
    assert (folder / "remove.py").exists()


def test_a_file_that_is_no_config_is_refused_without_starting_a_reader(tmp_path: Path):
    started = time.monotonic()
    absent, text = load([tmp_path / "absent.py", tmp_path / "x.txt"])
    assert time.monotonic() - started < 0.3
    assert "no such file" in absent.error
    assert "not a Python config" in text.error


def test_a_caught_refusal_lets_a_config_go_on_without_the_network(tmp_path: Path):
    (tmp_path / "c.py").write_text(
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\n    a = 1\nexcept OSError:\n    a = 2\n"
    )
    (loaded,) = load([tmp_path / "c.py"])
    assert (loaded.error, loaded.values) == ("", {"a": 2})


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path):
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    (tmp_path / "c.py").write_text("from pathlib import Path\na = Path(__file__).with_name('link.txt').read_text()\n")
    (loaded,) = load([tmp_path / "c.py"])
    assert ":2: it reads /etc/passwd" in loaded.error


# Whoever finds the guard can switch it off.
UNGUARDED = """import gc
for found in gc.get_objects():
    if type(found).__name__ == 'Guard':
        found.active = False
"""
HOSTILE = {
    "reads": ("a = open('/etc/passwd').read()", "Permission denied"),
    "reads_by_program": ("import subprocess\na = subprocess.run(['cat', '/etc/passwd'])", "Permission denied"),
    "lists": ("import os\na = os.listdir('/home')", "Permission denied"),
    "writes": ("open(__file__, 'a').write('#')", "Permission denied"),
    "removes": ("import os\nos.remove(__file__)", "Permission denied"),
    "links": ("import os\nimport tempfile\nos.symlink('/etc', tempfile.gettempdir() + '/x')\n"
              "a = open(tempfile.gettempdir() + '/x/passwd').read()", "Permission denied"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_goes_around_the_guard_meets_the_kernels_wall(tmp_path: Path, name: str):
    if not landlock_version():
        pytest.skip("this kernel has no Landlock")
    text, message = HOSTILE[name]
    (tmp_path / "c.py").write_text(UNGUARDED + text + "\n")
    (loaded,) = load([tmp_path / "c.py"])
    assert message in loaded.error
    assert "it may only reach the config and data folders" in loaded.error
    assert loaded.values == {}
    assert (tmp_path / "c.py").read_text() == UNGUARDED + text + "\n"


def test_what_a_config_leaves_running_ends_with_it(tmp_path: Path):
    left = "import os\nimport time\npid = os.fork()\nif pid == 0:\n    for fd in range(0, 30):\n        try:\n"
    left += "            os.close(fd)\n        except OSError:\n            pass\n    time.sleep(60)\n"
    (tmp_path / "c.py").write_text(UNGUARDED + left)
    (loaded,) = load([tmp_path / "c.py"])
    deadline = time.monotonic() + 10
    while psutil.pid_exists(loaded.values["pid"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not psutil.pid_exists(loaded.values["pid"])
