"""Success is an artefact: files, manifests and exit record must agree before anything is believed."""

from __future__ import annotations

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import Files
from opencompass_ops.contract.records import ExitRecord, Heartbeat, Manifest
from opencompass_ops.contract.spec import INFER, VIZ, Part, ShardSpec


def part_problem(files: Files, model: str, part: Part) -> str:
    """Why the part's prediction file cannot be used; "" when it can.

    Checks that file and manifest exist, that the file's digest, range, count and fingerprint are the plan's.
    """
    path = layout.prediction(model, part.name)
    problem, manifest = _read_manifest(files, path)
    if manifest is None:
        return problem
    if manifest.fingerprint != part.fingerprint:
        return (
            f"{path} answers another request (fingerprint {manifest.fingerprint[:12]}, wanted {part.fingerprint[:12]})"
        )
    if (manifest.start, manifest.stop, manifest.count) != (part.start, part.stop, part.count):
        return (
            f"{path} covers rows {manifest.start}..{manifest.stop} ({manifest.count}), wanted {part.start}..{part.stop}"
        )
    return ""


def outputs(spec: ShardSpec) -> list[str]:
    """The files with a manifest that a shard leaves, relative to the run directory."""
    if spec.kind == INFER:
        return [layout.prediction(spec.model_abbr, part.name) for part in spec.parts]
    return [layout.tables(spec.id) if spec.kind == VIZ else layout.result(spec.model_abbr, spec.parts[0].dataset_abbr)]


def result_problem(files: Files, spec: ShardSpec) -> str:
    """Why the one output of a shard that infers nothing cannot be used; "" when it can."""
    (path,) = outputs(spec)
    return score_problem(files, path, spec.evaluation_fingerprint)


def score_problem(files: Files, path: str, fingerprint: str) -> str:
    """Why a result cannot be used; "" when it can.

    :param fingerprint: of the evaluation.
    """
    problem, manifest = _read_manifest(files, path)
    if manifest is None:
        return problem
    return "" if manifest.fingerprint == fingerprint else f"{path} scores other predictions or scores them otherwise"


def shard_problem(files: Files, spec: ShardSpec) -> str:
    """Why the shard's outputs are not all there and right; "" when they are."""
    if spec.kind != INFER:
        return result_problem(files, spec)
    problems = (part_problem(files, spec.model_abbr, part) for part in spec.parts)
    return next((problem for problem in problems if problem), "")


def read_exit(files: Files, token: str) -> ExitRecord | None:
    """The job's exit record; None when it wrote none (yet)."""
    try:
        return ExitRecord.from_json(files.read(layout.exit_record(token)))
    except FileNotFoundError:
        return None


def read_heartbeat(files: Files, token: str) -> Heartbeat | None:
    """How far the job said it was; None when it said nothing that can be read."""
    try:
        return Heartbeat.from_json(files.read(layout.heartbeat(token)))
    except (FileNotFoundError, codec.SchemaError):
        return None


def job_problem(files: Files, spec: ShardSpec, token: str) -> str:
    """Why this job is no success; "" when exit record, manifests and files agree."""
    record = read_exit(files, token)
    if record is None:
        return f"job {token} wrote no exit record; it did not end by itself"
    if record.token != token:
        return f"the exit record in {layout.job(token)} belongs to {record.token}"
    if record.returncode != 0:
        return record.error or f"job {token} ended with {record.returncode}"
    for path, sha256 in record.manifests.items():
        if not files.exists(path) or codec.digest_bytes(files.read(path)) != sha256:
            return f"{path} is not the one that job {token} wrote"
    return shard_problem(files, spec)


def _read_manifest(files: Files, path: str) -> tuple[str, Manifest | None]:
    if not files.exists(path):
        return f"{path} is missing", None
    try:
        manifest = Manifest.from_json(files.read(layout.manifest(path)))
    except FileNotFoundError:
        return f"{path} has no manifest, so nothing says what it answers", None
    except codec.SchemaError as error:
        return f"{layout.manifest(path)}: {error}", None
    if codec.digest_bytes(files.read(path)) != manifest.sha256:
        return f"{path} is not the file its manifest describes (truncated or edited)", None
    return "", manifest
