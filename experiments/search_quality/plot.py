"""The picture: regret over budget, one panel for a cold and one for a warm start."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from astro_jax.viz.style import FAINT, INK, PLAN

COLOURS = ("#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7b8794", "#8a7a00")
"""After Okabe & Ito, Color universal design, 2008."""
FLOOR = 1e-4
"""Regrets below this are drawn on it, s."""


def draw(figures: dict, names: list[str], ours: str, path: Path) -> None:
    """Median solid, p90 dashed, every line with its name at its end."""
    budgets = sorted({budget for _, _, budget in figures})
    style = {"text.color": INK, "axes.edgecolor": FAINT, "xtick.color": INK, "ytick.color": INK}
    with plt.rc_context({**style, "font.size": 9.5, "axes.labelcolor": INK}):
        figure, panels = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
        for axes, condition in zip(panels, ("cold", "warm"), strict=True):
            ends = []
            for k, name in enumerate(sorted(names, key=lambda n: n == ours)):
                colour = PLAN if name == ours else COLOURS[k % len(COLOURS)]
                for measure, line in (("p90", (0, (4, 2))), ("median", "-")):
                    values = [figures[name, condition, b][measure][0] for b in budgets]
                    values = np.maximum(values, FLOOR)
                    axes.plot(
                        budgets,
                        values,
                        linestyle=line,
                        color=colour,
                        linewidth=2.4 if name == ours else 1.3,
                        alpha=1.0 if measure == "median" else 0.75,
                    )
                    if measure == "median":
                        ends.append((values[-1], name, colour))
            _label(axes, ends, budgets[-1], ours)
            title = {"cold": "without a previous plan", "warm": "with the previous plan"}
            axes.set_title(title[condition], loc="left", color=INK)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(budgets, [str(b) for b in budgets])
            axes.minorticks_off()
            axes.set_xlim(budgets[0] * 0.9, budgets[-1] * 2.6)
            axes.set_ylim(FLOOR * 0.8, None)
            axes.set_xlabel("evaluations (a gradient counts as 3)")
            axes.grid(axis="y", color="#e4e7eb", linewidth=0.7)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("regret, seconds of progress (— median, - - p90)")
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _label(axes, ends, budget: int, ours: str) -> None:
    """Names beside the last points, pushed apart where they would overlap."""
    step = 1.32
    """Ratio of neighbouring labels on the logarithmic axis."""
    placed = -np.inf
    for value, name, colour in sorted(ends):
        at = max(np.log(value), placed + np.log(step))
        placed = at
        weight = "bold" if name == ours else "normal"
        axes.annotate(
            name,
            (budget, value),
            xytext=(budget * 1.12, np.exp(at)),
            color=colour,
            va="center",
            fontweight=weight,
            annotation_clip=False,
        )
