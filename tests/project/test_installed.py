"""The wheel in an empty Airflow of its own virtualenv, which cannot see the checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from installation import Installation, add_evaluation, bare_venv
from opencompass_ops.clusters.code import pack

pytestmark = [pytest.mark.airflow, pytest.mark.model]

CLUSTER = """
kind = 'local'
python = {python!r}
env = dict(OMP_NUM_THREADS='1')
"""
WHERE = """
import json, importlib.metadata as metadata, inference, opencompass_ops
from opencompass_ops.clusters.code import pack
from opencompass_ops.configs.library import default_config_dir
print(json.dumps([opencompass_ops.__file__, inference.__file__, str(default_config_dir()), pack().name]))
"""


@pytest.fixture(scope="module")
def project(installation: Installation) -> Path:
    """What ``init`` laid down in Airflow's home, with a model, a data set and an evaluation."""
    installation.run("opencompass-ops", "init", str(installation.home))
    add_evaluation(installation.home)
    other = bare_venv(installation.folder / "other")
    clusters = installation.home / "include/configs/clusters"
    (clusters / "other.py").write_text(CLUSTER.format(python=str(other)))
    return installation.home


def test_nothing_comes_from_the_checkout(installation: Installation, repo: Path) -> None:
    package, inference, configs, code = json.loads(installation.run("python", "-c", WHERE))
    assert all(Path(path).is_relative_to(installation.venv) for path in (package, inference, configs))
    assert code == pack().name, "jobs on a cluster get the same code as from the checkout"
    assert Path(configs, "eval_demo.py").is_file()


def test_airflow_lists_provider_and_plugin_once(installation: Installation) -> None:
    providers = json.loads(installation.run("python", "-m", "airflow", "providers", "list", "--output", "json"))
    assert [one["description"].strip() for one in providers if one["package_name"] == "opencompass-ops"] == [
        "Evaluate language models on a schedule: OpenCompass configs, cluster jobs, scores, plots"
    ]
    plugins = json.loads(installation.run("python", "-m", "airflow", "plugins", "--output", "json"))
    assert [plugin["name"] for plugin in plugins].count("opencompass_ops") == 1


def test_the_dags_that_were_laid_down_offer_the_configs_that_were(installation: Installation, project: Path) -> None:
    ask = "from opencompass_eval import dag; print(*dag.params.get_param('config').schema['examples'])"
    offered = installation.run("python", "-c", ask, PYTHONPATH=str(project / "dags")).split()
    assert {"eval_demo", "eval_mine"} <= set(offered)


@pytest.mark.process
@pytest.mark.parametrize("cluster", ["local", "other"])
def test_a_config_that_was_laid_down_is_evaluated(installation: Installation, project: Path, cluster: str) -> None:
    """Also where the jobs' Python is that of another environment, which has nothing of ours."""
    env = {"OPENCOMPASS_OPS_HOME": str(project), "OPENCOMPASS_OPS_DATABASE": f"sqlite:///{project}/{cluster}.db"}
    outputs = project / "outputs" / cluster
    said = installation.run(
        "opencompass-ops", "run", "eval_mine", "--cluster", cluster, "--work-dir", str(outputs), **env
    )
    assert "4 rows predicted (0 reused), 1 scored (0 reused)" in said
    assert list(outputs.glob("*/summary/summary_*.csv"))
    if cluster == "other":
        assert (installation.folder / ".local/state/opencompass-ops/code" / pack().name).is_dir()
