"""Encounters against a slow contour integral, Monte Carlo, closed forms, and awkward places."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.local.encounter import exact_hazard, overlap_rate
from astro_jax.local.normal import cdf, cdf_pdf, flux, pdf
from astro_jax.local.risk import unharmed
from astro_jax.local.screening import screening_hazard
from astro_jax.robot.footprint import outline
from astro_jax.types import Forecast, Motion

pytestmark = pytest.mark.usefixtures("compiled_quickly")

BOX = outline(DEFAULT_ROBOT)
WEDGE = np.array([(0.3, -0.1), (0.38, 0.0), (0.3, 0.1), (-0.2, 0.24), (-0.26, 0.0), (-0.2, -0.24)])
PARAMS = jax.tree.map(jnp.float32, PlannerParams())
HORIZON = 3.0
CANDIDATES = {"exact": exact_hazard, "screening": screening_hazard}


def alone(hazard):
    """Of one motion: results are (T M)."""

    def of_one(shape, params, motion, bodies, dt):
        motion = jax.tree.map(lambda leaf: leaf[..., None], motion)
        return tuple(part[..., 0].T for part in hazard(shape, params, motion, bodies, dt))

    return of_one


HAZARDS = {name: alone(hazard) for name, hazard in CANDIDATES.items()}


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
        twist=jnp.asarray(np.tile([v, 0.0, omega], (len(times), 1)), jnp.float32),
        twist_dot=jnp.zeros((len(times), 3)),
    )


def walker(times, xy, velocity, state, diffusion=0.02, angle=0.0, radius=0.22) -> Forecast:
    """One body, one component; ``state`` = variances a, b, c, each a number or (along, across)."""
    t = np.asarray(times)[:, None]
    a, b, c = (np.broadcast_to(value, 2) for value in state)
    body = lambda value: jnp.asarray(
        np.broadcast_to(value, (len(times), 2))[:, None, None], jnp.float32
    )
    return Forecast(
        xy_map=body(np.asarray(xy) + t * np.asarray(velocity)),
        velocity_map=body(velocity),
        axis_map=body([np.cos(angle), np.sin(angle)]),
        xy_var=body(a + 2 * b * t + c * t**2 + diffusion * t**3 / 3),
        xy_velocity_cov=body(b + c * t + diffusion * t**2 / 2),
        velocity_var=body(c + diffusion * t),
        weight=jnp.ones((1, 1)),
        radius=jnp.full(1, radius, jnp.float32),
        kind=jnp.zeros(1, jnp.int32),
        valid=jnp.ones(1, bool),
    )


def several(*bodies: Forecast, axis=1) -> Forecast:
    """Bodies side by side (axis 1), or as components of one body (axis 2)."""

    def join(name):
        parts = [getattr(body, name) for body in bodies]
        if name in ("weight", "radius", "kind", "valid"):
            if axis == 2:
                return jnp.concatenate(parts, axis=1) if name == "weight" else parts[0]
            return jnp.concatenate(parts)
        return jnp.concatenate(parts, axis=axis)

    return Forecast(**{field.name: join(field.name) for field in dataclasses.fields(Forecast)})


@functools.cache
def compiled(name, dt, wedge=False):
    shape = WEDGE if wedge else BOX
    return jax.jit(lambda params, motion, bodies: HAZARDS[name](shape, params, motion, bodies, dt))


# ---- the normal distribution ---------------------------------------------------------


def test_normal_functions_are_the_normal_ones():
    x = np.linspace(-12.0, 12.0, 4801)
    below, density = cdf_pdf(jnp.asarray(x, jnp.float32))
    assert np.max(np.abs(below - stats.norm.cdf(x))) < 1.2e-5
    tail = x > -5
    np.testing.assert_allclose(below[tail], stats.norm.cdf(x)[tail], rtol=0.025)
    np.testing.assert_allclose(density, stats.norm.pdf(x), atol=1e-6)
    np.testing.assert_array_equal(density, pdf(jnp.asarray(x, jnp.float32)))
    far = np.asarray(cdf(jnp.array([-1e30, -1e4, 1e4, 1e30])))
    np.testing.assert_array_equal(far, [0, 0, 1, 1])


def test_flux_is_the_mean_of_the_positive_part():
    u, q = np.meshgrid(np.linspace(-2.0, 2.0, 81), [0.01, 0.1, 0.5])
    truth = u * stats.norm.cdf(u / q) + q * stats.norm.pdf(u / q)
    found = np.asarray(flux(jnp.asarray(u, jnp.float32), jnp.asarray(q, jnp.float32)))
    np.testing.assert_allclose(found, truth, atol=3e-5)
    assert np.all(found >= 0.0)


# ---- the hazard at one moment --------------------------------------------------------


def contour(shape, radius, motion, body, k, count=4000):
    """∮ p(x) E[(closing)⁺ | x] ds around outline ⊕ disc, by brute force in float64."""
    edge = np.roll(shape, -1, axis=0) - shape
    length = np.hypot(*edge.T)
    angle = np.arctan2(-edge[:, 0], edge[:, 1])
    turn = np.mod(np.roll(angle, -1) - angle, 2 * np.pi)
    x, n, ds = [], [], []
    middle = (np.arange(count) + 0.5) / count
    for i in range(len(shape)):
        normal = np.array([np.cos(angle[i]), np.sin(angle[i])])
        x.append(shape[i] + middle[:, None] * edge[i] + radius * normal)
        n.append(np.tile(normal, (count, 1)))
        ds.append(np.full(count, length[i] / count))
        theta = angle[i] + turn[i] * middle
        arc = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        x.append(shape[(i + 1) % len(shape)] + radius * arc)
        n.append(arc)
        ds.append(np.full(count, radius * turn[i] / count))
    x, n, ds = (np.concatenate(part) for part in (x, n, ds))
    pose, twist = (np.asarray(v, float)[k] for v in (motion.pose_map, motion.twist))
    out = np.array([[np.cos(pose[2]), -np.sin(pose[2])], [np.sin(pose[2]), np.cos(pose[2])]])
    get = lambda name: np.asarray(getattr(body, name), float)[k, 0, 0]
    axis = get("axis_map")
    own = np.array([axis, [-axis[1], axis[0]]]) @ out  # base frame → own axes
    a, b, c = get("xy_var"), get("xy_velocity_cov"), get("velocity_var")
    mean = own @ out.T @ (get("xy_map") - pose[:2])
    off = x @ own.T - mean
    density = np.prod(stats.norm.pdf(off, scale=np.sqrt(a)), axis=1)
    walking = own @ out.T @ get("velocity_map") + off * b / a
    rim_speed = twist[:2] + twist[2] * np.stack([-x[:, 1], x[:, 0]], axis=1)
    u = np.sum(n * rim_speed, axis=1) - np.sum((n @ own.T) * walking, axis=1)
    q = np.sqrt((n @ own.T) ** 2 @ (c - b * b / a))
    return np.sum(ds * density * (u * stats.norm.cdf(u / q) + q * stats.norm.pdf(u / q)))


def scattered(count=60, seed=3):
    random = np.random.default_rng(seed)
    times = 0.01 * np.arange(3)
    for k in range(count):
        log = lambda low, high: np.exp(random.uniform(np.log(low), np.log(high), 2))
        deviation, speed = log(0.04, 0.4), log(0.05, 0.5)
        state = deviation**2, random.uniform(-0.3, 0.8) * deviation * speed, speed**2
        xy, velocity = random.uniform(-0.7, 0.7, 2), random.uniform(-1.0, 1.0, 2)
        pose = (*random.uniform(-0.2, 0.2, 2), random.uniform(-3, 3))
        motion = drive(times, random.uniform(-0.2, 0.7), random.uniform(-1.8, 1.8), pose)
        body = walker(
            times, xy, velocity, state, 0.0, random.uniform(-3, 3), random.uniform(0, 0.4)
        )
        yield k % 2 == 1, motion, body


def test_the_hazard_is_the_flux_through_the_true_boundary():
    """Within 5 % for four in five of those that count, and 1 % in the median.

    The arcs of the corners are chamfers, right on average.  Beside a corner, and known to less
    than the r·(1 − cos 15°) or so that a chamfer is off, a person may be 15 % off, and more
    where little risk is left: the rim would need more sides, which is what a hazard costs.
    """
    silent = dataclasses.replace(PARAMS, overlap_rate=jnp.float32(0.0))
    truth, found = [], []
    for wedge, motion, body in scattered():
        shape = WEDGE if wedge else BOX
        truth.append(contour(shape, float(body.radius[0]), motion, body, 1))
        found.append(float(compiled("exact", 0.01, wedge)(silent, motion, body)[0][1, 0]))
    truth, found = np.array(truth), np.array(found)
    assert np.sum(truth > 0.1) >= 18
    np.testing.assert_allclose(found, truth, rtol=0.15, atol=0.035)
    error = np.abs(np.log(found / truth))[truth > 0.05]
    assert np.median(error) < 0.01 and np.quantile(error, 0.8) < 0.05


# ---- risk over the horizon -----------------------------------------------------------

TRACKED, SLIM, JUST_SEEN = (
    (0.003, 0.003, 0.02),
    ((0.003, 0.01), 0.0, (0.03, 0.005)),
    (0.0025, 0, 0.36),
)

# robot's v and ω, person's position and velocity in the robot's first frame, variances
ENCOUNTERS = {
    "crossing, hit": (0.6, 0.0, (1.2, 1.2), (0.0, -0.6), TRACKED),
    "crossing before": (0.6, 0.0, (1.2, 1.5), (0.0, -1.2), SLIM),
    "crossing far": (0.6, 0.0, (1.2, 2.0), (0.0, -0.8), TRACKED),
    "crossing behind": (0.6, 0.0, (1.2, 1.5), (0.0, -0.4), SLIM),
    "oncoming, .3 aside": (0.6, 0.0, (2.5, 0.3), (-0.8, 0.0), TRACKED),
    "oncoming, .7 aside": (0.6, 0.0, (2.5, 0.7), (-0.8, 0.0), SLIM),
    "oncoming, 1.1 aside": (0.6, 0.0, (2.5, 1.1), (-0.8, 0.0), TRACKED),
    "standing, .45 aside": (0.6, 0.0, (1.0, 0.45), (0.0, 0.0), TRACKED),
    "standing, 1 aside": (0.6, 0.0, (1.0, 1.0), (0.0, 0.0), TRACKED),
    "both at rest": (0.0, 0.0, (0.8, 0.0), (0.0, 0.0), TRACKED),
    "overtaking, .5 aside": (0.7, 0.0, (0.8, 0.5), (0.2, 0.0), SLIM),
    "overtaken, .4 aside": (0.2, 0.0, (-0.8, 0.4), (0.9, 0.0), TRACKED),
    "turning into": (0.5, 0.8, (1.2, 1.2), (-0.3, -0.3), TRACKED),
    "turning past": (0.5, 0.8, (0.4, 1.2), (-0.3, -0.3), SLIM),
    "spinning": (0.0, 1.2, (0.62, 0.2), (0.0, 0.0), TRACKED),
    "at once": (0.6, 0.0, (0.8, 0.0), (-0.8, 0.0), TRACKED),
    "on course": (0.6, 0.0, (1.5, 0.05), (-0.8, 0.0), SLIM),
    "just seen, ahead": (0.4, 0.0, (2.0, 0.3), (0.0, 0.0), JUST_SEEN),
    "just seen, aside": (0.3, 0.0, (0.6, 1.5), (0.0, 0.0), JUST_SEEN),
}
ANGLE = 0.6


@functools.cache
def monte_carlo(name, samples=40_000, dt=0.025):
    """Share of walkers, drawn from the forecast's own process, who touch the rectangle."""
    v, omega, xy, velocity, state = ENCOUNTERS[name]
    random = np.random.default_rng(0)
    a, b, c = (np.broadcast_to(value, 2)[:, None] for value in state)
    noise = random.normal(size=(2, 2, samples))
    off = np.sqrt(a) * noise[0]
    pace = b / a * off + np.sqrt(c - b * b / a) * noise[1]
    turn = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
    position, speed = np.array(xy)[:, None] + turn @ off, np.array(velocity)[:, None] + turn @ pace
    half = BOX.max(0)[:, None]
    times = dt * np.arange(round(HORIZON / dt) + 1)
    touched = np.zeros(samples, bool)
    for x, y, yaw in np.asarray(drive(times, v, omega).pose_map, float):
        to_base = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        outside = np.abs(to_base @ (position - [[x], [y]])) - half
        touched |= np.hypot(*np.maximum(outside, 0.0)) < 0.22
        kick = np.sqrt(0.02 * dt) * random.normal(size=speed.shape)
        position = position + dt * (speed + 0.5 * kick)
        speed = speed + kick
    return touched.mean()


@functools.cache
def risk(name, dt, hazard="exact"):
    v, omega, xy, velocity, state = ENCOUNTERS[name]
    times = dt * np.arange(round(HORIZON / dt) + 1)
    body = walker(times, xy, velocity, state, angle=ANGLE)
    rate = compiled(hazard, dt)(PARAMS, drive(times, v, omega), body)[0]
    assert np.all(np.asarray(rate) >= 0.0)
    return 1.0 - float(unharmed(rate, dt)[-1, 0])


@pytest.mark.parametrize("name", ENCOUNTERS)
def test_risk_of_an_encounter_is_what_monte_carlo_finds(name):
    """Within 8 % or .006; spinning counts who is swept over twice twice, and is an upper bound."""
    truth, found = monte_carlo(name), risk(name, 0.2)
    most = 1.6 if name == "spinning" else 1.08
    assert 0.92 * truth - 0.006 <= found <= most * truth + 0.006, truth


def test_encounters_cover_the_scale_of_risks():
    truth = np.array([monte_carlo(name) for name in ENCOUNTERS])
    assert np.sum(truth < 0.1) >= 3 and np.sum(truth > 0.6) >= 4
    assert np.sum((truth > 0.1) & (truth < 0.6)) >= 5


OPEN_STEPS = {
    ("on course", 0.2): ".021 seen",
    ("crossing before", 0.3): ".021 seen",
    ("overtaken, .4 aside", 0.3): ".034 seen",
}
CAUSE = "open, {}: most of the entries fall within one or two spacings of the samples"


def steps():
    for name in ENCOUNTERS:
        for dt in (0.2, 0.3):
            reason = CAUSE.format(OPEN_STEPS.get((name, dt)))
            open_mark = pytest.mark.xfail(reason=reason, strict=False)
            yield pytest.param(name, dt, marks=[open_mark] * ((name, dt) in OPEN_STEPS))


@pytest.mark.parametrize(("name", "dt"), list(steps()))
def test_risk_does_not_depend_on_the_time_step(name, dt):
    assert risk(name, dt) == pytest.approx(risk(name, 0.1), rel=0.02, abs=0.002)


@pytest.mark.parametrize("name", ENCOUNTERS)
def test_risk_depends_little_on_the_time_step(name):
    """What holds where the 2 % above are open."""
    assert risk(name, 0.2) == pytest.approx(risk(name, 0.1), rel=0.025, abs=0.002)
    assert risk(name, 0.3) == pytest.approx(risk(name, 0.1), rel=0.06, abs=0.002)


@pytest.mark.parametrize("dt", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("end", ["first", "last"])
@pytest.mark.parametrize("off", [-0.15, -0.05, 0.0, 0.05, 0.15, 0.4])
def test_only_what_happens_within_the_horizon_counts(dt, end, off):
    """He walks straight through the robot at .3 m/s ± 1 cm in place: 33 ms wide at its rim.

    Closed form: he has entered when x₀ + vt has passed the rim, x₀ normal.  A twentieth at
    most is lost or gained: how uneven the blurs of neighbouring samples add up at the ends.
    """
    times = dt * np.arange(round(HORIZON / dt) + 1)
    spread, pace, front = 0.01, 0.3, BOX[:, 0].max() + 0.22
    # when his mean is at the rim: after the start, or before the end
    when = off if end == "first" else HORIZON - off
    body = walker(times, (front + pace * when, 0.0), (-pace, 0.0), (spread**2, 0.0, 1e-6), 0.0)
    silent = dataclasses.replace(PARAMS, overlap_rate=jnp.float32(0.0))
    rate = compiled("exact", dt)(silent, drive(times, 0.0, 0.0), body)[0][:, 0]
    entered = stats.norm.cdf((pace * np.array([0.0, HORIZON]) - pace * when) / spread)
    assert np.trapezoid(rate, dx=dt) == pytest.approx(entered[1] - entered[0], abs=0.05)


def test_the_screening_hazard_ranks_encounters():
    truth = [monte_carlo(name) for name in ENCOUNTERS]
    found = [risk(name, 0.2, "screening") for name in ENCOUNTERS]
    assert np.corrcoef(stats.rankdata(truth), stats.rankdata(found))[0, 1] > 0.9
    np.testing.assert_allclose(np.log(found), np.log(truth), atol=np.log(1.8))


# ---- mixtures, masks, overlap --------------------------------------------------------

TIMES = 0.2 * np.arange(16)
NEAR = walker(TIMES, (1.0, 0.2), (-0.3, 0.0), TRACKED)
ASIDE = walker(TIMES, (0.8, -0.9), (0.0, 0.5), SLIM, angle=1.0)
DRIVING = drive(TIMES, 0.5, 0.4)


@pytest.mark.parametrize("name", HAZARDS)
def test_a_mixture_is_the_weighted_sum_of_its_components(name):
    hazard = compiled(name, 0.2)
    share = dataclasses.replace(NEAR, weight=jnp.full((1, 1), 0.3))
    rest = dataclasses.replace(ASIDE, weight=jnp.full((1, 1), 0.7))
    rate, _, gap = hazard(PARAMS, DRIVING, several(share, rest, axis=2))
    near, aside = hazard(PARAMS, DRIVING, NEAR), hazard(PARAMS, DRIVING, ASIDE)
    np.testing.assert_allclose(rate, 0.3 * near[0] + 0.7 * aside[0], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(gap, 0.3 * near[2] + 0.7 * aside[2], atol=1e-5)


@pytest.mark.parametrize("name", HAZARDS)
def test_candidates_do_not_see_each_other(name):
    motions = [drive(TIMES, v, w) for v, w in ((0.5, 0.4), (0.2, -1.0), (0.0, 0.0))]
    bodies = several(NEAR, ASIDE)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *motions)
    together = jax.jit(functools.partial(CANDIDATES[name], BOX, dt=0.2))(PARAMS, stack, bodies)
    for k, motion in enumerate(motions):
        for part, one in zip(together, compiled(name, 0.2)(PARAMS, motion, bodies), strict=True):
            np.testing.assert_allclose(part[..., k].T, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", HAZARDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.5])
def test_an_invalid_body_contributes_nothing_whatever_it_holds(name, value):
    bad = jax.tree.map(
        lambda leaf: jnp.full_like(leaf, value) if leaf.dtype == jnp.float32 else leaf, ASIDE
    )
    bad = dataclasses.replace(bad, valid=jnp.zeros(1, bool))
    hazard = compiled(name, 0.2)
    rate, own, gap = hazard(PARAMS, DRIVING, several(NEAR, bad))
    alone = hazard(PARAMS, DRIVING, NEAR)
    for part, expected in zip((rate, own, gap), alone, strict=True):
        np.testing.assert_allclose(part[:, 0], expected[:, 0], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(rate[:, 1], 0.0)
    np.testing.assert_array_equal(own[:, 1], 0.0)
    assert np.all(np.asarray(gap)[:, 1] > 100.0)


@pytest.mark.parametrize("name", HAZARDS)
@pytest.mark.parametrize(
    "field", [f.name for f in dataclasses.fields(Forecast) if f.name not in ("kind", "valid")]
)
def test_a_body_that_is_not_a_number_is_never_free_space(name, field):
    bad = dataclasses.replace(NEAR, **{field: jnp.full_like(getattr(NEAR, field), np.nan)})
    rate = compiled(name, 0.2)(PARAMS, DRIVING, several(ASIDE, bad))[0]
    assert not np.isfinite(np.sum(np.asarray(rate)[:, 1]))


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("xy", [(0.0, 0.0), (0.22, 0.1), (0.5, 0.3)])
def test_overlap_at_first_is_the_probability_of_being_inside(xy, spread):
    """A point and a rectangle: closed form; and all of the overlap is no more than that."""
    body = walker(TIMES, xy, (0.0, 0.0), (spread**2, 0.0, 1e-6), 0.0, radius=0.0)
    rest = drive(TIMES, 0.0, 0.0)
    silent = dataclasses.replace(PARAMS, overlap_rate=jnp.float32(0.0))
    hazard = compiled("exact", 0.2)
    overlap = hazard(PARAMS, rest, body)[0] - hazard(silent, rest, body)[0]
    ends = (np.array([[1.0], [-1.0]]) * BOX.max(0) - np.array(xy)) / spread
    truth = np.prod(stats.norm.cdf(ends[0]) - stats.norm.cdf(ends[1]))
    assert overlap[0, 0] / overlap_rate(PARAMS, 1, 0.2)[0] == pytest.approx(
        truth, rel=0.02, abs=0.003
    )
    total = float(np.trapezoid(overlap[:, 0], dx=0.2))
    assert total <= 1.03 * truth + 0.003 and (truth < 0.5 or total > 0.9 * truth)


def test_own_speed_counts_the_robots_part_only():
    """Somebody who runs into a resting robot is not driven into."""
    body = walker(TIMES, (1.5, 0.0), (-0.8, 0.0), TRACKED)
    for name in HAZARDS:
        rest = compiled(name, 0.2)(PARAMS, drive(TIMES, 0.0, 0.0), body)[1]
        np.testing.assert_array_equal(rest, 0.0)
        rate, own, _ = compiled(name, 0.2)(PARAMS, drive(TIMES, 0.5, 0.0), body)
        most = int(np.argmax(rate[:, 0]))
        assert 0.35 < own[most, 0] <= 0.501


# ---- gradients -----------------------------------------------------------------------


def along(motion, way, size):
    return jax.tree.map(lambda a, b: a + size * b, motion, way)


def score(name, motion, bodies):
    rate, own, gap = HAZARDS[name](BOX, PARAMS, motion, bodies, 0.2)
    return jnp.sum(rate) + 0.1 * jnp.sum(own * own) + 0.1 * jnp.sum(jnp.exp(-gap))


@pytest.mark.parametrize("name", HAZARDS)
@pytest.mark.parametrize(
    ("twist", "xy", "state"),
    [
        ((0.0, 0.0), (0.0, 0.0), TRACKED),
        ((0.5, 0.3), (0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.5, 0.0), (0.35, 0.0), (1e-8, 0.0, 0.0)),
        ((0.0, 1.5), (0.21, 0.125), TRACKED),
        ((0.5, 0.0), (1e3, -1e3), TRACKED),
        ((0.5, 0.0), (1e3, 0.0), (1e4, 0.0, 1e2)),
    ],
)
def test_gradients_are_finite_in_awkward_places(name, twist, xy, state):
    bad = dataclasses.replace(
        jax.tree.map(lambda leaf: leaf * jnp.nan if leaf.dtype == jnp.float32 else leaf, NEAR),
        valid=jnp.zeros(1, bool),
    )
    bodies = several(walker(TIMES, xy, (0.0, 0.0), state, 0.0), bad)
    value, slope = jax.jit(jax.value_and_grad(functools.partial(score, name)))(
        drive(TIMES, *twist), bodies
    )
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope))


def test_gradients_are_those_of_finite_differences():
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(
            lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf, tree
        )
        motion, bodies = wide(DRIVING), wide(several(NEAR, ASIDE))
        value = jax.jit(functools.partial(score, "exact"))
        slope = jax.jit(jax.grad(functools.partial(score, "exact")))(motion, bodies)
        random = np.random.default_rng(0)
        # what holds at first is given
        later = lambda leaf: jnp.asarray(random.normal(size=leaf.shape)).at[0].set(0.0)
        for _ in range(4):
            way = jax.tree.map(later, motion)
            step = functools.partial(along, motion, way)
            expected = (value(step(1e-5), bodies) - value(step(-1e-5), bodies)) / 2e-5
            found = sum(
                jnp.sum(a * b)
                for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(way), strict=True)
            )
            assert float(found) == pytest.approx(float(expected), rel=1e-3, abs=1e-5)
