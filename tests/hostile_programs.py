"""Programs that would do harm, or pass a test that they do not meet; none may be judged right."""

from __future__ import annotations

WANTED = "assert f(20) == 21"
"""What each of them is tested with."""

PASSED = r'{"outcome": "pass", "message": ""}'
"""What a checker says of a right program."""

HOSTILE: dict[str, str] = {
    "exit with success": "import os; os._exit(0)",
    "exit with success when called": "import os\ndef f(x): os._exit(0)",
    "leave by SystemExit": "import sys\ndef f(x): sys.exit(0)",
    "leave by KeyboardInterrupt": "raise KeyboardInterrupt",
    "execute another program": "import os; os.execv('/bin/true', ['/bin/true'])",
    "an object that equals everything": "class Same:\n    def __eq__(self, other): return True\n"
    "    def __ne__(self, other): return False\n    def __hash__(self): return 0\ndef f(x): return Same()",
    "a number that equals everything": "class Same(int):\n    def __eq__(self, other): return True\n"
    "    def __ne__(self, other): return False\n    __hash__ = int.__hash__\ndef f(x): return Same(3)",
    "a class that equals everything": "class Meta(type):\n    def __eq__(self, other): return True\n"
    "    __hash__ = type.__hash__\nclass Same(metaclass=Meta): pass\ndef f(x): return Same",
    "unittest's ANY": "from unittest.mock import ANY\ndef f(x): return ANY",
    "fork bomb": "import os\nwhile True: os.fork()",
    "fork bomb that hides its errors": "import os\nwhile True:\n    try: os.fork()\n    except BaseException: pass",
    "fork without Python": "import ctypes\nlibc = ctypes.CDLL(None)\nwhile True:\n"
    "    if libc.fork() == -1 and libc.vfork() == -1: raise SystemExit",
    "processes of multiprocessing": "import multiprocessing\n"
    "multiprocessing.get_context('fork').Process(target=print).start()",
    "a shell": "import subprocess; subprocess.run('true', shell=True, check=True)",
    "thread bomb": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
    "memory bomb": "held = []\nwhile True: held.append(bytearray(10 ** 7))",
    "one large block of memory": "held = bytearray(10 ** 11)",
    "memory that is mapped": "import mmap\nheld = [mmap.mmap(-1, 1 << 28) for _ in range(99)]",
    "endless loop": "while True: pass",
    "endless loop that catches everything": "while True:\n    try:\n        while True: pass\n"
    "    except BaseException: pass",
    "endless sleep": "import time; time.sleep(9999)",
    "endless output": "while True: print('x' * 10 ** 6)",
    "endless recursion": "import sys; sys.setrecursionlimit(10 ** 9)\ndef g(): g()\ng()",
    "a crash": "import ctypes; ctypes.string_at(0)",
    "signals that are ignored": "import signal\nfor number in range(1, 64):\n"
    "    try: signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    "an alarm": "import signal\ndef handler(*_): raise SystemExit(0)\nsignal.signal(signal.SIGALRM, handler)\n"
    "signal.setitimer(signal.ITIMER_REAL, 0.01)\nwhile True: pass",
    "kill the parent": "import os\nos.kill(os.getppid(), 9)",
    "kill everybody": "import os\nos.kill(-1, 9)",
    "kill the group": "import os\nos.killpg(0, 9)",
    "a signal by way of a descriptor": "import fcntl, os, signal\nreader, writer = os.pipe()\n"
    "fcntl.fcntl(reader, fcntl.F_SETOWN, os.getppid())",
    "trace the parent": "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "if libc.ptrace(16, os.getppid(), 0, 0): raise OSError(ctypes.get_errno(), 'ptrace')",
    "limits of the parent": "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "its own limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)",
    "a file here": "open('hostile', 'w').write('x')",
    "a file in /tmp": "open('/tmp/opencompass-ops-hostile', 'w').write('x')",
    "a file in shared memory": "open('/dev/shm/opencompass-ops-hostile', 'w').write('x')",
    "a file where anybody may write": "open('{open}/hostile', 'w').write('x')",
    "a folder": "import os; os.mkdir('{open}/hostile')",
    "a link": "import os; os.symlink('/', '{open}/hostile')",
    "another mode": "import os; os.chmod('{open}/kept', 0o777)",
    "a removal": "import os; os.remove('{open}/kept')",
    "a file in memory": "import os; os.memfd_create('hostile')",
    "read a secret": "open('{open}/kept').read()",
    "read the users": "open('/etc/passwd').read()",
    "read variables of others": "open('/proc/1/environ', 'rb').read()",
    "read variables of its own": "open('/proc/self/environ', 'rb').read()",
    "list the root": "import os; os.listdir('/')",
    "read its parent's memory": "import os; open(f'/proc/{{os.getppid()}/mem', 'rb').read(1)",
    "connect": "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
    "a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "a socket of the system": "import socket; socket.socket(socket.AF_UNIX).connect('/dev/log')",
    "fetch a page": "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
    "write a verdict everywhere": "import os\nverdict = b'{passed}'\nfor number in range(99):\n"
    "    for said in (verdict, len(verdict).to_bytes(4, 'big') + verdict):\n"
    "        try: os.write(number, said)\n        except OSError: pass\nos._exit(0)",
    "close everything": "import os\nos.closerange(0, 99)\ndef f(x): return 21",
    "patch assertions": "import builtins\nclass Never(BaseException): pass\nbuiltins.AssertionError = Never\n"
    "def f(x): return 1",
    "patch comparisons": "import builtins, operator\noperator.eq = lambda a, b: True\n"
    "builtins.all = builtins.any = lambda *_: True\ndef f(x): return 1",
    "look for what is expected": "import gc, sys\ndef f(x):\n    frame = sys._getframe()\n    seen = []\n"
    "    while frame:\n        seen += list(frame.f_locals.values()) + list(frame.f_globals.values())\n"
    "        frame = frame.f_back\n    import re\n"
    "    return 21 if any(re.search('assert f.20. == [0-9]', repr(each)) for each in seen + gc.get_objects()) else 1",
    "trace the test": "import sys\ndef trace(frame, event, value):\n    frame.f_trace_lines = False\n    return trace\n"
    "sys.settrace(trace)\ndef f(x): return 1",
    "a module in place of another": "import sys, types\nsys.modules['json'] = types.ModuleType('json')\n"
    "sys.modules['json'].dumps = lambda value: '{passed}'\ndef f(x): return 1",
    "an answer without end": "def f(x): return 'x' * 10 ** 9",
    "a large answer": "def f(x): return 'x' * 50_000_000",
    "an answer of endless depth": "def f(x):\n    value = []\n    for _ in range(10 ** 6): value = [value]\n"
    "    return value",
    "an answer that holds itself": "def f(x):\n    value = []\n    value.append(value)\n    return value",
    "an answer that counts for ever": "import itertools\nf = lambda x: itertools.count()",
    "a message that raises": "class Bad(Exception):\n    def __str__(self): raise SystemExit(0)\nraise Bad",
    "a program that asks": "f = lambda x: int(input())",
    "no function": "g = 1",
    "no program": "def f(x) return 21",
}  # fmt: skip

ENDLESS = frozenset(
    {
        "fork bomb that hides its errors", "endless loop", "endless loop that catches everything", "endless sleep",
        "endless output", "endless recursion", "signals that are ignored", "an answer without end",
        "an answer that counts for ever", "thread bomb", "memory bomb",
    }
)  # fmt: skip
"""Those that time ends, or that take some."""


def hostile(open_folder: object) -> dict[str, str]:
    """The programs, aimed at a folder where anybody may write."""
    filled = {"{open}": str(open_folder), "{passed}": PASSED}
    return {name: _filled(text, filled) for name, text in HOSTILE.items()}


def _filled(text: str, values: dict[str, str]) -> str:
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
