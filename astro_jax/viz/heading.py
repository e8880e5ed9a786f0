"""Where the screen faces and where the base heads, over the time of one drive.    [host]

In: a drive of ``bench intent``.  Out: a Matplotlib figure without global state.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from astro_jax.sim.turns import SHOWN, Turn
from astro_jax.viz import style

BAND = "#eef4fb"


class _Drive(Protocol):
    @property
    def time(self) -> np.ndarray: ...

    @property
    def yaw(self) -> np.ndarray: ...

    @property
    def pan(self) -> np.ndarray: ...

    @property
    def turns(self) -> Sequence[Turn]: ...


def heading_figure(drive: _Drive, pan_limit: float) -> Figure:
    """Headings of base and screen with the lead in every turn; the pan angle below."""
    figure = Figure(figsize=(11.0, 6.2), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    upper = figure.add_axes((0.075, 0.40, 0.90, 0.50))
    lower = figure.add_axes((0.075, 0.10, 0.90, 0.22), sharex=upper)
    yaw = np.degrees(np.unwrap(drive.yaw))
    facing = yaw + np.degrees(drive.pan)
    upper.fill_between(drive.time, yaw, facing, color=style.SCREEN, alpha=0.13, linewidth=0)
    upper.plot(drive.time, yaw, color=style.ROBOT, linewidth=2.0, label="base heads")
    upper.plot(drive.time, facing, color=style.SCREEN, linewidth=2.0, label="screen faces")
    for turn in drive.turns:
        for axes in (upper, lower):
            axes.axvspan(turn.begins, turn.ends, color=BAND, linewidth=0, zorder=0)
        _lead(upper, drive.time, yaw, turn)
    upper.set_ylabel("against the house, °", fontsize=9.5, color=style.INK)
    upper.legend(loc="best", fontsize=9, frameon=False, labelcolor=style.INK)
    upper.tick_params(labelbottom=False)
    lower.plot(drive.time, np.degrees(drive.pan), color=style.SCREEN, linewidth=1.6)
    for side in (-1.0, 1.0):
        lower.axhline(side * np.degrees(pan_limit), color=style.FAINT, linewidth=0.9, dashes=(4, 3))
    lower.text(drive.time[-1], np.degrees(pan_limit), "end stop ", fontsize=8, color=style.FAINT,
               ha="right", va="top")  # fmt: skip
    lower.axhline(0.0, color=style.FAINT, linewidth=0.6)
    lower.set_ylabel("pan, °", fontsize=9.5, color=style.INK)
    lower.set_xlabel("time, s", fontsize=9.5, color=style.INK)
    upper.set_xlim(float(drive.time[0]), float(drive.time[-1]))
    for axes in (upper, lower):
        style.dress(axes)
    figure.text(0.075, 0.945, "The screen turns before the base does", fontsize=13,
                color=style.INK, weight="bold")  # fmt: skip
    shaded = f"shaded: turns of 30° and more; arrows: lead at {np.degrees(SHOWN):.0f}° of the turn"
    figure.text(0.975, 0.945, shaded, fontsize=9, color=style.FAINT, ha="right")
    return figure


def _lead(axes: Axes, time: np.ndarray, yaw: np.ndarray, turn: Turn) -> None:
    """An arrow from when the screen faced ``SHOWN`` into the turn to when the base did."""
    start = int(np.searchsorted(time, turn.begins - 1e-6))
    level = yaw[start] + np.degrees(SHOWN) * np.sign(turn.angle)
    after = np.sign(turn.angle) * (yaw[start:] - level) >= 0.0
    base = time[min(start + int(np.argmax(after)), len(time) - 1)]
    arrow = {"arrowstyle": "->", "color": style.TURN, "linewidth": 1.6}
    axes.annotate("", (base, level), (base - turn.lead, level), arrowprops=arrow)
    above = turn.angle > 0
    axes.annotate(
        f"{turn.lead:.1f} s", (base - turn.lead, level), xytext=(-2, 3 if above else -3),
        textcoords="offset points", fontsize=8.5, color=style.TURN, ha="right",
        va="bottom" if above else "top",
        path_effects=[withStroke(linewidth=2.5, foreground=style.FREE)],
    )  # fmt: skip
