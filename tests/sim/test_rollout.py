"""A rollout's slopes in the planner's weights against finite differences, in double precision."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.bench.throughput import place_of
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.sim.episode import run_cycles, start_episode

SMALL = dataclasses.replace(
    DEFAULT_PLANNER, candidates=96, people=2, gradient_steps=3, descents=2, finalists=4
)
WEIGHTS = ("patience", "acceleration", "turning", "wall_noise")
CYCLES = 3


def doubled(tree):
    """Every number of it in double precision, but for random keys."""

    def one(leaf):
        leaf = jnp.asarray(leaf)
        return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(one, tree)


@pytest.mark.soak
def test_slopes_are_those_of_finite_differences():
    """In single precision the differences drown in rounding: the outcome hardly moves."""
    with jax.enable_x64(True):
        place = doubled(place_of(DEFAULT_ROBOT, SMALL, 2, 0))
        params = doubled(PlannerParams())
        start = start_episode(
            DEFAULT_ROBOT, SMALL, place.world.told, place.scene, jax.random.key(0)
        )
        state = doubled(start)
        # clocks are counted in single precision
        memory = dataclasses.replace(
            state.robot.gate.memory, scan_age=start.robot.gate.memory.scan_age.astype(jnp.float32)
        )
        gate = dataclasses.replace(state.robot.gate, memory=memory)
        state = dataclasses.replace(
            state,
            time=start.time.astype(jnp.float32),
            robot=dataclasses.replace(state.robot, gate=gate),
        )

        def outcome(weights):
            own = dataclasses.replace(
                params, **{name: weights[k] for k, name in enumerate(WEIGHTS)}
            )
            end, _, ticks = run_cycles(
                DEFAULT_ROBOT, SMALL, own, place.world, place.scene, place.field, state, CYCLES
            )
            return jnp.sum(end.pose[:2]) + jnp.sum(ticks.twist[..., 0] ** 2) / 50.0

        at = jnp.array([getattr(PlannerParams(), name) for name in WEIGHTS])
        value = jax.jit(outcome)
        slope = jax.jit(lambda weights, way: jax.jvp(outcome, (weights,), (way,))[1])
        for k, way in enumerate(jnp.eye(len(WEIGHTS))):
            h = 1e-5 * at[k]
            expected = (value(at + h * way) - value(at - h * way)) / (2.0 * h)
            assert abs(expected) > 1e-8
            np.testing.assert_allclose(slope(at, way), expected, rtol=0.01)
