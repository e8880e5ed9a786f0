"""Back to the plan's path: it converges, is bounded and smooth, and leaves alone what is right."""

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig
from astro_jax.geometry import compose, wrap_angle
from astro_jax.reactive.path import SETTLING, path_ahead, pose_of_plan
from astro_jax.reactive.tracking import (
    FASTEST,
    HURRY,
    LATE,
    MOST,
    NOISE,
    NOISE_YAW,
    RESTING,
    SLEW,
    SLOWEST,
    curvature_back,
    lateness,
    steer,
)
from astro_jax.types import Motion, Plan, Status

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig()
TICK = CONFIG.gate_period
STEPS = round(CONFIG.horizon / TICK) + 1
ORIGIN = np.zeros(3)


def f32(value) -> Any:
    return np.asarray(value, np.float32)


def driven(pose, twists, step):
    """Oracle: poses along exact arcs in float64, one more than twists."""
    poses = [np.asarray(pose, float)]
    for v, omega in np.asarray(twists, float):
        yaw = poses[-1][2]
        half = 0.5 * omega * step
        chord = v * step * np.sinc(half / np.pi)
        move = (chord * np.cos(yaw + half), chord * np.sin(yaw + half), 2 * half)
        poses.append(poses[-1] + np.array(move))
    return np.array(poses)


def plan_of(commands, start=ORIGIN, tail=None):
    """A plan that is what its commands drive, from ``start``."""
    commands = np.asarray(commands, float)
    middle = 0.5 * (commands[:-1] + commands[1:])
    fine = driven(start, middle, TICK)
    stride = round(CONFIG.dt / TICK)
    still = f32(np.zeros((CONFIG.times, 3)))
    return Plan(
        motion=Motion(pose_map=f32(fine[::stride]), twist=still, twist_dot=still),
        survival=f32(np.ones(CONFIG.times)),
        commands=f32(commands),
        tail=f32(np.zeros_like(commands) if tail is None else tail),
        tail_clearance=f32(1.0),
        controls=f32(np.zeros((11, 2))),
        status=jnp.int32(int(Status.OK)),
    )


def constant(v, omega, start=ORIGIN):
    return plan_of(np.tile([v, omega], (STEPS, 1)), start)


def weaving(v, seed):
    """Speeds and turns that come and go, within the limits."""
    random = np.random.default_rng(seed)
    t = TICK * np.arange(STEPS)
    phases = random.uniform(0, 2 * np.pi, 2)
    speeds = v * (0.8 + 0.2 * np.sin(1.5 * t + phases[0]))
    return plan_of(np.stack([speeds, 0.8 * np.sin(2.0 * t + phases[1])], axis=1))


NO_TAIL = dataclasses.replace(CONFIG, tail_after=1.0)
"""To watch a correction to its end, plans are renewed before they are a second old."""


@functools.cache
def loop():
    """(plan, first pose, gains of the wheels, ticks of corrections, …) → what one tick sees."""

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(plan, pose, gain, on):
        def tick(carry, k):
            pose, phase, last = carry
            # every .6 s the plan is renewed without being changed: none is driven to its stop
            renewed = 6 * jnp.maximum(jnp.floor((phase - 0.15) / 0.6), 0.0).astype(jnp.int32)
            ticks = renewed * round(CONFIG.dt / TICK)
            motion = dataclasses.replace(
                plan.motion, pose_map=jnp.roll(plan.motion.pose_map, -renewed, axis=0)
            )
            commands = jnp.roll(plan.commands, -ticks, axis=0)
            shifted = dataclasses.replace(plan, motion=motion, commands=commands)
            kappa, flow = steer(ROBOT, NO_TAIL, shifted, phase - TICK * ticks, pose, last)
            kappa, flow = on * kappa, 1.0 + on * (flow - 1.0)
            # the plan's command halfway through the tick: the plan is driven as it is meant
            index = phase / TICK + 0.5
            low = jnp.floor(index).astype(jnp.int32)
            share = index - low
            v, omega = (1 - share) * plan.commands[low] + share * plan.commands[low + 1]
            sent = jnp.stack([v, omega + kappa * v])
            v, omega = gain * sent
            half = 0.5 * TICK * omega
            yaw = pose[2] + half
            moved = pose + TICK * jnp.stack([v * jnp.cos(yaw), v * jnp.sin(yaw), omega])
            return (moved, phase + flow * TICK, kappa), (pose, phase, kappa, flow, sent)

        ticks = jnp.arange(round(2.3 / TICK))
        return jax.lax.scan(tick, (pose, jnp.float32(0.0), jnp.float32(0.0)), ticks)[1]

    return run


def beside(plan, poses, phases):
    """(Late in metres, aside, turned) against a fine oracle of the plan, NumPy."""
    middle = 0.5 * (plan.commands[:-1] + plan.commands[1:])
    fine = driven(plan.motion.pose_map[0], middle, TICK)
    at = np.stack([np.interp(phases / TICK, np.arange(STEPS), fine[:, k]) for k in range(3)], 1)
    c, s = np.cos(at[:, 2]), np.sin(at[:, 2])
    dx, dy = (poses[:, :2] - at[:, :2]).T
    turned = np.asarray(wrap_angle(jnp.asarray(poses[:, 2] - at[:, 2])))
    return np.stack([-(c * dx + s * dy), -s * dx + c * dy, turned], axis=1)


def run(plan, offset=(0.0, 0.0, 0.0), gain=(1.0, 1.0), on=1.0):
    first = np.asarray(compose(jnp.asarray(plan.motion.pose_map[0]), jnp.asarray(f32(offset))))
    out = loop()(plan, f32(first), f32(gain), f32(on))
    poses, phases, kappas, flows, sent = map(np.asarray, out)
    return beside(plan, poses, phases), kappas, flows, sent


steered = jax.jit(lambda plan, *given: steer(ROBOT, CONFIG, plan, *given))


# ---- the law --------------------------------------------------------------------------


@given(
    offset=st.floats(-0.03, 0.03),
    turned=st.floats(-0.05, 0.05),
    backwards=st.booleans(),
)
@settings(max_examples=200)
def test_the_energy_of_a_deviation_never_grows(offset, turned, backwards):
    """V = (e/ℓ)² + 2·(1 − cos θ) is a Lyapunov function on a straight line.

    V′ = −4·sin θ·t/ℓ, where e and t are what of the offset and of sin θ is beyond the noise;
    as long as no bound is reached.
    """
    v = -0.6 if backwards else 0.6
    poses = np.asarray(_straight(f32(v), f32([0.0, offset, turned])), float)
    counts = np.maximum(np.abs(poses[:, 1]) - NOISE, 0.0)
    energies = (counts / SETTLING) ** 2 + 2.0 * (1.0 - np.cos(poses[:, 2]))
    # second order of the step
    assert np.all(np.diff(energies) <= 1e-4 * energies[0] + 5e-8)
    assert counts[-1] <= 0.1 * (abs(offset) + SETTLING * abs(turned)) + SETTLING * NOISE_YAW
    assert abs(poses[-1, 2]) <= 0.2 * (abs(offset) / SETTLING + abs(turned)) + NOISE_YAW


@jax.jit
def _straight(v, first):
    """The law alone, along the x axis, for three seconds."""

    def step(pose, _):
        kappa = curvature_back(v, pose * jnp.array([1.0, 0.0, 0.0]), pose)
        # the law as it is far from rest
        turn = 0.01 * v * kappa * jnp.hypot(v, RESTING) / jnp.abs(v)
        yaw = pose[2] + 0.5 * turn
        return pose + jnp.stack([0.01 * v * jnp.cos(yaw), 0.01 * v * jnp.sin(yaw), turn]), pose

    return jax.lax.scan(step, first, length=300)[1]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=150)
def test_it_is_mirrored_with_the_world(seed):
    random = np.random.default_rng(seed)
    v, omega = random.uniform([-0.5, -1.5], [0.7, 1.5])
    pose = random.normal(size=3) * [0.1, 0.1, 0.2]
    phase, last = random.uniform(0.0, 0.29), random.uniform(-MOST, MOST)
    flip = np.array([1.0, -1.0, -1.0])
    one = steered(constant(v, omega), f32(phase), f32(pose), f32(last))
    other = steered(constant(v, -omega), f32(phase), f32(flip * pose), f32(-last))
    assert float(one[0]) == pytest.approx(-float(other[0]), abs=1e-5)
    assert float(one[1]) == pytest.approx(float(other[1]), abs=1e-5)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=150)
def test_where_in_the_house_does_not_matter(seed):
    random = np.random.default_rng(seed)
    v, omega = random.uniform([-0.5, -1.5], [0.7, 1.5])
    offset, start = random.normal(size=3) * [0.05, 0.05, 0.1], random.uniform(-3, 3, 3)
    placed = np.asarray(compose(jnp.asarray(f32(start)), jnp.asarray(f32(offset))))
    phase, last = f32(random.uniform(0.0, 0.29)), f32(0.0)
    one = steered(constant(v, omega), phase, f32(offset), last)
    other = steered(constant(v, omega, start), phase, f32(placed), last)
    np.testing.assert_allclose(one, other, atol=1e-3)


extremes = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(
    pose=st.tuples(extremes, extremes, extremes),
    phase=st.floats(0.0, 4.0),
    last=st.floats(-MOST, MOST),
    v=st.floats(-0.75, 0.75),
    omega=st.floats(-1.8, 1.8),
    broken=st.booleans(),
)
@settings(max_examples=300)
def test_it_is_bounded_whatever_comes(pose, phase, last, v, omega, broken):
    plan = constant(v, omega)
    if broken:
        motion = dataclasses.replace(
            plan.motion, pose_map=np.full_like(plan.motion.pose_map, np.nan)
        )
        plan = dataclasses.replace(plan, motion=motion)
    kappa, flow = map(float, steered(plan, f32(phase), f32(pose), f32(last)))
    assert abs(kappa) <= MOST + 1e-6
    assert abs(kappa - last) <= SLEW * TICK + 1e-6
    assert SLOWEST <= flow <= min(FASTEST, ROBOT.braking / ROBOT.wheel_acceleration)
    if broken or not np.all(np.isfinite(pose)):
        # nothing is known: time passes as planned, and what is left of a correction fades
        assert flow == 1.0
        fades = max(0.85 * abs(last), abs(last) - SLEW * TICK)
        assert abs(kappa) <= fades + 1e-6


# ---- on the way -----------------------------------------------------------------------


@given(v=st.floats(-0.75, 0.75), omega=st.floats(-1.2, 1.2), k=st.integers(0, 15))
@settings(max_examples=150)
def test_on_the_way_there_is_nothing_to_correct(v, omega, k):
    plan = constant(v, omega)
    place = driven(ORIGIN, [(v, omega)] * 15, TICK)[k]
    kappa, flow = map(float, steered(plan, f32(k * TICK), f32(place), f32(0.0)))
    assert kappa == 0.0
    assert flow == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("v", "omega"), [(0.6, 0.0), (0.5, 0.9), (0.5, -0.9), (-0.4, 0.5)])
@pytest.mark.parametrize("late", [0.06, -0.06])
def test_who_is_only_late_is_not_steered(v, omega, late):
    """On its way but somewhere else on it: the plan's time waits or hurries, no more."""
    plan = constant(v, omega)
    place = driven(ORIGIN, [(v, omega)], 0.15 - late)[-1]
    kappa, flow = map(float, steered(plan, f32(0.15), f32(place), f32(0.0)))
    assert abs(kappa) < 0.01 * MOST
    assert (flow < 1.0) == (late > 0.0)
    reach = np.hypot(ROBOT.length, ROBOT.width) / 2
    square = v**2 + (reach * omega) ** 2
    assert 1.0 - flow == pytest.approx(HURRY * late * square / (square + 0.01), rel=0.05)


@pytest.mark.parametrize("omega", [1.2, -0.8])
def test_a_turn_on_the_spot_waits_for_the_robot(omega):
    """Wheels that turn too little: the heading error stays bounded, without a command more."""
    errors = {}
    for on in (0.0, 1.0):
        off, _, flows, sent = run(constant(0.0, omega), gain=(1.0, 0.9), on=on)
        errors[on] = np.abs(off[-1, 2])
        np.testing.assert_allclose(sent[:, 1], omega, atol=1e-5)
        np.testing.assert_allclose(sent[:, 0], 0.0)
    assert errors[0.0] > 0.14
    assert errors[1.0] < 0.5 * errors[0.0]
    assert np.all(flows[10:] < 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_it_converges_from_any_small_offset(seed):
    """Forwards and backwards, straight on and weaving, to a fraction within some seconds."""
    random = np.random.default_rng(seed)
    v = (0.7, -0.6)[seed % 2]
    plan = weaving(v, seed) if seed % 3 else constant(v, 0.0)
    offset = random.uniform(-1, 1, 3) * [0.05, 0.08, 0.15]
    off, kappas, flows, _ = run(plan, offset)
    aside = np.abs(off[:, 1])
    first = abs(offset[1]) + SETTLING * abs(offset[2])
    assert aside.max() <= first + 0.005
    assert aside[-1] < 0.25 * first + NOISE
    assert abs(off[-1, 2]) < 0.35 * first / SETTLING + NOISE_YAW
    assert abs(off[-1, 0]) < 0.3 * abs(offset[0]) + 0.01
    assert np.abs(kappas).max() <= MOST and np.ptp(flows) < 0.5


@pytest.mark.parametrize("gain", [(1.0, 0.9), (1.0, 1.1), (0.95, 1.0), (1.05, 1.05)])
def test_wheels_that_do_not_do_what_they_are_told(gain):
    """A twentieth too fast, a tenth too little turn: less than half of the deviation is left."""
    worst = {}
    for on in (0.0, 1.0):
        off, *_ = run(weaving(0.6, 3), gain=gain, on=on)
        worst[on] = np.max(np.hypot(off[:, 0], off[:, 1]))
    assert worst[0.0] > 0.02
    assert worst[1.0] < 0.6 * worst[0.0]


def test_a_jump_of_the_pose_is_no_jerk():
    """5 cm and 2° at once, against the wheels: no step that they would feel."""
    for offset in ((0.0, 0.05, 0.035), (0.05, -0.05, -0.035)):
        _, kappas, _, sent = run(constant(0.7, 0.0), offset)
        turn = np.diff(sent[:, 1], prepend=0.0) / TICK
        assert np.abs(turn).max() <= 0.7 * SLEW + 1e-3
        wheels = ROBOT.wheel_base / 2 * np.abs(turn).max()
        assert wheels < 0.15 * ROBOT.wheel_acceleration
        np.testing.assert_allclose(sent[:, 0], 0.7, atol=1e-5)
        assert np.abs(kappas).max() > 0.2  # it did correct


def test_noise_of_the_pose_hardly_moves_the_wheels():
    """White noise of 4 mm and 3 mrad in every tick, on the way: milliradians per second."""
    random = np.random.default_rng(0)
    plan, last, turns = constant(0.7, 0.0), 0.0, []
    for k in range(200):
        phase = 0.25 * (k % 2)
        pose = np.array([0.7 * phase, 0.0, 0.0]) + random.normal(size=3) * [0.004, 0.004, 0.003]
        last, flow = map(float, steered(plan, f32(phase), f32(pose), f32(last)))
        turns.append(0.7 * last)
        assert abs(flow - 1.0) < 5 * HURRY * 0.004 / 0.7
    assert 1e-5 < np.std(turns) < 0.004


# ---- references -----------------------------------------------------------------------


def test_the_stop_is_followed_along_its_own_way():
    """From ``tail_after`` on the plan's poses are those of the stop, without a step between."""
    commands = np.tile([0.6, 0.7], (STEPS, 1))
    ramp = np.maximum(1.0 - 2.0 * TICK * np.arange(STEPS), 0.0)[:, None]
    plan = plan_of(commands, tail=ramp * commands[:1])
    arrays = jax.tree.map(jnp.asarray, plan)
    at = jax.jit(lambda phase, time: pose_of_plan(CONFIG, arrays, phase, time))
    index = round(CONFIG.tail_after / TICK)
    way = np.concatenate([commands[:index], plan.tail])
    fine = driven(ORIGIN, 0.5 * (way[:-1] + way[1:]), TICK)
    for k in (3, index - 1, index, index + 1, index + 7, index + 25, len(way) - 3):
        phase = f32(k * TICK)
        np.testing.assert_allclose(at(phase, phase), fine[k], atol=2e-3)
    # the stop begins at that very time, also for who is early
    np.testing.assert_allclose(at(f32(CONFIG.tail_after), f32(0.5)), fine[25], atol=2e-3)
    late = f32((index + 2) * TICK)
    np.testing.assert_allclose(at(late, late - 0.1), fine[index - 3], atol=2e-3)
    before, after = (at(f32(t), f32(t)) for t in (CONFIG.tail_after - 1e-5, CONFIG.tail_after))
    np.testing.assert_allclose(before, after, atol=1e-4)


def test_the_way_that_is_checked_is_the_way_back():
    """What the gate looks at ahead, and what the robot then does: an offset of 6 cm."""
    plan = constant(0.6, 0.3)
    first = np.asarray(compose(jnp.zeros(3), jnp.asarray(f32([0.0, 0.06, 0.0]))))
    kappa = curvature_back(f32(0.6), f32(ORIGIN), f32(first))
    arrays, start = jax.tree.map(jnp.asarray, plan), jnp.asarray(first)
    path = jax.jit(lambda s: path_ahead(ROBOT, NO_TAIL, arrays, jnp.float32(0.0), start, s).poses)
    looked = {on: np.asarray(path(on * kappa)) for on in (0.0, 1.0)}
    poses = np.asarray(loop()(plan, f32(first), f32([1.0, 1.0]), f32(1.0))[0])
    shown = slice(0, 12)
    off = {on: np.linalg.norm(looked[on][shown] - poses[::4][shown], axis=1) for on in looked}
    assert off[0.0].max() > 0.04
    # smoothing delays the way back by .1 s
    assert off[1.0].max() < 0.4 * off[0.0].max()


def test_lateness_is_a_projection():
    """Against a search for the nearest place of the way, in the metric of the footprint."""
    random = np.random.default_rng(2)
    reach = np.hypot(ROBOT.length, ROBOT.width) / 2
    for _ in range(20):
        twist = random.uniform([0.3, -1.2], [0.7, 1.2])
        pose = random.normal(size=3) * [0.02, 0.02, 0.03]
        times = np.linspace(-LATE, LATE, 401)
        way = np.array([driven(ORIGIN, [twist], t)[-1] for t in times])
        weights = np.array([1.0, 1.0, reach])
        found = -times[np.argmin(np.sum(((way - pose) * weights) ** 2, axis=1))]
        square = twist[0] ** 2 + (reach * twist[1]) ** 2
        late = float(lateness(ROBOT, jnp.asarray(f32(twist)), jnp.zeros(3), jnp.asarray(f32(pose))))
        assert late * (square + 0.01) / square == pytest.approx(found, abs=0.007)
