"""What every planner of the comparison looks at: one cost grid, eight discs that move."""

from pathlib import Path

import numpy as np

CELLS, RESOLUTION = 120, 0.05
DISCS, REACH = 8, 0.5
"""Moving discs, and the centre distance (m) below which one costs."""
SIZES = {"600x30": (600, 30, 0.1), "2000x56": (2000, 56, 0.05)}
"""Trajectories, steps, seconds per step."""
LOW, HIGH = (-0.25, -1.8), (0.75, 1.8)
"""Limits of v (m/s) and ω (rad/s)."""
SIGMA, TEMPERATURE = (0.3, 0.8), 1.0
WEIGHT_GRID, WEIGHT_DISC, WEIGHT_GOAL = 10.0, 30.0, 1.0
FILE = "scene.npz"


def write(folder: Path, seed: int = 0) -> Path:
    """Grid: exp(−gap/.2 m) around forty posts; discs walk straight at up to 1.2 m/s."""
    random = np.random.default_rng(seed)
    side = RESOLUTION * (np.arange(CELLS) - CELLS / 2)
    x, y = np.meshgrid(side, side)
    posts = random.uniform(-3.0, 3.0, (40, 2))
    posts = posts[np.hypot(*posts.T) > 0.8]
    gap = np.hypot(x[..., None] - posts[:, 0], y[..., None] - posts[:, 1]).min(-1)
    way, speed = random.uniform(-np.pi, np.pi, DISCS), random.uniform(0.3, 1.2, DISCS)
    velocity = np.column_stack([speed * np.cos(way), speed * np.sin(way)])
    at = random.uniform(-2.5, 2.5, (DISCS, 2))
    arrays = {
        "grid": np.exp(-gap / 0.2),
        "goal": np.array([2.5, 1.0]),
        "state": np.array([0.0, 0.0, 0.3]),
    }
    for name, (_, steps, dt) in SIZES.items():
        time = dt * np.arange(1, steps + 1)
        arrays[f"discs_{name}"] = at[None] + time[:, None, None] * velocity[None]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    np.savez(path, **{name: value.astype(np.float32) for name, value in arrays.items()})
    return path


def serve(cases, announce) -> None:
    """Answer ``case runs`` lines on standard input with a line of milliseconds each.

    The driver asks both processes in turn for a few calls at a time, so that whatever else
    the machine does slows all of them alike; a process that is not asked sleeps.
    """
    import json
    import sys
    import time

    for call in cases.values():
        for _ in range(5):
            call()
    print(json.dumps(announce | {"cases": list(cases)}), flush=True)
    for line in sys.stdin:
        name, runs = line.split()
        call = cases[name]
        call()  # wakes up threads and caches after the other process had the machine
        times = []
        cpu = time.process_time()
        for _ in range(int(runs)):
            start = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - start))
        cpu = 1e3 * (time.process_time() - cpu) / int(runs)
        print(json.dumps({"ms": times, "cpu": cpu}), flush=True)
