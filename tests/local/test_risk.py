"""Hazards against Monte Carlo of the same forecast, closed forms, and awkward places."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from astro_jax.local.risk import body_hazard, cdf, pdf, unharmed, wall_hazard
from astro_jax.robot.drive import footprint_discs
from astro_jax.types import Motion

VARIANCE = (0.003, 0.003, 0.02)
"""Of a tracked walker: position, position–velocity, velocity."""


def drive(times, v, omega, pose=(0.0, 0.0, 0.0)):
    """A constant twist, from closed forms."""
    yaw = pose[2] + omega * times
    if omega:
        along = v / omega * (np.sin(yaw) - np.sin(pose[2]))
        aside = v / omega * (np.cos(pose[2]) - np.cos(yaw))
    else:
        along, aside = v * np.cos(yaw) * times, v * np.sin(yaw) * times
    poses = np.stack([pose[0] + along, pose[1] + aside, yaw], axis=1)
    return Motion(
        pose_map=jnp.asarray(poses, jnp.float32),
        twist=jnp.asarray(np.tile([v, omega], (len(times), 1)), jnp.float32),
        twist_dot=jnp.zeros((len(times), 2)),
    )


def test_cdf_is_the_normal_one():
    x = np.linspace(-12.0, 12.0, 4801)
    assert np.max(np.abs(cdf(jnp.asarray(x, jnp.float32)) - stats.norm.cdf(x))) < 2e-4
    np.testing.assert_allclose(pdf(jnp.asarray(x, jnp.float32)), stats.norm.pdf(x), atol=1e-6)
    far = np.asarray(cdf(jnp.array([-1e30, -1e4, 1e4, 1e30])))
    np.testing.assert_array_equal(far, [0, 0, 1, 1])


# ---- people --------------------------------------------------------------------------

JUST_SEEN = (0.0025, 0.0, 0.36)
"""Of somebody who may walk any way."""

# robot's v and ω, person's position and velocity, in the robot's first frame
ENCOUNTERS = {
    "crossing, hit": (0.6, 0.0, (1.2, 1.2), (0.0, -0.6)),
    "crossing before": (0.6, 0.0, (1.2, 1.5), (0.0, -1.2)),
    "crossing far": (0.6, 0.0, (1.2, 2.0), (0.0, -0.8)),
    "crossing behind": (0.6, 0.0, (1.2, 1.5), (0.0, -0.4)),
    "oncoming": (0.6, 0.0, (2.5, 0.0), (-0.8, 0.0)),
    "oncoming, .3 aside": (0.6, 0.0, (2.5, 0.3), (-0.8, 0.0)),
    "oncoming, .7 aside": (0.6, 0.0, (2.5, 0.7), (-0.8, 0.0)),
    "oncoming, 1.4 aside": (0.6, 0.0, (2.5, 1.4), (-0.8, 0.0)),
    "standing": (0.6, 0.0, (1.0, 0.0), (0.0, 0.0)),
    "standing, .45 aside": (0.6, 0.0, (1.0, 0.45), (0.0, 0.0)),
    "standing, .6 aside": (0.6, 0.0, (1.0, 0.6), (0.0, 0.0)),
    "standing, 1.1 aside": (0.6, 0.0, (1.0, 1.1), (0.0, 0.0)),
    "both at rest": (0.0, 0.0, (0.8, 0.0), (0.0, 0.0)),
    "overtaking": (0.7, 0.0, (0.8, 0.0), (0.2, 0.0)),
    "overtaking, .5 aside": (0.7, 0.0, (0.8, 0.5), (0.2, 0.0)),
    "overtaking, 1 aside": (0.7, 0.0, (0.8, 1.0), (0.2, 0.0)),
    "overtaken": (0.2, 0.0, (-0.8, 0.0), (0.9, 0.0)),
    "overtaken, .4 aside": (0.2, 0.0, (-0.8, 0.4), (0.9, 0.0)),
    "turning into": (0.5, 0.8, (1.2, 1.2), (-0.3, -0.3)),
    "turning past": (0.5, 0.8, (0.4, 1.2), (-0.3, -0.3)),
    "just seen, ahead": (0.4, 0.0, (2.0, 0.3), (0.0, 0.0)),
    "just seen, aside": (0.3, 0.0, (0.6, 1.5), (0.0, 0.0)),
    "just seen, far": (0.6, 0.0, (2.0, -2.0), (0.0, 0.0)),
}


def variance(name):
    return JUST_SEEN if name.startswith("just seen") else VARIANCE


def monte_carlo(lab, name, samples=20_000, dt=0.03):
    """Share of walkers, drawn from the forecast's own process, who touch the rectangle."""
    v, omega, xy, velocity = ENCOUNTERS[name]
    random = np.random.default_rng(0)
    a, b, c = variance(name)
    noise = np.linalg.cholesky([[a, b], [b, c]]) @ random.normal(size=(2, 2, samples))
    position = np.array(xy)[:, None] + noise[:, 0]
    speed = np.array(velocity)[:, None] + noise[:, 1]
    kick = np.sqrt(float(lab.params.walker_noise) * dt)
    half = np.array([[lab.robot.length / 2], [lab.robot.width / 2]])
    times = dt * np.arange(round(lab.times[-1] / dt) + 1)
    poses = np.asarray(drive(times, v, omega).pose_map, float)
    touched = np.zeros(samples, bool)
    for x, y, yaw in poses:
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        outside = np.abs(turn @ (position - [[x], [y]])) - half
        touched |= np.hypot(*np.maximum(outside, 0.0)) < 0.22
        position = position + dt * speed
        speed = speed + kick * random.normal(size=speed.shape)
    return touched.mean()


@pytest.fixture(scope="module")
def hazard_of(lab):
    return jax.jit(lambda motion, bodies: body_hazard(lab.robot, lab.params, motion, bodies))


@pytest.fixture(scope="module")
def entries(lab, hazard_of):
    """∫λ dt and 1 − S of an encounter, sampled at every ``stride``-th plan time."""

    @functools.cache
    def integral(name, stride):
        v, omega, xy, velocity = ENCOUNTERS[name]
        tracks = lab.tracks([xy], [velocity], capacity=1, var=variance(name))
        bodies = lab.forecast(tracks, stride)
        hazard = hazard_of(drive(lab.times[::stride], v, omega), bodies)[0]
        dt = lab.config.dt * stride
        assert np.all(np.asarray(hazard) >= 0.0)
        return np.trapezoid(hazard[:, 0], dx=dt), 1.0 - float(unharmed(hazard, dt)[-1, 0])

    return integral


@pytest.mark.parametrize("name", ENCOUNTERS)
def test_risk_of_an_encounter_is_what_monte_carlo_finds(lab, entries, name):
    """At most 25 % or .03 optimistic, at most 60 % or .03 pessimistic.

    The pessimism is at the corners, where the supporting half-plane is wider than the
    rounded rectangle (overtaken, .4 aside: 1.48).
    """
    truth = monte_carlo(lab, name)
    _, risk = entries(name, lab.config.people_stride)
    assert 0.75 * truth - 0.03 <= risk <= 1.6 * truth + 0.03, truth


def test_encounters_cover_the_scale_of_risks(entries):
    risks = np.array([entries(name, 2)[1] for name in ENCOUNTERS])
    assert np.sum(risks < 0.1) >= 3 and np.sum(risks > 0.6) >= 5
    assert np.sum((risks > 0.1) & (risks < 0.6)) >= 5


@pytest.mark.parametrize("name", ENCOUNTERS)
def test_risk_does_not_depend_on_the_time_step(entries, name):
    fine, coarse = entries(name, 1)[0], entries(name, 2)[0]
    assert coarse == pytest.approx(fine, rel=0.05, abs=0.003)


def test_an_invalid_body_contributes_nothing(lab, hazard_of):
    bodies = lab.forecast(lab.tracks(capacity=1), 1)  # valid nowhere
    motion = drive(lab.times, 0.5, 0.0)
    for x in (50.0, 0.5):
        elsewhere = dataclasses.replace(bodies, xy_map=jnp.full_like(bodies.xy_map, x))
        hazard, own, gap = hazard_of(motion, elsewhere)
        assert np.all(np.asarray(hazard) == 0.0)
        assert np.all(np.asarray(gap) > 100.0)
        assert np.all(np.isfinite(own))


def test_own_speed_counts_the_robots_part_only(lab, hazard_of):
    """Somebody who runs into a resting robot is not driven into."""
    bodies = lab.forecast(lab.tracks([(2.0, 0.0)], [(-1.0, 0.0)], capacity=1), 1)
    assert np.all(np.asarray(hazard_of(drive(lab.times, 0.0, 0.0), bodies)[1]) == 0.0)
    ahead = hazard_of(drive(lab.times, 0.5, 0.0), bodies)[1]
    assert float(ahead[0, 0]) == pytest.approx(0.5, rel=1e-3)


# ---- walls ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wall_of(lab):
    disc_x, disc_radius = footprint_discs(lab.robot, lab.config.footprint_discs)

    @jax.jit
    def hazard(params, motion, clearance):
        where = jnp.asarray(disc_x), disc_radius, lab.config.dt
        return wall_hazard(params, motion, clearance, *where)

    return hazard


@pytest.mark.parametrize("speed", [0.1, 0.4, 0.75])
@pytest.mark.parametrize("margin", [0.0, 0.02, 0.05, 0.1])
def test_hazard_beside_a_wall_is_the_bell(lab, wall_of, speed, margin):
    """|v|/(2πl)·exp(−m²/2σ²) at constant clearance m."""
    params = lab.params
    _, radius = footprint_discs(lab.robot, lab.config.footprint_discs)
    motion = drive(lab.times, speed, 0.0, (0.0, margin + radius, 0.0))
    hazard, found = wall_of(params, motion, lab.plane(0.0, 0.0, 1.0))
    np.testing.assert_allclose(found, margin, atol=1e-6)
    sigma = params.wall_noise + params.wall_noise_speed * speed + params.wall_noise_time * lab.times
    bell = speed / (2 * np.pi * params.wall_correlation) * np.exp(-0.5 * (margin / sigma) ** 2)
    np.testing.assert_allclose(hazard, bell, rtol=0.02, atol=1e-6)


def test_at_rest_beside_a_wall_there_is_no_hazard(lab, wall_of):
    _, radius = footprint_discs(lab.robot, lab.config.footprint_discs)
    for margin in (-0.02, 0.0, 0.03):
        motion = drive(lab.times, 0.0, 0.0, (0.0, margin + radius, 0.0))
        hazard, _ = wall_of(lab.params, motion, lab.plane(0.0, 0.0, 1.0))
        assert np.max(hazard) < 1e-3


@pytest.mark.parametrize("depth", [0.0, 0.01, 0.04])
def test_a_robot_that_starts_in_contact_may_leave(lab, wall_of, depth):
    _, radius = footprint_discs(lab.robot, lab.config.footprint_discs)
    reach = radius + lab.robot.length / 2 - lab.robot.length / 6  # of the foremost disc
    towards = (reach - depth, 0.0, np.pi)  # the wall is where x < 0
    total = {}
    for way, speed in (("in", 0.3), ("out", -0.3)):
        motion = drive(lab.times[:8], speed, 0.0, towards)
        hazard, margin = wall_of(lab.params, motion, lab.plane(0.0, 1.0, 0.0))
        assert margin[0] == pytest.approx(-depth, abs=1e-5)
        total[way] = float(np.trapezoid(hazard, dx=lab.config.dt))
    assert total["out"] < 0.1 * total["in"]
    assert total["in"] > 0.15


def test_driving_into_a_wall_ends_in_a_hit(lab, wall_of):
    motion = drive(lab.times, 0.4, 0.0, (1.0, 0.0, np.pi))
    hazard, _ = wall_of(lab.params, motion, lab.plane(0.0, 1.0, 0.0))
    assert float(unharmed(hazard[:, None], lab.config.dt)[-1, 0]) < 0.1


# ---- survival ------------------------------------------------------------------------


def test_unharmed_is_one_minus_the_integral_and_never_negative():
    hazard = np.random.default_rng(0).uniform(0.0, 1.2, (31, 40)).astype(np.float32)
    hazard[:, 0], hazard[:, 1] = 0.0, 1e6
    alive = np.asarray(unharmed(jnp.asarray(hazard), 0.1))
    integral = np.concatenate(
        [np.zeros((1, 40)), np.cumsum(0.05 * (hazard[1:] + hazard[:-1]), axis=0)]
    )
    np.testing.assert_allclose(alive, np.maximum(1.0 - integral, 0.0), atol=0.026)  # κ/2
    little = integral < 0.5
    np.testing.assert_allclose(alive[little], 1.0 - integral[little], atol=2e-3)
    assert np.all(alive[:, 0] == 1.0)
    assert np.all((alive >= 0.0) & (alive <= 1.0))
    assert np.all(np.diff(alive, axis=0) <= 1e-6)


# ---- awkward places ------------------------------------------------------------------


@pytest.fixture(scope="module")
def slopes(lab):
    """Gradients of the summed hazards with respect to the whole motion."""
    disc_x, disc_radius = footprint_discs(lab.robot, lab.config.footprint_discs)

    def both(motion, bodies, clearance):
        body, own, gap = body_hazard(lab.robot, lab.params, motion, bodies)
        wall, _ = wall_hazard(
            lab.params, motion, clearance, jnp.asarray(disc_x), disc_radius, lab.config.dt
        )
        alive = unharmed(jnp.concatenate([body, wall[:, None]], axis=1), lab.config.dt)
        return jnp.sum(body) + jnp.sum(wall) + jnp.sum(alive) + jnp.sum(own) + jnp.sum(gap)

    return jax.jit(jax.value_and_grad(both))


@pytest.mark.parametrize(
    ("twist", "pose", "blocked", "xy"),
    [
        ((0.0, 0.0), (0.0, 0.0, 0.0), "free", (0.0, 0.0)),
        ((0.5, 0.3), (0.0, 0.0, 0.0), "free", (0.0, 0.0)),
        ((0.0, 0.0), (0.0, 0.0, 0.0), "full", (0.3, 0.0)),
        ((0.0, 1.0), (0.0, 0.0, 0.0), "full", (0.0, 0.2)),
        ((0.5, 0.0), (0.95, 0.95, 0.0), "free", (1.0, 1.0)),  # over the edge of the map
        ((0.5, 0.0), (40.0, -40.0, 0.0), "some", (0.0, 0.0)),
        ((0.0, 0.0), (-1.0, -1.0, 0.5), "some", (-1.0, -1.0)),  # on the first cell's centre
    ],
)
def test_gradients_are_finite_in_awkward_places(lab, slopes, twist, pose, blocked, xy):
    cells = np.zeros((lab.config.map_cells,) * 2, bool)
    cells[...] = blocked == "full"
    cells[3:9, 20:] = blocked == "some" or blocked == "full"
    bodies = lab.forecast(lab.tracks([xy], [(0.0, 0.0)]), 1)
    value, slope = slopes(drive(lab.times, twist[0], twist[1], pose), bodies, lab.clearance(cells))
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope))
