"""How far a forecast of people can be trusted: nominal against observed coverage.    [host]

In: a report of ``bench forecast``.  Out: a Matplotlib figure without global state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from astro_jax.viz import style

BAND = 3.0
"""Percentage points that the shaded band shows."""
_COLOURS = (style.PLAN, style.TURN, style.PERSON, style.SCREEN, style.SPEED)
_MARKERS = "os^Dv"


class _Report(Protocol):
    @property
    def cases(self) -> Sequence[Mapping[str, Any]]: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


def calibration_figure(report: _Report) -> Figure:
    """Coverage by scene and by time ahead; nats per step over time ahead."""
    figure = Figure(figsize=(14.4, 5.8), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    panels = [figure.add_axes((0.05 + 0.325 * k, 0.115, 0.275, 0.66)) for k in range(3)]
    scenes = list(dict.fromkeys(case["scene"] for case in report.cases))
    times = sorted({case["time"] for case in report.cases})
    curve = np.array(report.config["curve"])
    of = lambda name, rows: np.mean([row[name] for row in rows], axis=0)
    alike = {scene: [row for row in report.cases if row["scene"] == scene] for scene in scenes}
    at = {time: [row for row in report.cases if row["time"] == time] for time in times}

    lines = [(scene, of("covered", rows)) for scene, rows in alike.items()]
    draw_coverage(panels[0], curve, lines, of("covered_gauss", report.cases))
    panels[0].set_title("Coverage by scene held out", **_TITLE)
    chosen = [times[k] for k in sorted({0, len(times) // 3, 2 * len(times) // 3, len(times) - 1})]
    lines = [(f"{time:.1f} s ahead", of("covered", at[time])) for time in chosen]
    draw_coverage(panels[1], curve, lines, None)
    panels[1].set_title("Coverage by time ahead, mean of scenes", **_TITLE)

    for name, label, colour, width in (
        ("nll_gauss", "one Gaussian, constant velocity", style.FAINT, 1.6),
        ("nll_gauss_tracked", "one Gaussian, same tracks", style.GUIDE, 1.6),
        ("nll", "forecast", style.PLAN, 2.4),
    ):
        level = [of(name, at[time]) for time in times]
        panels[2].plot(times, level, "-o", color=colour, linewidth=width, markersize=4, label=label)
    panels[2].set_title("Surprise by time ahead, mean of scenes", **_TITLE)
    panels[2].set_xlabel("time ahead, s")
    panels[2].set_ylabel("nats per step (less is better)", fontsize=9.5, color=style.INK)
    for axes in panels:
        style.dress(axes, grid=True)
    panels[2].legend(loc="upper left", fontsize=8.5, frameon=False, labelcolor=style.INK)
    _write(figure, report.metrics, len(scenes))
    return figure


def draw_coverage(
    axes: Axes,
    nominal: np.ndarray,
    lines: Sequence[tuple[str, np.ndarray]],
    reference: np.ndarray | None,
) -> None:
    """Observed over nominal coverage, in per cent; the reference is a single Gaussian's."""
    ends = np.array([0.0, 100.0])
    axes.fill_between(ends, ends - BAND, ends + BAND, color=style.BAND, zorder=0)
    axes.plot(ends, ends, color=style.FAINT, linewidth=0.9)
    percent = 100.0 * nominal
    if reference is not None:
        label = "one Gaussian, mean"
        axes.plot(percent, 100 * reference, "--", color=style.FAINT, linewidth=1.4, label=label)
    for k, (label, covered) in enumerate(lines):
        axes.plot(
            percent, 100 * covered, marker=_MARKERS[k % 5], color=_COLOURS[k % 5], label=label,
            linewidth=1.5, markersize=3.8, markeredgewidth=0, alpha=0.9,
        )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 90, 99])
    axes.set_yticks([0, 25, 50, 75, 90, 99])
    axes.set_xlabel("nominal, %", fontsize=9.5, color=style.INK)
    axes.set_ylabel("observed, %", fontsize=9.5, color=style.INK)
    axes.legend(loc="upper left", fontsize=8.5, frameon=False, labelcolor=style.INK)


_TITLE = {"fontsize": 10.5, "loc": "left", "color": style.INK}


def _write(figure: Figure, metrics: Mapping[str, float], scenes: int) -> None:
    title = "Are people where the forecast says, as often as it says?"
    figure.text(0.05, 0.925, title, fontsize=15, weight="bold", color=style.INK)
    value = lambda name: metrics.get(name, float("nan"))
    covered = "/".join(f"{value(f'coverage_{level}'):.0f}" for level in (50, 90, 99))
    figure.text(
        0.05,
        0.868,
        f"{scenes} scenes, each scored with the parameters of the others; nominal 50/90/99 %: "
        f"{covered} % observed; {value('nll'):.2f} nats per step, one Gaussian "
        f"{value('nll_gauss'):.2f}; band: ± {BAND:.0f} points".replace("-", "−"),
        fontsize=10,
        color=style.INK,
    )
