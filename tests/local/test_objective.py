"""The objective against its own formula: weights, slopes, integrals, and what it prefers."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from astro_jax.config import PlannerParams
from astro_jax.local import encounter, risk, screening
from astro_jax.local.judge import judge_of, looks
from astro_jax.local.objective import (
    answerable,
    evaluate,
    remaining,
    run_into_at_rest,
    total,
    under_way,
)
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive
from astro_jax.robot.footprint import covering_discs
from astro_jax.types import CostTerms, Kind, Motion

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TERMS = [field.name for field in dataclasses.fields(CostTerms)]
WEIGHTS = {
    "touched": "harm_person_rest",
    "struck": "harm_person_moving",
    "pushed": "harm_person_speed",
    "bumped": "harm_wall",
    "rammed": "harm_wall_speed",
    "fallen": "harm_edge",
}
"""Of the terms whose weight has another name; progress is what is gained."""

SPEEDS = 74


def random_controls(lab, count, seed=0, at=None):
    """Control points that the wheels can execute, candidates last."""
    basis = basis_of(lab.config)
    free = basis.value.shape[1] - 2
    z = jax.random.normal(jax.random.key(seed), (free, 2, count)) * 1.5
    command = jnp.array([0.3, 0.1]) if at is None else jnp.asarray(at, jnp.float32)
    return jax.jit(lambda z: drive.decode(lab.robot, basis, command, jnp.zeros(2), z))(z)


def evaluator(lab, look=1):
    """(params, world, field, controls) → (terms, survival); look 0 is quick, 1 exact."""
    basis = basis_of(lab.config)

    def terms_of(params, world, field, controls):
        motion = drive.motion(lab.robot, basis, world.pose_map, controls)
        chosen = looks(lab.robot, lab.config, params)[look]
        anyway = run_into_at_rest(lab.config, world, chosen)
        return evaluate(lab.robot, lab.config, params, world, field, chosen, anyway, motion)

    return terms_of


@pytest.fixture(scope="module")
def terms_of(lab):
    many = jax.jit(evaluator(lab))

    def padded(params, world, field, controls):
        """One size for all tests: one compilation."""
        count = controls.shape[-1]
        rest = jnp.zeros((*controls.shape[:-1], SPEEDS - count))
        answer = many(params, world, field, jnp.concatenate([controls, rest], axis=-1))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[..., :count], answer)

    return padded


@pytest.fixture(scope="module")
def busy(lab):
    """A wall and stairs ahead, one who crosses and one who stands."""
    blocked = np.zeros((lab.config.map_cells,) * 2, bool)
    blocked[:, 36:] = True
    edges = blocked.copy()
    edges[:22] = False
    world = lab.world(
        command=(0.3, 0.1),
        blocked=blocked,
        edges=edges,
        xy=[(0.9, 0.8), (0.6, -0.6)],
        velocity=[(0, -0.5), (0, 0)],
    )
    # a screen that has shown little of a turn so far
    shown = jnp.broadcast_to(jnp.array([-0.05, 0.05]), (12, 2))
    return dataclasses.replace(world, announced=shown)


def test_total_is_the_weighted_sum(lab):
    random = np.random.default_rng(0)
    terms = CostTerms(**{name: jnp.float32(random.normal()) for name in TERMS})
    for params in (lab.params, jax.tree.map(lambda x: 1.7 * x + 0.1, lab.params)):
        weight = lambda name: float(getattr(params, WEIGHTS.get(name) or name))  # noqa: B023
        costs = [weight(n) * float(getattr(terms, n)) for n in TERMS if n != "progress"]
        expected = sum(costs) - float(terms.progress)
        assert float(total(params, terms)) == pytest.approx(expected, rel=1e-5)


def wide(tree):
    """The same in float64; call it with x64 enabled."""
    return jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree
    )


@pytest.fixture
def exact_normal(monkeypatch):
    """Φ and the flux without their approximations, whose slopes are those of the true ones."""

    def cdf_pdf(x):
        return jax.scipy.special.ndtr(x), jax.scipy.stats.norm.pdf(x)

    def flux(u, q):
        below, density = cdf_pdf(u / q)
        return u * below + q * density

    for module in (encounter, screening, risk):
        monkeypatch.setattr(module, "flux", flux)
        if hasattr(module, "cdf_pdf"):
            monkeypatch.setattr(module, "cdf_pdf", cdf_pdf)
            monkeypatch.setattr(module, "cdf", lambda x: cdf_pdf(x)[0])


def test_gradients_are_those_of_finite_differences(lab, busy, exact_normal):
    """Every term of the exact look, in float64, along random directions of the controls."""
    controls = np.asarray(random_controls(lab, 12, at=busy.command), np.float64)
    with jax.enable_x64(True):
        params, world, field = wide((lab.params, busy, lab.field()))

        @jax.jit
        def stacked(controls):
            terms, alive = evaluator(lab)(params, world, field, controls)
            return jnp.stack([*jax.tree.leaves(terms), jnp.sum(alive, axis=0)])

        back = jax.jit(lambda seen: jax.vjp(stacked, controls)[1](seen)[0])
        random, h, used = np.random.default_rng(1), 1e-6, np.zeros(len(TERMS) + 1)
        for _ in range(4):
            way = random.normal(size=controls.shape)
            above, below = (stacked(jnp.asarray(controls + s * h * way)) for s in (1, -1))
            difference = np.asarray(above - below) / (2 * h)
            # how much each term counts differs from candidate to candidate
            seen = random.normal(size=difference.shape)
            along = np.einsum("ndk,ndk->k", back(jnp.asarray(seen)), way)
            assert along.dtype == difference.dtype == np.float64
            np.testing.assert_allclose(
                along, np.sum(seen * difference, axis=0), rtol=1e-4, atol=2e-5 * len(seen)
            )
            used = np.maximum(used, np.abs(difference).max(axis=1))
    assert np.all(used > 1e-3), dict(zip([*TERMS, "alive"], used, strict=True))


def test_comfort_terms_are_integrals_of_the_spline(lab, terms_of):
    controls = random_controls(lab, 20)
    terms, _ = terms_of(lab.params, lab.world(command=(0.3, 0.1)), lab.field(), controls)
    knots = np.concatenate([[0.0], np.cumsum(lab.config.intervals)])
    knots = np.concatenate([3 * [0.0], knots, 3 * [knots[-1]]])
    t = np.linspace(0.0, lab.config.horizon, 3001)
    for k, points in enumerate(np.moveaxis(np.asarray(controls, float), -1, 0)):
        curve = BSpline(knots, points, 3)
        (v, omega), (a, alpha) = curve(t).T, curve.derivative()(t).T
        rates = {
            "acceleration": a**2,
            "turning": alpha**2,
            "lateral": (v * omega) ** 2,
            "reversing": np.maximum(-v, 0.0),
        }
        for name, rate in rates.items():
            slow = np.trapezoid(rate, t)
            assert float(getattr(terms, name)[k]) == pytest.approx(slow, rel=0.08, abs=3e-3), name


def test_progress_is_the_gain_of_potential_when_nothing_is_at_risk(lab, terms_of):
    patient = dataclasses.replace(lab.params, patience=jnp.float32(1e9))
    world, field = lab.world(command=(0.3, 0.1)), lab.field((0.6, 0.2, 0.5))
    controls = random_controls(lab, 20)
    terms, alive = terms_of(patient, world, field, controls)
    np.testing.assert_array_equal(alive, 1.0)
    poses = drive.motion(lab.robot, basis_of(lab.config), world.pose_map, controls).pose_map
    potential = remaining(lab.robot, patient, field, poses)
    np.testing.assert_allclose(terms.progress, potential[0] - potential[-1], atol=2e-5)
    assert np.std(terms.progress) > 0.1


@pytest.fixture(scope="module")
def potential(lab):
    """(field, poses (n, 3)) → P, of the robot at hand and of one that backs as fast."""
    either = dataclasses.replace(lab.robot, reverse_speed=lab.robot.speed)

    def of(robot):
        run = jax.jit(lambda field, pose: remaining(robot, lab.params, field, pose.T[None])[0])
        return lambda field, pose: np.asarray(run(field, jnp.asarray(pose, jnp.float32)))

    return of(lab.robot), of(either)


def test_to_face_up_the_field_costs_the_way_that_a_turn_is_worth(lab, potential):
    ours, either = potential
    slope = np.array([-0.9, 1.2])
    field = lab.field((9.0, 0.0, 0.0))
    field = dataclasses.replace(field, cost_to_go=lab.plane(9.0, *slope))
    yaw = np.linspace(-3.0, 3.0, 25)
    poses = np.stack([np.full_like(yaw, 0.3), np.full_like(yaw, -0.4), yaw], axis=-1)
    cosine = (slope[0] * np.cos(yaw) + slope[1] * np.sin(yaw)) / 1.5
    share = 1 - lab.robot.reverse_speed / lab.robot.speed
    want = PlannerParams().facing * share * 1.5 * 2 * np.maximum((0.5 + cosine) / 1.5, 0.0) ** 2
    np.testing.assert_allclose(ours(field, poses) - either(field, poses), want, atol=1e-4)
    np.testing.assert_allclose(np.ptp(either(field, poses)), 0.0, atol=1e-6)


def test_however_it_faces_nearer_is_nearer_to_there(lab, potential):
    """The turn round is nowhere worth so much that the robot would rather stay away."""
    field = lab.field((0.0, 0.0, 0.0))
    radius = np.linspace(0.1, 2.5, 49)
    for bearing in np.linspace(-np.pi, np.pi, 16, endpoint=False):
        for yaw in np.linspace(-np.pi, np.pi, 12, endpoint=False):
            xy = radius[:, None] * [np.cos(bearing), np.sin(bearing)]
            poses = np.column_stack([xy, np.full(len(xy), bearing + yaw)])
            # what is wanted of the heading at the goal itself is another matter
            far = radius[1:] > 3.5 * PlannerParams().heading_radius
            assert np.all(np.diff(potential[0](field, poses))[far] > 0.0)


def test_to_have_arrived_is_worth_an_errand(lab, potential):
    """Seen where the field is flat: one second, half of it within .35 m."""
    field = dataclasses.replace(lab.field((0.0, 0.0, 0.0)), cost_to_go=lab.plane(5.0, 0.0, 0.0))
    radius, bearing = np.linspace(0.0, 1.5, 31), np.linspace(0.0, 9.0, 31)
    poses = np.stack([radius * np.cos(bearing), radius * np.sin(bearing), 0.0 * radius], axis=-1)
    want = 5.0 - np.exp(-(radius**2) / 0.18)
    np.testing.assert_allclose(potential[1](field, poses), want, atol=2e-5)


def straight(lab, speeds):
    """Control points of a straight drive, one speed (K, N) per control point."""
    return jnp.asarray(np.stack([speeds.T, np.zeros_like(speeds.T)], axis=1), jnp.float32)


def test_earlier_progress_is_worth_more(lab, terms_of):
    count = basis_of(lab.config).value.shape[1]
    early = np.where(np.arange(count) < count // 2, 0.6, 0.0)
    # as far, but later: the integral of the spline is linear in its control points
    late = early[::-1].copy()
    area = basis_of(lab.config).integral[-1]
    late *= (area @ early) / (area @ late)
    field = dataclasses.replace(lab.field((9.0, 0.0, 0.0)), cost_to_go=lab.plane(9.0, -1.0, 0.0))
    controls = straight(lab, np.stack([early, late]))
    terms, _ = terms_of(lab.params, lab.world(), field, controls)
    assert terms.progress[0] > terms.progress[1] + 0.05
    patient = dataclasses.replace(lab.params, patience=jnp.float32(1e9))
    same, _ = terms_of(patient, lab.world(), field, controls)
    assert float(same.progress[0]) == pytest.approx(float(same.progress[1]), abs=1e-4)


def test_progress_counts_for_nothing_once_a_hit_is_certain(lab, terms_of):
    """Behind somebody who cannot be passed, V falls but J does not."""
    count = basis_of(lab.config).value.shape[1]
    controls = straight(lab, np.full((1, count), 0.6))
    field = dataclasses.replace(lab.field((9.0, 0.0, 0.0)), cost_to_go=lab.plane(9.0, -1.0, 0.0))
    free, _ = terms_of(lab.params, lab.world(command=(0.6, 0.0)), field, controls)
    world = lab.world(
        command=(0.6, 0.0), xy=[(0.6, 0.0)], velocity=[(0.0, 0.0)], var=(0.002, 0.0, 0.002)
    )
    met, alive = terms_of(lab.params, world, field, controls)
    assert alive[-1, 0] < 0.1
    assert met.progress[0] < 0.5 * free.progress[0]
    assert met.touched[0] > 0.9 and free.touched[0] == 0.0
    assert met.struck[0] > 0.8 * met.touched[0]
    assert met.pushed[0] == pytest.approx(0.6**2, rel=0.3)


def harm_of(lab, terms):
    """Seconds that touching bodies and walls costs the first candidate."""
    params = lab.params
    names = ("touched", "struck", "pushed", "bumped", "rammed", "fallen")
    return sum(float(getattr(params, WEIGHTS[n]) * getattr(terms, n)[0]) for n in names)


def test_driving_into_somebody_is_worse_than_being_run_into(lab, terms_of):
    """The same relative motion, once the robot's and once the person's."""
    count = basis_of(lab.config).value.shape[1]
    harm = []
    for own, walks in ((0.5, 0.0), (0.0, -0.5)):
        world = lab.world(command=(own, 0.0), xy=[(0.9, 0.0)], velocity=[(walks, 0.0)])
        terms, alive = terms_of(
            lab.params, world, lab.field(), straight(lab, np.full((1, count), own))
        )
        assert alive[-1, 0] < 0.5
        harm.append(harm_of(lab, terms) / (1.0 - float(alive[-1, 0])))
    assert harm[0] > 2.0 * harm[1]


def test_somebodys_space_does_not_keep_it_a_step_short_of_its_goal(lab, terms_of):
    """Somebody stands .6 m behind the goal; from .32 m before it to .26 m, or not."""
    count = basis_of(lab.config).value.shape[1]
    on = np.where(np.arange(count) < count // 2, 0.06, 0.0)
    on *= 0.06 / (basis_of(lab.config).integral[-1] @ on)
    world = lab.world(xy=[(0.92, 0.0)], velocity=[(0.0, 0.0)])
    field = lab.field((0.32, 0.0, 0.0))
    terms, _ = terms_of(lab.params, world, field, straight(lab, np.stack([on, 0.0 * on])))
    gone, stayed = np.asarray(total(lab.params, terms))
    assert gone < stayed - 0.01


def test_who_stopped_just_now_still_answers_for_where_it_stands():
    """Full while it drives, then less and less; nothing for a robot that rests from the start."""
    dt, stop = 0.2, 8
    speed = np.where(np.arange(21) < stop, 0.7, 0.0).astype(np.float32)
    speed = np.stack([speed, np.zeros_like(speed)], axis=-1)
    twist = jnp.asarray(np.stack([speed, 0.0 * speed, 0.0 * speed], axis=1))
    motion = Motion(pose_map=0.0 * twist, twist=twist, twist_dot=0.0 * twist)
    drives, rests = np.asarray(answerable(motion, dt)).T
    now = np.asarray(under_way(motion))[:, 0]
    assert np.all(drives >= now - 1e-6) and np.all(drives <= 1.0)
    assert np.all(drives[:stop] > 0.95)
    assert np.all(np.diff(drives[stop:]) < 0.0)
    lately = dt * (np.arange(stop, 21) - stop + 0.5)
    np.testing.assert_allclose(drives[stop:], now[0] * np.exp(-lately), atol=0.01)
    np.testing.assert_array_equal(rests, 0.0)


def test_to_stop_in_somebodys_way_is_worse_than_to_have_stood_there(lab, terms_of):
    """The same contact with a robot at rest: one came there just before."""
    count = basis_of(lab.config).value.shape[1]
    stops = 0.5 * np.clip(1.0 - np.arange(count) / 3.0, 0.0, 1.0)
    harm = []
    for speeds in (stops, 0.0 * stops):
        controls = straight(lab, speeds[None])
        # where it comes to rest
        course = basis_of(lab.config).value @ speeds
        place = float(np.sum(0.5 * (course[1:] + course[:-1])) * lab.config.dt)
        world = lab.world(
            command=(float(speeds[0]), 0.0), xy=[(place, 1.6)], velocity=[(0.0, -1.0)]
        )
        terms, alive = terms_of(lab.params, world, lab.field(), controls)
        assert alive[-1, 0] < 0.2
        harm.append(harm_of(lab, terms) / (1.0 - float(alive[-1, 0])))
    assert harm[0] > 1.2 * harm[1]


def test_who_is_run_into_anyway_does_not_answer_for_trying_to_get_away(lab, terms_of):
    """Somebody walks at 1 m/s to where the robot is: it drives off before them, or at them."""
    count = basis_of(lab.config).value.shape[1]
    share = {}
    for name, own in (("off", 0.4), ("at rest", 0.0), ("at them", -0.4)):
        world = lab.world(command=(own, 0.0), xy=[(-1.2, 0.0)], velocity=[(1.0, 0.0)])
        controls = straight(lab, np.full((1, count), own))
        terms, alive = terms_of(lab.params, world, lab.field(), controls)
        assert alive[-1, 0] < 0.3
        share[name] = float(terms.struck[0] / terms.touched[0])
    assert share["at rest"] == 0.0
    assert share["off"] < 0.4
    assert share["at them"] > 0.6
    # beside their course nobody would have come: to drive into it is the robot's own doing
    world = lab.world(command=(0.4, 0.0), xy=[(0.9, -2.4)], velocity=[(0.0, 1.0)])
    terms, alive = terms_of(lab.params, world, lab.field(), straight(lab, np.full((1, count), 0.4)))
    assert alive[-1, 0] < 0.7
    assert terms.struck[0] > 0.9 * terms.touched[0]


@pytest.mark.parametrize("where", ["clearance", "people", "cost_to_go", "pose", "velocity"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_makes_the_cost_not_finite(lab, terms_of, busy, where, value):
    world, field = busy, lab.field()
    bad = lambda x: jnp.full_like(x, value)
    if where == "clearance":
        table = dataclasses.replace(world.clearance, table=bad(world.clearance.table))
        world = dataclasses.replace(world, clearance=table)
    elif where == "people":
        forecast = dataclasses.replace(world.forecast, xy_map=bad(world.forecast.xy_map))
        world = dataclasses.replace(world, forecast=forecast)
    elif where == "velocity":
        forecast = dataclasses.replace(
            world.forecast, velocity_map=bad(world.forecast.velocity_map)
        )
        world = dataclasses.replace(world, forecast=forecast)
    elif where == "pose":
        world = dataclasses.replace(world, pose_map=bad(world.pose_map))
    else:
        table = dataclasses.replace(field.cost_to_go, table=bad(field.cost_to_go.table))
        field = dataclasses.replace(field, cost_to_go=table)
    terms, _ = terms_of(lab.params, world, field, random_controls(lab, 4))
    assert not np.any(np.isfinite(total(lab.params, terms)))


def test_preferred_speed_falls_smoothly_with_clearance(lab, terms_of):
    """Along a straight corridor; no threshold at which the robot suddenly slows."""
    speeds = np.linspace(0.02, lab.robot.speed, SPEEDS)
    count = basis_of(lab.config).value.shape[1]
    controls = straight(lab, np.repeat(speeds[:, None], count, axis=1))
    field = dataclasses.replace(
        lab.field((9.0, 0.0, 0.0)), cost_to_go=lab.plane(9.0, -1.0 / lab.robot.speed, 0.0)
    )
    centres, radii = covering_discs(lab.robot, lab.config.exact_discs)
    radius = float(np.max(np.abs(centres[:, 1]) + radii))  # how wide they stand
    preferred, open_ground = [], lab.world()
    for margin in np.linspace(0.0, 0.25, 51):
        world = dataclasses.replace(open_ground, clearance=lab.wall(margin + radius, 0.0, 0.0))
        terms, _ = terms_of(lab.params, world, field, controls)
        preferred.append(speeds[np.argmin(total(lab.params, terms))])
    steps = np.diff(preferred)
    assert preferred[-1] > 0.95 * lab.robot.speed
    assert preferred[0] < 0.6 * lab.robot.speed
    assert np.all(steps >= -0.011)  # one step of the grid of speeds
    assert np.max(steps) < 0.15


def test_the_objective_does_not_depend_on_where_the_map_begins(lab, terms_of):
    """World, field and robot turned and moved together."""
    controls = random_controls(lab, 12, at=(0.3, 0.0))
    xy, velocity = np.array([(0.9, 0.5), (0.5, -0.6)]), np.array([(0.0, -0.5), (0.2, 0.1)])
    costs = []
    for x, y, yaw in ((0.0, 0.0, 0.0), (1.5, -0.7, 0.9), (-2.0, 0.3, -2.5)):
        c, s = np.cos(yaw), np.sin(yaw)
        turn, shift = np.array([[c, -s], [s, c]]), np.array([x, y])
        plane = lambda v, g: lab.plane(v - (turn @ g) @ shift, *(turn @ g))  # noqa: B023
        world = lab.world(
            (x, y, yaw), (0.3, 0.0), xy=xy @ turn.T + shift, velocity=velocity @ turn.T
        )
        turned = lambda v, g: lab.wall(v - (turn @ g) @ shift, *(turn @ g), edge=0.4)  # noqa: B023
        shown = jnp.broadcast_to(jnp.array([-0.05, 0.05]), (12, 2))
        wall = turned(0.5, np.array([-0.6, 0.8]))
        world = dataclasses.replace(world, clearance=wall, announced=shown)
        goal = turn @ np.array([0.5, 0.4]) + shift
        field = dataclasses.replace(
            lab.field((*goal, yaw + 0.5)), cost_to_go=plane(4.0, np.array([-1.2, -0.7]))
        )
        terms, _ = terms_of(lab.params, world, field, controls)
        costs.append([np.asarray(leaf) for leaf in jax.tree.leaves(terms)])
    for moved in costs[1:]:
        np.testing.assert_allclose(moved, costs[0], rtol=2e-3, atol=2e-4)
    assert np.all(np.max(np.abs(costs[0]), axis=1) > 1e-4), dict(zip(TERMS, costs[0], strict=True))


# ---- kinds of bodies, of obstacles ---------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_harm_and_personal_space_depend_on_the_kind_of_body(lab, terms_of, kind):
    """Touched, struck and pushed by one factor; the gap at which intrusion begins by another."""
    count = basis_of(lab.config).value.shape[1]
    controls = straight(lab, np.array([0.5, 0.2])[:, None] * np.ones((2, count)))
    met = dict(command=(0.5, 0.0), xy=[(0.9, 0.3)], velocity=[(0.0, 0.0)])
    world = lab.world(**met)
    person, _ = terms_of(lab.params, world, lab.field(), controls)
    # the same forecast, whatever else is believed of the kind
    kinds = jnp.full_like(world.forecast.kind, kind, jnp.int32)
    called = dataclasses.replace(world.forecast, kind=kinds)
    other_world = dataclasses.replace(world, forecast=called)
    other, _ = terms_of(lab.params, other_world, lab.field(), controls)
    factor = float(lab.params.harm_of_kind[kind])
    for name in ("touched", "struck", "pushed"):
        assert np.all(getattr(person, name) > 1e-3)
        np.testing.assert_allclose(getattr(other, name), factor * getattr(person, name), rtol=1e-4)
    # somebody beside the way, at a gap of .5 m of a space of .55 m
    aside = dict(xy=[(0.0, 0.22 + 0.125 + 0.5)], velocity=[(0.0, 0.0)], kind=kind)
    space = float(lab.params.personal_space * lab.params.space_of_kind[kind])
    still = straight(lab, np.zeros((1, count)))
    terms, _ = terms_of(lab.params, lab.world(**aside), lab.field(), still)
    expected = max(1.0 - 0.5 / space, 0.0) ** 2 * lab.config.horizon
    assert float(terms.intrusion[0]) == pytest.approx(expected, rel=0.02, abs=1e-6)


def collision_costs(lab, terms_of, edge):
    """Harm per contact of driving straight into a wall ahead, at several speeds."""
    speeds = np.array([0.15, 0.3, 0.6])
    count = basis_of(lab.config).value.shape[1]
    world = dataclasses.replace(lab.world(), clearance=lab.wall(0.35, -1.0, 0.0, edge=edge))
    terms, alive = terms_of(
        lab.params, world, lab.field(), straight(lab, np.repeat(speeds[:, None], count, axis=1))
    )
    lost = 1.0 - alive[-1]
    assert np.all(lost > 0.5)
    costs = (
        lab.params.harm_wall * terms.bumped
        + lab.params.harm_wall_speed * terms.rammed
        + lab.params.harm_edge * terms.fallen
    )
    return np.asarray(costs) / lost, terms


def test_a_thing_hurts_less_when_it_is_met_slowly(lab, terms_of):
    costs, terms = collision_costs(lab, terms_of, edge=0.0)
    speed = np.array([0.15, 0.3, 0.6])
    expected = float(lab.params.harm_wall) + float(lab.params.harm_wall_speed) * speed**2
    np.testing.assert_allclose(costs, expected, rtol=0.02)
    np.testing.assert_array_equal(terms.fallen, 0.0)


def test_to_fall_over_an_edge_costs_the_same_at_any_speed(lab, terms_of):
    costs, terms = collision_costs(lab, terms_of, edge=1.0)
    np.testing.assert_allclose(costs, float(lab.params.harm_edge), rtol=0.01)
    np.testing.assert_allclose(terms.bumped, 0.0, atol=1e-6)
    np.testing.assert_allclose(terms.rammed, 0.0, atol=1e-6)


# ---- the whole cost, as the descent sees it ------------------------------------------

FULL = np.ones((40, 40), bool)
AWKWARD = {
    "at rest": {},
    "at full speed": {"command": (0.75, 0.0)},
    "turning on the spot": {"command": (0.0, 1.8)},
    "faster than it may": {"command": (1.2, 0.5)},
    "inside somebody": {"xy": [(0.0, 0.0)], "velocity": [(0.0, 0.0)]},
    "somebody known exactly": {"xy": [(0.4, 0.0)], "velocity": [(0, 0)], "var": (0.0, 0.0, 0.0)},
    "two in one place": {"xy": [(0.5, 0.1)] * 2, "velocity": [(0.1, 0.0)] * 2},
    "off the map": {"pose": (0.95, 0.95, 0.3), "command": (0.6, 0.0)},
    "on a corner of the map": {"pose": (-1.0, -1.0, 0.0)},
    "all occupied": {"blocked": FULL},
    "all an edge": {"blocked": FULL, "edges": FULL},
    "at the goal": {"pose": (1.5, 0.5, 0.0)},
    "at the goal, opposite": {"pose": (1.5, 0.5, np.pi), "command": (0.3, 0.0)},
}


def motions(lab, world):
    """z of a stop, of edges of the space, and of two at random, candidates last."""
    basis = basis_of(lab.config)
    free = basis.value.shape[1] - 2
    stop = drive.encode(lab.robot, basis, world.command, world.command_dot, jnp.zeros((free, 2)))
    random = np.random.default_rng(0).normal(size=(2, free, 2))
    chosen = [stop, np.zeros((free, 2)), np.full((free, 2), 8.0), np.full((free, 2), -8.0)]
    return jnp.stack([jnp.asarray(z, jnp.float32) for z in (*chosen, *random)], axis=-1)


@pytest.fixture(scope="module", params=[0, 1], ids=["quick", "exact"])
def slope_of(lab, request):
    """(world, field, z) → cost, ∂cost/∂z of every candidate."""
    basis = basis_of(lab.config)
    look = looks(lab.robot, lab.config, lab.params)[request.param]

    @jax.jit
    def slope(world, field, z):
        judge = judge_of(lab.robot, lab.config, lab.params, basis, world, field, look)
        cost, back = jax.vjp(lambda z: judge(z)[0], z)
        return cost, back(jnp.ones_like(cost))[0]

    return slope


@pytest.mark.parametrize("place", AWKWARD)
def test_gradients_of_the_cost_are_finite_in_awkward_places(lab, slope_of, place):
    world = lab.world(**AWKWARD[place])
    cost, slope = slope_of(world, lab.field((1.5, 0.5, 0.0)), motions(lab, world))
    assert np.all(np.isfinite(cost))
    assert np.all(np.isfinite(slope))
    assert np.max(np.abs(slope)) > 1e-4  # there is something to learn


def spoiled(ghost, value, leaf, axis):
    """``value`` for the bodies that are ghosts."""
    mask = ghost.reshape([2 if k == axis else 1 for k in range(leaf.ndim)])
    return jnp.where(mask, value, leaf)


def test_a_body_that_is_not_valid_contributes_nothing(lab, slope_of):
    """Whatever it holds, to the cost or to its gradient, to the last bit."""
    world = lab.world(command=(0.4, 0.1), xy=[(0.8, 0.2)], velocity=[(-0.3, 0.1)])
    ghost = jnp.array([False, True])
    z = motions(lab, world)
    expected = slope_of(world, lab.field(), z)
    for value in (np.nan, np.inf, 0.3):
        spoil = functools.partial(spoiled, ghost, value)
        bodies = dataclasses.replace(
            world.forecast,
            **{
                name: spoil(getattr(world.forecast, name), 1)
                for name in ("xy_map", "velocity_map", "axis_map", "xy_var", "velocity_var")
            },
            weight=spoil(world.forecast.weight, 0),
            radius=spoil(world.forecast.radius, 0),
        )
        found = slope_of(dataclasses.replace(world, forecast=bodies), lab.field(), z)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_gradients_of_the_cost_are_those_of_finite_differences(lab, busy, exact_normal):
    """Of the quick look, which the descent follows, with respect to z, in float64."""
    basis = basis_of(lab.config)
    z = motions(lab, busy)[..., -2:]
    with jax.enable_x64(True):
        params, world, field, z = wide((lab.params, busy, lab.field(), z))
        quick = looks(lab.robot, lab.config, params)[0]
        judge = judge_of(lab.robot, lab.config, params, basis, world, field, quick)
        cost = jax.jit(lambda z: judge(z)[0])
        slope = jax.jit(jax.grad(lambda z: jnp.sum(judge(z)[0])))(z)
        random, h = np.random.default_rng(2), 1e-6
        for _ in range(3):
            way = random.normal(size=z.shape)
            difference = np.asarray(cost(z + h * way) - cost(z - h * way)) / (2 * h)
            along = np.einsum("ndk,ndk->k", slope, way)
            assert along.dtype == difference.dtype == np.float64
            np.testing.assert_allclose(along, difference, rtol=1e-4, atol=1e-5)
            assert np.all(np.abs(difference) > 1e-3)
