"""Every option is one word, whatever was asked for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.clusters.slurm import options
from opencompass_ops.errors import JobRefused

TOKEN = "oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1"
CLUSTER = ClusterConfig.from_values("hpc", {"kind": "slurm", "has_quotatype": True})


def request(**more):
    more = {"run_dir": "/work/20240101_000000", "log_path": "logs/infer/llama/gsm8k_0.out", **more}
    return JobRequest(TOKEN, "group", 8, ("python3",), job_dir=f"jobs/{TOKEN}", **more)


def words(config=CLUSTER, resources=None, **more):
    asked = Resources.from_values("resources", resources or {})
    return options.sbatch_words(request(resources=asked, **more), config)


def test_the_plainest_job_asks_for_one_task_on_one_node():
    assert words() == [
        "--chdir=/work/20240101_000000",
        "--output=/work/20240101_000000/logs/infer/llama/gsm8k_0.out",
        "--open-mode=append",
        "--export=ALL",
        "--dependency=singleton",
        "--no-requeue",
        "--nodes=1",
        "--ntasks=1",
        "--signal=B:TERM@120",
    ]


def test_everything_asked_for_is_a_word():
    asked = {
        "gpu_type": "h100",
        "gpus_per_node": 8,
        "gres": "tmpfs:10G",
        "cpus_per_task": 5,
        "mem": "64G",
        "minutes": 90,
        "partition": "llmeval",
        "quotatype": "spot",
        "qos": "high",
        "account": "research",
        "constraint": "h100&ib",
        "exclude": ["n[01-03]"],
        "reservation": "r1",
        "nice": 100,
        "extra_args": ["--exclusive"],
    }
    assert words(resources=asked, num_gpus=2, num_procs=2, exclude=("n7",), memory_factor=1.5)[6:] == [
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=10",
        "--mem=98304M",
        "--gres=gpu:h100:2,tmpfs:10G",
        "--time=90",
        "--signal=B:TERM@120",
        "--partition=llmeval",
        "--quotatype=spot",
        "--qos=high",
        "--account=research",
        "--constraint=h100&ib",
        "--exclude=n[01-03],n7",
        "--reservation=r1",
        "--nice=100",
        "--exclusive",
    ]


def test_the_slurm_launcher_has_a_task_per_process():
    asked = {"launcher": "slurm", "cpus_per_task": 5}
    assert words(resources=asked, num_gpus=4, num_procs=4)[6:9] == ["--nodes=1", "--ntasks=4", "--cpus-per-task=5"]
    assert "--cpus-per-task=10" in words(resources=asked, num_gpus=4, num_procs=2)


@pytest.mark.parametrize(
    ("limit", "asked", "wanted"),
    [
        (None, None, ["--signal=B:TERM@120"]),
        (240, 90, ["--time=90", "--signal=B:TERM@120"]),
        (60, 90, ["--time=60", "--signal=B:TERM@120"]),
        (3, None, ["--time=3", "--signal=B:TERM@60"]),
        (1, None, ["--time=1"]),
    ],
)
def test_the_signal_never_comes_with_the_start(limit, asked, wanted):
    resources = {} if asked is None else {"minutes": asked}
    assert [word for word in words(minutes=limit, resources=resources) if re.match("--(time|signal)", word)] == wanted


def test_a_job_that_may_be_requeued_is_not_told_both():
    said = words(resources={"extra_args": ["--requeue"]})
    assert "--requeue" in said
    assert "--no-requeue" not in said


def test_auto_needs_no_quotatype_of_the_site():
    stock = ClusterConfig.from_values("stock", {"kind": "slurm"})
    assert words(stock, {"quotatype": "auto"}) == words(stock)
    assert "--quotatype=auto" in words(CLUSTER, {"quotatype": "auto"})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"num_gpus": 9, "resources": {"gpus_per_node": 8}}, "9 GPUs are more than the 8 of a node"),
        ({"num_procs": 2, "resources": {"launcher": "none"}}, "launcher 'none' starts one process"),
        ({"run_dir": "relative"}, "must be absolute"),
        ({"run_dir": "/a\\b"}, "without backslashes"),
        ({"log_path": "a\nb"}, "control characters"),
        ({"log_path": "a\u2028b"}, "control characters"),
        ({"log_path": "x" * 1000}, "at most 1000 bytes"),
        ({"exclude": ("n1 n2",)}, "a node name or range"),
    ],
)
def test_what_sbatch_cannot_do_is_refused_with_a_next_step(more, said):
    with pytest.raises(JobRefused, match=said):
        words(**more)


def test_a_quota_the_site_does_not_have_is_refused():
    with pytest.raises(JobRefused, match="has no --quotatype"):
        words(ClusterConfig.from_values("stock", {"kind": "slurm"}), {"quotatype": "spot"})


def test_requeue_and_secrets_do_not_go_together():
    config = ClusterConfig.from_values("hpc", {"kind": "slurm", "secrets": ["HF_TOKEN"]})
    with pytest.raises(JobRefused, match="finds no secrets"):
        words(config, {"extra_args": ["--requeue"]})


def test_percent_signs_of_a_path_are_no_pattern():
    assert words(run_dir="/50%j", log_path="%x.out")[1] == "--output=/50%%j/%%x.out"


def test_jobs_that_ask_for_the_same_have_one_shape():
    one = options.shape(words(log_path="a.out", num_gpus=1))
    assert one == options.shape(words(log_path="b.out", run_dir="/other", num_gpus=1))
    assert one != options.shape(words(num_gpus=2))


@pytest.mark.parametrize(
    ("mem", "factor", "wanted"), [("64G", 1, 65536), ("1000", 1.5, 1500), ("1T", 2, 2097152), ("1K", 1, 1), ("0", 2, 0)]
)
def test_memory_grows_by_its_factor(mem, factor, wanted):
    assert options.mebibytes(mem, factor) == wanted


@given(st.text())
def test_a_job_name_is_one_word_with_the_token_at_its_end(title):
    name = options.job_name(title, TOKEN)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", name)
    assert options.token_of(name) == TOKEN


def test_a_job_name_can_be_read():
    assert options.job_name("llama-7b/gsm8k_0, 1", TOKEN) == f"llama-7b-gsm8k_0-1.{TOKEN}"
    assert options.job_name("", TOKEN) == f"opencompass-ops.{TOKEN}"


@given(st.text(), st.text())
def test_paths_either_are_refused_or_stay_one_option(run_dir, log_path):
    try:
        said = words(run_dir="/" + run_dir, log_path=log_path)
    except JobRefused:
        return
    assert all(word.startswith("--") and word.isprintable() for word in said)
    assert said[1].removeprefix("--output=").replace("%%", "%") == f"/{run_dir}/{log_path}"
