"""How far an estimated risk can be trusted: estimate against Monte Carlo.   [host]

In: a report of ``bench risk``.  Out: a Matplotlib figure without global state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from astro_jax.viz import style

TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.997)
BAND = 0.2
"""Relative error that the shaded band shows."""
_GROUPS = (
    ("passing by", ("crossing", "oncoming", "overtaking", "braking"), "o", style.PLAN),
    ("standing", ("standing",), "s", style.PERSON),
    ("robot turning, spinning", ("turning", "spinning"), "^", style.TURN),
    ("anisotropic, mixtures", ("anisotropic", "mixture"), "D", style.SCREEN),
    ("along walls", ("wall", "wall nearing"), "v", style.FAINT),
)


class _Report(Protocol):
    @property
    def cases(self) -> Sequence[Mapping[str, Any]]: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...


def reliability_figure(report: _Report) -> Figure:
    """Truth over estimate on logit scales: the rim's hazard left, the screening one right."""
    figure = Figure(figsize=(12.4, 6.6), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    panels = (("estimate", "", "Exact footprint"), ("screening", "_screening", "Screening"))
    for k, (column, suffix, title) in enumerate(panels):
        axes = figure.add_axes((0.065 + 0.495 * k, 0.105, 0.425, 0.72))
        draw_reliability(axes, report.cases, column)
        slope = report.metrics.get(f"slope{suffix}", float("nan"))
        worst = report.metrics.get(f"worst_optimistic_abs{suffix}", float("nan"))
        axes.set_title(
            f"{title}: slope {slope:.3f}, at most {max(worst, 0.0):.3f} optimistic",
            fontsize=10.5, loc="left", color=style.INK,
        )  # fmt: skip
        if k == 0:
            axes.legend(
                loc="upper left",
                fontsize=8.5,
                frameon=False,
                labelcolor=style.INK,
                handletextpad=0.2,
            )
    samples = int(report.metrics.get("samples", 0))
    figure.text(
        0.065, 0.935, "Is the estimated risk the risk there is?", fontsize=15, weight="bold",
        color=style.INK,
    )  # fmt: skip
    figure.text(
        0.065,
        0.888,
        f"{len(report.cases)} encounters, {samples:,} runs each; bars: 95 % of Monte Carlo; "
        f"band: ± {100 * BAND:.0f} %; above the diagonal the estimate is optimistic",
        fontsize=10,
        color=style.INK,
    )
    return figure


def draw_reliability(axes: Axes, cases: Sequence[Mapping[str, Any]], column: str) -> None:
    """One estimate (a column of the cases) against the Monte Carlo risk."""
    low, high = 7e-4, 0.9985
    line = 1.0 / (1.0 + np.exp(-np.linspace(_logit(low), _logit(high), 200)))
    upper = np.minimum((1 + BAND) * line, 1 - (1 - line) / (1 + BAND))
    lower = np.maximum((1 - BAND) * line, 1 - (1 - line) * (1 + BAND))
    axes.fill_between(
        _logit(line), _logit(np.clip(lower, 1e-5, 1)), _logit(upper), color=style.BAND
    )
    axes.plot(_logit(line), _logit(line), color=style.FAINT, linewidth=0.9)
    for label, kinds, marker, colour in _GROUPS:
        of = [case for case in cases if case["kind"] in kinds and _known(case[column])]
        if not of:
            continue
        x = _logit(np.clip([case[column] for case in of], low, high))
        truth, error = (np.array([case[key] for case in of]) for key in ("mc", "mc_error"))
        y, ends = (
            _logit(np.clip(value, low, high))
            for value in (truth, truth + np.array([[-1.96], [1.96]]) * error)
        )
        axes.vlines(x, ends[0], ends[1], color=colour, linewidth=0.8, alpha=0.45)
        axes.plot(
            x, y, marker, color=colour, markersize=4.2, alpha=0.8, markeredgewidth=0, label=label
        )
    for axis, set_limit in ((axes.xaxis, axes.set_xlim), (axes.yaxis, axes.set_ylim)):
        axis.set_major_locator(FixedLocator([float(_logit(t)) for t in TICKS]))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([f"{t:g}" for t in TICKS])
        set_limit(float(_logit(low)), float(_logit(high)))
    axes.set_xlabel("estimated risk", fontsize=9.5, color=style.INK)
    axes.set_ylabel("Monte Carlo risk", fontsize=9.5, color=style.INK)
    style.dress(axes, grid=True)


def _known(value: float | None) -> bool:
    return value is not None and np.isfinite(value)


def _logit(p: Any) -> np.ndarray:
    p = np.asarray(p, float)
    return np.log(p / (1.0 - p))
