"""Which bodies the search looks at: those that can come near, and those that are odd."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.local.nearest import DEVIATIONS, nearest

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PEOPLE, KEPT = 12, 4


@pytest.fixture(scope="module")
def crowded(lab):
    config = dataclasses.replace(lab.config, people=PEOPLE, near_bodies=KEPT)
    return dataclasses.replace(lab, config=config)


@pytest.fixture(scope="module")
def kept(crowded):
    """world → indices of the bodies that are kept, read off their radii."""

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(world):
        marked = dataclasses.replace(
            world.forecast, kind=jnp.arange(PEOPLE), radius=world.forecast.radius
        )
        return nearest(
            crowded.robot, crowded.config, dataclasses.replace(world, forecast=marked)
        ).forecast

    chex.clear_trace_counter()
    return run


def slow_gap(crowded, world):
    """What a robot that drives straight at a body would leave, in float64."""
    bodies = jax.tree.map(lambda leaf: np.asarray(leaf, float), world.forecast)
    stride = crowded.config.people_stride * crowded.config.dt
    gaps = []
    for m in range(PEOPLE):
        least = np.inf
        for k in range(bodies.xy_map.shape[0]):
            for c in range(bodies.xy_map.shape[2]):
                away = np.linalg.norm(bodies.xy_map[k, m, c] - np.asarray(world.pose_map[:2]))
                sigma = np.sqrt(bodies.xy_var[k, m, c].max())
                reach = max(crowded.robot.speed, crowded.robot.reverse_speed) * stride * k
                least = min(least, away - reach - DEVIATIONS * sigma - bodies.radius[m])
        gaps.append(least if bodies.valid[m] else np.inf)
    return np.array(gaps)


def test_those_that_can_come_nearest_are_kept(crowded, kept):
    for seed in range(10):
        random = np.random.default_rng(seed)
        count = (PEOPLE, 7, 3)[seed % 3]
        xy = random.uniform(-6.0, 6.0, (count, 2))
        world = crowded.world(
            random.uniform(-1, 1, 3), xy=xy, velocity=random.normal(size=(count, 2))
        )
        near = kept(world)
        gap = slow_gap(crowded, world)
        chosen = np.asarray(near.kind)
        valid = np.sort(chosen[np.asarray(near.valid)])
        expected = np.sort(np.argsort(gap, kind="stable")[: min(KEPT, count)])
        np.testing.assert_array_equal(valid, expected)
        # with everything that belongs to them
        for name in ("xy_map", "velocity_map", "axis_map", "xy_var", "velocity_var"):
            np.testing.assert_array_equal(
                getattr(near, name), np.asarray(getattr(world.forecast, name))[:, chosen]
            )
        for name in ("weight", "radius", "valid"):
            np.testing.assert_array_equal(
                getattr(near, name), np.asarray(getattr(world.forecast, name))[chosen]
            )


def test_a_runner_from_afar_comes_before_a_stander_nearby(crowded, kept):
    xy = np.array([(7.0, 0.0), *[(4.5 + 0.1 * k, 3.0) for k in range(PEOPLE - 1)]])
    velocity = np.zeros((PEOPLE, 2))
    velocity[0] = -2.0, 0.0
    near = kept(crowded.world(xy=xy, velocity=velocity))
    assert set(np.asarray(near.kind).tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("field", ["xy_map", "xy_var", "radius"])
def test_what_is_not_a_number_is_looked_at(crowded, kept, field):
    random = np.random.default_rng(0)
    xy = 1.0 + random.uniform(-0.5, 0.5, (PEOPLE, 2))
    xy[9] = 30.0, 30.0
    world = crowded.world(xy=xy, velocity=np.zeros((PEOPLE, 2)))
    leaf = np.array(getattr(world.forecast, field))
    np.moveaxis(leaf, 0 if field == "radius" else 1, 0)[9] = np.nan
    bodies = dataclasses.replace(world.forecast, **{field: jnp.asarray(leaf)})
    near = kept(dataclasses.replace(world, forecast=bodies))
    assert 9 in np.asarray(near.kind)
    # unless there is nobody there
    ghost = dataclasses.replace(bodies, valid=bodies.valid.at[9].set(False))
    near = kept(dataclasses.replace(world, forecast=ghost))
    assert 9 not in np.asarray(near.kind)


def test_a_few_are_all_kept_as_they_are(lab):
    assert lab.config.people <= lab.config.near_bodies
    world = lab.world(xy=[(0.5, 0.5), (9.0, 9.0)], velocity=[(0.0, 0.0)] * 2)
    assert nearest(lab.robot, lab.config, world) is world
