"""The closed loop: repeatable, batchable, and it drives where it should without touching."""

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.body.gaze import ahead, at_body, at_point, rest, search
from astro_jax.body.target import Looking
from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig, PlannerParams
from astro_jax.geometry import wrap_angle
from astro_jax.reactive.sight import BLIND_SPEED
from astro_jax.route.field import solve_field
from astro_jax.route.house import HouseMap
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.odometry import EXACT, PoseErrors
from astro_jax.sim.scene import REACHED, make_scene
from astro_jax.sim.state import honest
from astro_jax.types import Reason, Status

ROBOT = DEFAULT_ROBOT
CONFIG = PlannerConfig(candidates=64, gradient_steps=4, map_cells=48, people=2, recorded_stride=8)
CYCLES, TICKS = 10, 5
SIDE, RESOLUTION = 90, 0.05
START = (1.2, 2.2, 0.0)


def room(goal=(2.7, 2.2, 0.0), people=(), speed=None, posts=()):
    """(scene, field) of a square room of 4.4 m; people walk between two points."""
    blocked = np.zeros((SIDE, SIDE), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    for x, y in posts:
        row, column = round(y / RESOLUTION), round(x / RESOLUTION)
        blocked[row - 2 : row + 3, column - 2 : column + 3] = True
    occupancy = np.where(blocked, 100, 0)
    spacing, points = 0.1, 60
    paths, lengths = np.zeros((len(people), points, 2), np.float32), []
    for k, (a, b) in enumerate(people):
        a, b = np.array(a), np.array(b)
        count = max(2, int(np.linalg.norm(b - a) / spacing) + 1)
        paths[k, :count] = a + (b - a) * np.linspace(0, 1, count)[:, None]
        lengths.append(count)
    scene = make_scene(
        occupancy,
        blocked,
        np.zeros(2),
        RESOLUTION,
        np.array(START),
        np.array(goal),
        paths.reshape(-1, points, 2),
        np.array(lengths, int),
        spacing,
        CONFIG.people,
        seed=0,
    )
    if speed is not None:
        scene = dataclasses.replace(scene, walk_speed=jnp.full(CONFIG.people, speed, jnp.float32))
    house = HouseMap(
        occupancy=occupancy.astype(np.int8), resolution=RESOLUTION, origin=np.zeros(2), name="room"
    )
    field = solve_field(house, house.blocked, np.array(goal), ROBOT)
    return scene, jax.tree.map(jnp.asarray, field)


def latency_of(**seconds) -> Any:
    """A robot that knows how late things are, and whose odometry is exact but for noise."""
    return jax.tree.map(jnp.float32, honest(Latency(**seconds), EXACT))


PARAMS = PlannerParams()


@pytest.fixture(scope="module")
def begin():
    return jax.jit(functools.partial(start_episode, ROBOT, CONFIG, Latency()))


@pytest.fixture(scope="module")
def advance():
    """(latency, scene, field, state) → one second; a second compilation is an error."""
    params = jax.tree.map(jnp.float32, PARAMS)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(latency, scene, field, state):
        return run_cycles(ROBOT, CONFIG, params, latency, scene, field, state, CYCLES)

    return run


@pytest.fixture(scope="module")
def episode(begin, advance):
    """(scene, field, seconds, seed, latency, true wheels) → final state and joined logs."""

    def run(world, seconds, seed=0, latency=None, true_wheels=False):
        scene, field = world
        latency = latency or latency_of()
        state = begin(scene, jax.random.key(seed))
        if true_wheels:
            state = dataclasses.replace(state, wheel_gain=jnp.ones(2))
        logs, ticks = [], []
        for _ in range(seconds):
            state, log, tick = advance(latency, scene, field, state)
            logs.append(jax.device_get(log))
            ticks.append(jax.device_get(tick))
            if np.isfinite(state.arrived_at):
                break
        join = lambda parts: jax.tree.map(lambda *x: np.concatenate(x), *parts)
        tick = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), join(ticks))
        return state, join(logs), tick

    return run


@functools.cache
def standing(y):
    """Somebody stands on, or beside, the straight line to the goal."""
    return room((3.4, 2.2, 0.0), people=[((2.3, y), (2.31, y))], speed=0.0)


@functools.cache
def crowd():
    """As many as there is room for, walking across."""
    return room((3.4, 2.2, 0.0), people=[((2.2, 0.8), (2.2, 3.6)), ((2.9, 3.6), (2.9, 0.8))])


@functools.cache
def empty():
    return room()


def leaves(tree):
    """Arrays of a tree; keys by their data."""
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(tree)
    ]


def test_it_arrives_in_an_empty_room(episode):
    state, log, ticks = episode(empty(), 12)
    assert np.isfinite(state.arrived_at)
    at = np.argmin(np.abs(ticks.time - float(state.arrived_at)))
    goal = np.array([2.7, 2.2, 0.0])
    assert np.linalg.norm(ticks.pose_map[at, :2] - goal[:2]) <= REACHED[0] + 1e-4
    assert abs(float(wrap_angle(ticks.pose_map[at, 2]))) <= REACHED[1] + 1e-4
    assert int(state.contacts.contacts) == 0
    assert np.all(log.status == Status.OK)
    assert np.max(ticks.twist[:, 0]) > 0.3
    # not by luck of the last metre: it went straight there
    way = np.sum(np.linalg.norm(np.diff(ticks.pose_map[:, :2], axis=0), axis=1))
    assert way < 1.5 * 1.25


@pytest.mark.parametrize("yaw", [1.6, 3.0])
def test_it_turns_to_where_it_should_look(episode, yaw):
    state, _, ticks = episode(room((2.4, 2.6, yaw)), 16, seed=1)
    assert np.isfinite(state.arrived_at)
    assert abs(float(wrap_angle(ticks.pose_map[-1, 2] - yaw))) < REACHED[1] + 0.1


def test_commands_are_what_the_wheels_can_do(episode):
    """All the time: speeds, and accelerations up to what the gate may brake with."""
    _, _, ticks = episode(crowd(), 8, seed=2)
    half, tick = ROBOT.wheel_base / 2, CONFIG.gate_period
    commands = ticks.command.astype(float)
    v, omega = commands.T
    assert np.all((v <= ROBOT.speed + 1e-4) & (v >= -ROBOT.reverse_speed - 1e-4))
    assert np.all(np.abs(omega) <= ROBOT.yaw_rate + 1e-4)
    assert np.all(np.abs(v) + half * np.abs(omega) <= ROBOT.wheel_speed + 1e-4)
    reach = 0.5 * np.hypot(ROBOT.length, ROBOT.width)
    path_speed = np.abs(v) + reach * np.abs(omega)
    change = np.diff(path_speed, prepend=0.0) / tick
    assert np.all(change <= ROBOT.wheel_acceleration * 1.01)
    assert np.all(change >= -ROBOT.braking * 1.01)
    assert np.all((ticks.scale >= 0.0) & (ticks.scale <= 1.0))


def test_the_plan_starts_where_the_robot_will_be(episode):
    """The predicted pose at t_effect against the true one when the first command acts.

    True wheels, so that what is left is the noise of one measured pose (4 mm) and the lag
    of the motors.
    """
    latency = latency_of(sensor=0.3)
    _, log, ticks = episode(room((3.4, 2.8, 0.0)), 4, latency=latency, true_wheels=True)
    delay = float(latency.told.planning + latency.told.command)
    after = round((delay + ROBOT.actuator_lag) / CONFIG.gate_period)
    index = TICKS * np.arange(len(log.time)) + after - 1
    index = index[index < len(ticks.time)]
    cycles = slice(0, len(index))
    true = ticks.pose_map[index]
    np.testing.assert_allclose(ticks.time[index] - log.time[cycles], after * 0.02, atol=1e-4)
    off = log.world.pose_map[cycles] - true
    assert np.max(np.linalg.norm(off[:, :2], axis=1)) < 0.02
    assert np.max(np.abs(off[:, 2])) < 0.03
    # without the noise: in the mean, along the way, while driving fast
    fast = ticks.twist[index, 0] > 0.4
    assert np.sum(fast) > 12
    along = np.sum(off[:, :2] * np.stack([np.cos(true[:, 2]), np.sin(true[:, 2])], 1), axis=1)
    assert abs(np.mean(along[fast])) < 0.005
    # and not by standing still: on old poses it would be far off
    stale = log.pose_map[cycles][fast, 0] - true[fast, 0]
    assert np.mean(np.abs(stale)) > 0.08
    # the twist too
    v_off = log.world.command[cycles][:, 0] - ticks.command[np.maximum(index - after + 3, 0), 0]
    assert np.max(np.abs(v_off)) < 0.03


def test_the_same_seed_is_the_same_to_the_last_bit(episode):
    first, again, other = (episode(crowd(), 2, seed=seed) for seed in (5, 5, 6))
    for a, b in zip(leaves(first), leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(first[2].pose_map != other[2].pose_map)


@pytest.fixture(scope="module")
def batch(episode):
    """Four seeds in one vmapped call, and each in a call of its own."""
    scene, field = crowd()
    seeds = [1, 2, 3, 4]
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    params = jax.tree.map(jnp.float32, PARAMS)

    def second(key):
        state = start_episode(ROBOT, CONFIG, Latency(), scene, key)
        return run_cycles(ROBOT, CONFIG, params, latency_of(), scene, field, state, CYCLES)

    # the compiler's own optimisations would cost 20 s here, and may not matter anyway
    quick = {"xla_backend_optimization_level": 0}
    together = jax.jit(jax.vmap(second), compiler_options=quick)(keys)
    return together, [episode(crowd(), 1, seed=seed) for seed in seeds]


@pytest.mark.soak
def test_a_batch_is_its_single_episodes(batch):
    (state, log, ticks), singles = batch
    assert ticks.pose_map.shape == (4, CYCLES, TICKS, 3)
    for k, (one_state, one_log, one_ticks) in enumerate(singles):
        # as long as no other candidate wins; see below
        start = np.asarray(ticks.pose_map[k]).reshape(-1, 3)[:40]
        np.testing.assert_allclose(start, one_ticks.pose_map[:40], atol=0.02)
        np.testing.assert_allclose(log.people_xy[k], one_log.people_xy, atol=1e-3)
        np.testing.assert_allclose(state.wheel_gain[k], one_state.wheel_gain, rtol=1e-6)
        np.testing.assert_allclose(log.world.pose_map[k, 0], one_log.world.pose_map[0], atol=1e-5)
    ends = np.asarray(ticks.pose_map)[:, -1, -1]
    for i in range(4):
        for j in range(i):
            assert np.any(ends[i] != ends[j])


@pytest.mark.soak
@pytest.mark.xfail(
    reason="open since descents take gradients with every trial: in one of four the yaw parts by "
    ".043 rad within the last six ticks; why rounding weighs more than before is not known",
    strict=False,
)
def test_a_batch_stays_near_its_single_episodes(batch):
    """Sums in another order may let another candidate win; never far from each other."""
    (_, _, ticks), singles = batch
    for k, (_, _, one_ticks) in enumerate(singles):
        together = np.asarray(ticks.pose_map[k]).reshape(-1, 3)
        np.testing.assert_allclose(together, one_ticks.pose_map, atol=0.02)


def test_somebody_who_stands_in_the_way_is_not_touched(episode):
    for seed in (0, 1):
        state, log, ticks = episode(standing(2.22), 10, seed=seed)
        assert int(state.contacts.contacts) == 0
        person = log.people_xy[:, 0]
        np.testing.assert_allclose(person, np.tile([2.3, 2.22], (len(person), 1)), atol=0.05)
        assert np.any(log.tracked[:, 0]) and not np.any(log.tracked[:, 1])
        assert np.max(ticks.pose_map[:, 0]) > START[0] + 0.05  # it did set out


def test_somebody_who_stands_beside_the_way_is_passed(episode):
    for seed in (0, 1):
        state, log, ticks = episode(standing(2.85), 14, seed=seed)
        assert np.isfinite(state.arrived_at)
        assert int(state.contacts.contacts) == 0
        near = np.linalg.norm(ticks.pose_map[:, :2] - np.array([2.3, 2.85]), axis=1)
        assert np.min(near) > 0.22 + ROBOT.width / 2 + 0.15
        assert np.any(log.tracked[:, 0])


@pytest.fixture(scope="module")
def crowded(episode):
    return episode(crowd(), 14, seed=3)


def test_walkers_at_full_capacity(crowded):
    state, log, ticks = crowded
    assert np.all(np.any(log.tracked, axis=0))
    assert np.all(np.isfinite(ticks.pose_map)) and np.all(np.isfinite(log.people_xy))
    moved = np.linalg.norm(log.people_xy[-1] - log.people_xy[0], axis=1)
    assert np.all(moved > 0.2)
    assert int(state.contacts.contacts) == 0


@pytest.mark.xfail(
    reason="open: 15.2 s since a robot answers for where it has just stopped; it swings around "
    "the walkers and comes to the goal from behind (seeds 0 to 7: 9.2 to 23.6 s, no contact)"
)
def test_it_gets_through_walkers_at_full_capacity_in_time(crowded):
    assert np.isfinite(crowded[0].arrived_at)


def test_ghosts_and_gaps_in_the_detections_change_little(episode):
    """5 % of the people overlooked, a ghost in 5 % of the frames: it still gets there."""
    scene, field = crowd()
    faulty = dataclasses.replace(scene, miss_rate=jnp.float32(0.05), ghost_rate=jnp.float32(0.05))
    for seed in (3, 4):
        state, log, ticks = episode((faulty, field), 14, seed=seed)
        assert np.isfinite(state.arrived_at)
        assert int(state.contacts.contacts) == 0
        # behind it nothing is in sight
        assert np.all(ticks.command[:, 0] >= -BLIND_SPEED - 1e-4)
        # somebody once known stays known: all of those in view are
        ghosts = log.world.forecast.valid.sum(axis=1) > log.tracked.sum(axis=1)
        assert ghosts.mean() < 0.5


@pytest.mark.xfail(
    strict=False, reason="2 changes of direction with these seeds, 1 to 6 (mean 2.9) with eight"
)
def test_ghosts_and_gaps_do_not_make_it_reverse_again_and_again(episode):
    scene, field = crowd()
    faulty = dataclasses.replace(scene, miss_rate=jnp.float32(0.05), ghost_rate=jnp.float32(0.05))
    for seed in (3, 4):
        _, _, ticks = episode((faulty, field), 14, seed=seed)
        forward = np.sign(np.where(np.abs(ticks.twist[:, 0]) > 0.05, ticks.twist[:, 0], 0.0))
        moving = forward[forward != 0]
        assert np.sum(np.diff(moving) != 0) <= 2


def test_jumps_of_localisation_shift_the_map_and_not_the_motion(episode):
    """Odometry drifts by 2 %, localisation jumps by 5 cm and 2° (each way) once per second."""
    wild = PoseErrors(drift=0.02, jump=0.05, jump_yaw=0.035, jump_rate=1.0)
    jerks = {}
    for name, errors in (("exact", EXACT), ("wild", wild)):
        circumstances = jax.tree.map(jnp.float32, honest(Latency(), errors))
        runs = []
        for seed in (5, 6):
            world = room((3.4, 2.8, 0.0))
            state, log, ticks = episode(world, 14, seed=seed, latency=circumstances)
            assert np.isfinite(state.arrived_at)
            assert int(state.contacts.contacts) == 0
            assert np.all(log.status == Status.OK)
            # what is commanded never jumps: no step beyond what the wheels can
            steps = np.abs(np.diff(ticks.command[:, 0]))
            assert steps.max() <= ROBOT.braking * CONFIG.gate_period + 1e-5
            moving = np.abs(ticks.twist[:, 0]) > 0.02
            jerk = np.diff(ticks.twist[:, 0], 2) / CONFIG.gate_period**2
            runs.append(np.sqrt(np.mean(jerk[moving[2:]] ** 2)))
        jerks[name] = np.mean(runs)
    assert jerks["wild"] < 1.5 * jerks["exact"]


def test_a_dead_time_that_nobody_configured_is_found_under_way(episode):
    """Told .10 s, in truth .16 s: by the end of the drive the robot knows."""
    late = dataclasses.replace(
        latency_of(), latency=jax.tree.map(jnp.float32, Latency(command=0.16))
    )
    state, _, _ = episode(room((3.4, 2.8, 0.0)), 14, seed=7, latency=late)
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0
    known = float(state.robot.actuation.delay)
    assert known > 0.10 + ROBOT.actuator_lag + 0.03
    # so short a drive has too few steady turns to tell the gain of ω
    gain, true = state.robot.actuation.gain[0], state.wheel_gain[0]
    assert float(gain) == pytest.approx(float(true), abs=0.03)


def test_nobody_is_seen_in_an_empty_room(episode):
    _, log, ticks = episode(empty(), 2)
    assert not np.any(log.tracked) and not np.any(log.world.forecast.valid)
    assert np.all(ticks.contacts == 0)
    assert np.all(log.diagnostics.terms.intrusion == 0.0)


def test_the_screen_does_what_it_is_told_within_its_limits(begin, advance):
    """One intent after the other, each for a second, in one compilation."""
    scene, field = crowd()
    state, latency, place = begin(scene, jax.random.key(8)), latency_of(), np.array([2.6, 3.4])
    gazes = {
        "ahead": ahead(),
        "place": at_point(jnp.asarray(place, jnp.float32)),
        "search": search(0.0),
        "nobody": at_body(99),
        "rest": rest(),
        "nowhere": at_point(jnp.full(2, jnp.nan)),
    }
    pans, ends, logs = [], {}, {}
    for name, gaze in gazes.items():
        state = dataclasses.replace(state, gaze=gaze)
        state, log, ticks = advance(latency, scene, field, state)
        pans.append(np.asarray(ticks.pan, float).reshape(-1))
        ends[name] = pans[-1][-1], np.asarray(ticks.pose_map).reshape(-1, 3)[-1]
        logs[name] = log
    pan = np.concatenate(pans)
    rate = np.diff(pan, prepend=0.0) / CONFIG.gate_period
    assert np.max(np.abs(pan)) <= ROBOT.pan_limit + 1e-6
    assert np.max(np.abs(rate)) <= ROBOT.pan_rate + 1e-4
    jumps = np.diff(rate, prepend=0.0) / CONFIG.gate_period
    assert np.max(np.abs(jumps)) <= ROBOT.pan_acceleration + 0.02

    angle, pose = ends["place"]
    bearing = np.arctan2(*(place - pose[:2])[::-1]) - pose[2]
    wanted = np.clip(float(wrap_angle(jnp.float32(bearing))), -ROBOT.pan_limit, ROBOT.pan_limit)
    assert angle == pytest.approx(wanted, abs=0.1)
    assert np.ptp(pans[2]) > 0.3
    for name in ("rest", "nowhere"):
        assert abs(ends[name][0]) < 0.05
    assert np.all(logs["place"].looking != Looking.LOST)
    for name in ("nobody", "nowhere"):
        assert np.all(logs[name].looking == Looking.LOST)


def test_posts_in_the_way_are_driven_around(episode):
    world = room((3.4, 2.2, 0.0), posts=[(2.3, 2.2), (2.3, 2.45)])
    state, _, _ = episode(world, 14, seed=4)
    assert np.isfinite(state.arrived_at)
    assert int(state.contacts.contacts) == 0


def test_a_blind_gate_does_not_drive(episode):
    """A reactive sensor that is older than the gate accepts: nothing moves."""
    late = latency_of(reactive_sensor=0.3)
    _, _, ticks = episode(empty(), 1, latency=late)
    assert np.all(ticks.reason == Reason.BAD_SCAN)
    assert np.all(ticks.command == 0.0)
    assert np.ptp(ticks.pose_map[:, 0]) == 0.0
