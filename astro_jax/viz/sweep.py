"""A sweep in pictures: each measure against each thing that varied, and the grid.    [host]

In: a report of ``bench/sweep_report.py``.  Out: Matplotlib figures without global state.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from astro_jax.viz import style

PALE_TO_DARK = LinearSegmentedColormap.from_list("amount", ["#f1f5fb", style.PLAN])
LABELS = 7
"""Values that are written below an axis one by one; more of them are numbers on a scale."""


class _Report(Protocol):
    @property
    def cases(self) -> Sequence[Mapping[str, Any]]: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


def places_of(report: _Report) -> list[tuple[str, str]]:
    """(Suite, variant) of every part of the sweep."""
    return list(dict.fromkeys((case["suite"], case["variant"]) for case in report.cases))


def marginal_figure(
    report: _Report, place: tuple[str, str], measures: Mapping[str, str], shares: Sequence[str]
) -> Figure:
    """Measures of one suite against each swept name, over all that else varied.

    Means are those within episodes (``bench/sweep_report.py``), with both of their intervals.
    """
    rows = [row for row in report.config["marginals"] if _place(row) == place]
    swept = report.config["swept"]
    shown = {name: label for name, label in measures.items() if any(name in row for row in rows)}
    figure = _figure(1.2 + 3.1 * len(swept), 1.1 + 1.9 * len(shown))
    axes = np.atleast_2d(figure.subplots(len(shown), len(swept), sharey="row", squeeze=False))
    for column, name in enumerate(swept):
        own = [row for row in rows if row["name"] == name]
        for row, (measure, label) in enumerate(shown.items()):
            _draw_marginal(axes[row, column], own, measure, measure in shares)
            if column == 0:
                axes[row, column].set_ylabel(label, color=style.INK, fontsize=10)
        axes[-1, column].set_xlabel(name, color=style.INK, fontsize=10)
    _title(figure, place, "95 % intervals: thick to compare, thin of the mean itself")
    return figure


def _draw_marginal(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, share: bool) -> None:
    known = [row for row in rows if name in row and math.isfinite(row[name])]
    values = [row["value"] for row in known]
    at, few = _positions(values)
    middle, around = _level(known, name, share)
    if not share:  # where the mean itself may be: much of it is the same for all
        mean, apart = _level(known, name, True, 1.0)
        axes.errorbar(at, mean, yerr=apart, fmt="none", ecolor=style.GUIDE, elinewidth=1.0)
    line = "-" if few and not any(isinstance(value, str) for value in values) else ""
    axes.errorbar(
        at,
        middle,
        yerr=around,
        fmt=f"o{line}",
        color=style.PLAN,
        elinewidth=2.2 if few else 1.3,
        markersize=4.5,
        linewidth=0.9,
    )
    if few:
        axes.set_xticks(at, [_short(value) for value in values])
        axes.set_xmargin(0.12)
    elif min(values) > 0 and max(values) / min(values) >= 8:
        axes.set_xscale("log")
    if share:
        axes.yaxis.set_major_formatter("{x:.0f} %")
    axes.grid(color="#e4e7eb", linewidth=0.8)
    _plain_frame(axes)


def _level(
    rows: Sequence[Mapping[str, Any]], name: str, plain: bool, scale: float = 100.0
) -> tuple[np.ndarray, np.ndarray]:
    """Means, and how far the ends of their intervals are below and above: plain, or within."""
    name, scale = (name, scale) if plain else (f"{name}_within", 1.0)
    middle = scale * np.array([row[name] for row in rows])
    ends = scale * np.array([[row[f"{name}_low"], row[f"{name}_high"]] for row in rows])
    ends = np.where(np.isfinite(ends), ends, middle[:, None]).reshape(-1, 2)
    return middle, np.maximum(0.0, (ends.T - middle) * np.array([[-1.0], [1.0]]))


def _positions(values: Sequence[Any]) -> tuple[Sequence[float], bool]:
    """Where values stand on an axis, and whether they are few enough to be written out."""
    if len(values) <= LABELS or any(isinstance(value, str) for value in values):
        return range(len(values)), True
    return [float(value) for value in values], False


def grid_figure(
    report: _Report, place: tuple[str, str], measures: Mapping[str, str], shares: Sequence[str]
) -> Figure | None:
    """Measures of one suite over a grid of two; None where the sweep is none."""
    swept = report.config["swept"]
    if report.config["kind"] != "grid" or len(swept) != 2:
        return None
    rows = [row for row in report.cases if _place(row) == place]
    shown = {name: label for name, label in measures.items() if any(name in row for row in rows)}
    columns = min(3, len(shown))
    lines = math.ceil(len(shown) / columns)
    figure = _figure(0.8 + 3.9 * columns, 1.1 + 3.1 * lines)
    axes = figure.subplots(lines, columns, squeeze=False)
    for panel in axes.flat[len(shown) :]:
        panel.set_axis_off()
    for panel, (name, label) in zip(axes.flat, shown.items(), strict=False):
        _draw_grid(panel, rows, swept, name, name in shares)
        panel.set_title(label, fontsize=11, color=style.INK, loc="left")
    _title(figure, place, "95 % intervals, of means to compare settings")
    return figure


def _draw_grid(
    axes: Axes, rows: Sequence[Mapping[str, Any]], swept: Sequence[str], name: str, share: bool
) -> None:
    across, up = (sorted({row[key] for row in rows}, key=_order) for key in swept)
    shown = name if share else f"{name}_within"
    scale, digits, unit = (100.0, 0, " %") if share else (1.0, 2, "")
    level = np.full((len(up), len(across)), np.nan)
    for row in rows:
        level[up.index(row[swept[1]]), across.index(row[swept[0]])] = scale * row.get(shown, np.nan)
    known = level[np.isfinite(level)]
    low, high = (0.0, 100.0) if share else (known.min(), known.max()) if len(known) else (0.0, 1.0)
    axes.imshow(level, cmap=PALE_TO_DARK, vmin=low, vmax=max(high, low + 1e-9), origin="lower")
    axes.set_aspect("auto")
    for row in rows:
        x, y = across.index(row[swept[0]]), up.index(row[swept[1]])
        if not math.isfinite(level[y, x]):
            continue
        dark = (level[y, x] - low) / max(high - low, 1e-9) > 0.55
        ends = [scale * row[f"{shown}_{end}"] for end in ("low", "high")]
        text = f"{level[y, x]:.{digits}f}{unit}"
        if all(map(math.isfinite, ends)):
            text += f"\n({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
        colour = "white" if dark else style.INK
        text = text.replace("-", "−")
        axes.text(x, y, text, ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_xticks(range(len(across)), [_short(value) for value in across])
    axes.set_yticks(range(len(up)), [_short(value) for value in up])
    axes.set_xlabel(swept[0], color=style.INK, fontsize=9.5)
    axes.set_ylabel(swept[1], color=style.INK, fontsize=9.5)
    _plain_frame(axes)


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["suite"], row["variant"]


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _title(figure: Figure, place: tuple[str, str], note: str) -> None:
    figure.suptitle(f"{place[0]} ({place[1]}) — {note}", fontsize=11.5, color=style.INK)


def _plain_frame(axes: Axes) -> None:
    axes.tick_params(labelsize=9, colors=style.INK, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
