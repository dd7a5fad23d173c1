"""OpenCompass's whole config library is read as OpenCompass reads it, without OpenCompass."""

from __future__ import annotations

import hashlib
import json
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.findings import content, findings
from opencompass_ops.configs.library import default_config_dir
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.names import file_hashes

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

HASHED = re.compile(r"_([0-9a-f]{6})\.py$")
# A config file describes datasets under names like these.
LISTED = "_datasets"
READ_BY_US_ALONE = {
    # It asks for its __file__, which OpenCompass gives to bases only.
    "datasets/CHARM/charm_reason_settings.py",
}

WRONG_UPSTREAM = {
    # The classes PJExamDataset and MedBenchEvaluator_SMDoc are not there.
    "datasets/PJExam/PJExam_gen.py",
    "datasets/PJExam/PJExam_gen_8cd97c.py",
    "datasets/MedBench/medbench_gen.py",
    "datasets/MedBench/medbench_gen_0b4fff.py",
    # No prompt and no columns.
    "datasets/s3eval/s3eval_gen.py",
    "datasets/s3eval/s3eval_gen_b8ac80.py",
    # Two lists of other prompts under one abbr; the second would find the files of the first.
    "datasets/bbh/bbh_0shot_nocot_academic_gen.py",
    "datasets/bbh/bbh_llmjudge_gen_b5bdf1.py",
    # 32 of 5 runs.
    "datasets/livemathbench/livemathbench_gen_caed8f.py",
}
"""Files that OpenCompass reads and cannot run."""
WARNED_UPSTREAM = {"SuperGLUE_BoolQ", "agieval", "atlas", "gsm8k", "humaneval_plus", "livemathbench", "mmlu", "nq"}
WARNED_UPSTREAM |= {"omni_math", "tydiqa"}
"""Families whose configs have keys that nothing reads, or a key of a service in the open (atlas)."""


@pytest.fixture(scope="module")
def recorded(repo: Path) -> dict[str, str]:
    """Path to the digest that OpenCompass got, "-" where it could not read the file."""
    lines = (repo / "tests/golden/configs/opencompass_dictionaries.txt").read_text().splitlines()
    pairs = (line.split(maxsplit=2)[:2] for line in lines if not line.startswith("#"))
    return {path: digest for digest, path in pairs}


@pytest.fixture(scope="module")
def library(opencompass_wheel: Path) -> Path:
    """``opencompass/configs`` of the unpacked wheel."""
    return opencompass_wheel / "opencompass" / "configs"


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    """Processor seconds by what took them."""
    return {}


@pytest.fixture(scope="module")
def read(library: Path, recorded: dict[str, str], seconds: dict[str, float]) -> dict[str, LoadedConfig]:
    """Every config of the library, in one call."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", raising=False)
        before = _processor_seconds()
        loaded = load([library / path for path in recorded])
        seconds["all"] = _processor_seconds() - before
    return dict(zip(recorded, loaded, strict=True))


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_record_is_of_this_library(library: Path, recorded: dict[str, str]):
    assert {path.relative_to(library).as_posix() for path in library.rglob("*.py")} == set(recorded)
    datasets = [path for path in recorded if path.startswith("datasets/")]
    assert len(datasets) == 1514
    assert sum(recorded[path] == "-" for path in datasets) == 13


def test_every_config_gives_the_dictionary_that_opencompass_gets(
    library: Path, recorded: dict[str, str], read: dict[str, LoadedConfig]
):
    readable = [path for path, digest in recorded.items() if digest != "-"]
    assert {path: read[path].error for path in readable if read[path].error} == {}
    assert [path for path in readable if _digest(read[path].values, library) != recorded[path]] == []


def test_what_opencompass_cannot_read_gives_one_message_with_its_place(
    library: Path, recorded: dict[str, str], read: dict[str, LoadedConfig]
):
    unreadable = {path for path, digest in recorded.items() if digest == "-"}
    assert {path for path in unreadable if not read[path].error} == READ_BY_US_ALONE
    for path in unreadable - READ_BY_US_ALONE:
        assert re.match(rf"{re.escape(str(library))}/\S+\.py:\d+: .*; ", read[path].error), read[path].error


def test_every_hash_in_a_file_name_is_ours(read: dict[str, LoadedConfig]):
    named = {path: match[1] for path in read if (match := HASHED.search(path)) and path.startswith("datasets/")}
    asking = {path: found for path in named if (found := list(_asking(read[path].values)))}
    hashes = {path: [known[:6] for known in file_hashes(found)] for path, found in asking.items()}
    wrong = [path for path in asking if named[path] not in hashes[path]]
    assert (len(named), len(asking), wrong) == (778, 773, [])


def test_a_shipped_dataset_of_opencompass_name_asks_what_opencompass_asks(read: dict[str, LoadedConfig]):
    theirs = {Path(path).stem: path for path in read if path.startswith("datasets/")}
    ours = sorted((default_config_dir() / "datasets").rglob("*.py"))
    shared = [loaded for loaded in load([path for path in ours if path.stem in theirs])]
    assert {loaded.path.stem for loaded in shared} >= {"siqa_gen", "winograd_ppl"}
    for loaded in shared:
        wanted = file_hashes(list(_asking(read[theirs[loaded.path.stem]].values)))
        assert file_hashes(list(_asking(loaded.values))) == wanted, loaded.path


def test_all_of_it_is_read_within_a_minute_on_two_cores(read: dict[str, LoadedConfig], seconds: dict[str, float]):
    assert len(read) > 2000
    assert seconds["all"] < 2 * 60


def test_lint_has_no_false_alarm_in_the_library(library: Path, recorded: dict[str, str], read: dict[str, LoadedConfig]):
    readable = [path for path in recorded if path.startswith("datasets/") and not read[path].error]
    # The few files with thousands of datasets take most of the time and have no template of their own.
    seen = {path: findings(read[path], library) for path in readable if len(content(read[path].values).datasets) < 200}
    wrong = {path for path, found in seen.items() if any(finding.is_error for finding in found)}
    assert wrong == WRONG_UPSTREAM
    warned = {path for path, found in seen.items() if found} - WRONG_UPSTREAM
    assert {path.split("/")[1] for path in warned} == WARNED_UPSTREAM


def _digest(values: dict[str, Any], library: Path) -> str:
    """As ``tests/recorders/config_dictionaries.py`` records it."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False).replace(str(library), "<configs>")
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _asking(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The datasets in a file's first list that have a prompt."""
    listed = [value for key, value in values.items() if key.endswith(LISTED) and isinstance(value, list)]
    for dataset in listed[0] if listed else []:
        if "infer_cfg" in dataset:
            yield dataset
