"""Tests that share what is costly share a worker, and the longest begin first."""

from pathlib import Path
from types import SimpleNamespace

from workers import group, pytest_collection_modifyitems


class Item(SimpleNamespace):
    """What the hook asks of a test."""

    def add_marker(self, marker):
        self.marker = marker


def item(path, *fixtures):
    config = SimpleNamespace(rootpath=Path("/project"))
    return Item(path=Path("/project", path), fixturenames=fixtures, config=config)


def test_a_file_stays_on_one_worker():
    assert group(item("tests/a/test_x.py")) == group(item("tests/a/test_x.py", "tmp_path")) == "tests.a.test_x.py"


def test_files_of_one_airflow_or_one_image_share_a_worker():
    assert group(item("tests/live/test_x.py", "world")) == group(item("tests/live/test_y.py", "world"))
    assert group(item("tests/a/test_x.py", "inference_image")) == group(item("tests/b/test_y.py", "inference_image"))


def test_the_live_tests_begin_first_and_the_rest_keeps_its_order():
    items = [item("tests/a.py"), item("tests/b.py", "world"), item("tests/c.py"), item("tests/d.py", "world")]
    pytest_collection_modifyitems(items)
    assert [one.path.name for one in items] == ["b.py", "d.py", "a.py", "c.py"]
    assert [one.marker.args[0] for one in items] == ["airflow", "airflow", "tests.a.py", "tests.c.py"]
