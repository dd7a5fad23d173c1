"""The Chinese user guide says what the English one says: the same commands, flags, variables and settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ENGLISH_ANCHOR = re.compile(r"[^\w\- ]")


def blocks(text: str, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(text) if language in languages]


def commands(text: str) -> set[str]:
    """Lines of code blocks without their comments, blanks counted once."""
    lines = [line for block in blocks(text, "", "sh") for line in block.splitlines()]
    bare = (" ".join(re.split(r"\s+#\s", line)[0].split()) for line in lines)
    return {line for line in bare if line and not line.startswith("#")}


@pytest.fixture
def english(repo: Path) -> str:
    return (repo / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def chinese(repo: Path) -> str:
    return (repo / "README.zh-CN.md").read_text(encoding="utf-8")


def test_every_command_of_the_readme_stands_in_the_chinese_guide(english, chinese):
    inline = set(re.findall(r"`((?:make|opencompass-ops|docker|pip) [^`]+)`", chinese))
    assert {each for each in commands(english) if each not in commands(chinese) | inline} == set()


def test_the_chinese_guide_has_no_command_of_its_own(repo, english, chinese):
    documents = english + "".join(path.read_text(encoding="utf-8") for path in sorted((repo / "docs").glob("*.md")))
    assert commands(chinese) - commands(documents) == set()


def test_every_flag_of_run_py_stands_in_the_chinese_guide(repo, chinese):
    table = (repo / "docs/command_line.md").read_text().partition("<!-- flags")[2].partition("<!-- end of flags")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    flags = {flag for row in rows for flag in re.findall(r"`([^`]+)`", row)}
    assert len(flags) > 70
    assert {flag for flag in flags if f"`{flag}`" not in chinese} == set()


@pytest.mark.parametrize(
    ("document", "heading"),
    [
        ("installation.md", "### Variables"),
        ("notifications.md", "## Two connections"),
        ("notifications.md", "## Who is told what"),
    ],
)
def test_tables_name_the_same_things(repo, chinese, document, heading):
    section = (repo / "docs" / document).read_text().partition(heading)[2].partition("\n#")[0]
    names = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")][2:]
    assert names
    assert [name for name in names if f"\n| {name} |" not in chinese] == []


def test_states_of_a_series_are_the_same(repo, chinese):
    section = (repo / "docs/series.md").read_text().partition("| state | means |")[2].partition("\n\n")[0]
    names = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    states = {state for name in names for state in re.findall(r"`([^`]+)`", name)}
    assert len(states) > 5
    assert {state for state in states if f"`{state}`" not in chinese} == set()


def test_settings_are_the_same(repo, english, chinese):
    documents = english + "".join((repo / "docs" / f"{name}.md").read_text() for name in ("series", "gates", "limits"))
    known = [yaml.safe_load(block) for block in blocks(documents, "yaml")]
    ours = [yaml.safe_load(block) for block in blocks(chinese, "yaml")]
    assert len(ours) == 4
    assert [block for block in ours if block not in known] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_links_lead_somewhere(repo, name):
    text = (repo / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        assert (repo / path).exists(), target
        linked = (repo / path).read_text(encoding="utf-8") if path.endswith(".md") else text
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked, re.MULTILINE)
            assert anchor in {ENGLISH_ANCHOR.sub("", each.lower()).replace(" ", "-") for each in headings}, target
