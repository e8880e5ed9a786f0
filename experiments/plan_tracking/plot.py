"""The table and the picture of run.py."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from astro_jax.viz import style

LOOKS = {False: (style.TURN, "without"), True: (style.SPEED, "with tracking")}
HEADER = (
    "| | tracking | rms mm | worst mm (95 %) | at the end mm | yaw acceleration rad/s² |\n"
    "|---|---|---|---|---|---|"
)


def table(rows: list[dict]) -> str:
    lines = [HEADER]
    for row in sorted(rows, key=lambda row: [r["condition"] for r in rows].index(row["condition"])):
        lines.append(
            f"| {row['condition']} | {'with' if row['tracking'] else 'without'} "
            f"| {row['rms_mm']:.1f} | {row['worst_mm']:.1f} ({row['worst_95_mm']:.1f}) "
            f"| {row['end_mm']:.1f} | {row['yaw_acceleration']:.1f} |"
        )
    return "\n".join(lines)


def draw(path: Path, way: np.ndarray, traces: dict, conditions, tick: float, disturbed: float):
    """Above the ways driven (as believed), below the distance from the plan's path."""
    names = list(conditions)
    figure, rows = plt.subplots(
        2, len(names), figsize=(3.4 * len(names), 6.2), sharey="row", layout="constrained"
    )
    for name, above, below in zip(names, *rows, strict=True):
        for on, (colour, label) in LOOKS.items():
            poses = traces[name, on][0]
            for run in poses[:16]:
                above.plot(*run[:, :2].T, color=colour, linewidth=0.6, alpha=0.5)
            gap = 1e3 * np.stack([_aside(run, way) for run in poses])
            t = tick * np.arange(1, gap.shape[1] + 1)
            low, middle, high = np.quantile(gap, [0.05, 0.5, 0.95], axis=0)
            below.fill_between(t, low, high, color=colour, alpha=0.2, linewidth=0)
            below.plot(t, middle, color=colour, linewidth=1.5, label=label)
        above.plot(*way[:, :2].T, color=style.INK, linewidth=1.0, linestyle=(0, (4, 3)))
        above.set_aspect("equal")
        above.set_title(name, fontsize=10, color=style.INK)
        if "pushed" in name or "jumps" in name or "all" in name:
            below.axvline(disturbed, color=style.FAINT, linewidth=0.8)
        below.set(xlabel="s", ylim=(0, 150), xlim=(0, t[-1]))
    rows[0, 0].set_ylabel("m")
    rows[1, 0].set_ylabel("distance from the plan's path, mm")
    rows[1, 0].legend(frameon=False, fontsize=9, loc="upper left")
    figure.savefig(path, dpi=110)


def _aside(run: np.ndarray, way: np.ndarray) -> np.ndarray:
    index = np.arange(0, len(way) - 1, 0.1)
    fine = np.stack([np.interp(index, np.arange(len(way)), way[:, k]) for k in (0, 1)], axis=1)
    return np.linalg.norm(run[:, None, :2] - fine, axis=-1).min(axis=1)
