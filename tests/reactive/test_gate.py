"""The last word before the wheels: safety properties P1–P4, whatever comes in."""

import dataclasses
from collections.abc import Collection
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig
from astro_jax.geometry import smooth
from astro_jax.reactive import gate
from astro_jax.reactive.gate import GateState
from astro_jax.types import Grid, Motion, Plan, Reason, Status, Tracks

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig()
TICK = CONFIG.gate_period
STEPS = round(CONFIG.horizon / TICK) + 1
POINTS, PEOPLE = 24, 3


def f32(value) -> Any:
    """NumPy where the types ask for JAX: hypothesis runs faster on it."""
    return np.asarray(value, np.float32)


def mask(value) -> Any:
    return np.asarray(value, bool)


LATENCY = jax.tree.map(f32, Latency())


@chex.assert_max_traces(n=1)
def _react(inputs):
    return gate.react(ROBOT, CONFIG, **inputs)


react = jax.jit(_react)
Inputs = dict[str, Any]


def constant_plan(v, omega):
    commands = np.tile(np.array([v, omega], np.float32), (STEPS, 1))
    return plan_of(commands)


def plan_of(commands):
    still = f32(np.zeros((CONFIG.times, 3)))
    motion = Motion(pose_map=f32(np.zeros((CONFIG.times, 3))), twist=still, twist_dot=still)
    return Plan(
        motion=motion,
        survival=f32(np.ones(CONFIG.times)),
        commands=f32(commands),
        tail=f32(np.zeros_like(commands)),
        tail_clearance=f32(0.5),
        controls=f32(np.zeros((11, 2))),
        status=jnp.int32(Status.OK),
    )


def clearance_of(values):
    grid = Grid(
        values=jnp.asarray(values, jnp.float32),
        origin=jnp.array([-2.0, -2.0]),
        resolution=jnp.float32(0.2),
    )
    return jax.tree.map(np.asarray, smooth(grid))


OPEN = clearance_of(np.full((20, 20), 1.0))


def inputs_of(
    plan=None, twist=(0.0, 0.0), points=(), people=(), velocity=(0.0, 0.0), **others
) -> Inputs:
    """One tick's inputs, all NumPy: nothing near unless it is asked for."""
    points_map = np.full((POINTS, 2), 30.0, np.float32)
    returned = np.arange(POINTS) < len(points)
    xy = np.full((PEOPLE, 2), 40.0, np.float32)
    if len(points):
        points_map[: len(points)] = points
    if len(people):
        xy[: len(people)] = people
    base = {
        "latency": LATENCY,
        "measured": np.zeros(2, np.float32),
        "delay": LATENCY.command + ROBOT.actuator_lag,
        "state": GateState(phase=f32(0.0), twist=f32(twist)),
        "plan": plan or constant_plan(0.5, 0.0),
        "plan_age": f32(0.0),
        "pose_map": f32(np.zeros(3)),
        "points_map": points_map,
        "returned": returned,
        "valid_share": f32(1.0),
        "scan_age": f32(0.04),
        "tracks": Tracks(
            xy_map=f32(xy),
            velocity_map=f32(np.tile(velocity, (PEOPLE, 1))),
            xy_var=f32(np.ones(PEOPLE)),
            xy_velocity_cov=f32(np.zeros(PEOPLE)),
            velocity_var=f32(np.ones(PEOPLE)),
            radius=f32(np.full(PEOPLE, 0.22)),
            kind=jnp.zeros(PEOPLE, jnp.int32),
            identity=jnp.full(PEOPLE, -1, jnp.int32),
            credit=f32(np.ones(PEOPLE)),
            valid=mask(np.arange(PEOPLE) < len(people)),
            age=f32(0.1),
        ),
        "clearance": OPEN,
        "pace": f32(1.0),
    }
    return base | others


def random_inputs(seed: int) -> Inputs:
    """Somewhere within a drive: a smooth plan, a few returns, somebody near."""
    random = np.random.default_rng(seed)
    time = TICK * np.arange(STEPS)
    wave = lambda: np.sin(random.uniform(0.5, 2.0) * time + random.uniform(0, 6))
    v, omega = 0.25 + 0.4 * wave() * random.uniform(), 1.2 * wave() * random.uniform()
    commands = np.stack([np.clip(v, -ROBOT.reverse_speed, ROBOT.speed), omega], axis=1)
    plan = plan_of(commands)
    count, near = random.integers(0, POINTS + 1), random.uniform(0.3, 2.0)
    index = random.integers(0, STEPS - 80)
    return inputs_of(
        plan,
        twist=random.uniform(0.2, 1.0) * commands[index],
        points=near * random.normal(size=(count, 2)) + [0.3, 0.0],
        people=near * random.normal(size=(random.integers(0, PEOPLE + 1), 2)) + [0.8, 0.0],
        velocity=random.uniform(-1, 1, 2),
        state=GateState(
            phase=f32(TICK * index),
            twist=f32(random.uniform(0.2, 1.0) * commands[index]),
        ),
        pose_map=f32([*random.uniform(-0.2, 0.2, 2), random.uniform(-3, 3)]),
        plan_age=f32(random.uniform(0, 0.3)),
        scan_age=f32(random.uniform(0, 0.14)),
        clearance=clearance_at(random.integers(len(FIELDS))),
    )


_random = np.random.default_rng(7)
FIELDS = [OPEN, *(clearance_of(_random.uniform(-0.2, 1.0, (20, 20))) for _ in range(4))]


def clearance_at(k):
    return FIELDS[int(k)]


def path_speed(twist):
    """|v| + |ω|·r in float64."""
    reach = 0.5 * np.hypot(ROBOT.length, ROBOT.width)
    v, omega = np.abs(np.asarray(twist, float))
    return v + reach * omega


def assert_within_speed_limits(twist):
    v, omega = np.asarray(twist, float)
    assert np.isfinite(v) and np.isfinite(omega)
    slack = 1.0101
    assert -ROBOT.reverse_speed * slack - 1e-4 <= v <= ROBOT.speed * slack
    assert abs(omega) <= ROBOT.yaw_rate * slack
    assert abs(v) + ROBOT.wheel_base / 2 * abs(omega) <= ROBOT.wheel_speed * slack


# ---- P1 ------------------------------------------------------------------------------

SPECIAL = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e9, -1e9, 1e-40, 5.0, -5.0, 0.0]
"""In sensors, plans, tracks, maps and settings; the gate's own memory is spared."""


def corrupted(inputs: Inputs, wounds, spared: Collection[str] = ()):
    """A copy with special values in some entries of some leaves."""
    names = sorted(set(inputs) - set(spared))
    leaves, shape = jax.tree.flatten({name: inputs[name] for name in names})
    floats = [k for k, leaf in enumerate(leaves) if np.asarray(leaf).dtype == np.float32]
    leaves = [np.array(leaf) for leaf in leaves]
    for which, where, value in wounds:
        flat = leaves[floats[which % len(floats)]].reshape(-1)
        if where < 0:
            flat[:] = value
        else:
            flat[where % flat.size] = value
    return inputs | jax.tree.unflatten(shape, leaves)


wounds = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.one_of(st.just(-1), st.integers(0, 10_000)),
        st.one_of(st.sampled_from(SPECIAL), st.floats(width=32)),
    ),
    max_size=6,
)


@settings(max_examples=400)
@given(seed=st.integers(0, 10_000), wounds=wounds, status=st.sampled_from([0, 0, 0, 1, 2, 99]))
def test_p1_commands_are_finite_and_within_limits(seed, wounds, status):
    inputs = corrupted(random_inputs(seed), wounds, spared={"state"})
    inputs["plan"] = dataclasses.replace(inputs["plan"], status=np.int32(status))
    state, twist, scale, reason = react(inputs)
    assert_within_speed_limits(twist)
    assert 0.0 <= float(scale) <= 1.0
    assert int(reason) in list(Reason)
    np.testing.assert_array_equal(state.twist, twist)


@settings(max_examples=200)
@given(seed=st.integers(0, 10_000), wounds=wounds)
def test_p1_even_with_a_torn_memory_the_command_is_finite(seed, wounds):
    _, twist, scale, _ = react(corrupted(random_inputs(seed), wounds))
    assert np.all(np.isfinite(twist))
    assert 0.0 <= float(scale) <= 1.0


@settings(max_examples=400)
@given(seed=st.integers(0, 10_000), wounds=wounds)
def test_p1_path_speed_changes_within_limits_whatever_is_measured(seed, wounds):
    """Up as the wheels can, down as the brakes can: also while everything lies."""
    inputs = corrupted(random_inputs(seed), wounds, spared={"state", "latency"})
    before = path_speed(inputs["state"].twist)
    _, twist, _, _ = react(inputs)
    after = path_speed(twist)
    assert after <= before + ROBOT.wheel_acceleration * TICK * (1 + 1e-3) + 1e-6
    assert after >= before - ROBOT.braking * TICK * (1 + 1e-3) - 1e-6


@pytest.mark.parametrize("leaf", ["plan", "pose_map", "scan_age", "valid_share", "plan_age"])
def test_what_is_not_a_number_brakes(leaf):
    inputs = inputs_of(constant_plan(0.5, 0.3), twist=(0.5, 0.3))
    bad = jax.tree.map(
        lambda x: np.full_like(x, np.nan) if np.asarray(x).dtype == np.float32 else x, inputs[leaf]
    )
    _, twist, _, reason = react(inputs | {leaf: bad})
    assert path_speed(twist) == pytest.approx(
        path_speed([0.5, 0.3]) - ROBOT.braking * TICK, abs=1e-5
    )
    assert int(reason) not in (Reason.CLEAR, Reason.SLOWED)


@pytest.mark.parametrize("what", ["points", "people", "velocity", "map"])
def test_a_place_that_is_not_a_number_is_not_clear(what):
    inputs = inputs_of(twist=(0.5, 0.0), points=[(30.0, 0.0)], people=[(30.0, 0.0)])
    assert float(react(inputs)[2]) == pytest.approx(1.0)
    if what == "points":
        inputs["points_map"][0] = np.nan
    elif what == "people":
        inputs["tracks"].xy_map[0, 1] = np.nan
    elif what == "velocity":
        inputs["tracks"].velocity_map[0, 1] = np.nan
    else:
        inputs["clearance"] = jax.tree.map(lambda x: np.full_like(x, np.nan), OPEN)
    _, twist, _, reason = react(inputs)
    assert float(twist[0]) == pytest.approx(0.5 - ROBOT.braking * TICK, abs=1e-5)
    assert int(reason) == Reason.SLOWED


# ---- P2, P3 --------------------------------------------------------------------------


@settings(max_examples=300)
@given(seed=st.integers(0, 100_000))
def test_p2_the_curvature_of_the_plan_is_kept(seed):
    inputs = random_inputs(seed)
    state, twist, scale, _ = react(inputs)
    phase = float(inputs["state"].phase)
    ticks = TICK * np.arange(STEPS)
    planned = np.array([np.interp(phase, ticks, c) for c in inputs["plan"].commands.T])
    if path_speed(planned) > 1e-3:
        np.testing.assert_allclose(twist, float(scale) * planned, atol=2e-5)
        assert float(state.phase) == pytest.approx(phase + float(scale) * TICK, abs=1e-5)


@settings(max_examples=300)
@given(seed=st.integers(0, 100_000), extra=st.integers(0, 100_000))
def test_p3_more_points_people_or_age_never_raise_the_scale(seed, extra):
    random = np.random.default_rng(extra)
    inputs = random_inputs(seed)
    scale = float(react(inputs)[2])
    points, returned = inputs["points_map"].copy(), inputs["returned"].copy()
    free = np.flatnonzero(~returned)
    added = free[: random.integers(0, free.size + 1)]
    points[added] = random.uniform(0.2, 1.5) * random.normal(size=(added.size, 2))
    returned[added] = True
    tracks = inputs["tracks"]
    xy, valid = tracks.xy_map.copy(), tracks.valid.copy()
    slot = int(np.sum(valid))
    if slot < PEOPLE:
        xy[slot], valid[slot] = random.normal(size=2), True
    crowd = dataclasses.replace(tracks, xy_map=xy, valid=valid)
    more = {
        "points": {"points_map": points, "returned": returned},
        "people": {"tracks": crowd},
        "age": {"scan_age": inputs["scan_age"] + f32(random.uniform(0, 0.3))},
        "beams": {"valid_share": f32(random.uniform())},
        "map": {
            "clearance": dataclasses.replace(
                inputs["clearance"], table=inputs["clearance"].table - f32([0.1, 0, 0])
            )
        },
    }
    for name, change in more.items():
        assert float(react(inputs | change)[2]) <= scale + 1e-6, name
    everything = {key: value for change in more.values() for key, value in change.items()}
    assert float(react(inputs | everything)[2]) <= scale + 1e-6


# ---- people who cross ----------------------------------------------------------------


def crosser(ahead, lateness, walking=1.0, **others):
    """Somebody who walks across the robot's straight way, ``ahead`` metres from it, and is at
    its middle ``lateness`` seconds after the robot's centre would be at 0.6 m/s."""
    when = ahead / 0.6 + lateness
    return inputs_of(
        constant_plan(0.6, 0.0),
        twist=(0.6, 0.0),
        people=[(ahead, -walking * (when + 0.1))],
        velocity=(0.0, walking),
        **others,
    )


def least_gaps(ahead, lateness, walking=1.0):
    """(going on, braking) least gaps within 1.5 s, by an integration of its own."""
    t = np.arange(0.0, 1.5, 0.01)
    b = ROBOT.wheel_acceleration
    stop = np.minimum(t, 0.6 / b)
    y = walking * (t - ahead / 0.6 - lateness)
    found = []
    for x in (0.6 * t, 0.6 * stop - 0.5 * b * stop**2):
        dx = np.maximum(np.abs(ahead - x) - ROBOT.length / 2, 0.0)
        dy = np.maximum(np.abs(y) - ROBOT.width / 2, 0.0)
        found.append(float(np.min(np.hypot(dx, dy))) - 0.22)
    return found


def test_it_does_not_brake_into_the_way_of_somebody_who_is_passed_in_time():
    """Over many meetings: slowed only where slowing keeps the robot away from the person."""
    let_through = slowed = 0
    for ahead in np.linspace(0.15, 0.9, 12):
        for lateness in np.linspace(-1.2, 1.2, 25):
            going, braking = least_gaps(ahead, lateness)
            scale = float(react(crosser(ahead, lateness))[2])
            if going > 0.03 and going > braking + 0.03:
                assert scale == pytest.approx(1.0), (ahead, lateness)
                let_through += going < gate.PERSON_MARGIN
            if abs(lateness) < 0.05 and ahead < 0.5:
                # right in front: whatever braking does, it must not drive on into somebody
                assert scale < 1.0, (ahead, lateness)
                slowed += 1
    assert let_through >= 3 and slowed >= 3


def test_who_is_passed_in_time_counts_again_when_something_else_slows_the_robot():
    """Passing in front of somebody needs the speed; a post ahead takes it away."""
    meetings = [
        (ahead, lateness)
        for ahead in np.linspace(0.15, 0.9, 12)
        for lateness in np.linspace(0.3, 1.2, 19)
        if 0.03 < least_gaps(ahead, lateness)[0] < gate.PERSON_MARGIN - 0.03
        and least_gaps(ahead, lateness)[1] < least_gaps(ahead, lateness)[0] - 0.03
    ]
    assert len(meetings) >= 3
    for ahead, lateness in meetings:
        post = [(0.45, 0.0)]
        both = react(crosser(ahead, lateness, points=post))
        alone = react(inputs_of(constant_plan(0.6, 0.0), twist=(0.6, 0.0), points=post))
        assert float(alone[2]) < 1.0
        assert float(both[2]) <= float(alone[2]) + 1e-6


@pytest.mark.parametrize("bearing", np.linspace(-np.pi, np.pi, 16, endpoint=False))
def test_a_robot_may_back_away_from_whom_it_would_not_meet_sooner(bearing):
    """Somebody walks up to it: it is held only where driving brings it nearer to them."""
    walks = np.array([np.cos(bearing), np.sin(bearing)])
    reverse = constant_plan(-0.2, 0.0)
    meeting = inputs_of(
        reverse,
        twist=(-0.2, 0.0),
        people=[tuple(0.8 * walks)],
        velocity=tuple(-1.0 * walks),
    )
    scale = float(react(meeting)[2])
    if abs(bearing) < 1.0:
        assert scale == pytest.approx(1.0)
    if abs(bearing) > 2.2:
        assert scale < 1.0


@pytest.mark.parametrize("measured", [(2.0, 0.0), (-0.9, 0.0), (0.2, 5.0), (np.nan, 0.0)])
def test_a_robot_that_is_faster_than_it_may_be_brakes(measured):
    inputs = inputs_of(twist=(0.5, 0.0), measured=f32(measured))
    _, twist, _, reason = react(inputs)
    assert int(reason) == Reason.BAD_STATE
    assert float(twist[0]) == pytest.approx(0.5 - ROBOT.braking * TICK, abs=1e-5)


def test_the_properties_above_meet_every_reason():
    """Random inputs that were always clear, or never, would prove little."""
    scales = np.array([float(react(random_inputs(seed))[2]) for seed in range(200)])
    reasons = [int(react(random_inputs(seed))[3]) for seed in range(200)]
    assert reasons.count(Reason.CLEAR) > 20 and reasons.count(Reason.SLOWED) > 20
    assert np.sum(scales > 0.95) > 20 and np.sum(scales < 0.5) > 20


# ---- pace ----------------------------------------------------------------------------


@settings(max_examples=150)
@given(seed=st.integers(0, 100_000), high=st.floats(0.01, 1.0), share=st.floats(0.0, 1.0))
def test_10_less_pace_never_raises_the_scale_and_keeps_the_curvature(seed, high, share):
    inputs = random_inputs(seed)
    whole = float(react(inputs)[2])
    _, _, more, _ = react(inputs | {"pace": f32(high)})
    _, twist, less, _ = react(inputs | {"pace": f32(share * high)})
    assert float(less) <= float(more) + 1e-6 <= whole + 2e-6
    ticks, phase = TICK * np.arange(STEPS), float(inputs["state"].phase)
    planned = np.array([np.interp(phase, ticks, c) for c in inputs["plan"].commands.T])
    if path_speed(planned) > 1e-3:
        np.testing.assert_allclose(twist, float(less) * planned, atol=2e-5)


@pytest.mark.parametrize(("v", "omega"), [(0.75, 0.0), (0.7, 0.5), (0.2, 1.5), (-0.25, 0.1)])
@pytest.mark.parametrize("pace", [1.0, 0.8, 0.5, 0.1])
def test_pace_is_a_share_of_the_limits(v, omega, pace):
    """Driven on until it settles; slow plans are not slowed."""
    cap = 1.01 * pace * np.array([ROBOT.speed, ROBOT.yaw_rate])
    expected = min(1.0, *(cap / np.maximum(np.abs([v, omega]), 1e-6)))
    inputs = inputs_of(constant_plan(v, omega), twist=(v, omega), pace=f32(pace))
    for _ in range(40):
        state, *_ = react(inputs)
        inputs = inputs | {"state": dataclasses.replace(state, phase=f32(0.0))}
    _, twist, scale, reason = react(inputs)
    assert float(scale) == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(twist, expected * np.array([v, omega]), atol=1e-5)
    assert int(reason) == (Reason.PACED if expected < 0.995 else Reason.CLEAR)


def test_a_pace_that_is_no_number_stops():
    for pace in (np.nan, 0.0, -1.0):
        _, twist, _, _ = react(inputs_of(twist=(0.5, 0.0), pace=f32(pace)))
        assert float(twist[0]) == pytest.approx(0.5 - ROBOT.braking * TICK, abs=1e-5)


def test_33_of_scan_and_local_map_the_more_cautious_is_believed():
    """A wall that only one of them knows counts as much as one that both know."""
    x = -2.0 + 0.2 * np.arange(20)

    def scale(in_scan, in_map):
        points = [(in_scan, y) for y in np.linspace(-0.3, 0.3, 9)] if in_scan else ()
        clearance = OPEN
        if in_map:
            clearance = clearance_of(np.tile(np.minimum(np.abs(in_map - x), 1.0), (20, 1)))
        given = inputs_of(
            constant_plan(0.7, 0.0), twist=(0.7, 0.0), points=points, clearance=clearance
        )
        return float(react(given)[2])

    for near, far in ((0.45, 0.9), (0.5, None), (0.6, 1.5)):
        alone = scale(near, None), scale(None, near)
        assert max(alone) < 0.99
        assert scale(near, far) == pytest.approx(min(alone[0], scale(None, far)))
        assert scale(far, near) == pytest.approx(min(alone[1], scale(far, None)))


# ---- P4: rest ------------------------------------------------------------------------

TROUBLE = {
    "stale plan": {"plan_age": f32(gate.MAX_PLAN_AGE + 0.01)},
    "bad status": {"plan": dataclasses.replace(constant_plan(0.6, 0.3), status=np.int32(1))},
    "stale scan": {"scan_age": f32(gate.MAX_SCAN_AGE + 0.01)},
    "blind": {"valid_share": f32(gate.MIN_VALID_BEAMS - 0.01)},
    "lost": {"pose_map": np.full(3, np.nan, np.float32)},
}


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("twist", [(0.6, 0.3), (-0.2, 0.4), (0.0, 1.5)])
def test_p4_trouble_brings_the_robot_to_rest_in_time(trouble, twist):
    """From the very next tick, at the brakes' limit, along the curve it is driving."""
    inputs = inputs_of(constant_plan(*twist), twist=twist) | TROUBLE[trouble]
    if trouble == "bad status":
        inputs["plan"] = dataclasses.replace(constant_plan(*twist), status=np.int32(1))
    ticks = int(np.ceil(path_speed(twist) / (ROBOT.braking * TICK) - 1e-3)) + 1
    speeds = [path_speed(twist)]
    for _ in range(ticks):
        state, sent, _, _ = react(inputs)
        inputs["state"] = state
        speeds.append(path_speed(sent))
        assert abs(sent[0] * twist[1] - sent[1] * twist[0]) < 1e-4
    assert speeds[1] < speeds[0] - 0.99 * ROBOT.braking * TICK
    assert speeds[-1] == 0.0
    assert float(react(inputs)[2]) == 0.0
    # and it does not start again on its own
    assert path_speed(react(inputs)[1]) == 0.0


def test_it_starts_gently_and_reaches_the_plans_speed():
    inputs = inputs_of(constant_plan(0.6, 0.2))
    speeds = []
    for _ in range(60):
        inputs["state"], twist, _, reason = react(inputs)
        speeds.append(path_speed(twist))
        assert int(reason) == Reason.CLEAR
    assert np.all(np.diff(speeds) <= ROBOT.wheel_acceleration * TICK + 1e-5)
    np.testing.assert_allclose(inputs["state"].twist, [0.6, 0.2], atol=1e-5)
    assert float(react(inputs)[2]) == pytest.approx(1.0)
    assert speeds[5] < 0.2


# ---- obstacles -----------------------------------------------------------------------


def approach(v, omega, points=(), people=(), latency=LATENCY, seconds=3.0):
    """Drive a constant plan with dead time, lag and late scans: poses and twists."""
    dt = 0.005
    per_tick = round(TICK / dt)
    dead = round(float(latency.command) / TICK)
    pose, twist = np.zeros(3), np.array([v, omega], float)
    sent = [twist.copy()] * (dead + 1)
    inputs = inputs_of(
        constant_plan(v, omega), twist=(v, omega), points=points, people=people, latency=latency
    )
    follow = 1.0 - np.exp(-dt / ROBOT.actuator_lag)
    # sensors look .7 m ahead of the robot at most
    hidden = np.asarray(inputs["points_map"])
    poses, twists = [], []
    for _ in range(round(seconds / TICK)):
        ahead = pose.copy()
        for command in [*sent[-dead:], sent[-1], sent[-1], sent[-1], sent[-1]][: dead + 4]:
            yaw = ahead[2] + 0.5 * TICK * command[1]
            ahead += TICK * np.array(
                [command[0] * np.cos(yaw), command[0] * np.sin(yaw), command[1]]
            )
        late = poses[-3] if len(poses) > 2 else pose
        seen = np.all(np.abs(hidden - late[:2]) < 1.0, axis=1)
        inputs["returned"] = seen
        inputs["pose_map"] = ahead.astype(np.float32)
        inputs["state"], command, _, _ = react(inputs)
        inputs["state"] = dataclasses.replace(inputs["state"], phase=f32(0.0))
        sent.append(np.asarray(command, float))
        for _ in range(per_tick):
            twist = twist + follow * (sent[-1 - dead] - twist)
            pose = pose + dt * np.array(
                [twist[0] * np.cos(pose[2]), twist[0] * np.sin(pose[2]), twist[1]]
            )
        poses.append(pose.copy())
        twists.append(twist.copy())
    return np.array(poses), np.array(twists)


@pytest.mark.parametrize("command", [0.1, 0.2])
@pytest.mark.parametrize("speed", [0.3, 0.75])
def test_it_stops_before_a_wall_straight_ahead(speed, command):
    """From full speed, with every delay; not much too early either."""
    latency = dataclasses.replace(LATENCY, command=f32(command))
    wall = np.stack([np.full(POINTS, 1.1), np.linspace(-0.4, 0.4, POINTS)], axis=1)
    poses, twists = approach(speed, 0.0, wall, latency=latency, seconds=6.0)
    gaps = 1.1 - poses[:, 0] - ROBOT.length / 2
    assert np.min(gaps) > 0.0
    assert 0.0 < gaps[-1] < 0.15
    assert abs(twists[-1, 0]) < 1e-3
    assert np.min(np.diff(twists[:, 0])) > -ROBOT.braking * TICK * 1.01


def test_it_stops_in_a_curve_too():
    """A post beside the line straight ahead, on the arc."""
    v, omega = 0.5, 0.8
    angle = 1.4
    post = v / omega * np.array([np.sin(angle), 1 - np.cos(angle)])
    poses, twists = approach(v, omega, [post], seconds=5.0)
    c, s = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    dx, dy = (post - poses[:, :2]).T
    ahead = np.abs(c * dx + s * dy) - ROBOT.length / 2
    aside = np.abs(c * dy - s * dx) - ROBOT.width / 2
    assert np.min(np.maximum(ahead, aside)) > 0.0
    assert path_speed(twists[-1]) < 1e-3
    assert poses[-1, 2] > 0.3  # it went some of the way


def test_it_stops_before_somebody_who_stands():
    poses, twists = approach(0.75, 0.0, people=[(1.2, 0.05)], seconds=6.0)
    gap = 1.2 - 0.22 - poses[-1, 0] - ROBOT.length / 2
    assert 0.5 * gate.PERSON_MARGIN < gap < gate.PERSON_MARGIN + 0.2
    assert abs(twists[-1, 0]) < 1e-3


def test_what_is_too_near_does_not_block_leaving():
    behind = [(-ROBOT.length / 2 - 0.004, y) for y in (-0.1, 0.0, 0.1)]
    for v, free in ((0.4, True), (-0.2, False)):
        inputs = inputs_of(constant_plan(v, 0.0), points=behind)
        for _ in range(30):
            inputs["state"] = react(inputs)[0]
        assert float(inputs["state"].twist[0]) == pytest.approx(v if free else 0.0, abs=1e-4)


def test_leaving_the_map_s_obstacles_is_possible_too():
    """Clearance −5 cm here, growing to the front."""
    x = 0.2 * np.arange(20) - 2.0
    rising = clearance_of(np.tile(0.09 + x, (20, 1)))
    for v, free in ((0.4, True), (-0.2, False)):
        inputs = inputs_of(constant_plan(v, 0.0), clearance=rising)
        for _ in range(30):
            inputs["state"] = react(inputs)[0]
        assert float(inputs["state"].twist[0]) == pytest.approx(v if free else 0.0, abs=1e-4)


def test_a_tight_passage_is_crawled_through():
    """Returns 4 cm beside the path: slower than the plan, but not at rest."""
    side = ROBOT.width / 2 + 0.04
    points = [(x, s * side) for x in np.linspace(0.4, 1.5, POINTS // 2) for s in (-1, 1)]
    poses, twists = approach(0.6, 0.0, points, seconds=4.0)
    assert poses[-1, 0] > 0.5
    inside = (poses[:, 0] > 0.3) & (poses[:, 0] < 0.9)
    assert np.any(inside)
    assert np.max(twists[inside, 0]) < 0.3
    assert np.min(twists[:, 0]) > 0.05


def test_stopping_speed_solves_its_equation():
    free = np.linspace(0.0, 3.0, 31).astype(np.float32)
    speed = np.asarray(
        gate.stopping_speed(ROBOT, LATENCY, f32(0.2), TICK, jnp.asarray(free)), float
    )
    reaction = LATENCY.reactive_sensor + 0.2 + TICK
    way = speed * reaction + speed**2 / (2 * ROBOT.wheel_acceleration)
    np.testing.assert_allclose(way, free, atol=1e-5)


def test_upcoming_twists_are_those_it_will_send():
    """The plan that is being computed starts from where this one will have got to."""
    random = np.random.default_rng(3)
    upcoming = jax.jit(lambda state, plan: gate.upcoming_twists(ROBOT, CONFIG, state, plan))
    for _ in range(10):
        inputs = random_inputs(int(random.integers(100_000)))
        inputs |= {"returned": np.zeros(POINTS, bool), "clearance": OPEN}
        inputs["tracks"] = dataclasses.replace(inputs["tracks"], valid=np.zeros(PEOPLE, bool))
        phase = inputs["state"].phase
        planned = inputs["plan"].commands[round(float(phase) / TICK)]
        # undisturbed: what it sends is already what is planned
        inputs["state"] = GateState(phase=phase, twist=planned)
        expected = upcoming(inputs["state"], inputs["plan"])
        assert expected.shape == (round(CONFIG.period / TICK) + 1, 2)
        for row in expected:
            inputs["state"], twist, _, _ = react(inputs)
            np.testing.assert_allclose(twist, row, atol=0.01)
