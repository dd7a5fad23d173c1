"""compose.yaml and its .env, as far as they can be judged without an engine."""

from __future__ import annotations

import base64
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compose_file import ComposeFile, MissingVariable
from scripts.compose_env import completed, variables

COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
OF_PROVIDERS = {"celery"}
"""Sections of settings that come with a provider of the extra `compose`; the soak looks at them."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `make compose-env` writes."""
    text, _ = completed("", variables(Path("/srv/ops")))
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


@pytest.fixture(scope="module")
def compose(repo: Path, said: dict[str, str]) -> ComposeFile:
    return ComposeFile.read(repo / "compose.yaml", said)


def test_there_is_a_service_for_each_component(compose: ComposeFile) -> None:
    assert set(compose.services) == COMPONENTS | {"init", "postgres", "redis"}
    assert set(compose.airflow()) == COMPONENTS | {"init"}
    for name in COMPONENTS:
        assert compose.services[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
        assert compose.services[name]["restart"] == "unless-stopped"
    assert all("healthcheck" in compose.services[name] for name in set(compose.services) - {"init"})


@pytest.mark.airflow
def test_every_setting_is_one_that_airflow_knows(compose: ComposeFile) -> None:
    from airflow.configuration import conf

    known = {section: set(about["options"]) for section, about in conf.configuration_description.items()}
    settings = [name for service in compose.airflow() for name in compose.environment(service)]
    pairs = {tuple(name.removeprefix("AIRFLOW__").lower().split("__")) for name in settings if "AIRFLOW__" in name}
    assert pairs
    assert [pair for pair in pairs if pair[0] not in OF_PROVIDERS and pair[1] not in known.get(pair[0], ())] == []


def test_every_variable_of_ours_is_one_that_the_code_reads(compose: ComposeFile, repo: Path) -> None:
    ours = {name for service in compose.airflow() for name in compose.environment(service) if "OPENCOMPASS" in name}
    sources = "".join(path.read_text() for path in (repo / "plugins").rglob("*.py"))
    assert ours
    assert [name for name in ours if f'"{name}"' not in sources] == []


def test_commands_are_airflows_own(compose: ComposeFile) -> None:
    commands = {name: compose.services[name]["command"] for name in COMPONENTS}
    assert commands.pop("worker") == ["airflow", "celery", "worker"]
    assert commands == {name: ["airflow", name] for name in commands}


@pytest.mark.airflow
def test_airflow_has_these_commands() -> None:
    from airflow.cli.cli_parser import airflow_commands

    assert {command.name for command in airflow_commands} >= COMPONENTS - {"worker"}


def test_only_loopback_is_opened(compose: ComposeFile) -> None:
    opened = [port for service in compose.services.values() for port in service.get("ports", [])]
    assert opened == ["127.0.0.1:8080:8080"]


def test_what_is_mounted_from_the_checkout_is_there(compose: ComposeFile, repo: Path) -> None:
    mounts = [mount for service in compose.services.values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert files
    assert all((repo / file).is_file() for file in files)


@pytest.mark.parametrize("name", [name for name in variables(Path("/")) if name not in ("PORT", "PROJECT_DIR")])
def test_without_any_one_variable_it_says_what_to_run(repo: Path, said: dict[str, str], name: str) -> None:
    with pytest.raises(MissingVariable, match=f"{name}: run make compose-env first"):
        ComposeFile.read(repo / "compose.yaml", {key: value for key, value in said.items() if key != name})


def test_no_secret_has_a_default(repo: Path) -> None:
    text = (repo / "compose.yaml").read_text()
    assert not re.findall(r"\$\{\w*(?:PASSWORD|SECRET|KEY)\w*:-", text)
    assert set(re.findall(r"\$\{(\w+)", text)) <= set(variables(Path("/"))) | {"OPENCOMPASS_OPS_IMAGE"}


def test_no_secret_is_an_argument(compose: ComposeFile, said: dict[str, str]) -> None:
    secret = {value for name, value in said.items() if re.search("PASSWORD|SECRET|KEY", name)}
    for service in compose.services.values():
        argv = str(service.get("command")) + str(service.get("healthcheck"))
        assert not [value for value in secret if value in argv]


def test_keys_are_what_airflow_takes(said: dict[str, str]) -> None:
    assert len(base64.urlsafe_b64decode(said["FERNET_KEY"])) == 32
    assert len(said["JWT_SECRET"]) >= 32
    assert len({value for name, value in said.items() if re.search("PASSWORD|SECRET|KEY", name)}) == 7


def test_secrets_need_no_quoting_anywhere(said: dict[str, str]) -> None:
    assert all(re.fullmatch(r"[\w./:=-]+", value) for value in said.values())


def test_what_was_there_is_kept_and_only_the_rest_is_added() -> None:
    mine = "# mine\nPORT=9000\nFERNET_KEY=old"
    text, missing = completed(mine, variables(Path("/srv")))
    assert text.startswith(f"{mine}\n# ")
    assert "PORT" not in missing
    assert text.count("FERNET_KEY=") == 1
    assert completed(text, variables(Path("/srv"))) == (text, [])


def test_the_file_is_for_its_owner_only_and_made_once(repo: Path, tmp_path: Path) -> None:
    def make() -> str:
        command = [sys.executable, "-m", "scripts.compose_env"]
        env = {"PYTHONPATH": str(repo)}
        return subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout

    assert "added AIRFLOW_UID" in make()
    file = tmp_path / ".env"
    before = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"SHARED_DIR={tmp_path}/shared\n" in before
    assert (tmp_path / "shared").is_dir()
    said = make()
    assert "has everything" in said
    assert file.read_text() == before
    password = re.search("ADMIN_PASSWORD=(.*)", before)
    assert password
    assert password[1] not in said


def test_git_and_images_never_see_the_secrets(repo: Path) -> None:
    for name in (".env", "connections.env", "shared/data"):
        assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=repo, check=False).returncode == 0
    assert (repo / ".dockerignore").read_text().splitlines()[1] == "*"


def test_scripts_are_bash_that_parses(repo: Path) -> None:
    for script in (repo / "compose").glob("*.sh"):
        subprocess.run(["bash", "-n", script], check=True)


def test_the_file_is_plain_yaml_without_duplicate_keys(repo: Path) -> None:
    class Strict(yaml.SafeLoader):
        """Refuses what a plain loader silently overwrites."""

    def mapping(loader: Strict, node: yaml.MappingNode, deep: bool = False) -> dict[str, object]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(keys)), keys
        loader.flatten_mapping(node)
        return dict(loader.construct_pairs(node, deep=True))

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    yaml.load((repo / "compose.yaml").read_text(), Strict)
