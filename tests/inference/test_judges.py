"""A judge behind a server: asked once, paid once, and its failures cost only the rows they meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.evaluators import EVALUATORS
from inference.judge import Unanswered, ask, open_judge
from inference.judging import Court
from inference.problems import InputProblem, NotNative
from inference.scoring import check_scoring
from inference.verdicts import Verdicts, open_verdicts
from judge_server import judge_server, said
from opencompass_ops.contract import variables
from opencompass_ops.contract.files import LocalFiles
from recorders import scripted

RECORD = json.loads((Path(__file__).parents[1] / "golden/scoring/judges.json").read_text(encoding="utf-8"))
META = {"round": [{"role": "HUMAN", "api_role": "HUMAN"}, {"role": "BOT", "api_role": "BOT", "generate": True}]}


def config(server, **more):
    return {"type": "opencompass.models.OpenAISDK", "path": "wise", "openai_api_base": server.address, "retry": 3,
            "meta_template": META, "query_per_second": 1000, **more}  # fmt: skip


@pytest.fixture
def court(tmp_path):
    return Court(Verdicts(LocalFiles(tmp_path / "verdicts")), pause=lambda seconds: None)


def judge_rows(server, court, count=6, **options):
    """Score rows 0..count-1, whose prediction is their number; the judge is shown just that."""
    rows = [{"question": f"q{number}"} for number in range(count)]
    template = {"type": "PromptTemplate", "template": {"round": [{"role": "HUMAN", "prompt": "{prediction}"}]}}
    return EVALUATORS.find("GenericLLMEvaluator")(
        [str(number) for number in range(count)],
        ["gold"] * count,
        rows=rows,
        court=court,
        prompt_template=template,
        judge_cfg=config(server, **options.pop("judge", {})),
        dict_postprocessor={"type": "generic_llmjudge_postprocess"},
        **options,
    )


def numbers(scored):
    return {metric.name: metric.value for metric in scored.metrics}


def flat(detail):
    return {name: [value] for name, value in detail.items()}


def recorded_rows():
    return RECORD["rows"], RECORD["predictions"], RECORD["references"]


def test_a_judge_scores_and_is_shown_what_opencompass_shows(court):
    rows, predictions, references = recorded_rows()
    with judge_server(lambda shown, number: scripted.verdict(shown)) as server:
        scored = EVALUATORS.find("GenericLLMEvaluator")(
            predictions, references, rows=rows, court=court, prompt_template=RECORD["template"],
            judge_cfg=config(server), dict_postprocessor={"type": "generic_llmjudge_postprocess"},
        )  # fmt: skip
    theirs = RECORD["alone"]
    details = theirs.pop("details")
    assert numbers(scored) == pytest.approx(theirs)
    pairs = zip(details, scored.details, strict=True)
    assert [{"example_abbr": each["example_abbr"], **flat(mine)} for each, mine in pairs] == details
    assert scored.judged[""] == RECORD["alone_file"]


@pytest.mark.parametrize("parallel", [True, False])
def test_rules_and_a_judge_together_are_opencompass_own(court, parallel):
    rows, predictions, references = recorded_rows()
    graded = {"type": "generic_llmjudge_postprocess"}
    with judge_server(lambda shown, number: scripted.verdict(shown)) as server:
        llm = {"type": "GenericLLMEvaluator", "prompt_template": RECORD["template"], "judge_cfg": config(server),
               "dict_postprocessor": graded, "dataset_cfg": {}}  # fmt: skip
        rule = {"type": "MATHEvaluator", "version": "v2", "pred_postprocessor": {"type": "math_postprocess_v2"}}
        scored = EVALUATORS.find("CascadeEvaluator")(
            predictions, references, rows=rows, court=court, llm_evaluator=llm, rule_evaluator=rule, parallel=parallel
        )
    theirs = RECORD[f"cascade_{parallel}"]
    assert numbers(scored) == {"accuracy": pytest.approx(theirs["accuracy"])}
    assert [scored.extra["cascade_stats"]] == theirs["cascade_stats"]
    mine = [{"example_abbr": each["example_abbr"], **flat(detail)}
            for each, detail in zip(theirs["details"], scored.details, strict=True)]  # fmt: skip
    assert mine == theirs["details"]
    assert scored.judged["_llm_judge"] == RECORD[f"cascade_{parallel}_file"]


def test_nothing_is_asked_twice(court):
    with judge_server(lambda shown, number: "A") as server:
        first = judge_rows(server, court)
        again = judge_rows(server, court, count=8)
        assert set(server.asked.values()) == {1}
        assert len(server.asked) == 8
    assert numbers(first)["accuracy"] == numbers(again)["accuracy"] == 100.0


def test_the_reference_is_shown_as_obj_gold_beside_the_judges_own_rows(tmp_path, court):
    (tmp_path / "test.jsonl").write_text('{"hint": "h"}\n{"hint": "i"}\n')
    own = {"type": "JsonlDataset", "path": str(tmp_path / "test.jsonl"), "reader_cfg": {"input_columns": ["hint"]}}
    text = "{hint} {obj_gold} [{reference}]"
    template = {"type": "PromptTemplate", "template": {"round": [{"role": "HUMAN", "prompt": text}]}}
    with judge_server(lambda shown, number: "A") as server:
        EVALUATORS.find("GenericLLMEvaluator")(
            ["1", "2"], ["x", "y"], rows=[{}, {}], court=court, prompt_template=template, judge_cfg=config(server),
            dataset_cfg=own, dict_postprocessor={"type": "generic_llmjudge_postprocess"},
        )  # fmt: skip
        assert sorted(server.asked) == ["h x []", "i y []"]  # the column reference is masked as answers are


def test_equal_questions_are_one(court):
    template = {"type": "PromptTemplate", "template": {"round": [{"role": "HUMAN", "prompt": "same"}]}}
    with judge_server(lambda shown, number: "A") as server:
        EVALUATORS.find("GenericLLMEvaluator")(
            ["1", "2"], ["", ""], rows=[{}, {}], court=court, prompt_template=template, judge_cfg=config(server),
            dict_postprocessor={"type": "generic_llmjudge_postprocess"},
        )  # fmt: skip
        assert server.asked == {"same": 1}


def test_another_judge_or_another_setting_is_another_question(court):
    with judge_server(lambda shown, number: "A") as server:
        judge_rows(server, court, count=1)
        judge_rows(server, court, count=1, judge={"path": "wiser"})
        judge_rows(server, court, count=1, judge={"temperature": 0.5})
        assert server.asked == {"0": 3}
        assert [body.get("temperature") for body in server.bodies] == [None, None, 0.5]


@pytest.mark.parametrize("trouble", [500, 429, None, {"choices": []}, {"error": "busy"}])
def test_what_fails_once_is_asked_again(court, trouble):
    with judge_server(lambda shown, number: trouble if number == 1 else "A") as server:
        scored = judge_rows(server, court)
        assert set(server.asked.values()) == {2}
    assert numbers(scored)["accuracy"] == 100.0
    assert scored.unjudged == {}


def test_a_failure_never_loses_the_rest(court):
    with judge_server(lambda shown, number: 503 if shown in "14" else "AB"[int(shown) % 2]) as server:
        scored = judge_rows(server, court)
        assert server.asked["1"] == 3
    assert list(scored.unjudged) == [1, 4]
    assert "503" in scored.unjudged[1]
    assert numbers(scored) == pytest.approx(
        {"accuracy": 50.0, "accuracy_given_attempted": 50.0, "f1": 0.5, "attempted_ratio": 100.0, "correct_count": 2,
         "incorrect_count": 2, "not_attempted_count": 0, "coverage": 400 / 6}
    )  # fmt: skip
    assert scored.correct == [True, None, True, False, None, False]
    assert "503" in scored.details[1]["unjudged"]
    with judge_server(lambda shown, number: "A") as server:
        later = judge_rows(server, court)
        assert set(server.asked) == {"1", "4"}  # only what is missing is asked later
    assert numbers(later)["accuracy"] == pytest.approx(400 / 6)
    assert later.unjudged == {}


def test_a_question_the_judge_refuses_is_not_asked_again(court):
    with judge_server(lambda shown, number: 400 if shown == "2" else "A") as server:
        scored = judge_rows(server, court)
        assert server.asked["2"] == 1
    assert list(scored.unjudged) == [2]


def test_a_refused_key_ends_the_asking_at_once(court):
    with judge_server(lambda shown, number: 401) as server:
        scored = judge_rows(server, court, count=40, judge={"max_workers": 2})
        assert sum(server.asked.values()) <= 3
    assert len(scored.unjudged) == 40
    assert numbers(scored) == {"coverage": 0.0}
    assert "OC_JUDGE_API_KEY" in scored.unjudged[39]


def test_a_judge_that_is_not_there_is_given_up(court):
    with judge_server(lambda shown, number: "A") as server:
        pass  # its address is nobody's now
    scored = judge_rows(server, court, count=40, judge={"max_workers": 2})
    assert len(scored.unjudged) == 40
    assert "not asked any more" in scored.unjudged[39]


def test_reasoning_comes_before_what_is_said(court):
    with judge_server(lambda shown, number: said("A", reasoning_content="hm")) as server:
        scored = judge_rows(
            server, court, count=1, judge={"pred_postprocessor": {"type": "extract-non-reasoning-content"}}
        )
    assert scored.details[0]["prediction"] == "A"
    assert scored.judged[""]["0"]["prediction"] == "hm</think>A"


def test_the_key_comes_from_the_environment_and_stands_in_no_file(court, tmp_path, monkeypatch):
    monkeypatch.setenv("OC_JUDGE_API_KEY", "sk-secret-1, sk-secret-2")
    with judge_server(lambda shown, number: "A") as server:
        scored = judge_rows(server, court, judge={"key": "sk-in-config"})
        assert server.keys == {"Bearer sk-secret-1", "Bearer sk-secret-2"}
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert len(list(tmp_path.rglob("*.json"))) == 6
    assert "secret" not in kept
    assert "sk-in-config" not in kept + repr(scored)
    assert "secret" not in repr(open_judge(config(server)))


def test_the_environment_names_the_judge_where_the_config_does_not(court, monkeypatch):
    with pytest.raises(InputProblem, match="OC_JUDGE_MODEL"):
        open_judge({}, {})
    with judge_server(lambda shown, number: "B") as server:
        judge = open_judge({}, {"OC_JUDGE_MODEL": "gpt-5-mini", "OC_JUDGE_API_BASE": server.address})
        question = judge.question([{"role": "user", "content": "?"}])
        assert ask(judge, [question], lambda question, answer: None) == ["B"]
    assert question == {
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "?"}],
        "max_completion_tokens": 16384,
    }


def test_an_answer_without_words_counts_only_where_the_judge_stopped(court):
    cut = {"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}
    with judge_server(lambda shown, number: said("") if shown == "0" else cut) as server:
        scored = judge_rows(server, court, count=2)
    assert list(scored.unjudged) == [1]
    assert numbers(scored)["not_attempted_count"] == 1


def test_a_damaged_verdict_is_asked_again(court, tmp_path):
    with judge_server(lambda shown, number: "A") as server:
        judge_rows(server, court, count=1)
        (kept,) = tmp_path.rglob("*.json")
        kept.write_text(kept.read_text()[:40])
        judge_rows(server, court, count=1)
        assert server.asked == {"0": 2}


def test_verdicts_may_be_shared_by_all_runs(tmp_path, monkeypatch):
    run = LocalFiles(tmp_path / "run")
    open_verdicts(run).keep({"model": "m"}, "A")
    assert [path.parent.parent.name for path in tmp_path.rglob("*.json")] == ["verdicts"]
    monkeypatch.setenv(variables.VERDICTS, str(tmp_path / "shared"))
    assert open_verdicts(run).find({"model": "m"}) is None
    open_verdicts(run).keep({"model": "m"}, "B")
    assert open_verdicts(LocalFiles(tmp_path / "other")).find({"model": "m"}) == "B"


def test_halves_of_surrogate_pairs_reach_the_judge_as_text(court):
    with judge_server(lambda shown, number: "A") as server:
        rows = [{"question": "\ud83d"}]
        template = {
            "type": "PromptTemplate",
            "template": {"round": [{"role": "HUMAN", "prompt": "{question}{prediction}"}]},
        }
        EVALUATORS.find("GenericLLMEvaluator")(
            ["\udc00"], ["x"], rows=rows, court=court, prompt_template=template, judge_cfg=config(server),
            dict_postprocessor={"type": "generic_llmjudge_postprocess"},
        )  # fmt: skip
        assert list(server.asked) == ["\\ud83d\\udc00"]


def test_the_judges_own_rows_must_be_those_that_are_scored(tmp_path, court):
    folder = tmp_path / "data"
    folder.mkdir()
    lines = [json.dumps({"question": f"q{number}", "hint": f"h{number}"}) for number in range(8)]
    (folder / "test.jsonl").write_text("\n".join(lines))
    own = {"type": "JsonlDataset", "path": str(folder), "abbr": "own", "reader_cfg": {"input_columns": ["question"]}}
    with judge_server(lambda shown, number: "A") as server:
        scored = judge_rows(server, court, dataset_cfg=own)  # the first six of eight
        assert numbers(scored)["accuracy"] == 100.0
        with pytest.raises(InputProblem, match="8 rows where 6 others"):
            judge_rows(server, court, dataset_cfg={**own, "reader_cfg": {"input_columns": [], "test_range": "[::-1]"}})


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"judge_cfg": {"type": "TurboMindModel", "path": "x"}}, NotNative, "a judge of type TurboMindModel"),
        ({"judge_cfg": {"type": "OpenAI"}}, InputProblem, "the model's name as path"),
        ({"dict_postprocessor": {"type": "simpleqa_postprocess"}}, InputProblem, "simpleqa_postprocess"),
        ({"dict_postprocessor": None}, NotNative, "no metric"),
        ({"prompt_template": {"type": "Odd", "template": "x"}}, InputProblem, "Odd"),
    ],
)
def test_a_judge_that_is_not_native_is_refused_before_anything_runs(change, kind, message):
    evaluator = {
        "type": "GenericLLMEvaluator",
        "prompt_template": {"type": "PromptTemplate", "template": "x"},
        "judge_cfg": {},
        "dict_postprocessor": {"type": "generic_llmjudge_postprocess"},
        **change,
    }
    with pytest.raises(kind, match=message):
        check_scoring({"abbr": "d", "eval_cfg": {"evaluator": evaluator}})


def test_an_evaluation_that_must_end_asks_no_more():
    def full(question, answer):
        raise OSError("no space left")

    with judge_server(lambda shown, number: "A") as server:
        judge = open_judge(config(server, max_workers=2), {})
        questions = [judge.question([{"role": "user", "content": str(number)}]) for number in range(50)]
        with pytest.raises(OSError, match="no space"):
            ask(judge, questions, full)
        assert sum(server.asked.values()) <= 3  # what was under way


def test_an_unanswered_question_says_why():
    with judge_server(lambda shown, number: 400) as server:
        judge = open_judge(config(server), {})
        (answer,) = ask(judge, [judge.question([{"role": "user", "content": "?"}])], lambda question, said: None)
    assert isinstance(answer, Unanswered)
    assert "400" in answer.reason
