"""Walls against Monte Carlo and the closed form; survival; gradients in awkward places."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.local.risk import SLOW, Discs, unharmed, wall_hazard
from astro_jax.robot.footprint import covering_discs
from astro_jax.types import Clearance, Motion

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PARAMS = jax.tree.map(jnp.float32, PlannerParams())
STILL_MAP = dataclasses.replace(PARAMS, wall_noise_time=jnp.float32(0.0))
"""Its error does not grow along the plan."""
DT = 0.1
TIMES = DT * np.arange(31)
POINT = Discs(centres=np.zeros((1, 2), np.float32), radii=np.zeros(1, np.float32))
BODY = Discs(**dict(zip(("centres", "radii"), covering_discs(DEFAULT_ROBOT, 3), strict=True)))


def plane(at_origin=0.0, slope_x=0.0, slope_y=1.0, offset=0.0):
    """A field v + g·p, which is sampled without error everywhere."""
    table = np.zeros((4, 4, 4), np.float32)
    y, x = np.mgrid[:4, :4] - 2.0
    table[..., 0] = at_origin + slope_x * (x + offset) + slope_y * (y + offset)
    table[..., 1], table[..., 2] = slope_x, slope_y
    return Clearance(
        table=jnp.asarray(table),
        origin=jnp.full(2, -2.0 + offset),
        resolution=jnp.float32(1.0),
    )


def drive(margin, speed, times=TIMES, yaw=0.0, omega=0.0):
    """Along the x axis with a clearance y = ``margin`` (a number or one per time)."""
    zero = np.zeros_like(times)
    leaf = lambda *columns: jnp.asarray(np.stack(columns, axis=1)[..., None], jnp.float32)
    return Motion(
        pose_map=leaf(speed * times, zero + margin, zero + yaw + omega * times),
        twist=leaf(zero + speed, zero, zero + omega),
        twist_dot=leaf(zero, zero, zero),
    )


@functools.cache
def compiled(of_body=False):
    discs = BODY if of_body else POINT
    return jax.jit(lambda params, motion, field: wall_hazard(params, motion, field, discs, DT))


def error(speed, times=TIMES, params=PARAMS):
    driven = times * speed / (speed + SLOW)
    return (
        float(params.wall_noise)
        + float(params.wall_noise_speed) * speed
        + float(params.wall_noise_time) * driven
    )


@pytest.mark.parametrize("speed", [0.1, 0.4, 0.75])
@pytest.mark.parametrize("margin", [0.0, 0.02, 0.05, 0.1])
def test_hazard_beside_a_wall_is_the_bell(speed, margin):
    """|v|/(2πl)·exp(−m²/2σ²) at constant clearance m and constant error σ."""
    hazard, found, _ = compiled()(STILL_MAP, drive(margin, speed), plane())
    np.testing.assert_allclose(found, margin, atol=1e-6)
    sigma = error(speed, np.zeros(1))
    bell = speed / (2 * np.pi * float(PARAMS.wall_correlation))
    bell = bell * np.exp(-0.5 * (margin / sigma) ** 2)
    np.testing.assert_allclose(hazard, np.broadcast_to(bell, hazard.shape), rtol=0.02, atol=1e-6)


def monte_carlo(margin, speed, samples=60_000, step=0.02):
    """Share of maps in error σ·G(way) whose wall is met later, and share met at first."""
    times = np.arange(0.0, TIMES[-1] + 1e-9, step)
    way = speed * times
    lag = (way[:, None] - way) / float(PARAMS.wall_correlation)
    value, vector = np.linalg.eigh(np.exp(-0.5 * lag**2))
    root = vector * np.sqrt(np.maximum(value, 0.0))
    field = root @ np.random.default_rng(0).standard_normal((len(times), samples))
    margin = np.interp(times, TIMES, margin)
    below = margin[:, None] + error(speed, times)[:, None] * field < 0.0
    return np.mean(np.any(below, axis=0)), np.mean(below[0])


@pytest.mark.parametrize("speed", [0.15, 0.4, 0.75])
@pytest.mark.parametrize(
    "course",
    [
        0.05 + 0.0 * TIMES,
        0.1 + 0.0 * TIMES,
        0.25 - 0.06 * TIMES,
        0.04 + 0.1 * (TIMES - 1.5) ** 2,
        0.3 - 0.25 * np.exp(-4.0 * (TIMES - 1.2) ** 2),
    ],
    ids=["beside", "farther", "nearing", "bow", "dip"],
)
def test_risk_along_a_wall_is_what_monte_carlo_finds(course, speed):
    """Within 8 % or .006, errors at first and later being independent; constant and varying."""
    truth, first = monte_carlo(course, speed)
    hazard, _, _ = compiled()(PARAMS, drive(course, speed), plane())
    later = np.trapezoid(hazard[:, 0], dx=DT)
    found = 1.0 - (1.0 - first) * (1.0 - min(later, 1.0))
    assert found == pytest.approx(truth, rel=0.08, abs=0.006)


def test_at_rest_beside_a_wall_there_is_no_hazard():
    for margin in (-0.02, 0.0, 0.03):
        hazard, _, _ = compiled()(PARAMS, drive(margin, 0.0), plane())
        assert np.max(hazard) < 1e-3


@pytest.mark.parametrize("depth", [0.0, 0.01, 0.04])
def test_a_robot_that_starts_in_contact_may_leave(depth):
    foremost = np.max(BODY.centres[:, 0] + BODY.radii)
    total = {}
    for way, speed in (("in", 0.3), ("out", -0.3)):
        # heading for the wall at y < 0
        margin = foremost - depth - speed * TIMES
        motion = dataclasses.replace(
            drive(margin, speed, yaw=-np.pi / 2),
            pose_map=drive(margin, 0.0, yaw=-np.pi / 2).pose_map,
        )
        motion = jax.tree.map(lambda leaf: leaf[:8], motion)
        hazard, found, _ = compiled(of_body=True)(PARAMS, motion, plane())
        assert found[0, 0] == pytest.approx(-depth, abs=1e-5)
        total[way] = float(np.trapezoid(hazard[:, 0], dx=DT))
    assert total["out"] < 0.1 * total["in"]
    assert total["in"] > 0.15


def test_driving_into_a_wall_ends_in_a_hit():
    hazard, _, _ = compiled()(PARAMS, drive(1.0 - 0.4 * TIMES, 0.4), plane())
    assert float(unharmed(hazard, DT)[-1, 0]) < 0.1


# ---- survival ------------------------------------------------------------------------


def test_unharmed_is_one_minus_the_integral_and_never_negative():
    hazard = np.random.default_rng(0).uniform(0.0, 1.2, (31, 40)).astype(np.float32)
    hazard[:, 0], hazard[:, 1], hazard[:, 2] = 0.0, 1e4, 1e-3
    alive = np.asarray(unharmed(jnp.asarray(hazard), DT))
    integral = np.concatenate(
        [np.zeros((1, 40)), np.cumsum(0.05 * (hazard[1:] + hazard[:-1]), axis=0)]
    )
    np.testing.assert_allclose(alive, np.maximum(1.0 - integral, 0.0), atol=0.0101)  # κ/2
    little = integral < 0.5
    np.testing.assert_allclose(alive[little], 1.0 - integral[little], atol=1e-3)
    # small risks are not lost in the soft floor
    np.testing.assert_allclose(1.0 - alive[:, 2], integral[:, 2], rtol=0.01, atol=1e-6)
    assert np.all((alive >= 0.0) & (alive <= 1.0 + 1e-6))
    assert np.all(np.diff(alive, axis=0) <= 1e-6)


# ---- awkward places ------------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.0, 0.5])
@pytest.mark.parametrize("omega", [0.0, 1.5])
@pytest.mark.parametrize("margin", [-5.0, 0.0, 1e3])
def test_gradients_are_finite_in_awkward_places(speed, omega, margin):
    def risk(motion, field):
        hazard, clearance, _ = wall_hazard(PARAMS, motion, field, BODY, DT)
        return jnp.sum(hazard) + jnp.sum(unharmed(hazard, DT)) + jnp.sum(clearance)

    motion = drive(margin, speed, omega=omega)
    value, slope = jax.jit(jax.value_and_grad(risk))(motion, plane(slope_x=0.3))
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope))
