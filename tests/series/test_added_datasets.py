"""A dataset that is added to what a series asks runs alone: everything else is known by its fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opencompass_ops.series.suite import suite_fingerprint
from small_world import DATASETS, MODEL, SmallWorld, make_world

pytestmark = pytest.mark.process


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    yield from make_world(tmp_path, monkeypatch)


def test_a_dataset_that_is_added_runs_alone_and_in_the_curve_of_the_series(small: SmallWorld):
    params = {
        "model_overrides": [{"path": str(small.checkpoint("step-100")), "abbr": "run7-step-100"}], "series": "run7"
    }  # fmt: skip
    config = small.config()
    before = suite_fingerprint(config, {})
    small.evaluate(config, **params)
    more = DATASETS.replace("datasets = [dict(", "datasets += [dict(").replace("'sums'", "'short'", 1)
    more = more.replace("{question}", "{question} ")
    config = small.config(MODEL.format(path="unused") + DATASETS + more, name="eval_more")
    assert suite_fingerprint(config, {}) != before
    prepared, report = small.evaluate(config, **params)
    assert [shard.label.count("short") for shard in prepared.plan.shards] == [1]
    assert len(prepared.plan.pairs) == 2
    assert {score["series"] for score in _scores(small)} == {"run7"}
    assert not report.failures


def _scores(small: SmallWorld) -> list[dict[str, str]]:
    from opencompass_ops.results.store import Store

    with Store.open(small.url) as store:
        return [{"series": row.series} for row in store.history()]
