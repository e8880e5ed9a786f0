"""Faults injected between the sensors and the planner, in the closed loop.

The gate keeps its own short path to fresh scans; what is tested here is that the planner's
layer never takes a bad message for free space: the robot stops, stays at rest for as long
as the fault lasts, and goes on to its goal when it is over.
"""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig, PlannerParams
from astro_jax.geometry import compose
from astro_jax.route.field import solve_field
from astro_jax.route.house import HouseMap
from astro_jax.sim import episode
from astro_jax.sim.episode import start_episode
from astro_jax.sim.messages import as_messages
from astro_jax.sim.observe import observe
from astro_jax.sim.scene import make_scene
from astro_jax.sim.state import honest
from astro_jax.types import Reason, Status
from astro_jax.world.health import DOUBTED, SETTLING, UNWATCHED
from astro_jax.world.inbox import SECOND, empty_inbox, receive, snapshot
from astro_jax.world.messages import Frames

ROBOT = DEFAULT_ROBOT
CONFIG = PlannerConfig(candidates=64, gradient_steps=0, map_cells=64, people=2, recorded_stride=8)
PARAMS = jax.tree.map(jnp.float32, PlannerParams())
WORLD = jax.tree.map(jnp.float32, honest(Latency()))
START, GOAL = (0.8, 1.2, 0.0), (6.2, 1.2, 0.0)
SOON = 1.2
"""Seconds from the first bad message to rest: a plan's age limit, dead time and braking."""
NONE = {
    "older": 0.0,
    "frozen": False,
    "ranges_nan": False,
    "blank": False,
    "pose_nan": False,
    "jump": np.zeros(3),
    "stuck": False,
    "cov": np.zeros((3, 3)),
    "halved": False,
    "nobody_watches": False,
    "misplaced": np.zeros(3),
}


@functools.cache
def hall(standing=()):
    """7 m by 2.4 m, with nobody in it but who stands at the places of ``standing``."""
    blocked = np.zeros((48, 140), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    scene = make_scene(
        np.where(blocked, 100, 0),
        blocked,
        np.zeros(2),
        0.05,
        np.array(START),
        np.array(GOAL),
        np.array([[place, place] for place in standing]).reshape(-1, 2, 2),
        np.full(len(standing), 2),
        0.1,
        CONFIG.people,
        seed=0,
    )
    scene = dataclasses.replace(scene, walk_speed=jnp.zeros(CONFIG.people))
    house = HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=0.05,
        origin=np.zeros(2),
        name="hall",
    )
    field = solve_field(house, house.blocked, np.array(GOAL), ROBOT)
    return scene, jax.tree.map(jnp.asarray, field)


@pytest.fixture(scope="module")
def parts():
    """(scene, state) → what the sensors say; (scene, field, gain, state, snapshot) → on it goes.

    Compiled once for all faults; the snapshot has everything that one may have.
    """

    @jax.jit
    @chex.assert_max_traces(n=1)
    def sense(scene, state):
        snapshot, state = observe(ROBOT, CONFIG, WORLD, scene, state)
        scan = dataclasses.replace(snapshot.scan, free=snapshot.scan.ranges)
        odometry = dataclasses.replace(snapshot.odometry, cov=jnp.zeros((3, 3)))
        return dataclasses.replace(snapshot, scan=scan, odometry=odometry), state

    @jax.jit
    @chex.assert_max_traces(n=1)
    def go_on(scene, field, gain, state, snapshot):
        state = dataclasses.replace(state, wheel_gain=gain)
        state, log = episode.think(ROBOT, CONFIG, PARAMS, WORLD, scene, field, state, snapshot)
        state, ticks = episode.act(ROBOT, CONFIG, WORLD, scene, state)
        return state, log.status, ticks

    return sense, go_on


@pytest.fixture(scope="module")
def cycle(parts):
    """(fault, first ranges, state) → the state one planning cycle later, and its logs."""
    sense, go_on = parts

    @jax.jit
    @chex.assert_max_traces(n=1)
    def tampered_with(fault, ranges, since, snapshot):
        scan, odometry, detections = snapshot.scan, snapshot.odometry, snapshot.detections
        seen = jnp.where(fault["frozen"], ranges, scan.ranges)
        seen = jnp.where(fault["ranges_nan"], jnp.nan, seen)
        seen = jnp.where(fault["blank"], jnp.inf, seen)
        shift = fault["jump"] + jnp.where(fault["pose_nan"], jnp.nan, 0.0)
        return dataclasses.replace(
            snapshot,
            scan=dataclasses.replace(
                scan,
                ranges=seen,
                valid=scan.valid & ~fault["ranges_nan"],
                pose_map=scan.pose_map + shift,
                age=scan.age + fault["older"],
                free=seen,
            ),
            odometry=dataclasses.replace(
                odometry,
                pose_map=odometry.pose_map + shift,
                age=odometry.age + fault["older"],
                cov=odometry.cov + fault["cov"],
            ),
            detections=dataclasses.replace(
                detections,
                seen=detections.seen & ~fault["nobody_watches"],
                age=detections.age + jnp.where(fault["nobody_watches"], since, 0.0),
            ),
            house_from_map=compose(snapshot.house_from_map, fault["misplaced"]),
        )

    def run(fault, ranges, state, world=None, since=0.0, before=None):
        scene, field = world or hall()
        snapshot, state = sense(scene, state)
        tampered = before or tampered_with(fault, ranges, since, snapshot)
        gain = jnp.where(fault["stuck"], 0.0, jnp.ones(2))
        state, status, ticks = go_on(scene, field, gain, state, tampered)
        return state, status, ticks, snapshot.scan.ranges, tampered

    return run


@functools.cache
def begin():
    return jax.jit(functools.partial(start_episode, ROBOT, CONFIG, WORLD.told))


def again(snapshot):
    """The same messages one cycle later."""
    later = lambda part: dataclasses.replace(part, age=part.age + CONFIG.period)
    return dataclasses.replace(
        snapshot,
        scan=later(snapshot.scan),
        odometry=later(snapshot.odometry),
        detections=later(snapshot.detections),
    )


def driven(cycle, fault, begins=2.0, lasts=2.0, seconds=16.0, world=None):
    """Speeds per tick, statuses per cycle, reasons per tick, and the end."""
    scene, _ = world or hall()
    state = begin()(scene, jax.random.key(3))
    healthy = {name: jnp.asarray(value, jnp.asarray(value).dtype) for name, value in NONE.items()}
    healthy = jax.tree.map(lambda x: x.astype(jnp.float32) if x.dtype != bool else x, healthy)
    bad = healthy | {name: jnp.asarray(value, healthy[name].dtype) for name, value in fault.items()}
    ranges = jnp.zeros(ROBOT.sensor.beams)
    speeds, statuses, reasons, commands, last = [], [], [], [], None
    for k in range(round(seconds / CONFIG.period)):
        now = k * CONFIG.period
        broken = begins <= now < begins + lasts
        state, status, ticks, seen, last = cycle(
            bad if broken else healthy,
            ranges,
            state,
            world,
            since=jnp.float32(now - begins),
            # every second message does not come
            before=again(last) if broken and bad["halved"] and k % 2 else None,
        )
        # what a frozen sensor goes on repeating
        ranges = ranges if broken else seen
        speeds.append(np.abs(ticks.twist[:, 0]))
        commands.append(np.abs(ticks.command[:, 0]))
        statuses.append(int(status))
        reasons.append(np.asarray(ticks.reason))
        if np.isfinite(state.arrived_at):
            break
    per_second = round(1 / CONFIG.gate_period)
    return (
        np.concatenate(speeds),
        np.array(statuses),
        np.concatenate(reasons),
        np.concatenate(commands),
        state,
        per_second,
    )


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"older": 1.0}, id="stale"),
        pytest.param({"older": -0.5}, id="from the future"),
        pytest.param({"older": np.nan}, id="age not a number"),
        pytest.param({"frozen": True}, id="frozen with fresh stamps"),
        pytest.param({"ranges_nan": True}, id="ranges not numbers"),
        pytest.param({"blank": True}, id="nothing met anywhere, between walls of the map"),
        pytest.param({"pose_nan": True}, id="pose not a number"),
    ],
)
def test_bad_messages_stop_the_robot_for_as_long_as_they_come(cycle, fault):
    speeds, statuses, reasons, _, state, per_second = driven(cycle, fault)
    first, last = round(2.0 * per_second), round(4.0 * per_second)
    assert speeds[first] > 0.3  # it was under way
    rest = first + round(SOON * per_second)
    assert np.all(speeds[rest:last] < 0.02)
    bad = statuses[round(2.0 / CONFIG.period) : round(4.0 / CONFIG.period)]
    # a frozen scan shows once the robot has moved, and only then
    assert np.mean(bad != Status.OK) > (0.0 if "frozen" in fault else 0.99)
    assert np.any(reasons[first:last] == Reason.BAD_PLAN)
    # and on it goes
    assert np.isfinite(state.arrived_at)
    assert int(state.contacts.contacts) == 0


def test_a_jump_within_its_own_frame_is_a_short_stop(cycle):
    """The pose of dead reckoning jumps by a metre and stays there; localisation follows."""
    speeds, statuses, _, _, state, per_second = driven(
        cycle, {"jump": np.array([1.0, 0.0, 0.0])}, lasts=0.1
    )
    at = round(2.0 / CONFIG.period)
    # there and back, and until the pose has settled
    assert np.all(statuses[at : at + 1 + SETTLING] == Status.BAD_INPUT)
    assert np.all(statuses[at + 2 + SETTLING :] != Status.BAD_INPUT)
    assert speeds[round(2.0 * per_second) : round(3.5 * per_second)].min() < 0.02
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0


def test_a_base_that_is_stuck_is_not_pushed_on(cycle):
    """Odometry and commands disagree: commands go to zero, and again after every try."""
    _, statuses, _, commands, state, per_second = driven(
        cycle, {"stuck": True}, lasts=4.0, seconds=20.0
    )
    first, last = round(2.0 * per_second), round(6.0 * per_second)
    assert commands[first] > 0.3
    assert np.any(statuses[round(2.0 / CONFIG.period) :] == Status.BAD_INPUT)
    resting = commands[first + round(SOON * per_second) : last] < 0.02
    assert np.mean(resting) > 0.4
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0


def test_without_a_fault_nothing_stops(cycle):
    speeds, statuses, _, _, state, per_second = driven(cycle, {})
    assert np.all(statuses == Status.OK)
    assert np.all(speeds[per_second : 6 * per_second] > 0.3)
    assert np.isfinite(state.arrived_at)


def test_1_without_any_message_it_never_moves(cycle):
    speeds, statuses, _, _, state, per_second = driven(
        cycle, {"older": np.inf}, begins=0.0, lasts=2.0
    )
    assert np.all(speeds[: 2 * per_second] == 0.0)
    assert np.all(statuses[:20] == Status.BAD_INPUT)
    assert np.isfinite(state.arrived_at)


def test_10_at_half_the_rate_it_drives_slower_and_does_not_stop(cycle):
    speeds, statuses, reasons, commands, state, per_second = driven(
        cycle, {"halved": True}, lasts=30.0, seconds=32.0
    )
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0
    assert np.all(statuses == Status.OK)
    first, settled = 2 * per_second, 8 * per_second
    near_goal = len(speeds) - round(2.5 * per_second)
    assert speeds[first] > 0.7
    assert speeds[settled:].max() < 0.65 * ROBOT.speed
    assert speeds[first:near_goal].min() > 0.5 * ROBOT.speed
    assert np.all(reasons[settled:near_goal] == Reason.PACED)
    # without a jolt: EASE of .75 m/s per cycle
    braking = -np.diff(commands[first:settled]) / CONFIG.gate_period
    assert braking.max() < 0.5


def test_40_when_nobody_says_where_people_are_it_is_slow_and_people_are_obstacles(cycle):
    """The tracker dies in front of somebody who stands in the way."""
    speeds, statuses, _, _, state, per_second = driven(
        cycle,
        {"nobody_watches": True},
        begins=1.0,
        lasts=40.0,
        seconds=42.0,
        world=hall(((3.6, 1.2),)),
    )
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0
    assert np.all(statuses != Status.BAD_INPUT)
    assert speeds[: 2 * per_second].max() > 1.1 * UNWATCHED * ROBOT.speed
    # .3 s until it is late, then eased
    assert speeds[4 * per_second :].max() < 1.1 * UNWATCHED * ROBOT.speed


@pytest.mark.parametrize(
    "cov",
    [
        pytest.param(np.full((3, 3), np.nan), id="not a number"),
        pytest.param(np.diag([1e-4, -1e-4, 1e-4]), id="negative"),
        pytest.param(np.diag([1.0, 1.0, 1.0]), id="large"),
    ],
)
def test_21_a_pose_that_is_not_sure_of_itself_is_put_up_with_for_a_while(cycle, cov):
    speeds, statuses, _, _, state, per_second = driven(cycle, {"cov": cov})
    at = round(2.0 / CONFIG.period)
    assert np.all(statuses[at : at + DOUBTED] == Status.OK)
    assert np.all(statuses[at + DOUBTED : at + 20] == Status.BAD_INPUT)
    assert np.all(statuses[at + 21 :] != Status.BAD_INPUT)
    rest = round((2.0 + SOON + DOUBTED * CONFIG.period) * per_second)
    assert np.all(speeds[rest : 4 * per_second] < 0.02)
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0


@pytest.mark.parametrize("shift", [(0.0, 0.6, 0.0), (0.5, -0.3, 1.2), (np.nan, 0.0, 0.0)])
def test_31_a_house_map_in_the_wrong_place_is_not_driven_into_walls_for(cycle, shift):
    """What has been seen counts; no place at all is none to drive from."""
    _, statuses, _, _, state, _ = driven(
        cycle, {"misplaced": np.array(shift)}, lasts=3.0, seconds=30.0
    )
    assert int(state.contacts.contacts) == 0
    at = round(2.0 / CONFIG.period)
    if np.isnan(shift[0]):
        assert np.all(statuses[at : at + 30] == Status.BAD_INPUT)
    else:  # put somewhere else: it stops, and plans anew from there
        assert np.all(statuses[at : at + SETTLING] == Status.BAD_INPUT)
        assert np.any(statuses[at + SETTLING : at + 30] == Status.OK)
    assert np.isfinite(state.arrived_at)


def test_17_through_messages_it_drives_as_well_and_the_same_after_a_month(parts):
    sense, go_on = parts
    world = hall(((3.6, 0.5),))
    scene = world[0]
    state = begin()(scene, jax.random.key(3))
    capacity = CONFIG.people + 1  # as many as the simulated detector may report
    boxes = [empty_inbox(ROBOT, capacity=capacity) for _ in range(2)]
    starts = [SECOND, SECOND + 30 * 24 * 3600 * SECOND]
    statuses = []
    for k in range(160):
        seen, state = sense(scene, state)
        given = []
        for which, start in enumerate(starts):
            now = start + k * SECOND // 10
            for message in as_messages(ROBOT, Frames(), "laser", seen, now):
                boxes[which] = receive(boxes[which], message, now)
            given.append(snapshot(boxes[which], now))
        jax.tree.map(np.testing.assert_array_equal, *given)
        answers = [go_on(*world, jnp.ones(2), state, one) for one in given[: 2 if k == 30 else 1]]
        if k == 30:
            plans = [answer[0].robot.next_plan for answer in answers]
            assert float(plans[0].motion.twist[0, 0]) > 0.5
            jax.tree.map(np.testing.assert_array_equal, *plans)
        state, status, _ = answers[0]
        statuses.append(int(status))
        if np.isfinite(state.arrived_at):
            break
    assert np.isfinite(state.arrived_at) and int(state.contacts.contacts) == 0
    assert np.mean(np.array(statuses) == Status.OK) > 0.97
