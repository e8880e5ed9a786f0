"""A small home with two rooms and a door between them, and a small planner."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from astro_jax.config import PlannerConfig

WIDE, TALL, RESOLUTION = 6.0, 3.2, 0.05
DOOR_X, DOOR_LOW, DOOR_HIGH = 3.0, 1.15, 2.05
SMALL = PlannerConfig(candidates=100, gradient_steps=3, people=2, near_bodies=2, map_cells=80)


def write_map(folder: Path) -> Path:
    """Two rooms of 3 by 3.2 m; the only way between them is .9 m wide."""
    rows, columns = round(TALL / RESOLUTION), round(WIDE / RESOLUTION)
    wall = np.zeros((rows, columns), bool)
    wall[:2] = wall[-2:] = wall[:, :2] = wall[:, -2:] = True
    y = RESOLUTION * (np.arange(rows) + 0.5)
    at = round(DOOR_X / RESOLUTION)
    wall[(y < DOOR_LOW) | (y > DOOR_HIGH), at - 1 : at + 1] = True
    Image.fromarray(np.where(wall[::-1], 0, 254).astype(np.uint8)).save(folder / "two.png")
    (folder / "two.yaml").write_text(
        f"image: two.png\nresolution: {RESOLUTION}\norigin: [0.0, 0.0, 0.0]\nnegate: 0\n"
        "occupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    return folder / "two.yaml"


def planner_yaml(config: PlannerConfig) -> str:
    usual = PlannerConfig()
    names = [f.name for f in dataclasses.fields(config)]
    changed = [n for n in names if getattr(config, n) != getattr(usual, n)]
    return "config:\n" + "".join(f"  {n}: {getattr(config, n)}\n" for n in changed)
