"""Jobs of other people, found by id or by name."""

from __future__ import annotations

from opencompass_ops.clusters.slurm.foreign import ids_and_names, is_foreign, row_of
from opencompass_ops.clusters.slurm.rows import Row

ROWS = [Row("9", "train", "COMPLETED"), Row("10", "train", "RUNNING"), Row("11", "other", "PENDING")]


def test_a_job_is_found_by_its_id():
    assert row_of("job:9", ROWS) == ROWS[0]
    assert row_of("job:1", ROWS) is None


def test_of_several_jobs_with_one_name_the_newest_counts():
    assert row_of("name:train", ROWS) == ROWS[1]
    assert row_of("name:trai", ROWS) is None


def test_our_tokens_are_not_foreign():
    assert not is_foreign("oc-abcdef-12345678-infer-0000-3fa9c1-e1")
    assert is_foreign("job:9")
    assert is_foreign("name:train")


def test_accounting_is_asked_for_ids_and_names_apart():
    assert ids_and_names(["job:9", "name:train"]) == (["9"], ["train"])
