"""The extra_command of a SlurmRunner: words of a shell that become resources, or are refused by their place."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opencompass_ops.clusters.resources import Resources
from opencompass_ops.errors import ConfigError
from opencompass_ops.srun_options import srun_resources

WHERE = "infer.runner.extra_command"


@pytest.mark.parametrize(
    ("command", "resources"),
    [
        (["--exclude=n1", "--mem=10G", "--account=z"], {"exclude": ["n1"], "mem": "10G", "account": "z"}),
        (["-c 12", "-w node1"], {"cpus_per_task": 12, "extra_args": ("--nodelist=node1",)}),
        (["-c12 -x n[1-2],n4"], {"cpus_per_task": 12, "exclude": ["n[1-2]", "n4"]}),
        (["-t", "1:00:00"], {"minutes": 60}),
        (["--time 1-12"], {"minutes": 36 * 60}),
        (["-t 10", "--time=90:30"], {"minutes": 91}),
        (["-p a -A b -q c -C 'h100&ib'"], {"partition": "a", "account": "b", "qos": "c", "constraint": "h100&ib"}),
        (["--exclusive", "-s", "--tmp 10G"], {"extra_args": ("--exclusive", "--oversubscribe", "--tmp=10G")}),
        (["-w a", "--nodelist=b"], {"extra_args": ("--nodelist=b",)}),
        ([], {}),
    ],
    ids=str,
)
def test_options_of_srun_become_resources(command: list[str], resources: dict[str, Any]):
    assert srun_resources(WHERE, command) == resources
    Resources.from_values("run", resources)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["-c 8", "--comment=x"], "[1]: '--comment=x' is not allowed"),
        (["-N 2"], "[0]: '-N' is not allowed; of the short options -A, -C,"),
        (["--exclusive", "--gpus=2"], "[1]: give --gpus as 'num_gpus' of the resources"),
        (["--time=infinite"], "[0]: minutes must be minutes or a time like"),
        (["-c many"], "[0]: cpus_per_task must be"),
        (["--mem"], "[0]: --mem has no value; write --mem=..."),
        (["n1"], "[0]: 'n1' is no option"),
        (["--mem=1G; rm x"], "[0]: mem must be a size"),
        (["--exclude='n1"], '[0]: "--exclude=\'n1" cannot be read: No closing quotation'),
        ([12], "[0]: '12' is no option"),
        ("-c 12", " is '-c 12', not a list"),
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_by_its_place_in_the_config(command: Any, message: str):
    with pytest.raises(ConfigError, match=re.escape(WHERE + message)):
        srun_resources(WHERE, command)
