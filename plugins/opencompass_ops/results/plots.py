"""Scores as one figure: curves over training steps, or bars where models have no steps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opencompass_ops.contract.plan import Plan
from opencompass_ops.results.rows import ScoreRow
from opencompass_ops.results.scores import Score
from opencompass_ops.results.series import series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette: told apart with every common colour blindness. Yellow is too faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES_TOGETHER = 6
PANELS = 24
"""Panels in one figure; further datasets are counted in the title."""
DPI = 150
TITLE_INCHES = 0.58
THICK = 3.5
"""Points; the bar of the standard error, over the thin one of the interval."""

ALARM = "#B00020"
CROWDED, NARROW = 1 / 3, 1 / 20
"""Where so many of the steps share so little of the axis, all are equally far apart: trainers save at 1, 2, 4, ..."""

EVENLY = "training step, checkpoints evenly spaced"
TICKS = 8

RINGS = "ring: alarm of the detector"
ERRORS = "thick bar: standard error; thin bar: 95 % interval"
CHANCE = "chance"


@dataclass(frozen=True)
class Point:
    """One value to draw.

    :param series: what a curve joins: checkpoints of one training run, or one model.
    :param label: the model's name on a bar.
    :param stderr: standard error, None when unknown.
    :param low: lower end of the 95 % interval, None when unknown.
    :param fell: whether the detector raises an alarm here.
    """

    series: str
    label: str
    step: int | None
    dataset: str
    metric: str
    value: float
    stderr: float | None
    low: float | None
    high: float | None
    n: int
    fell: bool = False


def points_of(plan: Plan, scores: Sequence[Score]) -> list[Point]:
    """The first metric of each model x dataset, in the plan's order."""
    names = series_of(plan)
    columns = {model.abbr: model.column for model in plan.models}
    return [
        Point(
            series=names[score.model],
            label=columns[score.model],
            step=score.step,
            dataset=score.dataset,
            metric=score.metric,
            value=score.value,
            stderr=score.stderr,
            low=score.low,
            high=score.high,
            n=score.n,
        )
        for score in scores
        if score.primary
    ]


def with_curve(plan: Plan, points: Sequence[Point], rows: Sequence[ScoreRow]) -> list[Point]:
    """The points of a run and, before them, those of the checkpoints of its series that were evaluated earlier.

    :param rows: scores of the series, older ones first; only those over the same dataset, version and metric are drawn.
    """
    versions = {(dataset.abbr, dataset.version, dataset.mode) for dataset in plan.datasets}
    wanted = {(point.dataset, point.metric) for point in points}
    drawn = {(point.dataset, point.step) for point in points}
    earlier = {
        (row.dataset, row.step): Point(
            series=row.series, label=row.model, step=row.step, dataset=row.dataset, metric=row.metric,
            value=row.value, stderr=row.stderr, low=None, high=None, n=row.n,
        )
        for row in rows
        if row.step is not None and (row.dataset, row.step) not in drawn
        if (row.dataset, row.metric) in wanted and (row.dataset, row.version, row.mode) in versions
    }  # fmt: skip
    return [*earlier.values(), *points]


def render(points: Sequence[Point], title: str, chance: Mapping[str, float] | None = None) -> bytes:
    """One PNG of all points.

    Models with steps make curves: datasets together in one panel when there is a single training run
    and at most six of them, else a panel each. Models without a step are horizontal lines beside
    curves, and bars when no model has one.

    :param points: at least one.
    :param title: usually the config's name.
    :param chance: score that guessing reaches, by dataset abbr, drawn dotted.
    :raises ValueError: there is nothing to draw.
    """
    if not points:
        raise ValueError("no scores to draw; score at least one pair first")
    datasets = list(dict.fromkeys(point.dataset for point in points))
    shown = datasets[:PANELS]
    levels = {name: level for name, level in (chance or {}).items() if name in shown}
    kept = [point for point in points if point.dataset in shown]
    stepped = any(point.step is not None for point in kept)
    together = stepped and len({point.series for point in kept}) == 1 and len(shown) <= LINES_TOGETHER
    if together:
        figure = _curves_together(kept, shown, levels)
    elif stepped:
        figure = _curve_panels(kept, shown, levels)
    else:
        figure = _bar_panels(kept, shown, levels)
    _headline(figure, title, kept, len(datasets) - len(shown))
    return _png(figure)


def _headline(figure: Figure, title: str, points: Sequence[Point], left_out: int) -> None:
    sizes = sorted({point.n for point in points})
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]} to {sizes[-1]}"
    more = f"; {left_out} more datasets not drawn" if left_out else ""
    bars = f"; {ERRORS}" if any(point.low is not None for point in points) else ""
    bars += f"; {RINGS}" if any(point.fell for point in points) else ""
    height = figure.get_figheight()
    figure.text(0.015, 1 - 0.1 / height, title, fontsize=12, fontweight="bold", va="top")
    figure.text(0.015, 1 - 0.34 / height, f"{n} samples per score{bars}{more}", fontsize=9, color="0.35", va="top")


def _curves_together(points: Sequence[Point], datasets: Sequence[str], chance: Mapping[str, float]) -> Figure:
    figure, (axes,) = _panels(1, 1, width=8.0, height=4.8)
    for index, dataset in enumerate(datasets):
        drawn = [point for point in points if point.dataset == dataset]
        _curve(axes, drawn, index, _named(drawn))
        if dataset in chance:
            axes.axhline(chance[dataset], color=_colour(index), linestyle=":", linewidth=1.2)
            axes.annotate(
                CHANCE, (1.005, chance[dataset]), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                color=_colour(index),
            )  # fmt: skip
    axes.set_ylabel("score", fontsize=9.5)
    axes.set_xlabel("training step", fontsize=9.5)
    _step_axis(axes, points, chance)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(3, len(datasets)), fontsize=9)
    return figure


def _curve_panels(points: Sequence[Point], datasets: Sequence[str], chance: Mapping[str, float]) -> Figure:
    columns = min(3, len(datasets))
    figure, panels = _panels(len(datasets), columns, width=4.2 * columns if columns > 1 else 7.0, height=3.1)
    series = list(dict.fromkeys(point.series for point in points))
    for at, (axes, dataset) in enumerate(zip(panels, datasets, strict=True)):
        drawn = [point for point in points if point.dataset == dataset]
        if at + columns >= len(datasets):
            axes.set_xlabel("training step", fontsize=9.5)
        for index, name in enumerate(series):
            of_series = [point for point in drawn if point.series == name]
            steps = [point for point in of_series if point.step is not None]
            _curve(axes, steps, index, name)
            for point in of_series:
                if point.step is None:
                    axes.axhline(point.value, color=_colour(index), linestyle="--", linewidth=1.5, label=name)
        if dataset in chance:
            axes.axhline(chance[dataset], color="0.45", linestyle=":", linewidth=1.2, label=CHANCE)
        _step_axis(axes, drawn, chance)
        axes.set_title(_named(drawn), fontsize=9.5, loc="left")
    _shared_legend(figure, panels)
    return figure


def _bar_panels(points: Sequence[Point], datasets: Sequence[str], chance: Mapping[str, float]) -> Figure:
    labels = list(dict.fromkeys(point.label for point in points))
    columns = min(3, len(datasets))
    height = 0.9 + 0.34 * len(labels)
    figure, panels = _panels(len(datasets), columns, width=4.2 * columns if columns > 1 else 7.0, height=height)
    for index, (axes, dataset) in enumerate(zip(panels, datasets, strict=True)):
        drawn = [point for point in points if point.dataset == dataset]
        for point in drawn:
            _bar(axes, point, labels.index(point.label))
        if dataset in chance:
            axes.axvline(chance[dataset], color="0.45", linestyle=":", linewidth=1.2)
        low, high = _limits(drawn, chance)
        axes.set_xlim(low, high + 0.12 * (high - low))  # room for the value beside a full bar
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_yticks(range(len(labels)), labels if index % columns == 0 else [""] * len(labels), fontsize=9)
        axes.tick_params(axis="y", length=0)
        axes.set_title(_named(drawn), fontsize=9.5, loc="left")
        axes.grid(axis="x", color="0.9")
    return figure


def _curve(axes: Axes, points: Sequence[Point], index: int, label: str) -> None:
    if not points:
        return
    ordered = sorted(points, key=lambda point: point.step or 0)
    steps = [point.step or 0 for point in ordered]
    values = [point.value for point in ordered]
    axes.errorbar(
        steps,
        values,
        yerr=_interval(ordered),
        color=_colour(index),
        marker=MARKERS[index % len(MARKERS)],
        linestyle="-" if index < len(COLOURS) else "--",
        markersize=4.5,
        linewidth=1.8,
        elinewidth=1.0,
        capsize=3,
        label=label,
    )
    axes.errorbar(steps, values, yerr=_stderr(ordered), color=_colour(index), linestyle="none", elinewidth=THICK)
    fell = [(point.step or 0, point.value) for point in ordered if point.fell]
    if fell:
        at, height = zip(*fell, strict=True)
        axes.scatter(at, height, s=130, facecolors="none", edgecolors=ALARM, linewidths=1.8, zorder=5)


def _bar(axes: Axes, point: Point, row: int) -> None:
    axes.barh(row, point.value, height=0.62, color=COLOURS[0], alpha=0.75)
    if point.low is not None:
        axes.errorbar(point.value, row, xerr=_interval([point]), color="0.15", elinewidth=1.0, capsize=3)
        axes.errorbar(point.value, row, xerr=_stderr([point]), color="0.15", elinewidth=THICK)
    end = point.value if point.high is None else point.high
    axes.annotate(
        f"{point.value:.2f}", (end, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5
    )


def _interval(points: Sequence[Point]) -> list[list[float]]:
    # Rounded scores may lie a hair outside their interval; an error bar cannot be negative.
    low = [0.0 if point.low is None else max(0.0, point.value - point.low) for point in points]
    high = [0.0 if point.high is None else max(0.0, point.high - point.value) for point in points]
    return [low, high]


def _stderr(points: Sequence[Point]) -> list[float]:
    return [point.stderr or 0.0 for point in points]


def _step_axis(axes: Axes, points: Sequence[Point], chance: Mapping[str, float]) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    steps = sorted({point.step for point in points if point.step is not None})
    axes.set_ylim(*_limits(points, chance))
    axes.grid(axis="y", color="0.9")
    if not steps:
        axes.set_xticks([])
    elif len(steps) == 1:
        axes.set_xticks(steps)
    elif _is_crowded(steps):
        _space_evenly(axes, steps)
    else:
        margin = 0.04 * (steps[-1] - steps[0])
        axes.set_xlim(steps[0] - margin, steps[-1] + margin)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    if steps and steps[-1] >= 10_000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _space_evenly(axes: Axes, steps: Sequence[int]) -> None:
    import numpy as np

    # beyond the ends there is an axis too: half a width, as far as one step goes there
    known = [2 * steps[0] - steps[1], *steps, 2 * steps[-1] - steps[-2]]
    places = np.arange(-1.0, len(steps) + 1)

    def place_of(step: Any) -> Any:
        return np.interp(step, known, places)

    def step_at(place: Any) -> Any:
        return np.interp(place, places, known)

    axes.set_xscale("function", functions=(place_of, step_at))
    axes.set_xlim(step_at(-0.6), step_at(len(steps) - 0.4))
    stride = -(-len(steps) // TICKS)
    axes.set_xticks(steps[::-1][::stride][::-1])
    axes.set_xlabel(EVENLY if axes.get_xlabel() else "", fontsize=9.5)


def _is_crowded(steps: Sequence[int]) -> bool:
    """:param steps: distinct, sorted, at least two."""
    narrow = steps[0] + NARROW * (steps[-1] - steps[0])
    return sum(step <= narrow for step in steps) > max(3, CROWDED * len(steps))


def _limits(points: Sequence[Point], chance: Mapping[str, float]) -> tuple[float, float]:
    ends = [end for point in points for end in (point.value, point.low, point.high) if end is not None]
    ends += [chance[point.dataset] for point in points if point.dataset in chance]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    # The whole scale where the metric has one, so that small differences look small.
    top = next((scale for scale in (1.0, 100.0) if low >= 0 and high <= scale), high)
    span = (top - low) or 1.0
    return low - (0.03 * span if low < 0 else 0.02 * span), top + 0.05 * span


def _panels(count: int, columns: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = -(-count // columns)
    total = height * rows + TITLE_INCHES
    # The title stands at the left edge, where the layout would leave no room for it by itself.
    figure = Figure(figsize=(width, total), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - TITLE_INCHES / total)))
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(rows, columns, index + 1) for index in range(count)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8.5)
        axes.set_axisbelow(True)
    return figure, panels


def _shared_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if CHANCE in entries:
        entries[CHANCE] = entries.pop(CHANCE)
    if len(entries) > 1:
        figure.legend(
            entries.values(), entries.keys(), loc="outside lower center", ncols=min(4, len(entries)), frameon=False,
            fontsize=9,
        )  # fmt: skip


def _named(points: Sequence[Point]) -> str:
    """The dataset and what was measured on it."""
    metrics = dict.fromkeys(point.metric for point in points)
    return f"{points[0].dataset} ({', '.join(metrics)})"


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return stream.getvalue()
