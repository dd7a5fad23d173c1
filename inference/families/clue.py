"""CLUE and FewCLUE: Chinese sentence pairs, idioms, pronouns, news, keywords, and questions about a text."""

# ruff: noqa: RUF001  # full-width punctuation joins Chinese keywords

from __future__ import annotations

from typing import Any

from inference.families.huggingface import read_changed
from inference.loaders import LOADERS, Find, Row, Splits, chosen, like_the_first, parse_object, read_jsonl, read_text
from inference.postprocess import POSTPROCESSORS
from inference.sources import CORE, add_source

add_source("opencompass/afqmc-dev", "data/CLUE/AFQMC/dev.json", archive=CORE)
add_source("opencompass/cmnli-dev", "data/CLUE/cmnli/cmnli_public/dev.json", archive=CORE)
add_source("opencompass/OCNLI-dev", "data/CLUE/OCNLI/dev.json", archive=CORE)
add_source("opencompass/cmrc_dev", "data/CLUE/CMRC/dev.json", archive=CORE)
add_source("opencompass/drcd_dev", "data/CLUE/DRCD/dev.json", archive=CORE)
add_source("opencompass/CLUE", "data/CLUE", archive=CORE)
add_source("opencompass/FewCLUE", "data/FewCLUE", archive="FewCLUE.zip")

_TRUE_OR_FALSE = {"true": "A", "false": "B"}
_NUMBERS = {"0": "A", "1": "B"}
_INFERENCE = {"entailment": "A", "contradiction": "B", "neutral": "C"}
_NEWS = {
    "news_agriculture": "农业新闻",
    "news_travel": "旅游新闻",
    "news_game": "游戏新闻",
    "news_tech": "科技类别公司新闻",
    "news_sports": "体育类别新闻",
    "news_edu": "初升高教育新闻",
    "news_entertainment": "娱乐圈新闻",
    "news_finance": "投资资讯",
    "news_military": "军事类别常识",
    "news_car": "车辆新闻",
    "news_house": "楼市新闻",
    "news_world": "环球不含中国类别新闻",
    "news_culture": "书籍文化历史类别新闻",
    "news_story": "故事类别新闻",
    "news_stock": "股票市场类别新闻",
}
"""TNEWS's labels, as OpenCompass's templates call them."""


@LOADERS.add("AFQMCDatasetV2")
def load_pairs(find: Find, path: str, *, local_mode: bool = False) -> Splits:
    """AFQMC and BUSTM: ``label`` is A (different) or B (alike)."""
    return like_the_first([{**row, "label": chosen(_NUMBERS, row["label"])} for row in read_jsonl(find(path))])


@LOADERS.add("CMNLIDataset")
def load_inferences(find: Find, path: str, *, local_mode: bool = False) -> Splits:
    """CMNLI and OCNLI without the pairs that nobody agreed on."""
    return like_the_first(_agreed(find, path))


@LOADERS.add("CMNLIDatasetV2")
def load_inference_letters(find: Find, path: str, *, local_mode: bool = False) -> Splits:
    """As ``CMNLIDataset``; ``label`` is A for entailment, B for contradiction, C for neutral."""
    return like_the_first([{**row, "label": chosen(_INFERENCE, row["label"])} for row in _agreed(find, path)])


def _agreed(find: Find, path: str) -> list[Row]:
    return [row for row in read_jsonl(find(path)) if row["label"] != "-"]


@LOADERS.add("CHIDDataset")
def load_idioms(find: Find, path: str = "json", **options: Any) -> Splits:
    """``content0``, ``content1`` ...: the text with each candidate in the idiom's place."""

    def change(row: Row) -> Row:
        filled = [row["content"].replace("#idiom#", idiom) for idiom in row["candidates"]]
        return {**row, **{f"content{number}": text for number, text in enumerate(filled)}}

    return read_changed(find, path, options, change)


@LOADERS.add("CHIDDatasetV2")
def load_idiom_letters(find: Find, path: str) -> Splits:
    """``content`` with a line in the idiom's place, the candidates as ``A``, ``B`` ..., and ``answer``."""
    rows = [
        {
            "content": row["content"].replace("#idiom#", "______"),
            **{chr(ord("A") + number): idiom for number, idiom in enumerate(row["candidates"])},
            "answer": "ABCDEFG"[row["answer"]],
        }
        for row in read_jsonl(find(path))
    ]
    return like_the_first(rows)


@LOADERS.add("CluewscDataset")
def load_pronouns(find: Find, path: str = "json", **options: Any) -> Splits:
    """``new_text`` has the noun in place of the pronoun's first character; ``answer`` is 1 where that is right."""

    def change(row: Row) -> Row:
        target, characters = row["target"], list(row["text"])
        characters[target["span2_index"]] = target["span1_text"]
        kept = {column: value for column, value in row.items() if column != "target"}
        answer = int(row["label"] in ("true", True))
        spans = {"span1": target["span1_text"], "span2": target["span2_text"]}
        return {**kept, "new_text": "".join(characters), "answer": answer, **spans}

    return read_changed(find, path, options, change)


@LOADERS.add("CluewscDatasetV2")
def load_pronoun_letters(find: Find, path: str) -> Splits:
    """The spans' texts, ``text``, and ``label``: A for true and B for false."""
    return [
        {
            "span1": row["target"]["span1_text"],
            "span2": row["target"]["span2_text"],
            "text": row["text"],
            "label": chosen(_TRUE_OR_FALSE, row["label"]),
        }
        for row in read_jsonl(find(path))
    ]


@LOADERS.add("CslDataset")
def load_keywords(find: Find, path: str = "json", **options: Any) -> Splits:
    """``keywords``: the keywords in one text."""
    return read_changed(find, path, options, lambda row: {**row, "keywords": "，".join(row["keyword"])})


@LOADERS.add("CslDatasetV2")
def load_keyword_letters(find: Find, path: str) -> Splits:
    """``abst``, ``keywords``, and ``label``: A (a wrong one is among them) or B."""
    return [
        {"abst": row["abst"], "keywords": "，".join(row["keyword"]), "label": chosen(_NUMBERS, row["label"])}
        for row in read_jsonl(find(path))
    ]


@LOADERS.add("EprstmtDatasetV2")
def load_reviews(find: Find, path: str) -> Splits:
    """``sentence`` and ``label``: A for a good review, B for a bad one."""
    letters = {"Positive": "A", "Negative": "B"}
    return [{"sentence": row["sentence"], "label": chosen(letters, row["label"])} for row in read_jsonl(find(path))]


@LOADERS.add("TNewsDataset")
def load_news(find: Find, path: str = "json", **options: Any) -> Splits:
    """``label_desc2``: the section of the news in words."""
    return read_changed(find, path, options, lambda row: {**row, "label_desc2": chosen(_NEWS, row["label_desc"])})


@LOADERS.add("TNewsDatasetV2")
def load_news_letters(find: Find, path: str) -> Splits:
    """``sentence`` and ``label_desc2``: the section of the news as a letter, A to O."""
    letters = dict(zip(_NEWS, "ABCDEFGHIJKLMNO", strict=True))
    return [
        {"sentence": row["sentence"], "label_desc2": chosen(letters, row["label_desc"])}
        for row in read_jsonl(find(path))
    ]


@LOADERS.add("CMRCDataset", "DRCDDataset")
def load_questions(find: Find, path: str) -> Splits:
    """A row for each question: ``context``, ``question`` and its different ``answers``, in the file's order."""
    file = find(path)
    return [
        {
            "context": paragraph["context"],
            "question": asked["question"],
            "answers": list(dict.fromkeys(answer["text"] for answer in asked["answers"])),
        }
        for document in parse_object(read_text(file), str(file))["data"]
        for paragraph in document["paragraphs"]
        for asked in paragraph["qas"]
    ]


@POSTPROCESSORS.add("cmrc", "cmrc_postprocess", "drcd", "drcd_postprocess")
def after_the_answer_is(text: str) -> str:
    """What follows the first "the answer is", up to the next."""
    return text.split("答案是")[1] if "答案是" in text else text
