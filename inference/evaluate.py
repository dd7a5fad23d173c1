"""An eval shard: the predictions of one model x dataset become its result, samples and manifest."""

from __future__ import annotations

import json
import math
from typing import Any

from inference.code_runs import Sandbox
from inference.datasets import Rows, load_rows, output_column
from inference.envelope import metrics, result
from inference.judging import Court
from inference.manifests import of_result
from inference.parts import Predictions, answer_of, check_tiling, load_predictions
from inference.problems import InputProblem
from inference.runs import shares
from inference.scoring import Scores, score
from inference.verdicts import open_verdicts
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import UNANSWERED
from opencompass_ops.contract.spec import DUMP_DETAILS, RUN_CODE, ShardSpec


def evaluate(files: LocalFiles, spec: ShardSpec, token: str) -> dict[str, str]:
    """Score all parts of one model x dataset.

    Writes ``results/{model}/{dataset}.json`` in OpenCompass's form, one line per item beside it, and last
    the manifest.

    :param files: the run directory.
    :param spec: an ``eval`` shard with every part of the dataset.
    :param token: of the job that scores.
    :return: run-relative path of the manifest -> its sha256.
    :raises MissingParts: a part's predictions are not there or not the planned ones; names each.
    :raises InputProblem: the data changed since they were answered, or cannot be scored.
    """
    parts = sorted(spec.parts, key=lambda part: part.start)
    dataset_cfg, total = parts[0].dataset, parts[0].total
    check_tiling(parts)
    predictions = load_predictions(files, spec.model_abbr, parts)
    rows = load_rows(dataset_cfg, spec.data_dir)
    _check_rows(rows, predictions.entries, dataset_cfg, total)
    answered = [answer_of(entry) for entry in predictions.entries]
    prompts = [entry.get("origin_prompt") for entry in predictions.entries]
    court = Court(open_verdicts(files), spec.data_dir)
    wanted = [rows[index] for index in range(total)]
    sandbox = _sandbox(spec)
    try:
        scores = score(spec.model, dataset_cfg, answered, wanted, prompts, court, sandbox)
    except InputProblem as problem:
        raise InputProblem(f"dataset {dataset_cfg['abbr']}: {problem}") from problem
    return _write(files, spec, token, rows, predictions, scores, sandbox)


def _sandbox(spec: ShardSpec) -> Sandbox | None:
    """Where programs may run; None where nobody asked for that.

    :raises InputProblem: somebody did, and this machine has none.
    """
    if not spec.options.get(RUN_CODE):
        return None
    from inference.sandbox.pool import open_sandbox

    sandbox = open_sandbox()
    print(f"programs run in a sandbox of {sandbox.walls}, {sandbox.workers} at once", flush=True)
    return sandbox


def _check_rows(rows: Rows, entries: list[dict[str, Any]], dataset_cfg: dict[str, Any], total: int) -> None:
    """Refuse data that changed since they were answered; the references in the predictions tell."""
    abbr = dataset_cfg["abbr"]
    if len(rows.selected) < total:
        raise InputProblem(
            f"dataset {abbr}: {len(rows.selected)} rows are selected, but {total} were answered; "
            "the data changed since the plan, plan again"
        )
    column = output_column(dataset_cfg)
    for index, entry in enumerate(entries):
        if column and "gold" in entry and entry["gold"] != rows[index][column]:
            raise InputProblem(
                f"dataset {abbr}: row {rows.selected[index]} has reference {rows[index][column]!r}, but was answered "
                f"with {entry['gold']!r}; the data changed since the plan, plan again"
            )


def _write(
    files: LocalFiles,
    spec: ShardSpec,
    token: str,
    rows: Rows,
    predictions: Predictions,
    scores: Scores,
    sandbox: Sandbox | None,
) -> dict[str, str]:
    first = spec.parts[0]
    path = layout.result(spec.model_abbr, first.dataset_abbr)
    samples = _samples(rows, scores)
    found = result(first.dataset_abbr, rows, predictions.entries, scores)
    if not spec.options.get(DUMP_DETAILS, True):
        del found["details"]
    body = _json(found)
    for run, scored in enumerate(scores.runs):
        for kind, judged in scored.judged.items():
            files.write(layout.judged(spec.model_abbr, first.dataset_abbr, kind, run), _json(judged))
    files.write(layout.samples(spec.model_abbr, first.dataset_abbr), samples)
    files.write(path, body)
    details = {
        "metrics": _metrics(first.dataset_abbr, scores),
        "health": _health(predictions, scores),
        "samples_sha256": codec.digest_bytes(samples),
        **({UNANSWERED: scores.unanswered} if scores.unanswered else {}),
        **({"sandbox": str(sandbox.walls)} if sandbox else {}),
    }
    manifest = of_result(spec, token, path.rsplit("/", 1)[-1], body, details).to_json().encode()
    files.write(layout.manifest(path), manifest)
    return {layout.manifest(path): codec.digest_bytes(manifest)}


def _json(content: Any) -> bytes:
    text = json.dumps(content, indent=4, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace")  # models can say half a surrogate pair: as a JSON escape


def _samples(rows: Rows, scores: Scores) -> bytes:
    """One line per item; ``score`` is its share in the first metric, 1 for an item worth 100 percent.

    Of several runs over an item, the score is their mean, and the answers are all there.
    """
    size = len(scores.answers) // len(scores.runs)
    correct, means = scores.correct, shares(scores.runs)
    scale = 100.0 if scores.runs[0].metrics[0].unit == "percent" else 1.0
    lines = []
    for index in range(size):
        share = means[index] if means else None
        sample = {
            "idx": index,
            "row": rows.selected[index],
            "prediction": scores.answers[index] if len(scores.runs) == 1 else scores.answers[index::size],
            "reference": scores.references[index],
            "correct": correct[index] if len(scores.runs) == 1 else None,
            "score": None if share is None else share / scale,
        }
        lines.append(json.dumps(sample, default=str))
    return ("\n".join(lines) + "\n").encode()


def _metrics(abbr: str, scores: Scores) -> list[dict[str, Any]]:
    """The first metric's standard error is that of a mean of items; of the others none is known."""
    values = [share for share in shares(scores.runs) if share is not None]
    return [
        {
            "name": metric.name,
            "value": metric.value,
            "n": len(scores.answers) // len(scores.runs),
            "stderr": None if number else standard_error(values),
            "higher_is_better": metric.higher_is_better,
            "unit": metric.unit,
        }
        for number, metric in enumerate(metrics(abbr, scores))
    ]


def standard_error(values: list[float]) -> float | None:
    """Sample standard deviation over the root of the number of values; None for fewer than two."""
    count = len(values)
    if count < 2:
        return None
    mean = math.fsum(values) / count
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)


def _health(predictions: Predictions, scores: Scores) -> dict[str, int]:
    """Counts that make a score doubtful: nothing said, nothing left after post-processing, prompts cut."""
    return {
        "items": len(predictions.entries),
        "empty_predictions": sum(not str(answer_of(entry)).strip() for entry in predictions.entries),
        "empty_answers": sum(not str(answer).strip() for answer in scores.answers),
        "truncated": predictions.truncated,
        **({"unjudged": scores.unjudged} if scores.unjudged else {}),
    }
