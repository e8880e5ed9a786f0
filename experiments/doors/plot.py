"""The table and the figure of the doors experiment, from what run.py has kept."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from astro_jax.viz import style

LOOKS = {
    "no memory": ("#7b8794", "o"),
    "last seen": ("#c2571a", "s"),
    "habits and odds": ("#0b4fd1", "D"),
    "knows the habits": ("#3f8f2e", "^"),
}
OURS = "habits and odds"
BOOTSTRAPS = 2000


def excess(rows: list[dict]) -> dict[str, np.ndarray]:
    """Per policy, total seconds over the oracle's and number of trips, of each day."""
    days = sorted({(r["home"], r["seed"], r["day"]) for r in rows})
    place = {day: k for k, day in enumerate(days)}
    found = {name: np.zeros(len(days)) for name in (*LOOKS, "trips")}
    for row in rows:
        k = place[row["home"], row["seed"], row["day"]]
        found["trips"][k] += 1
        for name in LOOKS:
            found[name][k] += row[name] - row["oracle"]
    return found


def summary(rows: list[dict]) -> dict[str, tuple[float, float, float]]:
    """Means and 95 % intervals, whole days being drawn again."""
    days = excess(rows)
    rng = np.random.default_rng(0)
    count = len(days["trips"])
    draws = np.concatenate([[np.arange(count)], rng.integers(count, size=(BOOTSTRAPS, count))])
    total = {name: values[draws].sum(axis=1) for name, values in days.items()}
    mean = {name: total[name] / total["trips"] for name in LOOKS}
    best = np.minimum(mean["no memory"], mean["last seen"])
    with np.errstate(divide="ignore", invalid="ignore"):  # no excess at all in a draw of few days
        figures = {
            **mean,
            "closed of (i)": 1.0 - mean[OURS] / mean["no memory"],
            "closed of (ii)": 1.0 - mean[OURS] / mean["last seen"],
            "closed of the better": 1.0 - mean[OURS] / best,
            "of what habits allow": (mean["no memory"] - mean[OURS])
            / (mean["no memory"] - mean["knows the habits"]),
        }
    return {
        name: (float(v[0]), *np.quantile(v[1:], [0.025, 0.975]).tolist())
        for name, v in figures.items()
    }


def draw(folder: Path, target: Path) -> None:
    rows = json.loads((folder / "doors.json").read_text())
    homes = list(dict.fromkeys(row["home"] for row in rows))
    parts = {**{home: [r for r in rows if r["home"] == home] for home in homes}, "all": rows}
    later = {"all from week 4 on": [r for r in rows if r["day"] >= 21]}
    for name, part in {**parts, **later}.items():
        told = summary(part)
        oracle = np.mean([row["oracle"] for row in part])
        print(f"\n{name}: {len(part)} trips, oracle {oracle:.2f} s")
        for key, (mean, low, high) in told.items():
            print(f"  {key:22s} {mean:.3f}  [{low:.3f}, {high:.3f}]")

    figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 3.8), width_ratios=(3, 2))
    weeks = sorted({row["day"] // 7 for row in rows})
    for k, (name, (colour, marker)) in enumerate(LOOKS.items()):
        told = [summary([r for r in rows if r["day"] // 7 == week])[name] for week in weeks]
        mean, low, high = np.array(told).T
        x = np.array(weeks) + 0.88 + 0.08 * k
        left.errorbar(
            x, mean, [mean - low, high - mean], color=colour, marker=marker, capsize=2, label=name
        )
    left.set_xlabel("week")
    left.set_ylabel("seconds over the oracle, per trip")
    left.set_title("all homes, week by week", fontsize=10)
    left.legend(frameon=False, fontsize=9, ncols=2)
    for k, (name, (colour, _)) in enumerate(LOOKS.items()):
        told = [summary(part)[name] for part in parts.values()]
        mean, low, high = np.array(told).T
        x = np.arange(len(parts)) + 0.2 * (k - 1.5)
        right.bar(x, mean, 0.18, color=colour)
        right.errorbar(x, mean, [mean - low, high - mean], fmt="none", ecolor=style.INK, capsize=2)
    right.set_xticks(range(len(parts)), parts)
    right.set_title("per home, all weeks (95 % intervals)", fontsize=10)
    for axis in (left, right):
        axis.set_ylim(bottom=0.0)
        axis.grid(axis="y", color=style.FAINT, alpha=0.4)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("out/doors"))
    parser.add_argument("--target", type=Path, default=Path("experiments/doors/doors.png"))
    options = parser.parse_args()
    draw(options.folder, options.target)
