"""Tests that share what is costly share a worker, and the longest begin first."""

import re
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from workers import group, pytest_collection_modifyitems


def test_a_file_stays_on_one_worker():
    assert group("tests/a/test_x.py::test_one") == group("tests/a/test_x.py::test_two[a/b]") == "tests/a/test_x.py"


def test_files_of_one_airflow_or_one_image_share_a_worker(repo):
    assert group("tests/live/test_x.py::test_one") == group("tests/live/test_y.py::test_one")
    users = [path for path in repo.glob("tests/**/test_*.py") if "inference_image" in path.read_text()]
    users = [str(path.relative_to(repo)) for path in users if path.name != "test_workers.py"]
    assert len(users) > 1
    assert {group(path) for path in users} == {"one image"}


def test_the_live_tests_begin_first_and_the_rest_keeps_its_order():
    items = [SimpleNamespace(nodeid=f"tests/{name}::test_x") for name in ("a.py", "live/b.py", "c.py", "live/d.py")]
    pytest_collection_modifyitems(items)
    assert [item.nodeid[6:].partition("::")[0] for item in items] == ["live/b.py", "live/d.py", "a.py", "c.py"]


@pytest.mark.process
def test_two_workers_never_divide_a_group(repo):
    files = ["tests/contract/test_layout.py", "tests/planning/test_steps.py"]
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    workers: dict[str, set[str]] = {}
    for worker, test in re.findall(r"^\[(gw\d)\] .*?(tests/\S+?::)", done.stdout, re.MULTILINE):
        workers.setdefault(group(test), set()).add(worker)
    assert set(workers) == set(files)
    assert all(len(names) == 1 for names in workers.values())


def test_no_two_test_modules_share_a_name(repo):
    """Two of one name cannot be imported into one session; a part of the suite alone would not notice."""
    names = Counter(path.name for path in repo.glob("tests/**/test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
