"""A stand-in for ``python -m inference``: each shard carries the Python that its job shall run."""

from __future__ import annotations

import sys
from pathlib import Path

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import Part, ShardSpec

INTERPRETER = """#!{python} -sS
import os, signal, sys, time
from pathlib import Path
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import ExitRecord, Heartbeat, Manifest
from opencompass_ops.contract.spec import ShardSpec

arguments = dict(zip(sys.argv[5::2], sys.argv[6::2]))
spec = ShardSpec.from_json(Path(sys.argv[4]).read_bytes())
files, token = LocalFiles(arguments["--run-dir"]), arguments["--token"]
files.append(layout.starts(token), f"{{os.environ['OPENCOMPASS_OPS_JOB_ID']}} {{time.time()}}")


def leave(code, **facts):
    record = ExitRecord(token, os.environ["OPENCOMPASS_OPS_JOB_ID"], 0, int(arguments["--epoch"]), code, **facts)
    files.write(layout.exit_record(token), record.to_json())
    files.append(layout.job(token, "ends"), str(time.time()))
    sys.exit(code)


def answer():
    part = spec.parts[0]
    path = layout.prediction(spec.model_abbr, part.name)
    files.write(path, '{{"0": {{}}}}')
    digest = codec.digest_bytes(files.read(path))
    manifest = Manifest(Path(path).name, digest, spec.model_abbr, part.dataset_abbr, spec.id, token, part.start,
                        part.stop, part.total, part.count, part.fingerprint, part.pair_fingerprint)
    files.write(layout.manifest(path), manifest.to_json())
    leave(0, manifests={{layout.manifest(path): codec.digest_bytes(files.read(layout.manifest(path)))}})


def beat(done):
    files.write(layout.heartbeat(token), Heartbeat("running", done, 9, "").to_json())


print("héllo from", spec.id)
exec(spec.options["script"])
"""


def write_interpreter(path: Path, python: str = sys.executable) -> Path:
    """A program to name as a cluster's ``python``."""
    path.write_text(INTERPRETER.format(python=python))
    path.chmod(0o755)
    return path


def write_run(
    cluster: ClusterConfig, run_dir: Path, *scripts: str, max_num_workers: int = 4, kind: str = "infer"
) -> str:
    """A run directory with a plan and one shard per script.

    In a script ``answer()`` writes the shard's prediction and ends well, ``leave(code, ...)`` writes an exit record,
    ``beat(done)`` a heartbeat, and ``arguments``, ``spec``, ``files`` and ``token`` are there to look at.
    """
    files = LocalFiles(run_dir)
    for number, script in enumerate(scripts):
        dataset = {"abbr": f"data{number}"}
        part = Part(dataset, None, 0, 1, 1, fingerprint=f"f{number}", pair_fingerprint="p")
        spec = ShardSpec(f"{kind}-{number:04}", kind, {"abbr": "tiny"}, (part,), options={"script": script})
        files.write(layout.shard_spec(spec.id), spec.to_json())
    plan = Plan(
        stamp="20260101_000000", run_dir=str(run_dir), instance="here", mode="all", config="c",
        config_fingerprint="", params={}, cluster=cluster.to_values(), max_num_workers=max_num_workers, retry=0,
        models=(), datasets=(), pairs=(), shards=(), evaluations=(),
    )  # fmt: skip
    files.write(layout.PLAN, plan.to_json())
    return str(run_dir)
