"""What a job asks for is typed, and said once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.resources import Resources
from opencompass_ops.errors import ConfigError

FULL = {
    "num_gpus": 2,
    "gpu_type": "h100",
    "gpus_per_node": 8,
    "gres": "tmpfs:10G",
    "cpus_per_task": 5,
    "mem": "64G",
    "minutes": 90,
    "partition": "llmeval",
    "quotatype": "reserved",
    "qos": "high",
    "account": "research",
    "constraint": "h100&[rack1|rack2]",
    "exclude": ["n[01-03]", "gpu7"],
    "reservation": "maintenance_1",
    "nice": 100,
    "launcher": "pytorch",
    "extra_args": ["--exclusive", "--tmp=10G"],
}


def read(**values):
    return Resources.from_values("run_cfg", values)


@pytest.mark.parametrize("values", [{}, FULL])
def test_resources_survive_json(values):
    plain = json.loads(json.dumps(read(**values).to_values()))
    assert plain == values
    assert read(**plain) == read(**values)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"gres": "gpu:h100:2,tmpfs:10G"}, {"num_gpus": 2, "gpu_type": "h100", "gres": "tmpfs:10G"}),
        ({"gres": "gpu:4"}, {"num_gpus": 4}),
        ({"gres": "gpu"}, {"num_gpus": 1}),
        ({"gpus": "a100:3"}, {"num_gpus": 3, "gpu_type": "a100"}),
        ({"GPUS": 8, "GPUS_PER_NODE": 8, "CPUS_PER_TASK": 5}, {"num_gpus": 8, "gpus_per_node": 8, "cpus_per_task": 5}),
        ({"SRUN_ARGS": ["--exclusive"]}, {"extra_args": ["--exclusive"]}),
        ({"extra_command": ["--hint=nomultithread"]}, {"extra_args": ["--hint=nomultithread"]}),
        ({"gpus": 2, "num_gpus": 2}, {"num_gpus": 2}),
        ({"exclude": "n[01,03-04],n7,"}, {"exclude": ["n[01,03-04]", "n7"]}),
    ],
)
def test_other_spellings_of_the_same_mean_the_same(values, wanted):
    assert read(**values).to_values() == wanted


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        (90, 90),
        ("90", 90),
        ("90:00", 90),
        ("0:20", 1),
        ("1:30:00", 90),
        ("1:30:01", 91),
        ("1-0", 1440),
        ("1-1:30", 1530),
        ("2-00:00:59", 2881),
    ],
)
def test_times_are_read_as_slurm_reads_them(written, minutes):
    assert read(time=written).minutes == minutes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"partiton": "x"}, "unknown key 'partiton'; did you mean 'partition'"),
        ({"num_gpus": True}, "num_gpus must be a whole number of at least 0"),
        ({"num_gpus": -1}, "at least 0"),
        ({"gpus": "many"}, "whole number"),
        ({"gpus": 2, "gres": "gpu:1"}, "number of GPUs is said twice, gpus 2 and gres 1"),
        ({"gpus": "h100:1", "gres": "gpu:a100:1"}, "type of GPUs is said twice"),
        ({"GPUS": 1, "gpus": 1}, "a second time"),
        ({"num_gpus": 9, "gpus_per_node": 8}, "9 GPUs are more than the 8 of a node"),
        ({"quotatype": "resreved"}, "'auto' or 'reserved' or 'spot'"),
        ({"launcher": "mpi"}, "'none' or 'pytorch' or 'slurm'"),
        ({"mem": "64 GB"}, "a size like '64G'"),
        ({"minutes": 0}, "at least 1"),
        ({"minutes": "0"}, "at least 1"),
        ({"time": "tomorrow"}, "1-12:00:00"),
        ({"partition": "a b"}, "a name"),
        ({"partition": "a\n"}, "a name"),
        ({"partition": "-x"}, "a name"),
        ({"exclude": "/etc/hosts"}, "a node name or range"),
        ({"constraint": "a b"}, "node features"),
        ({"constraint": "-x"}, "node features"),
        ({"gpu_type": "-"}, "a GPU type"),
        ({"gpus": "-:1"}, "gpus"),
        ({"nice": -5}, "at least 0"),
        ({"extra_args": "--exclusive --tmp=1G"}, "must be a list"),
        ({"extra_args": ["--output=/x"]}, "not allowed"),
        ({"extra_args": ["--wrap=rm"]}, "not allowed"),
        ({"extra_args": ["--exclusiv"]}, "did you mean '--exclusive'"),
        ({"extra_args": ["-w node1"]}, "not allowed"),
        ({"extra_args": ["--tmp=1G --export=X"]}, "not what --tmp takes"),
        ({"extra_args": ["--contiguous=yes"]}, "not what --contiguous takes"),
        ({"extra_args": ["--partition=x"]}, "give --partition as 'partition'"),
    ],
)
def test_a_wrong_value_is_named(values, words):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")) as caught:
        read(**values)
    assert "run_cfg" in str(caught.value)


def test_the_model_is_stronger_than_the_cluster_and_the_form_than_both():
    cluster = read(num_gpus=1, partition="gpu", mem="8G", exclude=["n1"], extra_args=["--tmp=1G", "--exclusive"])
    model = read(num_gpus=0, mem="64G", exclude=["n2", "n1"], extra_args=["--tmp=5G"])
    form = read(partition="scav")
    merged = cluster.merged(model).merged(form)
    assert merged.to_values() == {
        "num_gpus": 0,
        "partition": "scav",
        "mem": "64G",
        "exclude": ["n1", "n2"],
        "extra_args": ["--exclusive", "--tmp=5G"],
    }


def test_a_model_cannot_leave_its_node_after_merging():
    with pytest.raises(ConfigError, match="model llama: 16 GPUs are more than the 8"):
        read(gpus_per_node=8).merged(read(num_gpus=16), "model llama")


@given(st.text() | st.integers() | st.none() | st.lists(st.text()), st.sampled_from([*FULL, "gpus", "time", "GPUS"]))
def test_no_value_gets_through_with_white_space_or_as_an_option(value, key):
    try:
        said = read(**{key: value}).to_values()
    except ConfigError:
        return
    words = [word for item in said.values() for word in (item if isinstance(item, list) else [str(item)])]
    assert not any(word.split() != [word] for word in words)
    assert key == "extra_args" or not any(word.startswith("-") for word in words)
