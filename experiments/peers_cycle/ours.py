"""The same work in JAX, and the whole risk-aware cycle; runs in the project's environment."""

import dataclasses
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import scene

from astro_jax.bench.bare import SIZES as PLANNERS
from astro_jax.bench.cycle import cycle_of
from astro_jax.bench.moments import moments
from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerParams


def mppi(arrays, size: str):
    """One cycle of the same MPPI: noise, unicycle, the same cost, softmin, shifted plan."""
    count, steps, dt = scene.SIZES[size]
    low, high = (jnp.asarray(x)[:, None] for x in (scene.LOW, scene.HIGH))
    sigma = jnp.asarray(scene.SIGMA)[None, :, None]
    before = np.tri(steps, k=-1, dtype=np.float32)  # sums over the steps before
    up_to = np.tri(steps, dtype=np.float32)

    def cycle(key, nominal, state, grid, goal, discs):
        nominal = jnp.concatenate([nominal[1:], jnp.zeros((1, 2))])
        key, draw = jax.random.split(key)
        noise = sigma * jax.random.normal(draw, (steps, 2, count))
        action = jnp.clip(nominal[..., None] + noise, low[None], high[None])
        noise = action - nominal[..., None]
        v, omega = action[:, 0], action[:, 1]
        yaw = state[2] + dt * (before @ omega)
        x = state[0] + dt * (up_to @ (v * jnp.cos(yaw)))
        y = state[1] + dt * (up_to @ (v * jnp.sin(yaw)))

        def cell(u):
            u = jnp.clip(u / scene.RESOLUTION + scene.CELLS / 2 + 0.5, 0.0, scene.CELLS - 1.0)
            return u.astype(jnp.int32)

        index = cell(y) * scene.CELLS + cell(x)
        cost = scene.WEIGHT_GRID * grid.reshape(-1).at[index].get(mode="promise_in_bounds")
        for m in range(scene.DISCS):
            gap = jnp.sqrt((x - discs[:, m, :1]) ** 2 + (y - discs[:, m, 1:]) ** 2 + 1e-6)
            cost += scene.WEIGHT_DISC * jnp.maximum(1.0 - gap / scene.REACH, 0.0) ** 2
        cost += scene.WEIGHT_GOAL * dt * jnp.sqrt((x - goal[0]) ** 2 + (y - goal[1]) ** 2 + 1e-6)
        cost += 0.1 * (v**2 + omega**2)
        total = jnp.sum(cost, axis=0)
        # the same control cost as the peer: λ Σ⁻¹ noise · nominal
        priced = scene.TEMPERATURE * noise / sigma**2 * nominal[..., None]
        total += jnp.sum(priced, axis=(0, 1))
        weight = jax.nn.softmax(-(total - jnp.min(total)) / scene.TEMPERATURE)
        nominal = nominal + jnp.tensordot(noise, weight, axes=1)
        return key, nominal, nominal[0]

    jitted = jax.jit(cycle)
    fixed = [jnp.asarray(arrays[k]) for k in ("state", "grid", "goal", f"discs_{size}")]
    carried = [jax.random.key(0), jnp.zeros((steps, 2))]

    def call():
        carried[:] = (*jitted(*carried, *fixed)[:2],)
        return np.asarray(carried[1][0])

    return call


def full(size: str):
    """The planner's own cycle, with everything it does, among eight people in the flat."""
    count, config = PLANNERS[size]
    # bodies are sampled every .2 s or .3 s; the stride must divide the steps
    config = dataclasses.replace(
        config,
        candidates=count // config.stages,
        people=scene.DISCS,
        people_stride=config.people_stride if size == "600x30" else 4,
    )
    params, latency = jax.tree.map(jnp.float32, (PlannerParams(), Latency()))
    cycle = jax.jit(cycle_of(DEFAULT_ROBOT, config))
    found = itertools.cycle(
        moments(DEFAULT_ROBOT, config, params, latency, scene.DISCS, 4, 0, cycle)
    )
    return lambda: jax.block_until_ready(cycle(params, latency, next(found)))


def main() -> None:
    arrays = np.load(sys.argv[1], allow_pickle=False)
    cases = {}
    for size in scene.SIZES:
        cases[f"same_work:{size}"] = mppi(arrays, size)
        cases[f"full_cycle:{size}"] = full(size)
    scene.serve(cases, {"broken": {}, "versions": {"jax": jax.__version__}})


if __name__ == "__main__":
    main()
