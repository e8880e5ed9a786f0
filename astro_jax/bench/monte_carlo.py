"""The truth about an encounter: the forecast's own process, run very often.          [host]

A walker's acceleration is white noise, so that its position is x₀ + v₀t + √q·∫W.  The Wiener
paths are drawn once and serve every encounter with fresh initial states and signs: estimates
of different encounters are a little correlated, their own standard errors are not touched.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.bench.encounters import HORIZON, Encounter, WallPass

STEP = 0.03
"""Between two looks, s; the least distance in between is interpolated."""
CORNERS = 6
"""Outlines are padded to so many vertices: one compiled run for all."""


class Walkers:
    """Runs encounters: ``hits(encounter)`` → share of runs that touch, and that did at first."""

    def __init__(self, samples: int, random: np.random.Generator) -> None:
        self.times = STEP * np.arange(round(HORIZON / STEP) + 1)
        self.samples = samples
        self._key = jax.random.key(int(random.integers(2**31)))
        self._key, key = jax.random.split(self._key)
        self._paths = jax.jit(_paths, static_argnums=(1, 2))(key, len(self.times), samples)
        self._run = jax.jit(_run)

    def hits(self, encounter: Encounter) -> tuple[float, float]:
        """Probability of touching within the horizon, and of touching at its first moment."""
        self._key, key = jax.random.split(self._key)
        rotation = np.array(
            [[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in encounter.angle]
        )
        state = np.stack(
            [encounter.xy_var, encounter.xy_velocity_cov, encounter.velocity_var], axis=-1
        )
        x, y, yaw = encounter.poses(self.times).T
        poses = np.stack([x, y, np.cos(yaw), np.sin(yaw)], axis=1)
        arguments = (
            self.times, poses, _edges(encounter.outline), encounter.radius,
            np.cumsum(encounter.weight), encounter.xy, encounter.velocity, rotation, state,
            np.sqrt(encounter.diffusion),
        )  # fmt: skip
        arguments = [jnp.asarray(value, jnp.float32) for value in arguments]
        ever, first = self._run(key, self._paths, *arguments)
        return float(ever), float(first)


def _paths(key: Array, count: int, samples: int) -> Float[Array, "T 2 S"]:
    """∫W at each step, exactly in distribution."""
    noise = jax.random.normal(key, (count - 1, 2, 2, samples))

    def step(carry, noise):
        position, velocity = carry
        jump = STEP**1.5 / 3**0.5 * noise[0]
        position = position + STEP * velocity + jump
        velocity = velocity + (0.75 * STEP) ** 0.5 * noise[0] + 0.5 * STEP**0.5 * noise[1]
        return (position, velocity), position

    start = jnp.zeros((2, samples))
    _, positions = jax.lax.scan(step, (start, start), noise)
    return jnp.concatenate([start[None], positions])


def _run(key, paths, times, poses, edges, radius, weights, xy, velocity, rotation, state, sigma):
    samples = paths.shape[-1]
    pick, place, flip = jax.random.split(key, 3)
    component = jnp.sum(jax.random.uniform(pick, (samples, 1)) > weights[None, :-1], axis=1)
    noise = jax.random.normal(place, (2, 2, samples))
    sign = jax.random.rademacher(flip, (2, samples), dtype=jnp.float32)
    a, b, c = (state[component, :, k].T for k in range(3))  # along/across, samples
    offset = jnp.sqrt(a) * noise[0]
    drift = b / jnp.sqrt(a) * noise[0] + jnp.sqrt(jnp.maximum(c - b * b / a, 0.0)) * noise[1]
    # everything in the map's axes: position = start + way·t + shake·∫W
    turn = jnp.moveaxis(rotation[component], 0, -1)  # map axis, own axis, samples
    start = xy[component].T + jnp.sum(turn * offset[None], axis=1)
    way = velocity[component].T + jnp.sum(turn * drift[None], axis=1)
    shake = turn * (sigma[component].T * sign)[None]

    def distance(path, time, pose):
        dx, dy = (
            start[k] + time * way[k] + shake[k, 0] * path[0] + shake[k, 1] * path[1] - pose[k]
            for k in range(2)
        )
        return _to_polygon(edges, pose[2] * dx + pose[3] * dy, pose[2] * dy - pose[3] * dx) - radius

    def look(carry, now):
        before, last, least = carry
        gap = distance(*now)
        # the parabola through three looks dips below the middle one by this much
        bend = jnp.maximum(before - 2.0 * last + gap, 1e-6)
        swing = jnp.clip(gap - before, -bend, bend)  # its lowest point lies within the steps
        dip = last - swing * swing / (8.0 * bend)
        return (last, gap, jnp.minimum(least, jnp.minimum(gap, dip))), None

    first, second = (distance(paths[k], times[k], poses[k]) for k in range(2))
    least = jnp.minimum(first, second)
    (_, _, least), _ = jax.lax.scan(look, (first, second, least), (paths[2:], times[2:], poses[2:]))
    share = lambda yes: jnp.mean(yes.astype(jnp.float32))
    return share(least < 0.0), share(first < 0.0)


def _edges(outline: Float[np.ndarray, "E 2"]) -> Float[np.ndarray, "V 5"]:
    """Corner, direction and length of each edge, padded by repeating the last one."""
    edge = np.roll(outline, -1, axis=0) - outline
    length = np.hypot(edge[:, 0], edge[:, 1])
    rows = np.concatenate([outline, edge / length[:, None], length[:, None]], axis=1)
    return np.concatenate([rows, np.repeat(rows[-1:], CORNERS - len(rows), axis=0)])


def _to_polygon(edges: Float[Array, "V 5"], x, y):
    """Signed distance of points to a convex polygon (counter-clockwise), negative inside."""
    square, side = jnp.inf, -jnp.inf
    for k in range(CORNERS):
        px, py, ux, uy, length = edges[k]
        dx, dy = x - px, y - py
        along, out = dx * ux + dy * uy, dx * uy - dy * ux
        past = along - jnp.clip(along, 0.0, length)
        square = jnp.minimum(square, past * past + out * out)
        side = jnp.maximum(side, out)
    return jnp.where(side > 0.0, jnp.sqrt(square), side)


def wall_hits(
    wall: WallPass,
    clearance: Float[np.ndarray, "T"],
    sigma: Float[np.ndarray, "T"],
    correlation: float,
    samples: int,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Share of maps in error σ·G(way) whose wall is met, and is at first.

    G is a Gaussian process with unit variance and correlation exp(−Δ²/2l²) over the way.
    """
    way = wall.speed * STEP * np.arange(len(clearance))
    covariance = np.exp(-0.5 * ((way[:, None] - way) / correlation) ** 2)
    value, vector = np.linalg.eigh(covariance)
    kept = value > 1e-7  # the process is smooth: a dozen modes carry it
    root = (vector[:, kept] * np.sqrt(value[kept])).astype(np.float32)
    modes = random.standard_normal((root.shape[1], samples), dtype=np.float32)
    level = (-clearance / sigma).astype(np.float32)[:, None]
    below = root @ modes < level
    return float(np.mean(np.any(below, axis=0))), float(np.mean(below[0]))
