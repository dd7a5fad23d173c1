"""Text tables over database rows."""

from __future__ import annotations

from dataclasses import replace

from opencompass_ops.results.rows import IMPORTED, CheckpointRow, ScoreRow
from opencompass_ops.results.versions import Versions
from opencompass_ops.results.views import NOTHING, checkpoints_table, leaderboard_table

WHEN = "2026-11-21T12:30:00+00:00"
SCORE = ScoreRow("/r", "m", "d", "accuracy", 50.0, 2.5, 100, "123456", "gen", 500, "e", "sha256:ab", "/p", WHEN)


def test_the_leaderboard_numbers_the_places_of_each_board():
    rows = [SCORE, replace(SCORE, model="n", stderr=None, value=9.0, step=None), replace(SCORE, dataset="e")]
    assert leaderboard_table(rows).splitlines() == [
        "dataset    version    metric      #  model      step    score    ± SE    n  evaluated",
        "---------  ---------  --------  ---  -------  ------  -------  ------  ---  -----------------------",
        "d          123456     accuracy    1  m           500    50.00    2.50  100  2026-11-21 12:30:00 UTC",
        "                                  2  n             -     9.00       -  100  2026-11-21 12:30:00 UTC",
        "e          123456     accuracy    1  m           500    50.00    2.50  100  2026-11-21 12:30:00 UTC",
    ]


def test_the_leaderboard_names_the_version_of_checkpoints_that_a_series_has_evaluated():
    rows = [replace(SCORE, series="run7"), replace(SCORE, model="n", weights_id="other", step=None, value=9.0)]
    known = Versions([("run7", "sha256:ab", 500, 7)])
    assert leaderboard_table(rows, known).splitlines() == [
        "dataset    version    metric      #  model    checkpoint      step    score    ± SE    n  evaluated",
        "---------  ---------  --------  ---  -------  ------------  ------  -------  ------  ---  "
        "-----------------------",
        "d          123456     accuracy    1  m        0.0.7            500    50.00    2.50  100  "
        "2026-11-21 12:30:00 UTC",
        "                                  2  n        -                  -     9.00    2.50  100  "
        "2026-11-21 12:30:00 UTC",
    ]


def test_checkpoints_show_step_weights_and_datasets():
    rows = [
        CheckpointRow("m-500", 500, "sha256:0123456789abcdef", WHEN, ("d", "e"), "m"),
        CheckpointRow("n", None, "", WHEN, (), origin=IMPORTED),
    ]
    assert checkpoints_table(rows).splitlines() == [
        "series      step  model    weights       last evaluated                     datasets",
        "--------  ------  -------  ------------  ---------------------------------  ----------",
        "m            500  m-500    0123456789ab  2026-11-21 12:30:00 UTC            d, e",
        "n              -  n        -             2026-11-21 12:30:00 UTC, imported",
    ]


def test_an_empty_database_says_what_to_do():
    assert leaderboard_table([]) == checkpoints_table([]) == NOTHING
