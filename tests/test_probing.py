"""The probe runs where the files are, and says what to do when it cannot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract.probe import ProbeReport, ProbeRequest
from opencompass_ops.errors import PlanError
from opencompass_ops.probing import probe
from small_world import SmallWorld

pytestmark = pytest.mark.process


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks on a login node, for which this host with another home stands; takes settings of the cluster."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    SmallWorld(home).checkpoint("tiny")

    def ask(**values: Any) -> ProbeReport:
        given = {"kind": "slurm", "probe_on": "login", "python": sys.executable, **values}
        question = ProbeRequest(
            ({"abbr": "m", "type": "HuggingFaceBaseModel", "path": "~/tiny"},), (), cache_dir="~/state/cache"
        )
        return probe(question, ClusterConfig.from_values("hpc", given))

    return ask


def test_on_the_login_node_code_is_sent_and_home_is_the_accounts(login, tmp_path):
    (model,) = login().models
    assert not model.error
    assert model.weights_id.startswith("sha256:")
    assert list((tmp_path / "home/state/cache/sha256").iterdir())
    assert list((tmp_path / "home/.opencompass-ops/code").iterdir())


def test_setup_of_jobs_prepares_the_probe_too(login, tmp_path):
    python = tmp_path / "modules/python-of-a-module"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    setup = ["echo noise", f"export PATH={python.parent}:$PATH"]
    assert not login(setup=setup, python=python.name).models[0].error


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"python": "python-nowhere"}, ["ended with 127", "python of cluster config 'hpc' is python-nowhere"]),
        ({"setup": ["echo loading", "false"]}, ["a command of setup failed", "loading", "correct python, conda"]),
        ({"python": "/bin/echo"}, ["left no readable report", "probe_on='host'"]),
    ],
    ids=str,
)
def test_a_login_node_that_cannot_probe_names_the_next_step(login, values, words):
    with pytest.raises(PlanError) as caught:
        login(**values)
    assert all(word in str(caught.value) for word in ["login node of cluster 'hpc'", *words])


def test_on_this_host_any_python_does_and_the_clusters_is_not_asked(tmp_path):
    SmallWorld(tmp_path).checkpoint("tiny")
    model = {"abbr": "m", "type": "HuggingFaceBaseModel", "path": str(tmp_path / "tiny")}
    cluster = ClusterConfig.from_values("hpc", {"kind": "slurm", "python": "/only/there/python"})
    assert not probe(ProbeRequest((model,), ()), cluster).models[0].error
