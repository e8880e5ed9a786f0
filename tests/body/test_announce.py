"""What the screen can have shown in time, and that a turn beyond it has its price."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.body.announce import NOTICE, announced
from astro_jax.body.servo import JointState, initial_screen
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams
from astro_jax.geometry import smooth
from astro_jax.local.objective import UNNOTICED, unshown
from astro_jax.local.planner import initial_state, plan
from astro_jax.types import Grid, Motion, RouteField, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.people import no_tracks

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ROBOT = DEFAULT_ROBOT
CONFIG = PlannerConfig(candidates=96, descents=1, gradient_steps=1, map_cells=80, people=2)
DELAY = 0.18


def bounds_of(pan=0.0, rate=0.0, yaw_rate=0.0):
    screen = dataclasses.replace(
        initial_screen(), pan=JointState(angle=jnp.float32(pan), rate=jnp.float32(rate))
    )
    return np.asarray(announced(ROBOT, CONFIG, screen, jnp.float32(yaw_rate), DELAY))


def test_a_screen_at_rest_has_shown_nothing_for_a_while_and_anything_after_that():
    bounds = bounds_of()
    time = CONFIG.dt * np.arange(len(bounds))
    soon = time <= NOTICE - DELAY
    np.testing.assert_allclose(bounds[soon], 0.0, atol=1e-6)
    assert np.all(np.diff(bounds[:, 1]) >= 0.0) and bounds[-1, 1] > 1.0
    np.testing.assert_allclose(bounds[:, 0], -bounds[:, 1], atol=1e-6)


def test_what_the_screen_faces_already_is_shown():
    left = bounds_of(pan=0.8)
    assert np.all(left[:, 1] >= 0.8 - 1e-6)
    assert left[0, 0] == pytest.approx(0.8, abs=1e-6)
    # it came there only just now
    hasty = bounds_of(pan=0.8, rate=2.0)
    assert hasty[0, 1] < 0.1 and hasty[-1, 1] > left[-1, 1]


def test_a_steady_turn_with_the_screen_ahead_of_it_is_shown():
    """The screen leads by .9 s, as it is told to."""
    bounds, omega = bounds_of(pan=0.9 * 1.2, yaw_rate=1.2), 1.2
    turned = omega * CONFIG.dt * np.arange(len(bounds))
    assert np.all(turned <= bounds[:, 1] + 1e-6)


# ---- its price -----------------------------------------------------------------------


def world_of(bounds) -> WorldAtEffect:
    grid = Grid(
        values=jnp.zeros((CONFIG.map_cells,) * 2),
        origin=jnp.array([-2.0, -2.0]),
        resolution=jnp.float32(0.05),
    )
    free = jnp.zeros((CONFIG.map_cells,) * 2, bool)
    times = CONFIG.dt * jnp.arange(0, CONFIG.times, CONFIG.people_stride, dtype=jnp.float32)
    params = jax.tree.map(jnp.float32, PlannerParams())
    return WorldAtEffect(
        pose_map=jnp.array([0.0, 0.0, 0.3]),
        command=jnp.zeros(2),
        command_dot=jnp.zeros(2),
        clearance=clearance_field(free, grid, CONFIG.clearance_cells),
        forecast=forecast(no_tracks(CONFIG.people), params, jnp.float32(0.0), times),
        announced=jnp.asarray(bounds, jnp.float32),
    )


def excess(yaw, bounds):
    still = jnp.zeros((CONFIG.times, 3, 1))
    pose = still.at[:, 2, 0].set(jnp.asarray(0.3 + np.asarray(yaw), jnp.float32))
    motion = Motion(pose_map=pose, twist=still, twist_dot=still)
    return np.asarray(unshown(world_of(bounds), motion))[:, 0]


def test_a_turn_is_counted_from_where_it_began():
    """Straight on a small turn costs nothing; swinging back from another one it does."""
    bounds = np.zeros((14, 2))
    time = CONFIG.dt * np.arange(CONFIG.times)
    np.testing.assert_array_equal(excess(np.minimum(0.5 * time, 0.16), bounds), 0.0)
    straight = excess(np.minimum(0.5 * time, 0.5), bounds)
    assert straight[-1] == pytest.approx(0.5 - UNNOTICED, abs=1e-5)
    # to the right, where the screen faces, and from there back by more than needs no notice
    to_and_fro = np.where(time < 0.5, -0.6 * time, -0.3 + 0.6 * (time - 0.5))
    swinging = excess(to_and_fro, bounds - 0.5)
    np.testing.assert_allclose(swinging[:6], 0.0, atol=1e-6)
    assert swinging[9] == pytest.approx(0.24 - UNNOTICED, abs=1e-5)
    shown = excess(np.minimum(0.5 * time, 0.5), bounds + np.array([0.0, 0.6]))
    np.testing.assert_allclose(shown, 0.0, atol=1e-6)


@functools.cache
def planner():
    return jax.jit(lambda *given: plan(ROBOT, CONFIG, *given)[1:])


def test_the_base_waits_for_its_screen_and_not_for_ever():
    """A goal to the left: with the screen still ahead it turns later than without the price."""
    x, y = np.meshgrid(*2 * [np.arange(80) * 0.1 - 4.0])
    seconds = np.sqrt((x + 1.2) ** 2 + (y - 2.0) ** 2 + 0.05**2) / 0.6
    grid = Grid(
        values=jnp.asarray(seconds, jnp.float32),
        origin=jnp.array([-4.0, -4.0]),
        resolution=jnp.float32(0.1),
    )
    field = RouteField(cost_to_go=smooth(grid), goal_map=jnp.array([-1.2, 2.0, 2.0]))
    turned = {}
    for name, weight, pan in (("free", 0.0, 0.0), ("waits", 30.0, 0.0), ("shown", 30.0, 1.2)):
        params = jax.tree.map(jnp.float32, PlannerParams(unannounced=weight))
        world = world_of(bounds_of(pan=pan))
        made, seen = planner()(params, initial_state(CONFIG, jax.random.key(0)), world, field)
        turned[name] = np.asarray(made.motion.pose_map[:, 2]) - 0.3
        assert np.isfinite(float(seen.terms.unannounced))
    at = round(0.5 / CONFIG.dt)
    assert turned["free"][at] > turned["waits"][at] + 0.03
    assert turned["waits"][at] < UNNOTICED + 0.05
    assert turned["shown"][at] > 0.9 * turned["free"][at]
    assert all(course[-1] > 1.0 for course in turned.values())
