"""What must happen on bad input: nobody is driven into, and limits hold or are restored.

Numbers are those of the list of faults: 24 starts in contact, 25 faster than the limit, 21 odd
covariances, 35-37 odd tracks, 49 settings that do not fit, 87 nothing to choose from.
"""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astro_jax.config import PlannerConfig
from astro_jax.errors import InputError
from astro_jax.geometry import sample
from astro_jax.local.planner import basis_of, plan
from astro_jax.robot import drive
from astro_jax.robot.footprint import covering_discs
from astro_jax.types import Kind, Status

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def finite(tree):
    return all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(tree))


def full_stop(lab, world):
    """Commands of the stop as hard as the wheels can, by hand."""
    basis = basis_of(lab.config)
    given = lab.robot, basis, world.command, world.command_dot
    z = drive.encode(*given, jnp.zeros((basis.value.shape[1] - 2, 2)))
    return basis.tick_value @ np.asarray(drive.decode(*given, z))


def apart(plan, xy):
    """Least distance of the base to places (T, 2) or (2), m."""
    return np.linalg.norm(np.asarray(plan.motion.pose_map[:, :2]) - xy, axis=1).min()


# ---- people --------------------------------------------------------------------------

COVARIANCES = ["xy_var", "xy_velocity_cov", "velocity_var"]


@pytest.fixture(scope="module")
def standing(lab):
    """Somebody stands in the way, 1 m ahead."""
    return lab.world(command=(0.5, 0.0), xy=[(1.0, 0.0)], velocity=[(0.0, 0.0)])


def with_bodies(world, **changed):
    return dataclasses.replace(world, forecast=dataclasses.replace(world.forecast, **changed))


@pytest.mark.parametrize("name", COVARIANCES)
def test_21_a_covariance_that_is_not_a_number_stops(lab, run_plan, standing, name):
    """Of one component of one body is enough."""
    leaf = getattr(standing.forecast, name).at[:, 0, 1].set(jnp.nan)
    world = with_bodies(standing, **{name: leaf})
    state, plan, _ = run_plan(lab.params, lab.state(), world, lab.field((2.0, 0.0, 0.0)))
    assert int(plan.status) == Status.NO_FINITE_CANDIDATE
    assert finite((plan, state.controls))
    np.testing.assert_allclose(plan.commands, full_stop(lab, world), atol=1e-5)


ODD = {
    "negative variances": {"xy_var": -0.01, "velocity_var": -0.01},
    "no variance": {"xy_var": 0.0, "xy_velocity_cov": 0.0, "velocity_var": 0.0},
    "more than fully correlated": {"xy_velocity_cov": 1.0},
    "more than fully anticorrelated": {"xy_velocity_cov": -1.0},
    "negative velocity variance": {"velocity_var": -1.0},
}


@pytest.mark.parametrize("odd", ODD)
def test_21_an_impossible_covariance_makes_nobody_disappear(lab, run_plan, standing, odd):
    full = {
        name: jnp.full_like(getattr(standing.forecast, name), value)
        for name, value in ODD[odd].items()
    }
    for seed in range(3):
        _, plan, _ = run_plan(
            lab.params, lab.state(seed), with_bodies(standing, **full), lab.field((2.0, 0.0, 0.0))
        )
        assert finite(plan)
        survival = np.asarray(plan.survival)
        assert np.all((survival >= 0.0) & (survival <= 1.0 + 1e-6))
        assert apart(plan, [1.0, 0.0]) > 0.22 + 0.5 * lab.robot.width


@pytest.mark.parametrize("variance", [1.0, 1e3, 1e6])
def test_21_a_huge_covariance_slows_and_never_breaks(lab, run_plan, standing, variance):
    """Somebody who may be anywhere: finite, and no faster than without anybody."""
    huge = {name: jnp.full_like(standing.forecast.xy_var, variance) for name in ("xy_var",)}
    field = lab.field((2.0, 0.0, 0.0))
    _, doubtful, _ = run_plan(lab.params, lab.state(), with_bodies(standing, **huge), field)
    _, alone, _ = run_plan(lab.params, lab.state(), lab.world(command=(0.5, 0.0)), field)
    assert finite(doubtful)
    assert doubtful.motion.pose_map[-1, 0] <= alone.motion.pose_map[-1, 0] + 0.02


@pytest.mark.parametrize("field", ["xy_map", "velocity_map", "xy_var", "velocity_var", "radius"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_35_a_track_that_is_not_a_number_is_not_free_space(lab, run_plan, field, value):
    """Through the forecast: the robot stops; a track that is not valid holds nobody up."""
    tracks = lab.tracks(xy=[(1.0, 0.0)], velocity=[(0.1, 0.0)])
    leaf = jnp.full_like(getattr(tracks, field), value)
    bad = dataclasses.replace(tracks, **{field: leaf})
    world = dataclasses.replace(
        lab.world(command=(0.5, 0.0)), forecast=lab.forecast(bad, ahead=0.3)
    )
    state, plan, _ = run_plan(lab.params, lab.state(), world, lab.field((2.0, 0, 0)))
    assert finite((plan, state.controls))
    if np.isnan(value):
        assert int(plan.status) == Status.NO_FINITE_CANDIDATE
        np.testing.assert_allclose(plan.commands, full_stop(lab, world), atol=1e-5)
    elif field == "radius":  # whoever is everywhere is met whatever one does
        assert int(plan.status) != Status.OK or float(plan.survival[-1]) < 0.6
    nobody = dataclasses.replace(bad, valid=jnp.zeros_like(bad.valid))
    world = dataclasses.replace(world, forecast=lab.forecast(nobody, ahead=0.3))
    _, plan, _ = run_plan(lab.params, lab.state(), world, lab.field((2.0, 0.0, 0.0)))
    assert int(plan.status) == Status.OK
    assert plan.motion.pose_map[-1, 0] > 0.8


@pytest.mark.parametrize("speed", [3.5, 30.0, 1e6])
def test_36_an_impossible_speed_is_doubted_not_trusted(lab, run_plan, speed):
    """A track that races through the robot's way; once it is past it is still feared."""
    world = lab.world(command=(0.5, 0.0), xy=[(1.5, -1.0)], velocity=[(0.0, speed)])
    _, plan, _ = run_plan(lab.params, lab.state(), world, lab.field((2.0, 0.0, 0.0)))
    assert finite(plan)
    velocity = np.linalg.norm(world.forecast.velocity_map[:, 0], axis=-1)
    assert np.max(velocity) < 3.0 + 1e-4
    assert np.all(np.asarray(world.forecast.xy_var[-1, 0]) > (speed - 3.0) ** 2)


@pytest.mark.parametrize("kind", [-3, 5, 99])
def test_an_unknown_kind_of_body_is_still_a_body(lab, run_plan, standing, kind):
    world = with_bodies(standing, kind=jnp.full_like(standing.forecast.kind, kind))
    _, plan, _ = run_plan(lab.params, lab.state(), world, lab.field((2.0, 0.0, 0.0)))
    assert finite(plan)
    assert apart(plan, [1.0, 0.0]) > 0.22 + 0.5 * lab.robot.width


def test_37_sixty_four_tracks_compile_once(lab):
    """However many of them are people; the nearest ones decide where it goes."""
    config = dataclasses.replace(lab.config, people=64, candidates=64, stages=1, gradient_steps=0)
    many = dataclasses.replace(lab, config=config)
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(params, state, world, field):
        return plan(many.robot, many.config, params, state, world, field)

    random = np.random.default_rng(0)
    for count in (0, 1, 8, 40, 64):
        xy = random.uniform(3.0, 9.0, (count, 2)) * random.choice([-1, 1], (count, 2))
        if count:
            xy[-1] = 1.0, 0.0  # the last slot stands in the way
        world = many.world(
            command=(0.5, 0.0), xy=xy, velocity=np.zeros((count, 2)), kind=Kind.UNKNOWN
        )
        _, found, diagnostics = run(many.params, many.state(), world, many.field((2.0, 0.0, 0.0)))
        assert finite(found) and int(diagnostics.finite_candidates) == 64
        clear = apart(found, [1.0, 0.0]) > 0.22 + 0.5 * lab.robot.width
        assert clear if count else not clear


# ---- the robot's own state -----------------------------------------------------------


@pytest.mark.parametrize("ahead", [0.0, 0.01, 0.03])
def test_24_from_contact_only_motion_that_leaves(lab, run_plan, ahead):
    """The nose is in the wall, the goal behind it: no deeper; with the goal behind, out."""
    blocked = np.zeros((lab.config.map_cells,) * 2, bool)
    blocked[:, 30:] = True  # from .475 m on
    centres, radii = covering_discs(lab.robot, lab.config.exact_discs)
    reach = float(np.max(centres[:, 0] + radii))
    world = lab.world((0.475 - reach + ahead, 0.0, 0.0), blocked=blocked)
    places = jax.jit(lambda xy: sample(world.clearance, xy))

    def margins(plan):
        pose = np.asarray(plan.motion.pose_map, float)
        c, s = np.cos(pose[:, 2]), np.sin(pose[:, 2])
        x = pose[:, :1] + c[:, None] * centres[:, 0] - s[:, None] * centres[:, 1]
        y = pose[:, 1:2] + s[:, None] * centres[:, 0] + c[:, None] * centres[:, 1]
        at = places(jnp.asarray(np.stack([x, y], axis=-1), jnp.float32))
        return np.min(np.asarray(at) - radii, axis=1)

    for seed in range(4):
        _, plan, _ = run_plan(lab.params, lab.state(seed), world, lab.field((1.8, 0.0, 0.0)))
        margin = margins(plan)
        assert margin[0] < 0.01
        assert np.min(margin) > margin[0] - 0.006
        _, plan, _ = run_plan(lab.params, lab.state(seed), world, lab.field((-1.0, 0.0, 0.0)))
        margin = margins(plan)
        assert int(plan.status) == Status.OK
        assert np.min(margin) > margin[0] - 0.006
        assert np.max(margin) > margin[0] + 0.1


@pytest.mark.parametrize("command", [(1.2, 0.0), (0.75, 2.4), (-0.6, 0.0), (1.0, 1.0), (0.0, -2.5)])
def test_25_a_robot_that_is_too_fast_is_braked_into_its_limits(lab, run_plan, command):
    """From what was measured, which is never clamped, and as hard as the wheels may."""
    robot, tick = lab.robot, lab.config.gate_period
    world = lab.world(command=command)
    _, plan, _ = run_plan(lab.params, lab.state(), world, lab.field((3.0, 0.0, 0.0)))
    commands = np.asarray(plan.commands, float)
    np.testing.assert_allclose(commands[0], command, atol=1e-5)
    allowed = np.asarray(drive.admissible(robot, jnp.asarray(command, jnp.float32)), float)
    excess = np.asarray(command) - allowed
    assert np.max(np.abs(excess)) > 0.1
    wheels = np.array([[1, 1], [-robot.wheel_base / 2, robot.wheel_base / 2]])
    needed = max(
        np.max(np.abs(excess @ wheels)) / robot.wheel_acceleration,
        abs(excess[1]) / robot.yaw_acceleration,
    )
    v, omega = commands.T
    beyond = np.maximum.reduce(
        [
            v - robot.speed,
            -v - robot.reverse_speed,
            np.abs(omega) - robot.yaw_rate,
            np.max(np.abs(commands @ wheels), axis=1) - robot.wheel_speed,
            0.0 * v,
        ]
    )
    assert np.all(np.diff(beyond) <= 1e-5)
    # a spline comes round gently into the limit: nine tenths are gone as soon as can be
    soon = round((needed + 0.15) / tick)
    assert beyond[0] > 0.09 and beyond[soon] < 0.1 * beyond[0]
    assert beyond[round(0.5 * needed / tick)] < 0.6 * beyond[0]
    assert np.all(beyond[-20:] < 1e-3)
    # and never harder than the drive can
    assert (
        np.abs(np.diff(commands @ wheels, axis=0)).max() <= robot.wheel_acceleration * tick * 1.01
    )
    assert np.abs(np.diff(omega)).max() <= robot.yaw_acceleration * tick * 1.01


# ---- the map -------------------------------------------------------------------------


@settings(max_examples=40)
@example(holes=[(9, 20, 12, 1)], value=np.nan, seed=0)
@given(
    st.lists(st.tuples(*[st.integers(0, 39)] * 2, *[st.integers(1, 12)] * 2), max_size=5),
    st.sampled_from([np.nan, np.inf, -np.inf]),
    st.integers(0, 3),
)
def test_86_holes_in_the_map_are_never_driven_over(lab, run_plan, holes, value, seed):
    """Whichever candidates they spoil, the plan that is released has a cost."""
    world, field = lab.world(command=(0.3, 0.1)), lab.field((1.2, 0.3, 0.0))
    table = np.array(world.clearance.table)
    for row, column, height, width in holes:
        table[row : row + height, column : column + width] = value
    world = dataclasses.replace(
        world, clearance=dataclasses.replace(world.clearance, table=jnp.asarray(table))
    )
    state, plan, diagnostics = run_plan(lab.params, lab.state(seed), world, field)
    assert finite((plan, state.controls))
    if np.isfinite(diagnostics.best_cost):
        assert finite(diagnostics.terms)
        assert int(plan.status) != Status.NO_FINITE_CANDIDATE
        # not one cell of its way was bad
        rows = (np.asarray(plan.motion.pose_map[:, 1]) + 1.0) / 0.05
        columns = (np.asarray(plan.motion.pose_map[:, 0]) + 1.0) / 0.05
        on_map = np.clip(np.round([rows, columns]).astype(int), 0, 39)
        assert np.all(np.isfinite(table[on_map[0], on_map[1], 0]))
    else:
        assert int(plan.status) == Status.NO_FINITE_CANDIDATE
        np.testing.assert_allclose(plan.commands, full_stop(lab, world), atol=1e-5)


@pytest.mark.parametrize("command", [(0.6, 0.0), (0.3, -0.8), (-0.2, 0.5), (0.0, 0.0)])
def test_87_with_nothing_to_choose_from_it_is_the_full_stop(lab, run_plan, command):
    """By its name, not because it happens to come first: its commands are those of a stop."""
    world, field = lab.world(command=command, command_dot=(0.1, 0.2)), lab.field()
    table = jnp.full_like(field.cost_to_go.table, jnp.nan)
    field = dataclasses.replace(
        field, cost_to_go=dataclasses.replace(field.cost_to_go, table=table)
    )
    for seed in range(3):
        state, plan, diagnostics = run_plan(lab.params, lab.state(seed), world, field)
        assert int(plan.status) == Status.NO_FINITE_CANDIDATE
        assert int(diagnostics.finite_candidates) == 0
        assert finite((plan, state.controls))
        np.testing.assert_allclose(plan.commands, full_stop(lab, world), atol=1e-5)
        np.testing.assert_allclose(plan.commands[-1], 0.0, atol=5e-3)


# ---- settings ------------------------------------------------------------------------

UNFIT = {
    "candidates": {"candidates": 40},
    "none left": {"candidates": 0},
    "guided": {"guided_candidates": 60},
    "elites": {"elites": 81},
    "finalists": {"finalists": 161},
    "descents": {"descents": 0},
    "intervals": {"intervals": (0.1, 0.2), "people_stride": 1},
    "tail_after": {"tail_after": 0.25},
    "people_stride": {"people_stride": 4},
}


@pytest.mark.parametrize("name", UNFIT)
def test_49_settings_that_do_not_fit_together_are_refused(lab, name):
    """By their name, before anything is compiled."""
    config = dataclasses.replace(lab.config, **UNFIT[name])
    field = {"none left": "candidates", "guided": "candidates"}.get(name, name)
    inputs = lab.params, lab.state(), lab.world(), lab.field()
    with pytest.raises(InputError) as info:
        jax.eval_shape(lambda *given: plan(lab.robot, config, *given), *inputs)
    assert info.value.field == field
    assert str(field) in str(info.value) and "expected" in str(info.value)


def test_49_the_smallest_search_that_is_accepted_works(lab):
    """One maneuver, one at large, one descent; nothing to spare anywhere."""
    config = PlannerConfig(
        candidates=38 + 1 + 1 + 2,
        guided_candidates=1,
        elites=1,
        finalists=1,
        descents=1,
        gradient_steps=0,
        people=1,
        near_bodies=1,
        map_cells=40,
        footprint_discs=1,
        exact_discs=1,
        tail_after=0.0,
    )
    assert config.problems(lab.robot) == []
    small = dataclasses.replace(lab, config=config)
    inputs = small.params, small.state(), small.world(), small.field((1.5, 0.0, 0.0))
    _, found, _ = jax.jit(lambda *given: plan(small.robot, config, *given))(*inputs)
    assert int(found.status) == Status.OK
    assert finite(found)
    assert found.motion.pose_map[-1, 0] > 0.3
