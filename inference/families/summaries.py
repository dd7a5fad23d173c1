"""Summaries: XSum in English, LCSTS in Chinese."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Splits, read_jsonl, read_text
from inference.postprocess import POSTPROCESSORS
from inference.sources import add_source

add_source("opencompass/xsum", "data/Xsum/dev.jsonl", archive="Xsum.zip")
add_source("opencompass/LCSTS", "data/LCSTS", archive="LCSTS.zip")

_ROWS = 1000
_MARKS = "“，。！”"  # noqa: RUF001


@LOADERS.add("XsumDataset")
def load_xsum(find: Find, path: str) -> Splits:
    """``dialogue`` and ``summary`` of the first 1,000 lines that have both."""
    rows = [(row["dialogue"], row["summary"]) for row in read_jsonl(find(path))[:_ROWS]]
    whole = [pair for pair in rows if not any(isinstance(part, float) for part in pair)]
    return [{"dialogue": dialogue, "summary": summary} for dialogue, summary in whole]


@POSTPROCESSORS.add("Xsum", "Xsum_postprocess")
def first_line(text: str) -> str:
    """The first line that says something."""
    return text.strip().split("\n")[0].strip()


@LOADERS.add("LCSTSDataset")
def load_lcsts(find: Find, path: str) -> Splits:
    """``test.src.txt`` and ``test.tgt.txt``, line by line."""
    source, target = (read_text(find(path) / f"test.{side}.txt").splitlines() for side in ("src", "tgt"))
    return [{"content": text.strip(), "abst": summary.strip()} for text, summary in zip(source, target, strict=False)]


@POSTPROCESSORS.add("lcsts", "lcsts_postprocess")
def bare_line(text: str) -> str:
    """The first line without a list's mark, Chinese marks around it and a word that OpenCompass takes out."""
    text = text.strip().split("\n")[0].replace("своей", "").strip()
    for mark in ("1. ", "- "):
        text = text.replace(mark, "") if text.startswith(mark) else text
    return text.strip(_MARKS)
