"""Every native loader is compared with OpenCompass's rows, evaluator and post-processor with its 200 recorded cases.

Who adds one adds its record (``tests/recorders``), or says here and in docs/metrics.md why there is none.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from inference.evaluators import EVALUATORS
from inference.loaders import LOADERS
from inference.postprocess import POSTPROCESSORS

GOLDEN = Path(__file__).parents[1] / "golden"
ENOUGH = 200

OURS_ALONE = "OpenCompass has none of this name"
RUNS_CODE = "it runs what models wrote"
WITHOUT_RECORD = {
    "ClassificationEvaluator": OURS_ALONE,
    "RegressionEvaluator": OURS_ALONE,
    "WordF1Evaluator": OURS_ALONE,
    "MccEvaluator": "OpenCompass downloads its script, which calls the function of scikit-learn that is called here",
    "SquadEvaluator": "OpenCompass's own cannot be loaded: a file of its script is missing",
    "HumanEvalEvaluator": RUNS_CODE,
    "MBPPPassKEvaluator": RUNS_CODE,
}
LOADERS_WITHOUT_RECORD = {"BBHChoiceDataset", "CsvDataset", "JsonlDataset"}
"""OpenCompass has none of these names."""
TEXTS_WITHOUT_RECORD = {"last-number": OURS_ALONE}


def read(name):
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def recorded_evaluations():
    """The largest record of each evaluator, in cases."""
    cases = Counter({name: len(record["right"]) for name, record in read("families/scores.json")["scored"].items()})
    records = [
        entry for name in ("answers", "accepted", "options", "overlap") for entry in read(f"scoring/{name}.json")
    ]
    for entry in [*records, *read("scoring/real_rows.json")["scored"]]:
        cases[entry["type"]] = max(cases[entry["type"]], len(entry.get("predictions", ())))
    probabilities = read("rankings/evaluations.json")
    cases.update({name: len(record["predictions"]) for name, record in probabilities.items()})
    judged = len(read("scoring/judges.json")["predictions"])
    cases.update({"GenericLLMEvaluator": judged, "CascadeEvaluator": judged})
    cases["MATHVerifyEvaluator"] = len(read("scoring/algebra.json")["predictions"])
    cases["IFEvaluator"] = len(read("scoring/instructions.json")["whole"]["predictions"])
    return cases


def recorded_texts():
    """The largest record of each post-processor, in texts; so are those that are parts of evaluators."""
    cases = Counter()
    for config, left in read("families/scores.json")["postprocessed"]:
        cases[config["type"]] = max(cases[config["type"]], len(left))
    for entry in [*read("scoring/postprocessors.json")["outputs"], *read("scoring/real_rows.json")["texts"]["outputs"]]:
        cases[entry["type"]] = max(cases[entry["type"]], len(entry["left"]))
    return cases


def test_every_loader_has_a_record_or_is_ours_alone():
    records = [*read("families/rows.json"), *read("families/generation_rows.json")]
    recorded = {entry["case"]["type"] for entry in records if any(split["rows"] for split in entry["splits"])}
    assert set(LOADERS.names()) - recorded == LOADERS_WITHOUT_RECORD


def test_every_evaluator_has_a_record_or_a_reason():
    cases, texts = recorded_evaluations(), recorded_texts()
    cases.update({name: texts[name] for name in ("MBPPEvaluator", "MBPPEvaluator2")})  # what they take out of answers
    lacking = {name for name in EVALUATORS.names() if cases[name] < ENOUGH}
    assert lacking - WITHOUT_RECORD.keys() == set()
    assert WITHOUT_RECORD.keys() <= set(EVALUATORS.names())


def test_every_post_processor_has_a_record_under_one_of_its_names():
    cases = recorded_texts()
    best = Counter()
    for name in POSTPROCESSORS.names():
        function = POSTPROCESSORS.find(name)
        best[function] = max(best[function], cases[name])
    lacking = {name for name in POSTPROCESSORS.names() if best[POSTPROCESSORS.find(name)] < ENOUGH}
    assert lacking == TEXTS_WITHOUT_RECORD.keys()


def test_the_guide_names_what_has_no_record(repo):
    guide = (repo / "docs" / "metrics.md").read_text()
    assert [name for name in (*WITHOUT_RECORD, *TEXTS_WITHOUT_RECORD) if f"`{name}`" not in guide] == []
