"""The figure and the table of the latency experiment, from what run.py has kept."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from astro_jax.viz import style

TITLES = {"homes": "homes, three people", "crossing": "five people cross blindly"}
PANELS = (
    ("success", "success"),
    ("contacts", "contacts per episode"),
    ("time", "time to arrive, s"),
    ("min_clearance_people", "least distance to people, m"),
)
LOOKS = {1: ("#1b6ca8", "o", "knows how late it is"), 0: ("#c2571a", "s", "does not")}


def summary(rows: list[dict]) -> list[dict]:
    """Means per latency and variant, with 95 % intervals of the means."""
    found = []
    for latency, knowing in sorted({(row["latency"], row["knowing"]) for row in rows}):
        own = [r for r in rows if (r["latency"], r["knowing"]) == (latency, knowing)]
        line = {"latency": latency, "knowing": knowing, "episodes": len(own)}
        arrived = [r for r in own if not r["timeout"]]
        for name in ("success", "timeout", "contacts", "at_fault", "rms_jerk", "frozen"):
            line[name], line[name + "_ci"] = mean([r[name] for r in own])
        for name in ("time", "path_ratio", "sparc"):
            line[name], line[name + "_ci"] = mean([r[name] for r in arrived])
        for name in ("min_clearance_people", "min_clearance_walls"):
            line[name], line[name + "_ci"] = mean([min(r[name], 2.0) for r in own])
        found.append(line)
    return found


def mean(values: list[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval."""
    kept = np.array([v for v in values if np.isfinite(v)])
    if len(kept) < 2:
        return float("nan"), float("nan")
    return float(kept.mean()), float(1.96 * kept.std(ddof=1) / np.sqrt(len(kept)))


def draw(folder: Path) -> None:
    """Read ``<scene>.json`` in ``folder``; write ``latency.png`` there and print the table."""
    tables = {
        name: summary(json.loads((folder / f"{name}.json").read_text()))
        for name in TITLES
        if (folder / f"{name}.json").exists()
    }
    figure, axes = plt.subplots(
        len(tables), len(PANELS), figsize=(13.0, 3.1 * len(tables)), squeeze=False
    )
    for row, (name, lines) in zip(axes, tables.items(), strict=True):
        for axis, (key, label) in zip(row, PANELS, strict=True):
            for knowing, (colour, marker, words) in LOOKS.items():
                own = [line for line in lines if line["knowing"] == knowing]
                axis.errorbar(
                    # side by side, or one would hide the other
                    [1e3 * line["latency"] + (6.0 if knowing else -6.0) for line in own],
                    [line[key] for line in own],
                    [line[key + "_ci"] for line in own],
                    color=colour,
                    marker=marker,
                    capsize=3,
                    label=words,
                )
            axis.set_title(label, fontsize=10)
            axis.set_xlabel("latency, ms")
            axis.set_xlim(-40.0, 540.0)
            low, high = (0.7, 1.02) if key == "success" else (0.0, None)
            axis.set_ylim(bottom=low, top=high)
            axis.grid(color=style.FAINT, alpha=0.4)
            axis.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(TITLES[name])
    axes[0, 0].legend(frameon=False, fontsize=9, loc="lower left")
    figure.tight_layout()
    figure.savefig(folder / "latency.png", dpi=130)
    for name, lines in tables.items():
        print(f"\n{TITLES[name]}\n")
        print(
            "| latency ms | knows | episodes | success | timeouts | contacts | at fault | "
            "time s | path | jerk m/s³ | gap to people m | frozen s |"
        )
        print("|" + "---|" * 12)
        for line in lines:
            print(
                f"| {1e3 * line['latency']:.0f} | {'yes' if line['knowing'] else 'no'} "
                f"| {line['episodes']} | {line['success']:.3f} | {line['timeout']:.3f} "
                f"| {line['contacts']:.3f} | {line['at_fault']:.3f} "
                f"| {line['time']:.1f} ± {line['time_ci']:.1f} | {line['path_ratio']:.2f} "
                f"| {line['rms_jerk']:.2f} | {line['min_clearance_people']:.2f} "
                f"| {line['frozen']:.2f} |"
            )


if __name__ == "__main__":
    draw(Path("out/latency"))
