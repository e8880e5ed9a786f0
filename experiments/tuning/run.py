"""Weights from walkers, params from closed loops, and both beside hand-tuned ones.

    python experiments/tuning/run.py walkers crossing crowd slopes table

Each word is a step; ASTRO_JAX_DATA names the data.  Everything is kept in out/tuning; ``crowd``
goes on from there if it was interrupted.  README.md tells what came of it.
"""

import json
import sys
from pathlib import Path

from astro_jax.cli import main

HERE = Path(__file__).parent
OUT = Path("out/tuning")
STEPS = {
    "walkers": ["learn", "demos", "--most", "30", "--out", str(OUT / "walkers")],
    "crossing": [
        *["learn", "judge", str(OUT / "walkers" / "params.yaml"), "--suite", "crossing"],
        *["--cases", "*-30[01]", "--json", str(OUT / "crossing.json")],
    ],
    "crowd": [
        *["learn", "tune", "--suite", "crowd", "--train", "circle-1?", "square-1?"],
        *["--judge", "*-22?", "*-23?", "--planner", str(HERE / "crowd_start.yaml")],
        *["--params", "acceleration", "turning", "patience", "--spread", "0.4"],
        *["--generations", "12"],
        *["--out", str(OUT / "crowd"), "--tensorboard", str(OUT / "tensorboard")],
    ],
    "slopes": [
        *["learn", "descend", "--suite", "crossing", "--seconds", "4"],
        *["--train", "crossing-*-00?", "head-on-*-00?"],
        *["--judge", "crossing-*-30[0-2]", "head-on-*-30[0-2]"],
        *["overtaking-*-30[0-2]", "doorway-*-30[0-2]"],
        *["--steps", "14", "--batch", "6", "--out", str(OUT / "slopes")],
    ],
}


def table() -> None:
    """Print what the reports say."""
    reports = [OUT / name / "report.json" for name in ("walkers", "crowd", "slopes")]
    for path in (*reports, OUT / "crossing.json"):
        if not path.exists():
            continue
        report = json.loads(path.read_text())
        print(f"\n{path}, commit {report['commit']}")
        for name, value in report["metrics"].items():
            low, high = report["intervals"].get(name, ("", ""))
            shown = f" ({low:.3f} to {high:.3f})" if low != "" and low is not None else ""
            print(
                f"  {name:32} {value:.4g}{shown}" if value is not None else f"  {name:32} unknown"
            )
        for row in report["cases"]:
            if "group" in row:
                print("  " + ", ".join(f"{k} {v}" for k, v in row.items()))


if __name__ == "__main__":
    for step in sys.argv[1:]:
        if step == "table":
            table()
        elif main(STEPS[step]):
            sys.exit(2)
