"""Who is judged beside whom, as OpenCompass's subjective partitioners decide it."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.fingerprint import evaluation_fingerprint
from opencompass_ops.planning.judging import against, comparisons, judges_of, others, with_section_judges

JUDGE = {"abbr": "wise", "type": "OpenAI"}


def section(**partitioner):
    said = {"type": "opencompass.partitioners.SubjectiveNaivePartitioner", "judge_models": [JUDGE], **partitioner}
    return {"partitioner": said, "runner": {"task": {"type": "opencompass.tasks.SubjectiveEvalTask"}}}


def judged(mode="singlescore", models="abc", bases=(), **more):
    dataset = {
        "abbr": "d",
        "mode": mode,
        "eval_cfg": {"evaluator": {"type": "opencompass.openicl.icl_evaluator.LMEvaluator"}},
        **({"base_models": [{"abbr": base} for base in bases]} if bases else {}),
        **more,
    }
    (found,) = with_section_judges(section(), [{"abbr": name} for name in models], [dataset])
    return found


def test_alone_every_model_is_judged():
    assert [comparisons(judged(), name) for name in "abc"] == [[["a"]], [["b"]], [["c"]]]


def test_of_all_pairs_each_is_judged_once_with_the_later_model():
    assert [comparisons(judged("allpair"), name) for name in "abc"] == [[], [["a", "b"]], [["a", "c"], ["b", "c"]]]


def test_a_model_that_others_are_compared_with_has_no_comparison_of_its_own():
    dataset = judged("m2n", bases="a")
    assert [comparisons(dataset, name) for name in "abc"] == [[], [["a", "b"]], [["a", "c"]]]
    assert others(dataset, "c") == ["a"]
    assert against(dataset, "c", {("a", "d"): "x", ("b", "d"): "y"}) == ("x",)


def test_answers_that_were_given_need_no_model_of_the_run():
    dataset = judged("m2n", bases="g", given_pred=[{"abbr": "g", "path": "./data/g"}])
    assert [comparisons(dataset, name) for name in "ab"] == [[["g", "a"]], [["g", "b"]]]
    assert against(dataset, "a", {("a", "d"): "x"}) == ()


@given(st.lists(st.sampled_from("abcde"), unique=True, min_size=2), st.data())
def test_all_comparisons_of_opencompass_are_made_once(models, data):
    bases = data.draw(st.lists(st.sampled_from(models), unique=True, min_size=1))
    made = [tuple(group) for name in models for group in comparisons(judged("m2n", models, bases), name)]
    wanted = []  # its product without equal models, of which the first of two that only differ in order stays
    for pair in product(bases, models):
        if pair[0] != pair[1] and tuple(reversed(pair)) not in wanted:
            wanted.append(pair)
    assert sorted(made) == sorted(wanted)
    made = [tuple(group) for name in models for group in comparisons(judged("allpair", models), name)]
    assert sorted(made) == sorted(combinations(models, 2))


def test_only_datasets_that_wait_for_a_judge_get_one_and_only_from_such_a_section():
    plain = {"abbr": "p", "eval_cfg": {"evaluator": {"type": "AccEvaluator"}}}
    assert with_section_judges(section(), [{"abbr": "a"}], [plain]) == [plain]
    waiting = {"abbr": "d", "eval_cfg": {"evaluator": {"type": "LMEvaluator"}}}
    assert with_section_judges({"partitioner": {"type": "NaivePartitioner"}}, [], [waiting]) == [waiting]
    assert with_section_judges(None, [], [waiting]) == [waiting]
    assert comparisons(plain, "a") is None


def test_who_judges_and_who_is_compared_counts_in_the_score_and_further_models_do_not():
    def fingerprint(dataset, compared=()):
        return evaluation_fingerprint("pair", dataset, {"abbr": "a"}, "", compared)

    assert fingerprint(judged()) == fingerprint(judged(models="abcdef"))
    meta = with_section_judges(section(meta_judge_model={"abbr": "wiser"}), [{"abbr": "a"}], [judged() | {}])[0]
    assert [judge["abbr"] for judge in judges_of(meta)] == ["wise", "wiser"]
    assert len({fingerprint(judged()), fingerprint(judged("allpair")), fingerprint(meta)}) == 3
    assert fingerprint(judged("m2n", bases="b"), ("x",)) != fingerprint(judged("m2n", bases="b"), ("y",))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: judged("fixed"), "judged with mode='fixed'"),
        (lambda: judged(None), "judged with mode=None"),
        (lambda: judged(infer_order="both"), "infer_order='both'"),
        (lambda: judged("m2n"), "no base_models"),
        (lambda: judged("m2n", bases="z"), "compares with z, which nobody answers for"),
        (lambda: with_section_judges(section(judge_models=[]), [], []), "no judge_models"),
        (lambda: with_section_judges(section(judge_models=[{"type": "OpenAI"}]), [], []), "has no abbr"),
        (
            lambda: with_section_judges(section(models=[{"abbr": "z"}]), [{"abbr": "a"}], []),
            "names z, not among the models",
        ),
    ],
)
def test_a_section_that_cannot_be_judged_by_is_refused_by_name(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
