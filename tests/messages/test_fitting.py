"""Whatever a run has to tell, its message keeps the limits of each service and its most important lines."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from opencompass_ops.messages import lark, slack
from opencompass_ops.messages.digest import Digest, Gate, GateFinding, Kind, Link, ScoreLine, Stage, Trouble
from opencompass_ops.messages.message import compose
from opencompass_ops.messages.words import LANGUAGES, WORDS

WORD = st.text(st.characters(codec="utf-8"), max_size=600) | st.sampled_from(
    ["&<>" * 200, "评测" * 300, "*_`" * 300, "\0\n"]
)
TROUBLE = st.builds(Trouble, WORD, WORD, WORD)
STAGE = st.builds(Stage, st.sampled_from(["infer", "eval"]), st.just(()), st.lists(TROUBLE, max_size=40).map(tuple))
FINDING = st.builds(GateFinding, WORD, WORD, st.sampled_from(["pass", "fail", "?"]), st.floats(), st.floats(), WORD)
DIGEST = st.builds(
    Digest,
    kind=st.sampled_from(list(Kind)),
    name=WORD,
    run=WORD,
    user=WORD,
    series=WORD,
    stages=st.lists(STAGE, max_size=2).map(tuple),
    troubles=st.lists(TROUBLE, max_size=40).map(tuple),
    scores=st.lists(st.builds(ScoreLine, WORD, WORD, WORD, st.floats()), max_size=150).map(tuple),
    gate=st.none() | st.builds(Gate, WORD, st.lists(FINDING, max_size=40).map(tuple)),
    notes=st.lists(WORD, max_size=20).map(tuple),
    links=st.lists(st.builds(Link, st.sampled_from(["run", "log", "page"]), WORD), max_size=3).map(tuple),
)


@settings(max_examples=40, deadline=None)
@given(DIGEST, st.sampled_from(LANGUAGES))
def test_no_card_is_longer_than_lark_takes(digest: Digest, language: str):
    body = lark.Lark().body(lark.card(compose(digest, language)), "secret", 1599360473.0)
    assert len(lark.encode(body)) <= lark.MAX_BYTES
    assert body["card"]["elements"]


@settings(max_examples=40, deadline=None)
@given(DIGEST, st.sampled_from(LANGUAGES))
def test_no_block_is_longer_than_slack_takes(digest: Digest, language: str):
    body = slack.blocks(compose(digest, language))
    header, *sections = body["blocks"]
    assert 0 < len(header["text"]["text"]) <= 150
    assert len(sections) < 50
    assert all(0 < len(section["text"]["text"]) <= 3000 for section in sections)
    assert sum(len(block["text"]["text"]) for block in body["blocks"]) <= slack.MAX_CHARACTERS


def test_scores_are_left_out_before_reasons_and_the_first_reason_stays():
    digest = Digest(
        kind=Kind.FAILURE,
        name="eval_tiny",
        run="/outputs/run",
        troubles=tuple(Trouble(f"m/part_{number}", f"reason {'x' * number}") for number in range(40)),
        scores=tuple(ScoreLine(f"model-{n}-{'m' * 80}", "sums", "accuracy", n) for n in range(300)),
    )
    message = compose(digest, "en")
    for text in (json.dumps(lark.card(message)), json.dumps(slack.blocks(message))):
        assert "reason" in text
        assert "/outputs/run" in text
        assert "further reasons" in text
        assert "lines left out" in text
        assert "model-0-" in text


def test_every_language_has_every_phrase_with_the_same_places():
    english = WORDS["en"]
    for language in LANGUAGES:
        assert WORDS[language].keys() == english.keys()
        for name, phrase in WORDS[language].items():
            places = {word.partition("}")[0] for word in phrase.split("{")[1:]}
            assert places == {word.partition("}")[0] for word in english[name].split("{")[1:]}, (language, name)
