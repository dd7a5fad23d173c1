"""The batch script, run by a real bash: what it hands on, what it says of its end, what no input can change."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencompass_ops.clusters.resources import Resources
from opencompass_ops.clusters.slurm.script import job_script
from opencompass_ops.errors import JobRefused
from tests.clusters.slurm.script_site import SHAPES, SHOW, TOKEN, Site, cluster, golden, request

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
NASTY = st.sampled_from(
    ["\n#SBATCH --wrap=x\n", "'; touch /tmp/pwned; '", "$(id)", "`id`", "\\'", "a\tb\r", "-n", "*", "!!"]
)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_script_of_each_way_to_run_a_job(repo, shape):
    path = repo / "tests/golden/slurm" / f"{shape}.sh"
    assert golden(shape) == path.read_text()
    subprocess.run(["bash", "-n", str(path)], check=True)


def shown(site, *arguments, **more):
    """What a workload was given: its arguments and its environment."""
    target = site.folder / "shown.json"
    code, log = site.run(sys.executable, "-c", SHOW, str(target), *arguments, **more)
    assert code == 0, log
    given_argv, environ = json.loads(target.read_text())
    return given_argv[1:], environ


def test_the_workload_gets_its_arguments_its_variables_and_its_folder(site):
    arguments = ["a b", "", "$HOME", "'\"", "x\n#SBATCH --wrap=rm\ny", "ü", "-n"]
    env = {"A": "1 2", "B": "x\ny'", "HOME": "/nowhere"}
    argv, environ = shown(site, *arguments, env=env, config={"env": {"A": "0", "C": "3"}})
    assert argv == arguments
    assert {name: environ[name] for name in "ABC"} == {"A": "1 2", "B": "x\ny'", "C": "3"}
    assert environ["OPENCOMPASS_OPS_TOKEN"] == TOKEN
    assert environ["OPENCOMPASS_OPS_JOB_ID"] == "42"
    assert environ["OPENCOMPASS_OPS_RESTART"] == "0"
    assert environ["CUDA_VISIBLE_DEVICES"] == ""
    assert environ["PWD"] == str(site.run_dir)


def test_a_job_with_gpus_keeps_what_slurm_gave_it(site):
    site.variables = {"CUDA_VISIBLE_DEVICES": "2,3", "SLURM_RESTART_COUNT": "1"}
    _, environ = shown(site, num_gpus=2, resources=Resources(launcher="slurm"))
    assert environ["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert environ["OPENCOMPASS_OPS_RESTART"] == "1"
    assert environ["OPENCOMPASS_OPS_LAUNCHER"] == "slurm"


def test_the_log_begins_with_who_runs_where(site):
    site.variables = {"SLURMD_NODENAME": "n01", "CUDA_VISIBLE_DEVICES": "0,1"}
    _, log = site.run("echo", "hello", num_gpus=2)
    first, second = log.splitlines()
    assert first.startswith(f"=== {TOKEN} on n01, 20")
    assert first.endswith("Z, job 42, GPUs: 0,1 ===")
    assert second == "hello"


@pytest.mark.parametrize("code", [0, 1, 2, 137])
def test_the_workloads_code_is_the_jobs_and_is_written_last(site, code):
    site.variables = {"SLURMD_NODENAME": "n01", "SLURM_RESTART_COUNT": "3"}
    assert site.run("bash", "-c", f"exit {code}")[0] == code
    assert site.end() == {"job_id": "42", "restart": 3, "returncode": code, "why": "", "node": "n01"}
    assert not list(site.job_dir.glob(".slurm.end*"))


def test_a_job_that_lost_the_claim_says_nothing(site):
    assert site.run("bash", "-c", "exit 75")[0] == 75
    assert not (site.job_dir / "slurm.end").exists()


def test_a_job_whose_token_another_one_holds_leaves_at_once(site):
    (site.job_dir / "claim").mkdir()
    (site.job_dir / "claim/holder").write_text("41")
    (site.job_dir / "slurm.end").write_text("of job 41")
    code, log = site.run("echo", "worked", config={"setup": ["false"]})
    assert code == 75
    assert "job 41 holds the token" in log
    assert "worked" not in log
    assert (site.job_dir / "slurm.end").read_text() == "of job 41"


def test_a_restarted_job_goes_on_with_its_own_claim(site):
    (site.job_dir / "claim").mkdir()
    (site.job_dir / "claim/holder").write_text("42")
    assert site.run("true")[0] == 0
    assert site.end()["returncode"] == 0


def test_a_cancelled_job_does_not_start(site):
    (site.job_dir / "slurm.cancelled").touch()
    code, log = site.run("echo", "worked")
    assert code == 143
    assert "worked" not in log
    assert site.end()["why"] == "cancelled before it started"


def test_sigterm_reaches_the_workload_and_its_code_counts(site):
    wait = "import os, signal, sys, time\nsignal.signal(15, lambda *_: (os.write(1, b'flushed'), sys.exit(7)))\n"
    process = site.start(site.script(sys.executable, "-c", f"{wait}print('ready', flush=True)\ntime.sleep(30)"))
    assert process.stdout is not None
    while process.stdout.readline() != "ready\n":
        pass
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=30)[0]
    assert "SIGTERM, passed on" in log
    assert "flushed" in log
    assert process.returncode == 7
    assert site.end()["returncode"] == 7


def test_sigterm_during_setup_ends_the_job_before_the_work(site):
    go = site.folder / "go"
    lines = ["echo ready >&3", f"until [ -e {go} ]; do sleep 0.01; done"]
    process = site.start(site.script("echo", "worked", config={"setup": lines}))
    assert process.stdout is not None
    while process.stdout.readline() != "ready\n":
        pass
    process.send_signal(signal.SIGTERM)
    go.touch()
    log = process.communicate(timeout=30)[0]
    assert process.returncode == 143
    assert "worked" not in log
    assert site.end()["why"] == "stopped before the work began"


def test_secrets_reach_the_workload_and_nothing_else(site):
    path = site.state / "secrets" / TOKEN
    path.write_bytes(b"HF_TOKEN=canary 'x'\ny\0OTHER=\xc3\xbc\0")
    config = {"secrets": ["HF_TOKEN", "OTHER"], "setup": ["env", "set -x"]}
    _, environ = shown(site, config=config)
    assert environ["HF_TOKEN"] == "canary 'x'\ny"
    assert environ["OTHER"] == "ü"
    assert not path.exists()
    assert not any(b"canary" in file.read_bytes() for file in site.run_dir.rglob("*") if file.is_file())
    assert "canary" not in site.script("true", config=config)


def test_a_job_without_its_secrets_does_not_work(site):
    code, log = site.run("echo", "worked", config={"secrets": ["HF_TOKEN"]})
    assert code == 1
    assert "worked" not in log
    assert "secrets are not there" in site.end()["why"]


def test_secrets_go_with_a_job_that_never_worked(site):
    path = site.state / "secrets" / TOKEN
    path.write_bytes(b"HF_TOKEN=x\0")
    site.run("true", config={"secrets": ["HF_TOKEN"], "setup": ["false"]})
    assert not path.exists()


def test_setup_prepares_the_environment_and_has_its_own_log(site):
    lines = ["export FROM_SETUP=1", "echo 'from setup'", "if true", "then export TWO=2", "fi"]
    _, environ = shown(site, config={"setup": lines})
    assert (environ["FROM_SETUP"], environ["TWO"]) == ("1", "2")
    assert (site.job_dir / "setup.log").read_text() == "from setup\n"


@pytest.mark.parametrize("lines", [["false", "true"], ["exit 0"], ["exit 3"], ["if"], ["no-such-command"]])
def test_a_setup_that_fails_ends_the_job_with_the_reason(site, lines):
    code, log = site.run("echo", "worked", config={"setup": lines})
    assert code != 0
    assert "worked" not in log
    assert site.end()["why"] == f"a command of setup failed; see jobs/{TOKEN}/setup.log"
    assert site.end()["returncode"] == code
    assert "a command of setup failed" in log


def test_modules_are_loaded_and_a_missing_one_ends_the_job(site):
    define = 'module() { shift; for name in "$@"; do export "LOADED_$name=yes" || return 1; done; }'
    _, environ = shown(site, config={"setup": [define], "modules": ["cuda", "gcc"]})
    assert environ["LOADED_cuda"] == environ["LOADED_gcc"] == "yes"
    code, _ = site.run("true", config={"setup": [define], "modules": ["cuda/12"]})
    assert code == 1
    assert "modules could not be loaded" in site.end()["why"]


def test_the_code_and_the_libraries_come_first(site):
    config = {"library_path": ["/opt/a", "/opt/b"], "setup": ["export PYTHONPATH=/site LD_LIBRARY_PATH=/site"]}
    _, environ = shown(site, code_dir="/code dir", config=config)
    assert environ["PYTHONPATH"] == "/code dir:/site"
    assert environ["LD_LIBRARY_PATH"] == "/opt/a:/opt/b:/site"
    _, environ = shown(site, code_dir="/code", config={"library_path": ["/opt/a"]})
    assert environ["PYTHONPATH"] == "/code"
    assert environ["LD_LIBRARY_PATH"] == "/opt/a"


@pytest.fixture
def conda(site):
    """A conda installation with an environment ``llm``: its programs say what they were given."""
    folder = site.folder / "conda"
    for name, text in {
        "envs/llm/bin/python": '#!/bin/bash\necho "env python $*, libraries ${LD_LIBRARY_PATH-}"\n',
        "bin/conda": '#!/bin/bash\nprintf "conda"; printf " %s" "$@"; echo\nshift 4\nexec "$@"\n',
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"way": "python", "env": "llm"}, "env python -m inference, libraries \n"),
        ({"way": "path", "env": "llm", "libraries": True}, "env python -m inference, libraries {root}/envs/llm/lib\n"),
        ({"way": "variables", "env": "llm"}, "env python -m inference, libraries \n"),
    ],
)
def test_an_environment_of_conda_is_entered(site, conda, values, said):
    config = {"conda": {**values, "root": str(conda)}}
    code, log = site.run("python", "-m", "inference", config=config)
    assert code == 0
    assert log.endswith(said.format(root=conda))


def test_the_variables_of_conda_may_come_from_setup(site, conda):
    lines = [f"export ANACONDA_DIR='{conda}' DEFAULT_CONDA_ENV_NAME=llm"]
    config = {"conda": {"way": "variables", "libraries": True}, "setup": lines}
    _, log = site.run("python", "-m", "inference", config=config)
    assert log.endswith(f"env python -m inference, libraries {conda}/envs/llm/lib\n")
    assert site.run("python", config={"conda": {"way": "variables"}})[0] == 1
    assert "conda environment is not there" in site.end()["why"]


def test_conda_run_gets_the_command_and_the_signal(site, conda):
    config = {"conda": {"way": "run", "env": "llm", "root": str(conda)}}
    script = site.script("bash", "-c", "trap 'echo flushed; exit 7' TERM; echo ready; sleep 30 & wait", config=config)
    process = site.start(script)
    assert process.stdout is not None
    assert "conda run --no-capture-output --name llm bash -c" in process.stdout.readline() + process.stdout.readline()
    while process.stdout.readline() != "ready\n":
        pass
    process.send_signal(signal.SIGTERM)
    assert "flushed" in process.communicate(timeout=30)[0]
    assert process.returncode == 7


def test_what_jobs_write_has_the_configured_umask(site):
    site.run("touch", "made", config={"umask": "007"})
    assert stat.S_IMODE((site.run_dir / "made").stat().st_mode) == 0o660
    assert stat.S_IMODE((site.job_dir / "slurm.end").stat().st_mode) == 0o660


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
def test_what_no_program_can_be_given_is_refused(bad):
    for more in ({"env": {"A": bad}}, {"run_dir": f"/{bad}"}):
        with pytest.raises(JobRefused, match="cannot be passed"):
            job_script(request("true", **more), cluster())
    with pytest.raises(JobRefused, match="no name of an environment variable"):
        job_script(request("true", env={"A=$(id)": "x"}), cluster())


@given(st.lists(TEXT | NASTY, min_size=1, max_size=5), TEXT | NASTY, TEXT | NASTY, st.lists(TEXT | NASTY, max_size=3))
def test_no_line_of_the_script_is_a_directive_or_anything_a_user_wrote(argv, path, value, setup):
    asked = request(*argv, run_dir=f"/{path}", env={"NAME": value})
    plain = job_script(request("true", env={"NAME": ""}), cluster(setup=["true"] if setup else []))
    script = job_script(asked, cluster(setup=setup))
    assert not any(line.startswith(("#SBATCH", "#PBS", "#BSUB")) for line in script.split("\n"))
    assert script.count("\n") == plain.count("\n")


@pytest.mark.process
@settings(deadline=None)
@given(arguments=st.lists(TEXT | NASTY, max_size=5), value=TEXT | NASTY, path=TEXT | NASTY)
def test_bash_reads_back_what_was_quoted(tmp_path_factory, arguments, value, path):
    site = Site(tmp_path_factory.mktemp("site"))
    argv = ["bash", "-c", r'printf "%s\0" "$VALUE" "$@" > shown', "bash", *arguments]
    code, log = site.run(*argv, env={"VALUE": value, "OTHER": path}, code_dir=f"/{path}")
    assert code == 0, log
    assert (site.run_dir / "shown").read_bytes().split(b"\0")[:-1] == [text.encode() for text in (value, *arguments)]
