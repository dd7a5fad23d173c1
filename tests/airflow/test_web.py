"""The page of a job's log reads logs of planned runs, and nothing else whatever an XCom says."""

from __future__ import annotations

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import Part, ShardSpec

pytestmark = pytest.mark.airflow


@pytest.fixture
def files(tmp_path):
    files = LocalFiles(tmp_path / "run")
    part = Part({"abbr": "data"}, None, 0, 1, 1, fingerprint="f", pair_fingerprint="p")
    files.write(layout.shard_spec("s"), ShardSpec("s", "infer", {"abbr": "tiny"}, (part,)).to_json())
    return files


def page(files, shard="s", **more):
    from opencompass_ops.web import _page

    return _page({"cluster": "hpc", "token": "oc-1", "run_dir": str(files.root), "shard": shard, **more})


def test_it_shows_which_job_it_is_and_what_it_printed(files):
    files.write(layout.PLAN, "{}")
    assert page(files).endswith("\n\nThe job has printed nothing yet.\n")
    files.write(layout.log("infer", "tiny", "data"), "hello\n")
    assert page(files, job_id="17") == "cluster  hpc\njob_id   17\ntoken    oc-1\n\nhello\n"


def test_a_folder_that_is_no_run_is_not_read(files):
    files.write(layout.log("infer", "tiny", "data"), "secret\n")
    assert "secret" not in page(files)
    assert "is no run directory on the API server's host" in page(files)


@pytest.mark.parametrize("shard", ["../../etc/passwd", "/etc/passwd", ""])
def test_a_shard_that_is_none_reads_nothing(files, shard):
    files.write(layout.PLAN, "{}")
    assert "The log cannot be read on the API server's host" in page(files, shard)
