"""Does the tracker keep pedestrians apart and covered?  ETH, hotel and Zara at 10 Hz."""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from astro_jax.types import Detections
from astro_jax.world.people import DETECTION_VAR, no_tracks, update_tracks

SCENES = {"hotel": ("biwi_hotel.txt", 25), "zara01": ("crowds_zara01.txt", 25)}
SCENES |= {"eth": ("eth_obsmat_0p4s.txt", 15)}
"""Files (frame, id, x, y, …) and the frames per second of their films."""
SLOTS, FRAME, NEAREST = 16, 20, 12
"""Tracks, detections per frame, and people around the robot's place that are detected."""
PERIOD, NEAR = 0.1, 0.5
FIGURES = ("person-frames", "uncovered", "switches", "surplus tracks per frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eth_ucy"))
    parser.add_argument("--missed", type=float, default=0.05)
    parser.add_argument("--ghosts", type=float, default=0.05)
    options = parser.parse_args()
    table = Table("scene", *FIGURES)
    for name, (file, rate) in SCENES.items():
        frames = resampled(np.loadtxt(options.data / file), rate)
        figures = followed(frames, options.missed, options.ghosts)
        table.add_row(name, *(f"{value:.4g}" for value in figures))
    Console().print(table)


def resampled(rows: np.ndarray, rate: float) -> list[dict[int, np.ndarray]]:
    """Who is where, every ``PERIOD``; straight between the recorded places."""
    times = np.arange(rows[:, 0].min() / rate, rows[:, 0].max() / rate, PERIOD)
    frames: list[dict[int, np.ndarray]] = [{} for _ in times]
    for who in np.unique(rows[:, 1]):
        own = rows[rows[:, 1] == who]
        own = own[np.argsort(own[:, 0])]
        inside = np.flatnonzero((times >= own[0, 0] / rate) & (times <= own[-1, 0] / rate))
        x, y = (np.interp(times[inside], own[:, 0] / rate, own[:, k]) for k in (2, 3))
        for k, xy in zip(inside, np.column_stack([x, y]), strict=True):
            frames[k][int(who)] = xy
    return frames


def followed(frames: list[dict[int, np.ndarray]], missed: float, ghosts: float) -> tuple:
    """The ``FIGURES``; people count from their third frame in view on."""
    step, random = jax.jit(update_tracks), np.random.default_rng(0)
    centre = np.median(np.vstack([xy for frame in frames for xy in frame.values()]), axis=0)
    here, period = jnp.asarray(centre, jnp.float32), jnp.float32(PERIOD)
    tracks, last, seen_for = no_tracks(SLOTS), {}, {}
    seen = uncovered = switches = surplus = 0
    for frame in frames:
        gap = {who: np.linalg.norm(xy - centre) for who, xy in frame.items()}
        people = sorted(frame, key=gap.__getitem__)[:NEAREST]
        truth = np.array([frame[who] for who in people]).reshape(-1, 2)
        noisy = truth + random.normal(0, np.sqrt(DETECTION_VAR), truth.shape)
        noisy = noisy[random.random(len(noisy)) >= missed]
        if random.random() < ghosts:
            noisy = np.vstack([noisy, centre + random.uniform(-6, 6, (1, 2))])
        tracks = jax.device_get(step(tracks, detected(random.permutation(noisy)), here, period))
        slots = np.flatnonzero(tracks.valid)
        off = np.linalg.norm(truth[:, None] - np.asarray(tracks.xy_map)[slots][None], axis=-1)
        surplus += len(slots) - len(people)
        mates = dict(zip(*linear_sum_assignment(np.minimum(off, 10.0)), strict=True))
        for k, who in enumerate(people):
            seen_for[who] = seen_for.get(who, 0) + 1
            if seen_for[who] < 3:
                continue
            seen += 1
            uncovered += not np.any(off[k] < NEAR)
            if k in mates and off[k, mates[k]] < NEAR:
                slot = slots[mates[k]]
                switches += last.get(who, slot) != slot
                last[who] = slot
    return seen, uncovered, switches, surplus / len(frames)


def detected(xy: np.ndarray) -> Detections:
    at = np.zeros((FRAME, 2), np.float32)
    at[: len(xy)] = xy
    return Detections(
        xy_map=jnp.asarray(at),
        xy_cov=jnp.tile(DETECTION_VAR * jnp.eye(2), (FRAME, 1, 1)),
        radius=jnp.full(FRAME, 0.25),
        kind=jnp.zeros(FRAME, jnp.int32),
        identity=jnp.full(FRAME, -1, jnp.int32),
        seen=jnp.arange(FRAME) < len(xy),
        age=jnp.float32(0.0),
    )


if __name__ == "__main__":
    main()
