"""Figures: what they are made of, and that each kind can be drawn."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.collections import PathCollection
from PIL import Image

from opencompass_ops.gates.curves import with_alarms
from opencompass_ops.gates.table import read_scores, replay
from opencompass_ops.results import plots
from opencompass_ops.results.findings import examine
from opencompass_ops.results.plots import Point, render
from opencompass_ops.results.rows import ScoreRow
from opencompass_ops.results.scores import scores_of
from opencompass_ops.results.series import series_names

PYTHIA = Path(__file__).parent.parent / "golden" / "pythia"


def point(series="tiny", step=0, dataset="sum", value=50.0, bars=True, **changes):
    ends = {"stderr": 2.5, "low": value - 5, "high": value + 5} if bars else dict.fromkeys(("stderr", "low", "high"))
    given = {"series": series, "label": f"{series}-{step}", "step": step, "dataset": dataset, "metric": "accuracy"}
    return Point(**{**given, "value": value, "n": 40, **ends, **changes})


def size(png):
    image = Image.open(io.BytesIO(png))
    colours = image.convert("RGB").getcolors(maxcolors=1 << 20)
    assert len(colours) > 10, "an empty figure"
    return image.size


STEPS = (0, 500, 143_000)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([point(step=0)], id="one point"),
        pytest.param([point(step=s, dataset=d) for s in STEPS for d in ("sum", "facts")], id="curves"),
        pytest.param([point(step=0), point(step=500), point(step=500, dataset="facts")], id="missing points"),
        pytest.param([point("a", 0), point("b", 0), point("b", 9), point("base", None)], id="series and baseline"),
        pytest.param([point(m, None, d) for m in ("a", "b") for d in ("x", "y", "z", "w")], id="bars"),
        pytest.param([point("a", None, bars=False, value=-3.0)], id="a bar below zero without interval"),
        pytest.param([point(value=0.3, low=0.2, high=0.31, step=s) for s in STEPS], id="fractions"),
        pytest.param([point(value=4000.0, step=s) for s in STEPS], id="no known scale"),
    ],
)  # fmt: skip
def test_every_kind_of_run_can_be_drawn(points):
    width, height = size(render(points, "eval_tiny", {"sum": 25.0}))
    assert width > 600
    assert height > 200


SAVED = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 3000, *range(13_000, 144_000, 10_000))


def axes_of(points, monkeypatch):
    """The first panel of the figure."""
    drawn = []
    monkeypatch.setattr(plots, "_png", lambda figure: drawn.append(figure) or b"")
    render(points, "t")
    drawn[0].draw_without_rendering()
    return drawn[0].axes[0]


def test_checkpoints_that_are_crowded_at_the_beginning_are_drawn_equally_far_apart(monkeypatch):
    axes = axes_of([point(step=step) for step in SAVED], monkeypatch)
    places = [axes.transData.transform((step, 50.0))[0] for step in SAVED]
    widths = [right - left for left, right in itertools.pairwise(places)]
    assert max(widths) == pytest.approx(min(widths))
    assert "evenly spaced" in axes.get_xlabel()
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "143k"


def test_checkpoints_that_are_saved_regularly_are_drawn_to_scale(monkeypatch):
    axes = axes_of([point(step=step) for step in (0, *range(13_000, 144_000, 10_000))], monkeypatch)
    assert (axes.get_xscale(), axes.get_xlabel()) == ("linear", "training step")


def test_alarms_are_ringed_where_the_detector_raises_them(monkeypatch):
    series = read_scores(PYTHIA / "replay.csv")
    (lambada,) = (some for key, some in series.items() if key.task == "lambada_openai")
    curve = [
        point(step=one.step, value=100 * one.value, stderr=100 * one.stderr, low=None, high=None) for one in lambada
    ]
    marked = with_alarms([*curve, point("base", None)])
    told = [alarm.step for alarm in replay(series)]
    assert [one.step for one in marked if one.fell] == told
    (rings,) = (found for found in axes_of(marked, monkeypatch).collections if isinstance(found, PathCollection))
    assert [x for x, _ in rings.get_offsets()] == told


def test_two_checkpoints_of_one_step_are_looked_at_as_one():
    assert not any(one.fell for one in with_alarms([point(step=5), point(step=5, value=20.0), point(step=6)]))


def test_the_same_points_make_the_same_file():
    points = [point(step=step) for step in STEPS]
    assert render(points, "t") == render(points, "t")


def test_many_datasets_get_panels_and_too_many_are_counted(monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "_png", lambda figure: seen.append(figure) or b"")
    render([point(dataset=f"d{i:02}") for i in range(plots.PANELS + 3)], "t")
    render([point(dataset=f"d{i}") for i in range(plots.LINES_TOGETHER)], "t")
    assert [len(figure.axes) for figure in seen] == [plots.PANELS, 1]
    texts = [text.get_text() for text in seen[0].texts]
    assert texts == [
        "t",
        "n = 40 samples per score; thick bar: standard error; thin bar: 95 % interval; 3 more datasets not drawn",
    ]


def test_error_bars_are_interval_and_standard_error_and_never_negative(monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.errorbar", lambda self, x, y, yerr=None, **_: drawn.append((x, y, yerr)))
    monkeypatch.setattr("matplotlib.axes.Axes.legend", lambda self, *_, **__: None)
    render(
        [point(step=5, value=50.0), point(step=0, value=20.0, low=20.001, high=21.0), point(step=9, bars=False)], "t"
    )
    at = ([0, 5, 9], [20.0, 50.0, 50.0])
    assert drawn == [(*at, [[0.0, 5.0, 0.0], [1.0, 5.0, 0.0]]), (*at, [2.5, 2.5, 0.0])]


def test_drawing_leaves_pyplot_and_its_global_state_alone(repo):
    code = (
        "import sys; from opencompass_ops.results.plots import Point, render;"
        "render([Point('s', 'l', 0, 'd', 'm', 1.0, None, None, None, 3)], 't');"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(repo / "plugins")}, capture_output=True)
    assert done.stdout == b"False\n", done.stderr


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        render([], "t")


@pytest.mark.parametrize(
    ("models", "names"),
    [
        ({"tiny-step-000000": ("/c/step-000000", 0), "tiny-step-000500": ("/c/step-000500", 500)}, {"tiny"}),
        ({"step-000000": ("/c/demo/step-000000", 0), "step-000500": ("/c/demo/step-000500", 500)}, {"demo"}),
        ({"a": ("/r1/checkpoint-5", 5), "b": ("/r1/checkpoint-10", 10), "c": ("/r2/checkpoint-5", 5)}, {"a", "c"}),
        ({"m-step-5": ("/w", 5), "m-step-15": ("/w", 15)}, {"m"}),
        ({"x": ("/c/a/iter_0000100/hf", 100), "y": ("/c/a/iter_0000200/hf", 200)}, {"x"}),
        ({"step_5": ("/a/step_5", 5), "step_6": ("/b/step_6", 6)}, {"a", "b"}),
        ({"qwen-7b": ("/hub/qwen", None), "llama-8b": ("/hub/llama", None)}, {"qwen-7b", "llama-8b"}),
        ({"s-step-1": ("/p/s-step-1", 1), "s_step_2": ("/q/s_step_2", 2)}, {"/p/s", "/q/s"}),
    ],
)
def test_checkpoints_of_one_training_run_share_a_curve(models, names):
    assert set(series_names(models).values()) == names


def test_a_curve_joins_what_is_alike_and_the_run_itself_stands_over_what_was_known(make_run):
    plan = make_run(models=["tiny-step-500"], datasets=["sum"]).plan
    known = ScoreRow(
        "/runs/1", "tiny-step-100", "sum", "accuracy", 10.0, 1.5, 40, "41174c", "gen", 100, "e", "w", "", "", "tiny"
    )
    others = {
        "asked again": replace(known, value=12.0),
        "of this run": replace(known, step=500, value=1.0),
        "other prompt": replace(known, step=1, version="ffffff"),
        "other mode": replace(known, step=2, mode="ppl"),
        "other metric": replace(known, step=3, metric="f1"),
        "other dataset": replace(known, step=4, dataset="facts"),
        "no step": replace(known, step=None),
    }
    now = point(step=500, value=50.0)
    curve = plots.with_curve(plan, [now], [known, *others.values()])
    assert [(one.step, one.value) for one in curve] == [(100, 12.0), (500, 50.0)]
    assert curve[0].label == "tiny-step-100"
    assert curve[1] is now


def test_a_run_becomes_points_of_the_first_metric(make_run):
    run = make_run().fill()
    run.score("tiny-step-000000", "sum", right=4, result={"f1": 0.2, "accuracy": 50.0})
    points = plots.points_of(run.plan, scores_of(run.plan, examine(run.files, run.plan)))
    wanted = itertools.product([0, 500], ["sum", "facts"])
    assert [(p.series, p.step, p.dataset, p.metric) for p in points] == [("tiny", *w, "accuracy") for w in wanted]
    assert points[0].value == 50.0
