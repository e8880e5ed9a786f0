"""How far from somebody the robot walks, and whether it sees them.                   [host]"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from astro_jax.viz import style


def follow_figure(
    episodes: Sequence[Mapping[str, Any]],
    cases: Sequence[Mapping[str, Any]],
    bins: Sequence[float],
    band: tuple[float, float],
) -> Figure:
    """Per stratum the distribution of the distance and the share of the time in view.

    Args:
      episodes: of ``bench follow``, with a ``histogram`` of distances each.
      cases: its strata, with the share ``in_view``.
      bins: edges of the histogram, m.
      band: the distance that is wanted, m.
    """
    # the first one on top
    strata = list(dict.fromkeys(episode["stratum"] for episode in episodes))[::-1]
    figure = Figure(figsize=(9.0, 1.0 + 0.62 * len(strata)), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [3, 1]})
    middle = 0.5 * (np.array(bins[:-1]) + np.array(bins[1:]))
    left.axvspan(*band, color=style.SPEED, alpha=0.08, linewidth=0)
    for k, stratum in enumerate(strata):
        own = [episode for episode in episodes if episode["stratum"] == stratum]
        counts = np.sum([episode["histogram"] for episode in own], axis=0)
        height = 0.85 * counts / max(counts.max(), 1)
        left.fill_between(middle, k, k + height, color=style.SPEED, alpha=0.75, linewidth=0)
        case = next(case for case in cases if case["stratum"] == stratum)
        right.barh(k + 0.4, 100 * case["in_view"], height=0.7, color=style.SCREEN)
        share = f"{100 * case['in_view']:.1f}"
        right.text(4, k + 0.4, share, ha="left", va="center", color=style.INK, fontsize=9)
    left.set(xlim=(0.0, 4.0), ylim=(0.0, len(strata)), xlabel="distance to the person, m")
    left.set_yticks(np.arange(len(strata)) + 0.4, strata)
    right.set(xlim=(0.0, 100.0), xlabel="time in view, %")
    for axes in (left, right):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        style.dress(axes)
        axes.tick_params(axis="y", length=0)
    left.set_title("shaded: the wanted 1 to 2 m", fontsize=9, color=style.FAINT, loc="left")
    return figure
