"""What a container runtime is told, seen by stand-ins that write down their words and environment."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencompass_ops.clusters.resources import Resources
from opencompass_ops.clusters.slurm.script import job_script
from opencompass_ops.errors import JobRefused
from tests.clusters.slurm.script_site import TOKEN, Site, cluster, request

# Writes one line of JSON per call: program, words, environment. Makes the files and images that it is asked for.
STAND_IN = f"""#!{sys.executable} -IS
import json, os, pathlib, signal, sys
here = pathlib.Path(__file__)
with open(here.with_name("calls"), "a") as calls:
    calls.write(json.dumps([here.name, sys.argv[1:], dict(os.environ)]) + "\\n")
image = here.with_name("image")
if sys.argv[1:2] == ["image"]:
    sys.exit(0 if image.exists() else 1)
if sys.argv[1:2] in (["pull"], ["load"], ["import"]):
    image.touch()
    for word in sys.argv[2:]:
        if word.startswith("/") and "images" in word:
            pathlib.Path(word).write_text("an image")
if sys.argv[1:2] == ["stop"]:
    os.kill(int(here.with_name("pid").read_text()), signal.SIGTERM)
if sys.argv[1:2] == ["run"]:
    here.with_name("pid").write_text(str(os.getpid()))
    print("at work", flush=True)
    if "wait" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        signal.pause()
"""
IMAGES = {
    "podman": "localhost/inference:1",
    "docker": "team/inference:1",
    "apptainer": "docker://ghcr.io/team/inference:1",
    "pyxis": "docker://ghcr.io#team/inference:1",
}


class Runtimes(Site):
    """A site whose container runtimes are stand-ins."""

    def __post_init__(self):
        super().__post_init__()
        folder = self.folder / "bin"
        folder.mkdir()
        for name in ("podman", "docker", "apptainer", "enroot", "srun", "scancel"):
            (folder / name).write_text(STAND_IN)
            (folder / name).chmod(0o755)
        self.variables = {"PATH": f"{folder}:{os.environ['PATH']}"}

    @property
    def run_dir(self):
        """Of letters that mounts allow."""
        return self.folder / 'a run\'s "dir" $HOME ü'

    def calls(self):
        """What the stand-ins were told: program, words, environment."""
        return [json.loads(line) for line in (self.folder / "bin/calls").read_text().splitlines()]

    def told(self, verb):
        """Words and environment of the one call with this verb."""
        [(words, environ)] = [(words, environ) for _, words, environ in self.calls() if words[0] == verb]
        return words, environ


def on(runtime, **more):
    """A config whose jobs run in a container."""
    return {"container": {"runtime": runtime, "image": IMAGES[runtime], **more}}


@pytest.fixture
def site(tmp_path):
    site = Runtimes(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("runtime", ["podman", "docker"])
def test_an_engine_gets_folders_names_and_the_command(site, runtime):
    (site.state / "secrets" / TOKEN).write_bytes(b"HF_TOKEN=canary\0")
    config = {**on(runtime, mounts={"/models": "/weights:ro"}, args=["--shm-size=1g"]), "secrets": ["HF_TOKEN"]}
    config |= {"work_dir": str(site.folder), "data_dir": "/data"}
    code, log = site.run("python3", "-m", "inference", "a b", env={"A": "1 2"}, code_dir="/code", config=config)
    assert code == 0, log
    words, environ = site.told("run")
    assert words[-4:] == [IMAGES[runtime], "-m", "inference", "a b"]
    assert {"--entrypoint=python3", f"--workdir={site.run_dir}", f"--name={TOKEN}.42", "--shm-size=1g"} <= set(words)
    assert [word.removeprefix("--volume=") for word in words if word.startswith("--volume")] == [
        "/code:/code:ro",
        "/data:/data:ro",
        "/models:/weights:ro",
        f"{site.folder}:{site.folder}",
    ]
    names = {word.removeprefix("--env=") for word in words if word.startswith("--env=")}
    assert {"A", "HF_TOKEN", "PYTHONPATH", "OPENCOMPASS_OPS_TOKEN", "CUDA_VISIBLE_DEVICES"} <= names
    assert environ["A"] == "1 2"
    assert environ["HF_TOKEN"] == "canary"
    assert environ["PYTHONPATH"] == "/code"
    assert not any("canary" in word for _, words, _ in site.calls() for word in words)


@pytest.mark.parametrize(
    ("runtime", "wanted"),
    [
        ("podman", ["--device=nvidia.com/gpu=2", "--device=nvidia.com/gpu=3"]),
        ("docker", ['--gpus="device=2,3"']),
    ],
)
def test_an_engine_numbers_the_gpus_anew(site, runtime, wanted):
    site.variables |= {"SLURM_JOB_GPUS": "2,3", "CUDA_VISIBLE_DEVICES": "0,1"}
    site.run("true", num_gpus=2, config=on(runtime))
    words, _ = site.told("run")
    assert [word for word in words if word.startswith(("--device", "--gpus"))] == wanted
    assert "--env=CUDA_VISIBLE_DEVICES" not in words


def test_gpu_options_of_the_config_replace_the_usual_ones_and_only_where_there_are_gpus(site):
    site.variables |= {"SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": "0"}
    site.run("true", num_gpus=1, config=on("podman", gpu_args=["--device=/dev/dri"]))
    words, _ = site.told("run")
    assert "--device=/dev/dri" in words
    assert "--env=CUDA_VISIBLE_DEVICES" in words
    (site.folder / "bin/calls").unlink()
    site.run("true", config=on("podman", gpu_args=["--device=/dev/dri"]))
    assert "--device=/dev/dri" not in site.told("run")[0]


@pytest.mark.parametrize("runtime", IMAGES)
def test_an_image_is_imported_once_and_not_per_job(site, runtime):
    for job_id in ("41", "42", "43"):
        code, log = site.run("true", job_id=job_id, config=on(runtime))
        assert code == 0, log
    imports = [words for _, words, _ in site.calls() if words[0] in ("pull", "import", "load")]
    assert len(imports) == 1
    assert imports[0][-1] == IMAGES[runtime]


@pytest.mark.parametrize("runtime", IMAGES)
def test_many_jobs_at_once_import_an_image_once(site, runtime):
    script = site.script("true", config=on(runtime))
    jobs = [site.start(script, job_id=str(number)) for number in range(8)]
    assert [job.wait(30) for job in jobs] == [0] * 8, [job.communicate() for job in jobs]
    assert sum(words[0] in ("pull", "import") for _, words, _ in site.calls()) == 1
    for job in jobs:
        job.communicate()


def test_an_archive_is_loaded_instead_of_pulled(site):
    site.run("true", config=on("podman", archive="/images/a b.tar"))
    assert site.told("load")[0] == ["load", "--input", "/images/a b.tar"]


@pytest.mark.parametrize("runtime", IMAGES)
def test_an_image_that_cannot_be_imported_ends_the_job_with_the_reason(site, runtime):
    program = "enroot" if runtime == "pyxis" else runtime
    (site.folder / "bin" / program).write_text("#!/bin/sh\necho manifest unknown >&2\nexit 1\n")
    code, log = site.run("true", config=on(runtime))
    assert code == 1
    assert site.end()["why"] == f"the image could not be imported; see jobs/{TOKEN}/image.log"
    assert (site.job_dir / "image.log").read_text() == "manifest unknown\n"
    assert "at work" not in log


def test_apptainer_gets_the_environment_by_its_own_prefix_and_no_home(site):
    (site.state / "secrets" / TOKEN).write_bytes(b"HF_TOKEN=canary\0")
    site.variables |= {"CUDA_VISIBLE_DEVICES": "0,1"}
    config = {**on("apptainer", args=["--containall"]), "secrets": ["HF_TOKEN"]}
    code, log = site.run("python3", "-m", "x y", env={"A": "1\n2"}, num_gpus=2, code_dir="/code", config=config)
    assert code == 0, log
    words, environ = site.told("exec")
    assert words[:5] == ["exec", "--cleanenv", "--no-home", f"--pwd={site.run_dir}", "--nv"]
    assert words[-4:-3] == [f"{site.state}/images/docker-ghcr.io-team-inference-1-4c8529f30e54.sif"]
    assert words[-3:] == ["python3", "-m", "x y"]
    assert "--containall" in words
    assert environ["APPTAINERENV_A"] == "1\n2"
    assert environ["APPTAINERENV_HF_TOKEN"] == "canary"
    assert environ["APPTAINERENV_CUDA_VISIBLE_DEVICES"] == "0,1"
    assert environ["APPTAINERENV_PYTHONPATH"] == "/code"
    scratch = environ["APPTAINERENV_XDG_CACHE_HOME"].removesuffix("/cache")
    assert f"--bind={scratch}" in words
    assert not os.path.exists(scratch)  # noqa: PTH110  # removed when the job ended


def test_an_image_file_needs_no_import(site):
    config = {"container": {"runtime": "apptainer", "image": "/images/a.sif", "program": "singularity"}}
    (site.folder / "bin/apptainer").rename(site.folder / "bin/singularity")
    assert site.run("true", env={"A": "1"}, config=config)[0] == 0
    [(program, words, environ)] = site.calls()
    assert program == "singularity"
    assert words[-2:] == ["/images/a.sif", "true"]
    assert environ["SINGULARITYENV_A"] == "1"


def test_pyxis_is_a_step_with_its_image_its_mounts_and_names_only(site):
    site.variables |= {"SLURM_CPUS_PER_TASK": "8"}
    config = {**on("pyxis", mounts={"/models": "/models:ro"}), "work_dir": str(site.folder)}
    assert site.run("python3", "a b", env={"A": "1"}, config=config)[0] == 0
    [words] = [words for program, words, _ in site.calls() if program == "srun"]
    assert words[:3] == ["--cpus-per-task=8", "--nodes=1", "--ntasks=1"]
    assert words[-2:] == ["python3", "a b"]
    assert "--no-container-mount-home" in words
    [image] = [word for word in words if word.startswith("--container-image=")]
    assert image.startswith(f"--container-image={site.state}/images/docker-ghcr.io-team-inference-1-")
    [mounts] = [word for word in words if word.startswith("--container-mounts=")]
    first, second, scratch = mounts.removeprefix("--container-mounts=").split(",")
    assert (first, second) == ("/models:/models:ro", f"{site.folder}:{site.folder}")
    outside, _, inside = scratch.partition(":")
    assert outside == inside
    [names] = [word.removeprefix("--export=") for word in words if word.startswith("--export=")]
    assert f"--container-env={names}" in words
    assert {"A", "OPENCOMPASS_OPS_TOKEN", "CUDA_VISIBLE_DEVICES"} <= set(names.split(","))


@pytest.mark.parametrize("runtime", ["podman", "docker"])
def test_a_cancelled_job_stops_and_removes_its_container(site, runtime):
    process = site.start(site.script("python3", "wait", config=on(runtime)))
    while process.stdout.readline() != "at work\n":
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == site.end()["returncode"] == 7
    verbs = [words[:1] + words[-1:] for _, words, _ in site.calls()]
    assert ["stop", f"{TOKEN}.42"] in verbs
    assert verbs[-1] == ["rm", f"{TOKEN}.42"]


def test_srun_inside_an_image_is_refused():
    asked = request("python3", resources=Resources(launcher="slurm"))
    with pytest.raises(JobRefused, match="an image has none; choose pytorch"):
        job_script(asked, cluster(**on("podman")))


@pytest.mark.parametrize("folder", ["/a:b", "/a,b"])
def test_folders_that_no_mount_can_express_are_refused(folder):
    with pytest.raises(JobRefused, match="cannot be mounted"):
        job_script(request("python3", run_dir=folder), cluster(**on("podman")))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
PATHS = st.text(st.characters(exclude_characters="\0:,", exclude_categories=["Cs"]), max_size=30)


@pytest.mark.process
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("runtime", IMAGES)
@given(arguments=st.lists(TEXT, max_size=3), value=TEXT, folder=PATHS, option=TEXT)
def test_a_runtime_reads_back_what_was_quoted(tmp_path_factory, runtime, arguments, value, folder, option):
    site = Runtimes(tmp_path_factory.mktemp("site"))
    config = on(runtime, mounts={f"/x{folder}": "/x"}, args=[f"--x={option}"])
    code, log = site.run("python3", *arguments, env={"A": value}, config=config)
    assert code == 0, log
    words, environ = [(words, environ) for _, words, environ in site.calls() if f"--x={option}" in words][-1]
    assert words[len(words) - len(arguments) :] == arguments
    assert any(f"/x{folder}:/x" in word for word in words)
    assert environ["APPTAINERENV_A" if runtime == "apptainer" else "A"] == value
