import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.probe import DatasetProbe, ModelProbe, ProbeReport, RequestProbe
from opencompass_ops.contract.spec import ShardSpec
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.costs import Measured, Work, learn
from opencompass_ops.planning.describe import describe
from opencompass_ops.planning.fingerprint import pair_fingerprint, part_fingerprint
from opencompass_ops.planning.partition import Naive, NumWorker
from opencompass_ops.planning.plan import KnownPart, PlanInput, make_plan
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.tiling import find_tiling, gaps

GEN = {"inferencer": {"type": "GenInferencer"}, "prompt_template": {"template": "{q}"}}
PPL = {"inferencer": {"type": "PPLInferencer"}, "prompt_template": {"template": {"A": "a", "B": "b"}}}


SLOW = learn([Measured(Work("native", "", 0, 0, abbr, 20), 1000, 60_000.0) for abbr in ("gen", "x", "y")])
"""A minute a row, so that a few rows are worth a job of their own."""


def model(abbr, **more):
    return {"type": "HuggingFaceBaseModel", "abbr": abbr, "path": f"/ckpt/{abbr}", **more}


def dataset(abbr, infer_cfg=GEN):
    return {"abbr": abbr, "infer_cfg": infer_cfg, "reader_cfg": {"output_column": "answer"}, "eval_cfg": {}}


def case(models=("m",), rows=None, **more):
    """A plan's input: models and datasets by name, with the request's and the input's other fields by keyword."""
    sizes = {"gen": 40, "ppl": 100} if rows is None else rows
    model_cfgs = [item if isinstance(item, dict) else model(item) for item in models]
    dataset_cfgs = [dataset(abbr, PPL if abbr.startswith("ppl") else GEN) for abbr in sizes]
    fields = {field.name for field in dataclasses.fields(Request)} - {
        field.name for field in dataclasses.fields(PlanInput)
    }
    params = {"config": "eval.py", **{key: value for key, value in more.items() if key in fields}}
    report = ProbeReport(
        models=tuple(ModelProbe(cfg["abbr"], f"sha256:{cfg['abbr']}", "tokenizer") for cfg in model_cfgs),
        datasets=tuple(DatasetProbe(abbr, size, size) for abbr, size in sizes.items()),
        requests=tuple(RequestProbe(cfg["abbr"], abbr, f"requests {abbr}") for cfg in model_cfgs for abbr in sizes),
    )
    given = PlanInput(
        request=Request.from_params(params),
        stamp="20260101_000000",
        run_dir="/runs/20260101_000000",
        instance="abcdef",
        config="eval.py",
        config_fingerprint="config",
        params=params,
        models=model_cfgs,
        datasets=dataset_cfgs,
        probe=report,
        cluster={"name": "here", "kind": "local"},
        versions=dict.fromkeys(sizes, "123abc"),
        modes={abbr: "ppl" if abbr.startswith("ppl") else "gen" for abbr in sizes},
    )
    return dataclasses.replace(given, **{key: value for key, value in more.items() if key not in fields})


def known(given, *ranges, names=("m", "gen"), folder="/old"):
    """Predictions of the named pair that cover the ranges, as ``known_predictions`` holds them."""
    name, abbr = names
    cfg = next(item for item in given.models if item["abbr"] == name)
    data = next(item for item in given.datasets if item["abbr"] == abbr)
    probe = next(item for item in given.probe.models if item.abbr == name)
    total = next(item.selected for item in given.probe.datasets if item.abbr == abbr)
    pair = pair_fingerprint(cfg, probe, data, f"requests {abbr}")
    return {
        pair: tuple(
            KnownPart(start, stop, total, part_fingerprint(pair, start, stop), f"{folder}/{abbr}_{start}.json")
            for start, stop in ranges
        )
    }


def with_known(given, *tables):
    return dataclasses.replace(
        given, known_predictions={key: value for table in tables for key, value in table.items()}
    )


def everything(given):
    return with_known(
        given,
        *(
            known(given, (0, probe.selected), names=(cfg["abbr"], probe.abbr))
            for cfg in given.models
            for probe in given.probe.datasets
        ),
    )


def names(plan):
    return [list(shard.parts) for shard in plan.shards]


def test_a_first_run_deals_every_dataset_out_and_scores_every_pair():
    output = make_plan(case(("a", "b"), partitioner=NumWorker(2)))
    plan = output.plan
    assert names(plan) == [["gen_0", "ppl_0"], ["gen_1", "ppl_1"]] * 2
    assert [shard.model for shard in plan.shards] == ["a", "a", "b", "b"]
    assert [shard.label for shard in plan.evaluations] == ["a/gen", "a/ppl", "b/gen", "b/ppl"]
    assert [(shard.rows, shard.cost) for shard in plan.shards[:2]] == [(70, 20 * 20 + 50 * 2)] * 2
    assert [spec.id for spec in output.specs] == [shard.id for shard in plan.shards + plan.evaluations]
    assert output.adoptions == output.result_adoptions == ()


def test_shard_ids_tell_order_and_content():
    plan = make_plan(case(partitioner=NumWorker(2))).plan
    assert [re.sub(r"-[0-9a-f]{6}$", "", shard.id) for shard in plan.shards + plan.evaluations] == [
        "infer-0000",
        "infer-0001",
        "eval-0000",
        "eval-0001",
    ]
    assert all(re.fullmatch("[a-z0-9-]+", shard.id) for shard in plan.shards)


def test_a_shard_of_other_work_never_has_the_id_of_a_shard_planned_before():
    given = case(max_num_workers=2)
    first = make_plan(given).plan
    second = make_plan(with_known(given, known(given, (0, 20)))).plan
    contents = {shard.id: shard.parts for shard in first.shards}
    assert all(contents.get(shard.id, shard.parts) == shard.parts for shard in second.shards)
    assert make_plan(given).plan == first


def test_pairs_say_what_their_score_is_made_of():
    output = make_plan(case(partitioner=NumWorker(2)))
    gen, ppl = output.plan.pairs
    assert (gen.parts, gen.ranges, gen.reused) == (("gen_0", "gen_1"), ((0, 20), (20, 40)), ())
    assert ppl.ranges == ((0, 50), (50, 100))
    assert list(gen.shards) == [shard.id for shard in output.plan.shards]
    assert gen.evaluation == output.plan.evaluations[0].id
    assert gen.fingerprint == output.specs[2].evaluation_fingerprint


def test_plan_and_specs_survive_json():
    output = make_plan(case(max_num_workers=2, summarizer={"dataset_abbrs": ["gen"]}))
    assert Plan.from_json(output.plan.to_json()).to_json() == output.plan.to_json()
    assert [ShardSpec.from_json(spec.to_json()) for spec in output.specs] == list(output.specs)


def test_specs_carry_identity_and_place():
    output = make_plan(case(data_dir="/data"))
    assert {(spec.weights_id, spec.data_dir) for spec in output.specs} == {("sha256:m", "/data")}
    assert [spec.evaluation_fingerprint != "" for spec in output.specs] == [False, True, True]


def test_a_size_makes_the_size_partitioner_plan():
    plan = make_plan(case(max_partition_size=400)).plan
    assert names(plan) == [["gen_0"], ["gen_1"], ["ppl"]]


def test_a_size_below_one_row_is_refused_unless_nothing_has_to_be_split():
    given = case(max_partition_size=10)
    with pytest.raises(PlanError, match="smallest usable value is 20"):
        make_plan(given)
    assert make_plan(everything(given)).plan.shards == ()


def test_the_run_s_own_size_wins_over_the_config_s_partitioner_and_that_over_expected_time():
    given = case(max_num_workers=3, partitioner=Naive(2), costs=SLOW)
    assert names(make_plan(given).plan) == [["gen", "ppl"]]
    assert len(make_plan(case(max_partition_size=200, partitioner=Naive(2))).plan.shards) == 5
    assert len(make_plan(dataclasses.replace(given, partitioner=None)).plan.shards) == 3


def test_work_is_split_so_that_jobs_take_the_same_time_and_the_plan_says_which():
    plan = make_plan(case(rows={"gen": 20, "x": 40}, max_num_workers=3, costs=SLOW)).plan
    assert [shard.rows for shard in plan.shards] == [20] * 3
    assert len({shard.seconds for shard in plan.shards}) == 1
    assert plan.shards[0].seconds > 20 * 50
    assert all(3 <= len(pair.parts) <= 4 for pair in plan.pairs)


def test_what_does_not_pay_for_a_load_is_one_job():
    assert names(make_plan(case(max_num_workers=8)).plan) == [["gen", "ppl"]]


def test_a_target_makes_shorter_jobs():
    plan = make_plan(case(rows={"gen": 40}, target_minutes=10, costs=SLOW)).plan
    assert all(shard.seconds <= 600 for shard in plan.shards)
    assert len(plan.shards) == 5


def test_by_expected_time_models_of_all_combinations_share_the_workers():
    chosen = [{"models": ["a"], "datasets": ["gen"]}, {"models": ["a", "b"], "datasets": ["ppl"]}]
    plan = make_plan(case(("a", "b"), combinations=chosen)).plan
    assert [(shard.model, shard.parts) for shard in plan.shards] == [("a", ("gen", "ppl")), ("b", ("ppl",))]


def test_by_expected_time_what_is_answered_stays_and_only_the_rest_is_split():
    given = case(rows={"gen": 40}, max_num_workers=2, costs=SLOW)
    gen = make_plan(with_known(given, known(given, (3, 10), (8, 22)))).plan.pairs[0]
    assert [gen.ranges[gen.parts.index(name)] for name in gen.reused] == [(8, 22)]
    assert (gen.ranges[0][0], gen.ranges[-1][1]) == (0, 40)


def test_a_run_that_goes_on_keeps_the_ranges_it_was_planned_with():
    before = case(rows={"gen": 40, "x": 40}, max_num_workers=3, costs=SLOW)
    ranges = {(pair.model, pair.dataset): pair.ranges for pair in make_plan(before).plan.pairs}
    now = dataclasses.replace(before, costs=learn(), begun=ranges)
    assert {(p.model, p.dataset): p.ranges for p in make_plan(now).plan.pairs} == ranges
    stale = {key: tiles[:-1] for key, tiles in ranges.items()}
    assert all(len(pair.parts) == 1 for pair in make_plan(dataclasses.replace(now, begun=stale)).plan.pairs)


def test_everything_known_means_no_job():
    given = everything(case(("a", "b"), max_num_workers=3))
    output = make_plan(given)
    assert output.plan.shards == ()
    assert len(output.adoptions) == 4
    assert [pair.reused for pair in output.plan.pairs] == [pair.parts for pair in output.plan.pairs]
    scored = {pair.fingerprint: f"/old/{pair.dataset}.json" for pair in output.plan.pairs}
    again = make_plan(dataclasses.replace(given, known_results=scored))
    assert again.plan.shards == again.plan.evaluations == again.specs == ()
    assert [(r.model, r.dataset, r.source) for r in again.result_adoptions] == [
        ("a", "gen", "/old/gen.json"),
        ("a", "ppl", "/old/ppl.json"),
        ("b", "gen", "/old/gen.json"),
        ("b", "ppl", "/old/ppl.json"),
    ]
    assert {pair.evaluation for pair in again.plan.pairs} == {""}


def test_known_parts_that_tile_keep_their_ranges_whatever_the_partitioner_would_do():
    given = case(max_num_workers=1)
    output = make_plan(with_known(given, known(given, (25, 40), (0, 7), (7, 25))))
    gen = output.plan.pairs[0]
    assert (gen.parts, gen.ranges) == (("gen_0", "gen_1", "gen_2"), ((0, 7), (7, 25), (25, 40)))
    assert gen.reused == gen.parts
    assert gen.shards == ()
    assert [(a.part.name, a.source) for a in output.adoptions][1] == ("gen_1", "/old/gen_7.json")
    assert names(output.plan) == [["ppl"]]


def test_a_known_part_that_fits_is_reused_and_the_rest_is_inferred():
    given = case(partitioner=NumWorker(2))
    output = make_plan(with_known(given, known(given, (20, 40))))
    assert names(output.plan) == [["gen_0", "ppl_1"], ["ppl_0"]]
    assert output.plan.pairs[0].reused == ("gen_1",)
    assert [adoption.part.name for adoption in output.adoptions] == ["gen_1"]


def test_shards_without_open_parts_vanish():
    given = case(rows={"gen": 40}, partitioner=NumWorker(4))
    plan = make_plan(with_known(given, known(given, (0, 16), (32, 40)))).plan
    assert names(plan) == [["gen_1"]]


def test_a_prediction_of_other_rows_or_another_total_is_no_answer():
    given = case(rows={"gen": 40})
    (pair, parts), *_ = known(given, (0, 40)).items()
    for wrong in ({"total": 41}, {"fingerprint": "other"}):
        table = {pair: tuple(dataclasses.replace(part, **wrong) for part in parts)}
        assert names(make_plan(with_known(given, table)).plan) == [["gen"]]


def test_the_same_weights_under_two_names_share_predictions():
    given = case((model("a"), model("b")), rows={"gen": 40})
    same = tuple(dataclasses.replace(probe, weights_id="sha256:same") for probe in given.probe.models)
    given = dataclasses.replace(given, probe=dataclasses.replace(given.probe, models=same))
    output = make_plan(with_known(given, known(given, (0, 40), names=("a", "gen"))))
    assert [(adoption.model, adoption.source) for adoption in output.adoptions] == [
        ("a", "/old/gen_0.json"),
        ("b", "/old/gen_0.json"),
    ]


def test_a_result_does_not_stand_while_its_predictions_are_made_again():
    given = case(rows={"gen": 40})
    scored = {make_plan(given).plan.pairs[0].fingerprint: "/old/result.json"}
    output = make_plan(dataclasses.replace(given, known_results=scored))
    assert output.result_adoptions == ()
    assert len(output.plan.evaluations) == 1


def test_a_result_stands_however_its_predictions_were_split():
    given = case(rows={"gen": 40}, max_num_workers=2)
    scored = {make_plan(given).plan.pairs[0].fingerprint: "/old/result.json"}
    whole = dataclasses.replace(with_known(given, known(given, (0, 40))), known_results=scored)
    assert [result.source for result in make_plan(whole).result_adoptions] == ["/old/result.json"]


def test_mode_infer_scores_nothing():
    output = make_plan(case(mode="infer"))
    assert len(output.plan.shards) == 1
    assert output.plan.evaluations == output.result_adoptions == ()
    assert {pair.evaluation for pair in output.plan.pairs} == {""}


def test_mode_eval_scores_what_exists():
    output = make_plan(everything(case(mode="eval", reuse="latest")))
    assert output.plan.shards == ()
    assert len(output.plan.evaluations) == len(output.adoptions) == 2


def test_mode_eval_without_predictions_names_what_is_missing():
    given = case(mode="eval", reuse="latest")
    partly = with_known(given, known(given, (0, 7), (20, 30)))
    with pytest.raises(PlanError) as caught:
        make_plan(partly)
    message = str(caught.value)
    assert "2 of 2 pairs" in message
    assert "m/gen: rows 7..19, 30..39 of 40" in message
    assert "m/ppl: rows 0..99 of 100" in message
    assert "mode=all" in message


def test_mode_eval_lists_ten_of_many_missing_pairs():
    with pytest.raises(PlanError, match="and 2 more") as caught:
        make_plan(case(mode="eval", reuse="latest", rows={f"d{i}": 5 for i in range(12)}))
    assert str(caught.value).count("rows 0..4") == 10


def test_mode_viz_starts_nothing_and_keeps_results_that_stand():
    given = everything(case(mode="viz", reuse="latest"))
    fingerprint = make_plan(given).plan.pairs[0].fingerprint
    output = make_plan(dataclasses.replace(given, known_results={fingerprint: "/old/r.json"}))
    assert output.specs == ()
    assert [result.dataset for result in output.result_adoptions] == ["gen"]


def test_every_unusable_model_and_dataset_is_named_in_one_message():
    given = case(("a", "b"), rows={"gen": 40, "ppl": 100, "empty": 0})
    report = dataclasses.replace(
        given.probe,
        models=(ModelProbe("a", error="/ckpt/a does not exist"), given.probe.models[1]),
        datasets=(DatasetProbe("gen", error="no ./data/gen"), *given.probe.datasets[1:]),
        requests=tuple(r for r in given.probe.requests if (r.model, r.dataset) != ("b", "ppl")),
    )
    with pytest.raises(PlanError) as caught:
        make_plan(dataclasses.replace(given, probe=report))
    assert str(caught.value).splitlines()[1:] == [
        "- model a: /ckpt/a does not exist",
        "- dataset gen: no ./data/gen",
        "- dataset empty: test_range leaves none of its 0 rows; widen it",
        "- b x ppl: its requests could not be rendered; look at the probe's messages",
    ]


def test_what_the_probe_is_silent_about_is_not_usable():
    with pytest.raises(PlanError, match=r"model m: the probe did not(.|\n)*2 datasets \(gen, ppl\): the probe did"):
        make_plan(dataclasses.replace(case(), probe=ProbeReport()))


@pytest.mark.parametrize("empty", ["models", "datasets"])
def test_no_pair_selected_is_an_error(empty):
    with pytest.raises(PlanError, match="No model x dataset pair is selected"):
        make_plan(dataclasses.replace(case(), **{empty: []}))


def test_combinations_choose_pairs_and_no_pair_runs_twice():
    chosen = [{"models": ["a"], "datasets": ["gen"]}, {"models": ["a", "b"], "datasets": ["gen", "ppl"]}]
    plan = make_plan(case(("a", "b", "c"), combinations=chosen, partitioner=NumWorker(1))).plan
    assert [(pair.model, pair.dataset) for pair in plan.pairs] == [
        ("a", "gen"),
        ("a", "ppl"),
        ("b", "gen"),
        ("b", "ppl"),
    ]
    assert names(plan) == [["gen"], ["ppl"], ["gen", "ppl"]]
    assert [item.abbr for item in plan.models] == ["a", "b"]


def test_a_combination_of_something_unknown_is_refused():
    with pytest.raises(PlanError, match=r"names x, which are not among the datasets \(gen, ppl\)"):
        make_plan(case(combinations=[{"models": ["m"], "datasets": ["x"]}]))


def test_two_datasets_that_would_write_one_file_are_refused():
    with pytest.raises(PlanError, match=r"m/x and m/x_0 would both write m/x_0\.json"):
        make_plan(case(rows={"x": 40, "x_0": 8}, partitioner=NumWorker(2)))


def test_too_many_infer_shards_name_both_settings_with_values():
    with pytest.raises(PlanError, match=r"6 infer shards.*max_map_length=5.*infer.partitioner out .* least 6"):
        make_plan(case(("a", "b"), partitioner=NumWorker(3), max_map_length=5))
    with pytest.raises(PlanError, match=r"10 infer shards.*max_partition_size from 100 to about 300, .* least 10"):
        make_plan(case(max_partition_size=100, max_map_length=4))
    assert len(make_plan(case(max_partition_size=300, max_map_length=4)).plan.shards) == 4
    with pytest.raises(PlanError, match="Name fewer models: 3 need a shard each"):
        make_plan(case(("a", "b", "c"), max_map_length=2))


def test_too_many_evaluations_are_refused_too():
    with pytest.raises(PlanError, match=r"4 evaluations .*max_map_length=3 .* at least 4"):
        make_plan(case(("a", "b"), max_map_length=3))


def test_devices_come_from_the_model_else_from_the_cluster():
    cluster = {"kind": "local", "resources": {"num_gpus": 1}}
    given = case(("a", model("b", run_cfg={"num_gpus": 4, "num_procs": 2})))
    plan = make_plan(dataclasses.replace(given, cluster=cluster)).plan
    assert [(shard.num_gpus, shard.num_procs) for shard in plan.shards] == [(1, 1), (4, 2)]
    assert {(shard.num_gpus, shard.num_procs) for shard in plan.evaluations} == {(0, 1)}


@pytest.mark.parametrize("run_cfg", [{"num_gpus": "4"}, {"num_gpus": -1}, {"num_procs": 0}, {"num_gpus": True}])
def test_devices_that_are_no_count_are_refused(run_cfg):
    with pytest.raises(PlanError, match=r"model b: run_cfg\.num_"):
        make_plan(case((model("b", run_cfg=run_cfg),)))


def test_columns_and_steps_are_planned():
    models = (model("tiny-step-000100", summarizer_abbr="100"), model("x", path="/c/checkpoint-7/"), model("final"))
    plan = make_plan(case(models)).plan
    assert [(item.column, item.step) for item in plan.models] == [("100", 100), ("x", 7), ("final", None)]


def test_people_are_warned_of_cut_rows_and_shared_columns():
    given = case((model("a", summarizer_abbr="x"), model("b", summarizer_abbr="x")), warnings=("said before",))
    cut = (DatasetProbe("gen", 50, 40), given.probe.datasets[1])
    plan = make_plan(dataclasses.replace(given, probe=dataclasses.replace(given.probe, datasets=cut))).plan
    assert plan.warnings[0] == "said before"
    assert "a part of the rows (test_range or limit): gen" in plan.warnings[1]
    assert "share a column of the summary: x" in plan.warnings[2]


def test_the_description_is_the_golden_one(repo):
    given = case(
        ("tiny-step-100", model("b", run_cfg={"num_gpus": 2})),
        max_num_workers=2,
        rows={"gen": 1040, "ppl": 100},
        partitioner=NumWorker(2),
    )
    given = with_known(given, known(given, (0, 520), names=("b", "gen")), known(given, (0, 100), names=("b", "ppl")))
    scored = {make_plan(given).plan.pairs[3].fingerprint: "/old/results/ppl.json"}
    text = describe(make_plan(dataclasses.replace(given, known_results=scored, warnings=("look twice",))))
    text = re.sub(r"-[0-9a-f]{6}  ", "-######  ", text)
    assert text + "\n" == (repo / "tests/golden/planning/describe.txt").read_text()


def test_the_tiling_with_the_fewest_parts_is_taken():
    ranges = [(0, 5), (5, 10), (0, 3), (3, 10), (0, 10), (0, 1), (1, 2), (2, 10)]
    parts = [KnownPart(start, stop, 10, "f", f"{start}-{stop}") for start, stop in ranges]
    assert [part.path for part in find_tiling(parts, 10)] == ["0-10"]
    parts.pop(4)
    assert [part.path for part in find_tiling(parts, 10)] == ["0-3", "3-10"]


bounds = st.lists(st.integers(0, 12), min_size=2, max_size=2, unique=True).map(sorted)


@given(st.lists(bounds, max_size=14), st.integers(1, 12))
def test_a_tiling_covers_every_row_once_and_is_found_when_there_is_one(ranges, total):
    parts = [KnownPart(start, stop, total, "f", f"{i}") for i, (start, stop) in enumerate(ranges)]
    tiling = find_tiling(parts, total)
    reachable = {0}
    for start, stop in sorted(ranges):
        if start in reachable:
            reachable.add(stop)
    assert (tiling is not None) == (total in reachable)
    if tiling is not None:
        assert [part.start for part in tiling] == [0, *(part.stop for part in tiling)][:-1]
        assert tiling[-1].stop == total
        assert gaps(tiling, total) == []
        assert find_tiling(list(reversed(parts)), total) == tiling


@given(
    st.dictionaries(st.sampled_from(["gen", "ppl", "x", "y"]), st.integers(1, 90), min_size=1),
    st.lists(bounds, max_size=6),
    st.integers(1, 5),
    st.booleans(),
)
def test_what_is_reused_and_what_is_inferred_together_tile_every_pair(rows, ranges, workers, by_time):
    partitioner = None if by_time else NumWorker(workers)
    given_input = case(rows=rows, max_num_workers=workers, partitioner=partitioner, costs=SLOW)
    first = next(iter(rows))
    ranges = [pair for pair in ranges if pair[1] <= rows[first]]
    output = make_plan(with_known(given_input, known(given_input, *ranges, names=("m", first))))
    written = {
        (part.dataset_abbr, part.name): (part.start, part.stop)
        for spec in output.specs
        if spec.kind == "infer"
        for part in spec.parts
    }
    adopted = {(a.part.dataset_abbr, a.part.name): (a.part.start, a.part.stop) for a in output.adoptions}
    assert not written.keys() & adopted.keys()
    for pair in output.plan.pairs:
        both = [(written | adopted)[pair.dataset, name] for name in pair.parts]
        assert both == list(pair.ranges)
        assert [start for start, _ in both] == [0, *(stop for _, stop in both)][:-1]
        assert both[-1][1] == pair.rows == rows[pair.dataset]
    assert by_time or len(output.plan.shards) <= workers


@pytest.mark.parametrize(
    ("said", "rows_of_a_part"),
    [
        ({"gen_task_coef": 10}, [4000, 4000, 2000]),  # 40,000 at most, as OpenCompass's partitioner has it
        ({"gen_task_coef": 10, "max_partition_size": 50_000}, [5000, 5000]),
        ({"max_partition_size": 100_000}, [5000, 5000]),
    ],
)
def test_the_old_flags_of_the_user_guides_are_the_size_partitioner(said, rows_of_a_part):
    plan = make_plan(case(rows={"gen": 10_000}, partitioner=Naive(1), **said)).plan
    sizes = [stop - start for start, stop in plan.pairs[0].ranges]
    assert len(sizes) == len(rows_of_a_part)
    assert max(sizes) <= rows_of_a_part[0]
    assert sum(sizes) == 10_000
