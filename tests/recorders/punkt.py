"""Parameters of nltk's sentence tokenizer that were trained on nothing, so that no data need be downloaded."""

from __future__ import annotations

from pathlib import Path


def write_untrained(folder: Path) -> Path:
    """``punkt_tab`` for English in a folder that ``NLTK_DATA`` may name; to be set before nltk is imported."""
    english = folder / "tokenizers/punkt_tab/english"
    english.mkdir(parents=True)
    for name in ("sent_starters.txt", "collocations.tab", "abbrev_types.txt", "ortho_context.tab"):
        (english / name).write_text("")
    return folder
