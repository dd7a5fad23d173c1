"""Each of OpenCompass's summarizers through the bridge, beside OpenCompass's own ``-m viz`` over the same scores."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from opencompass_ops.bridging import tables_config
from opencompass_ops.configs.load import load
from opencompass_ops.configs.resolve import resolve
from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import JUDGED, Manifest
from opencompass_ops.contract.spec import OPENCOMPASS, VIZ, Part, ShardSpec
from opencompass_venv import run_opencompass
from summarizer_cases import CASES, Case, config, lay_down

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]
STAMP = re.compile(r"\d{8}_\d{6}")


class _WithOpenCompass:
    """What :func:`tables_config` asks of a cluster."""

    name = "local"
    opencompass = object()


def spec_of(case: Case, file: Path, files: LocalFiles) -> ShardSpec:
    """The shard that the plan makes of the config, over scores that manifests vouch for."""
    (loaded,) = load([file])
    assert not loaded.error
    tables = tables_config(resolve(loaded), _WithOpenCompass())  # type: ignore[arg-type]
    pairs = []
    for (model, dataset), judged in lay_down(case, files.root).items():
        path = layout.result(model, dataset)
        body = files.read(path) if files.exists(path) else b"{}"
        whole = (model, dataset, "s", "t", 0, 1, 1, 1, "evaluation", "pair")
        files.write(path, body)
        manifest = Manifest(Path(path).name, codec.digest_bytes(body), *whole, details={JUDGED: judged})
        files.write(layout.manifest(path), manifest.to_json())
        pairs.append([model, dataset, "evaluation"])
    part = Part({"abbr": case.summarizer.partition(",")[0]}, None, 0, len(pairs), len(pairs), "tables", "tables")
    return ShardSpec(
        "viz-0000-abcdef", VIZ, {"abbr": "summary"}, (part,), evaluation_fingerprint="tables", engine=OPENCOMPASS,
        options={"config": tables, "pairs": pairs},
    )  # fmt: skip


def bridged(spec: ShardSpec, files: LocalFiles, python: str, repo: Path) -> tuple[str, str]:
    """Let the bridge's job make the tables; returns its error and its log."""
    files.write(layout.shard_spec(spec.id), spec.to_json())
    words = [VIZ, str(files.path(layout.shard_spec(spec.id))), "--run-dir", str(files.root), "--token", "t"]
    job = subprocess.run(
        [python, "-m", "inference", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(repo), str(repo / "plugins")])},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    return evidence.read_exit(files, "t").error, job.stdout + job.stderr


def written(summary: Path) -> dict[str, str]:
    """Texts by name, without the moment at which they were made; of pictures that they are there."""
    files = [path for path in sorted(summary.rglob("*")) if path.is_file()]
    return {
        STAMP.sub("STAMP", path.relative_to(summary).as_posix()):
            STAMP.sub("STAMP", path.read_text()) if path.suffix in (".csv", ".txt", ".json", ".md") else ""
        for path in files
    }  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_tables_through_the_bridge_are_opencompass_s_own(name, tmp_path, repo, opencompass_python):
    case = CASES[name]
    file = tmp_path / "asked.py"
    file.write_text(config(case))
    files = LocalFiles(tmp_path / "run")
    spec = spec_of(case, file, files)
    error, log = bridged(spec, files, opencompass_python, repo)
    if case.error:
        assert case.error in error
        return
    assert error == "", log[-3000:]
    theirs = tmp_path / "opencompass" / "20260101_000000"
    lay_down(case, theirs)
    run_opencompass(
        opencompass_python, str(file), "-m", "viz", "-r", theirs.name, "-w", str(theirs.parent), data_dir=tmp_path
    )
    ours = written(files.root / "summary")
    assert len(ours) >= case.files
    assert ours == written(theirs / "summary")
    assert len(json.loads(files.read(layout.tables(spec.id)))) == len(ours)
