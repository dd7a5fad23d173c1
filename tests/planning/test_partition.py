import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.errors import PlanError
from opencompass_ops.planning.choice import configured
from opencompass_ops.planning.partition import Candidate, Naive, NumWorker, Piece, Size, row_cost
from opencompass_ops.planning.selection import select
from partition_cases import COUNT, RAW, cases, summed_up

GEN = {"prompt_template": {"template": {"round": [{"role": "HUMAN", "prompt": "{q}"}]}}}


def ppl(labels):
    return {"prompt_template": {"template": {str(label): "{q}" for label in range(labels)}}}


def dataset(abbr, infer_cfg=GEN, test_range=None):
    reader = {} if test_range is None else {"test_range": test_range}
    return {"abbr": abbr, "infer_cfg": infer_cfg, "reader_cfg": reader}


SEVEN = [
    (dataset("siqa"), None),
    (dataset("gsm8k"), None),
    (dataset("hella", ppl(4)), None),
    (dataset("tiny"), None),
    (dataset("bool", ppl(2)), None),
    (dataset("ranged", GEN, "[:100]"), 100),
    (dataset("winograd", ppl(2)), None),
]


@pytest.fixture(scope="module")
def golden(repo):
    return json.loads((repo / "tests/golden/planning/partitions.json").read_text())


def seven(rows):
    return [Candidate(config, rows[config["abbr"]], selected or rows[config["abbr"]]) for config, selected in SEVEN]


def in_open_compass_words(shards):
    return [[[piece.name, piece.test_range] for piece in shard] for shard in shards]


@pytest.mark.parametrize(
    ("name", "partitioner"),
    [
        ("size_40000", Size(40000)),
        ("size_40000_split", Size(40000, strategy="split")),
        ("size_2000", Size(2000)),
        ("nw_8", NumWorker(8)),
        ("nw_1", NumWorker(1)),
        ("nw_4_split2", NumWorker(4, num_split=2)),
    ],
)
def test_partitions_are_those_of_open_compass(golden, name, partitioner):
    assert in_open_compass_words(partitioner.shards(seven(golden["dataset_size_cache"]))) == golden[name]


def test_240_random_runs_are_split_as_open_compass_splits_them(repo):
    lines = (repo / "tests/golden/planning/random_partitions.jsonl").read_text().splitlines()
    assert len(lines) == COUNT
    for number, (line, case) in enumerate(zip(lines, cases(), strict=True)):
        assert summed_up(split_of(case)) == json.loads(line), f"case {number}"


def split_of(case):
    """The case's shards, each ``[model, [name, range], ...]``, as the recorder writes OpenCompass's."""
    candidates = {each["abbr"]: candidate_of(each) for each in case["datasets"]}
    models, datasets = ([{"abbr": name} for name in names] for names in (case["models"], candidates))
    return [
        [group.model, *([piece.name, piece.test_range or ""] for piece in shard)]
        for group in select(models, datasets, case["combinations"])
        for shard in configured(case["partitioner"]).shards(
            [replace(candidates[name], done=case["done"][group.model]) for name in group.datasets]
        )
    ]


def candidate_of(given):
    messages = {"messages": [{"role": "user", "content": "{q}"}]}
    template = messages if given["template"] == RAW else {"template": given["template"]}
    holder = "prompt_template" if given["template"] == RAW else given["holder"]
    numbers = (
        [int(n) if n else None for n in given["range"].strip("[]").split(":")] if given["range"].count("[") == 1 else []
    )
    selected = len(range(given["rows"])[slice(*numbers)]) if numbers else given["rows"]
    selected = 80 if given["range"] == "[:100][20:]" else selected
    return Candidate(dataset(given["abbr"], {holder: template}, given["range"] or None), given["rows"], selected)


def test_the_last_part_ends_with_the_rows_though_the_range_string_runs_over(golden):
    last = Size(40000).tile(seven(golden["dataset_size_cache"])[1])[-1]
    assert last == Piece("gsm8k", 6, 1134, 1319, "[1134: 1323]")


@pytest.mark.parametrize(
    ("abbr", "infer_cfg", "cost"),
    [
        ("a", GEN, 20),
        ("a", ppl(4), 4),
        ("a", {"prompt_template": {"template": "{q}"}}, 20),
        ("a", {"ice_template": {"template": {"A": "a", "B": "b", "C": "c"}}}, 3),
        (
            "a",
            {"ice_template": {"template": {"A": "a"}}, "prompt_template": {"template": {"begin": "", "round": []}}},
            20,
        ),
        ("a", {"prompt_template": {"messages": [{"role": "user", "content": "{q}"}]}}, 20),
        ("a", {"prompt_template": {"template": {}}}, 20),
        ("a", {}, 20),
        ("bbh-x", GEN, 200),
        ("math", ppl(2), 20),
        ("mmlu_professional_law", GEN, 200),
        ("agieval-math", GEN, 200),
        ("my-math", GEN, 20),
    ],
)
def test_a_row_costs_its_labels_or_twenty_and_tenfold_for_long_answers(abbr, infer_cfg, cost):
    assert row_cost(dataset(abbr, infer_cfg)) == cost


def test_raw_messages_are_partitioned_as_generation():
    raw = dataset("raw", {"prompt_template": {"type": "RawPromptTemplate", "messages": [{"role": "user"}]}})
    assert [len(shard) for shard in Size(400).shards([Candidate(raw, 40, 40)])] == [1, 1]


@pytest.mark.parametrize("test_range", [4000, 0.5])
def test_a_numeric_range_is_split_by_row_numbers(test_range):
    pieces = Size(40000).tile(Candidate(dataset("a", GEN, test_range), 8000, 4000))
    assert [(piece.start, piece.stop, piece.test_range) for piece in pieces] == [(0, 2000, None), (2000, 4000, None)]


def test_a_limit_becomes_one_more_slice():
    pieces = NumWorker(2).tile(Candidate(dataset("a", GEN, "[5:]"), 100, 40))
    assert [piece.test_range for piece in pieces] == ["[5:][:40][0:20]", "[5:][:40][20:40]"]


def test_a_size_below_one_row_is_refused_with_the_smallest_that_works():
    candidates = [
        Candidate(dataset("gsm8k"), 10, 10),
        Candidate(dataset("a"), 10, 10),
        Candidate(dataset("b", ppl(2)), 1, 1),
    ]
    with pytest.raises(
        PlanError, match=r"max_partition_size=10 .*\(a 20, gsm8k 200\); the smallest usable value is 200"
    ):
        Size(10).shards(candidates)
    assert len(Size(200).shards(candidates)) == 12


def test_naive_keeps_datasets_whole_and_in_order():
    candidates = [Candidate(dataset(abbr), 50, 50, done={"b"}) for abbr in "abcd"]
    assert [[piece.name for piece in shard] for shard in Naive(2).shards(candidates)] == [["a", "c"], ["d"]]


def test_answered_parts_leave_and_the_rest_is_dealt_out_again():
    candidates = [Candidate(dataset("a"), 64, 64, done={"a_0", "a_2"}), Candidate(dataset("b"), 64, 64, done={"b"})]
    shards = NumWorker(4).shards(candidates)
    assert [[piece.name for piece in shard] for shard in shards] == [["a_1"], ["a_3"]]
    sized = Size(320).shards(candidates)
    assert [[piece.name for piece in shard] for shard in sized] == [["a_1"], ["a_3"]]


def test_a_shard_may_be_exactly_full():
    candidates = [Candidate(dataset(abbr), 10, 10) for abbr in "ab"]
    assert [len(shard) for shard in Size(400).shards(candidates)] == [2]
    assert [len(shard) for shard in Size(399).shards(candidates)] == [1, 1]


@pytest.mark.parametrize(("rows", "names"), [(16, ["a"]), (17, ["a_0", "a_1"])])
def test_a_dataset_is_split_once_it_has_more_rows_than_a_part_needs(rows, names):
    assert [piece.name for piece in NumWorker(4).tile(Candidate(dataset("a"), rows, rows))] == names


def test_a_part_file_of_another_layout_does_not_count():
    shards = NumWorker(1).shards([Candidate(dataset("a"), 64, 64, done={"a_0"})])
    assert [[piece.name for piece in shard] for shard in shards] == [["a"]]


abbrs = st.lists(st.sampled_from(["gsm8k", "bbh-x", *"abcdefg"]), min_size=1, max_size=6, unique=True)
infer_cfgs = st.just(GEN) | st.integers(1, 5).map(ppl)
candidate_lists = abbrs.flatmap(
    lambda names: st.tuples(
        *(
            st.builds(
                lambda name, infer_cfg, rows: Candidate(dataset(name, infer_cfg), rows, rows),
                st.just(name),
                infer_cfgs,
                st.integers(1, 300),
            )
            for name in names
        )
    )
)
partitioners = st.one_of(
    st.builds(Naive, st.integers(1, 4)),
    st.builds(Size, st.integers(200, 5000), strategy=st.sampled_from(["heuristic", "split"])),
    st.builds(
        NumWorker,
        st.integers(1, 9),
        st.none() | st.integers(1, 9),
        st.integers(1, 20),
        st.sampled_from(["heuristic", "split"]),
    ),
)


@given(candidate_lists, partitioners)
def test_parts_tile_every_dataset_exactly_once_and_none_is_empty(candidates, partitioner):
    pieces = [piece for shard in partitioner.shards(candidates) for piece in shard]
    assert len({piece.name for piece in pieces}) == len(pieces)
    for candidate in candidates:
        tiles = partitioner.tile(candidate)
        bounds = [0, *(piece.stop for piece in tiles)]
        assert [piece.start for piece in tiles] == bounds[:-1]
        assert bounds[-1] == candidate.selected
        assert all(piece.start < piece.stop for piece in tiles)
        assert sorted((p for p in pieces if p.abbr == candidate.abbr), key=lambda p: p.start) == list(tiles)


@given(candidate_lists, st.integers(1, 9), st.none() | st.integers(1, 20))
def test_no_more_shards_than_workers(candidates, workers, split):
    assert len(NumWorker(workers, num_split=split).shards(candidates)) <= workers


@given(candidate_lists, st.integers(200, 5000), st.sampled_from(["heuristic", "split"]))
def test_no_shard_is_above_the_size(candidates, size, strategy):
    costs = {candidate.abbr: row_cost(candidate.dataset) for candidate in candidates}
    for shard in Size(size, strategy=strategy).shards(candidates):
        assert sum(costs[piece.abbr] * (piece.stop - piece.start) for piece in shard) <= size
