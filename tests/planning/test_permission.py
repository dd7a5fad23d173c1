"""Programs that models wrote run only where the request says so by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_plan import case, everything

from opencompass_ops.contract.spec import EVAL, INFER, RUN_CODE
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.describe import describe
from opencompass_ops.planning.plan import make_plan
from opencompass_ops.results.coverage import cover
from opencompass_ops.results.findings import PairFinding, ResultFinding


def with_code(given, *, bridged=False):
    """The same with programs as the answers to ``gen``."""
    report = given.probe
    datasets = [replace(each, runs_code="HumanEvalEvaluator" if each.abbr == "gen" else "") for each in report.datasets]
    pairs = [replace(pair, eval_bridge="odd" if bridged and pair.dataset == "gen" else "") for pair in report.requests]
    return replace(given, probe=replace(report, datasets=tuple(datasets), requests=tuple(pairs)))


def evaluations(output):
    return {spec.parts[0].dataset_abbr: spec.options.get(RUN_CODE) for spec in output.specs if spec.kind == EVAL}


def test_code_is_answered_and_not_scored_where_nobody_asked_for_it():
    output = make_plan(with_code(case()))
    assert {part.dataset_abbr for spec in output.specs if spec.kind == INFER for part in spec.parts} == {"gen", "ppl"}
    assert evaluations(output) == {"ppl": None}
    (warning,) = output.plan.warnings
    assert warning.startswith("gen is answered and not scored: HumanEvalEvaluator runs programs that the model wrote")
    assert "--run-code sandboxed" in warning
    assert warning in describe(output)
    assert {pair.dataset: pair.scorer for pair in output.plan.pairs} == {"gen": "", "ppl": "native"}


def test_code_is_scored_where_somebody_asked_for_it():
    output = make_plan(with_code(case(run_code="sandboxed")))
    assert evaluations(output) == {"gen": "sandboxed", "ppl": None}
    assert output.plan.warnings == ()


def test_opencompass_runs_no_code_where_only_a_sandbox_is_allowed():
    output = make_plan(with_code(case(run_code="sandboxed"), bridged=True))
    assert evaluations(output) == {"ppl": None}
    assert "--run-code unsandboxed" in output.plan.warnings[0]
    output = make_plan(with_code(case(run_code="unsandboxed"), bridged=True))
    assert evaluations(output) == {"gen": "unsandboxed", "ppl": None}


def test_a_run_that_only_scores_says_that_it_must_not():
    with pytest.raises(PlanError, match=r"m/gen: HumanEvalEvaluator runs programs .*--run-code sandboxed"):
        make_plan(everything(with_code(case(mode="eval", reuse="latest"))))
    asked = case(mode="eval", reuse="latest", run_code="sandboxed")
    assert evaluations(make_plan(everything(with_code(asked))))["gen"] == "sandboxed"


def test_a_score_that_was_not_asked_for_is_not_missing():
    plan = make_plan(with_code(case())).plan
    findings = [PairFinding(pair, (), ResultFinding("", "there is no result", {})) for pair in plan.pairs]
    assert [pair.dataset for pair in cover("all", findings).lacking] == ["ppl"]
