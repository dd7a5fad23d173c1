"""Every abbr that is taken names files inside the run directory, where OpenCompass looks for them."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.contract import layout

PATHS = (
    lambda abbr: layout.prediction(abbr, abbr),
    lambda abbr: layout.journal(abbr, abbr, 3),
    lambda abbr: layout.owner(abbr, abbr),
    lambda abbr: layout.result(abbr, abbr),
    lambda abbr: layout.samples(abbr, abbr),
    lambda abbr: layout.judged(abbr, abbr, "_llm_judge", 1),
    lambda abbr: layout.log("infer", abbr, abbr),
)


def is_taken(abbr: str) -> bool:
    try:
        return layout.safe_abbr(abbr) == abbr
    except ValueError:
        return False


@given(st.text(alphabet="ab./\\~\0\n é-_tmp", max_size=30))
def test_what_an_abbr_names_lies_below_its_folder_of_the_run_whatever_the_abbr(abbr):
    for path in PATHS:
        if is_taken(abbr):
            named = path(abbr)
            assert posixpath.normpath(named) == named
            assert not {".", "..", ""} & set(named.split("/"))
            assert "\\" not in named
        else:
            with pytest.raises(ValueError, match="cannot be a file name"):
                path(abbr)


@given(
    *(st.from_regex(r"(?!tmp_)[a-c.]{0,3}[a-c](/[a-c.]{0,3}[a-c]){0,3}", fullmatch=True) for _ in range(2)),
)
def test_files_have_the_names_that_opencompass_joins(model, dataset):
    folder, name = posixpath.split(posixpath.join("predictions", model, f"{dataset}.json"))
    assert layout.prediction(model, dataset) == f"{folder}/{name}"
    assert layout.journal(model, dataset) == f"{folder}/tmp_{name}l"  # it puts tmp_ before the last name


@given(st.text(max_size=8), st.text(max_size=8))
def test_two_parts_never_share_a_journal_unless_they_share_their_file(one, other):
    if is_taken(one) and is_taken(other):
        same = layout.prediction("m", one) == layout.prediction("m", other)
        assert (layout.journal("m", one) == layout.journal("m", other)) == same


@pytest.mark.parametrize("abbr", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/tmp_b", "a\\b", "a\nb", "x" * 201])
def test_an_abbr_that_is_no_path_below_a_folder_is_refused(abbr):
    assert not is_taken(abbr)


@pytest.mark.parametrize("abbr", ["._data_mine.jsonl", "group/sums", "a/.b", "org/model v1.5 (8-bit)"])
def test_an_abbr_that_opencompass_makes_folders_of_is_taken(abbr):
    assert PurePosixPath(layout.result("m", abbr)).is_relative_to("results/m")


def test_shards_and_tokens_are_plain_names():
    for name in ("a/b", ".a", "", "a.manifest"):
        with pytest.raises(ValueError, match="cannot be a file name"):
            layout.shard_spec(name)
