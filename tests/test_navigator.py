"""Between the layers: which plan is driven when, and from where the next one starts."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax import navigator
from astro_jax.body.announce import anything
from astro_jax.body.servo import JointState
from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig, PlannerParams
from astro_jax.navigator import HISTORY_TICKS
from astro_jax.reactive.modes import WELL
from astro_jax.reactive.senses import Mode, Orders
from astro_jax.reactive.tracking import SLEW
from astro_jax.reactive.watch import MAX_MAP_AGE, MAX_PLAN_AGE
from astro_jax.types import Grid, Odometry, Reason, Scan, Status
from astro_jax.world.people import no_tracks

ROBOT = DEFAULT_ROBOT
CONFIG = PlannerConfig(map_cells=40, people=2)
TICK = CONFIG.gate_period
TICKS = round(CONFIG.period / TICK)
ALLOWANCE = 2
"""Ticks of the default 40 ms for planning."""
LATENCY = jax.tree.map(jnp.float32, Latency())
BEAMS = ROBOT.sensor.beams


@pytest.fixture(scope="module")
def rest():
    """At rest in the middle of a free map."""
    house = Grid(
        values=jnp.full((80, 80), -2.0),
        origin=jnp.array([-2.0, -2.0]),
        resolution=jnp.float32(0.05),
    )
    begin = jax.jit(lambda *inputs: navigator.start(ROBOT, CONFIG, LATENCY, *inputs))
    return begin(house, jnp.zeros(3), jax.random.key(0), no_tracks(CONFIG.people))


@pytest.fixture(scope="module")
def act():
    """(state, tick, scan, odometry, …) → navigator.act's answer, compiled once."""

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(state, tick, scan, odometry, orders, elapsed):
        return navigator.act(ROBOT, CONFIG, LATENCY, state, tick, scan, odometry, orders, elapsed)

    def one(state, tick, scan, odometry, stop=False, rearm=False, elapsed=TICK):
        orders = Orders(stop=jnp.asarray(stop), rearm=jnp.asarray(rearm))
        return run(state, tick, scan, odometry, orders, jnp.float32(elapsed))

    return one


@pytest.fixture(scope="module")
def predict():
    params = jax.tree.map(jnp.float32, PlannerParams(walker_slowing=0.0))

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(state, odometry):
        return navigator.predict(ROBOT, CONFIG, params, state, odometry)

    return run


def scan_of(pose=(0.0, 0.0, 0.0), wall=None, age=0.04, valid=1.0):
    """A sensor at the base's pose; ``wall``: distance of a wall straight across its view."""
    half = ROBOT.sensor.field_of_view / 2
    angles = np.linspace(-half, half, BEAMS)
    ranges = np.full(BEAMS, np.inf)
    if wall is not None:
        ahead = np.abs(angles) < 1.4
        ranges[ahead] = wall / np.cos(angles[ahead])
    return Scan(
        ranges=jnp.asarray(np.where(ranges > 1.6, np.inf, ranges), jnp.float32),
        valid=jnp.arange(BEAMS) < round(valid * BEAMS),
        pose_map=jnp.asarray(pose, jnp.float32),
        age=jnp.float32(age),
    )


def odometry_of(pose=(0.0, 0.0, 0.0), age=0.04):
    return Odometry(
        pose_map=jnp.asarray(pose, jnp.float32), twist=jnp.zeros(2), age=jnp.float32(age)
    )


AHEAD = 0.04 + float(LATENCY.command) + ROBOT.actuator_lag
"""From a measured pose to the moment at which the command acts, s."""


def arc(v, omega, times):
    """Poses of a constant twist that passes the origin at time 0."""
    turned = omega * np.asarray(times)
    chord = v * np.asarray(times) * np.sinc(turned / 2 / np.pi)
    return np.stack([chord * np.cos(turned / 2), chord * np.sin(turned / 2), turned], axis=-1)


def plan_at(state, v, omega, begins=AHEAD, x=0.0):
    """The resting plan's shapes with a constant twist: at (x, 0, 0) ``begins`` s before."""
    twist = jnp.array([v, omega], jnp.float32)
    poses = arc(v, omega, begins + CONFIG.dt * np.arange(CONFIG.times)) + np.array([x, 0.0, 0.0])
    motion = dataclasses.replace(state.plan.motion, pose_map=jnp.asarray(poses, jnp.float32))
    commands = jnp.broadcast_to(twist[None], state.plan.commands.shape)
    return dataclasses.replace(state.plan, commands=commands, motion=motion)


def moved(pose, state):
    """A tick later: what was sent ``AHEAD`` s before shows in what is measured."""
    v, omega = np.asarray(state.sent[-round(AHEAD / TICK)], float)
    yaw = pose[2] + 0.5 * TICK * omega
    return pose + TICK * np.array([v * np.cos(yaw), v * np.sin(yaw), omega])


def driving(state, v, omega):
    """A robot that has been following that twist for a while."""
    twist = jnp.array([v, omega], jnp.float32)
    return dataclasses.replace(
        state,
        plan=plan_at(state, v, omega),
        next_plan=plan_at(state, v, omega),
        gate=dataclasses.replace(
            state.gate, twist=twist, mode=jnp.int32(Mode.RUNNING), well_for=jnp.float32(1.0)
        ),
        sent=jnp.broadcast_to(twist[None], (HISTORY_TICKS, 2)),
    )


def tick_of(k):
    return jnp.int32(k)


def test_it_starts_at_rest_and_stays(rest, act):
    """And runs once all has been well for a while, not before."""
    state = rest
    for k in range(TICKS):
        state, said = act(state, tick_of(k), scan_of(), odometry_of())
        np.testing.assert_array_equal(said.twist, 0.0)
        assert int(said.reason) == Reason.WAITING and int(said.mode) == Mode.STOPPED
    assert int(rest.plan.status) == Status.OK
    assert np.all(np.asarray(rest.clearance.table[..., 0]) > 0.5)
    assert float(state.screen.pan.angle) == 0.0
    modes = []
    for k in range(round(WELL / TICK) - TICKS):
        state, said = act(state, tick_of(k + TICKS), scan_of(), odometry_of())
        np.testing.assert_array_equal(said.twist, 0.0)
        modes.append(int(said.mode))
    assert modes == [Mode.STOPPED] * (len(modes) - 1) + [Mode.RUNNING]


def test_it_stays_where_it_is_until_all_has_been_well_for_a_while(rest, act):
    """A plan is there from the first tick on; the robot sets off when it has seen enough."""
    state, moved = dataclasses.replace(rest, plan=plan_at(rest, 0.4, 0.0)), []
    for k in range(15):
        state, said = act(state, tick_of(k % 10 + TICKS), scan_of(), odometry_of())
        moved.append(float(said.twist[0]) > 0.0)
        assert (int(said.reason) == Reason.CLEAR) == (int(said.mode) == Mode.RUNNING) == moved[-1]
    assert moved.index(True) == round(WELL / TICK) - 1 and all(moved[moved.index(True) :])


def test_the_next_plan_takes_over_at_its_tick_and_not_before(rest, act):
    old = driving(rest, 0.3, 0.0)
    state = dataclasses.replace(
        old,
        next_plan=plan_at(rest, 0.4, 0.05, begins=0.0, x=0.3 * (0.06 + ALLOWANCE * TICK + AHEAD)),
        plan_age=jnp.float32(0.06),
        gate=dataclasses.replace(old.gate, phase=jnp.float32(0.06)),
    )
    pose = np.array([0.3 * 0.06, 0.0, 0.0])
    for k in range(TICKS):
        state, said = act(state, tick_of(k), scan_of(), odometry_of(pose))
        pose = moved(pose, state)
        taken = k >= ALLOWANCE
        ratio = float(said.twist[1] / said.twist[0])
        assert ratio == pytest.approx(0.05 / 0.4 if taken else 0.0, abs=3e-3)
        since = k - ALLOWANCE + 1 if taken else k + 4
        assert float(state.plan_age) == pytest.approx(since * TICK, abs=1e-5)
        if not taken:
            assert float(said.scale) == pytest.approx(1.0)
            assert float(state.gate.phase) == pytest.approx(since * TICK, abs=1e-4)
    steps = TICKS - ALLOWANCE
    assert 0.0 < float(state.gate.phase) <= steps * TICK + 1e-6


def test_what_is_sent_is_remembered_in_order(rest, act):
    state = driving(rest, 0.2, 0.0)
    state = dataclasses.replace(state, plan=plan_at(rest, 0.6, 0.3))
    sent = []
    for k in range(TICKS):
        # no take-over: ticks after the last
        state, said = act(state, tick_of(k + 10), scan_of(), odometry_of())
        sent.append(np.asarray(said.twist))
    np.testing.assert_array_equal(state.sent[-TICKS:], sent)
    np.testing.assert_array_equal(state.sent[:-TICKS], driving(rest, 0.2, 0.0).sent[TICKS:])
    assert np.all(np.diff([v for v, _ in sent]) > 0.0)


def test_without_new_plans_it_stops_as_the_last_one_foresaw(rest, act):
    """The planner has died, while maps still come: the stop in hand is driven to its end."""
    state, speeds, scales, reasons = driving(rest, 0.5, 0.0), [], [], []
    ramp = np.maximum(0.5 - ROBOT.wheel_acceleration * TICK * np.arange(len(rest.plan.tail)), 0.0)
    tail = np.stack([ramp, 0.0 * ramp], axis=1)
    state = dataclasses.replace(
        state, plan=dataclasses.replace(state.plan, tail=jnp.asarray(tail, jnp.float32))
    )
    pose = np.zeros(3)
    for k in range(60):
        # no take-over: ticks after the last
        state, said = act(state, tick_of(TICKS + k % 5), scan_of(), odometry_of(pose))
        pose = moved(pose, state)
        speeds.append(float(said.twist[0]))
        scales.append(float(said.scale))
        reasons.append(int(said.reason))
    begins = round(CONFIG.tail_after / TICK)
    np.testing.assert_allclose(speeds[:begins], 0.5, atol=1e-5)
    foreseen = np.pad(ramp, (0, 60))[: 60 - begins]
    # time passes by the robot's own pace: within a tick of the clock
    np.testing.assert_allclose(speeds[begins:], foreseen, atol=ROBOT.wheel_acceleration * TICK)
    old = int(MAX_PLAN_AGE / TICK) + 1
    assert set(reasons[:old]) == {Reason.CLEAR} and set(reasons[old:]) == {Reason.BAD_PLAN}
    assert float(state.plan_age) == pytest.approx(60 * TICK, abs=1e-4)


def test_a_stop_gets_no_faster(rest, act):
    """Slowed on the way, the plan is too old before its stop begins: braked, then the stop."""
    ramp = np.maximum(0.5 - ROBOT.wheel_acceleration * TICK * np.arange(len(rest.plan.tail)), 0.0)
    plan = dataclasses.replace(
        plan_at(rest, 0.5, 0.0),
        tail=jnp.asarray(np.stack([ramp, 0.0 * ramp], axis=1), jnp.float32),
    )
    state = driving(rest, 0.5, 0.0)
    state = dataclasses.replace(state, plan=plan, plan_age=jnp.float32(0.3))
    state = dataclasses.replace(state, gate=dataclasses.replace(state.gate, phase=jnp.float32(0.2)))
    pose, speeds = np.array([0.5 * 0.2, 0.0, 0.0]), [0.5]
    for _ in range(60):
        state, said = act(state, tick_of(TICKS), scan_of(), odometry_of(pose))
        pose = moved(pose, state)
        speeds.append(float(said.twist[0]))
    drops = -np.diff(speeds)
    assert np.all(drops >= -1e-6) and np.all(drops <= ROBOT.braking * TICK + 1e-6)
    assert float(state.gate.phase) > CONFIG.tail_after + 2 * TICK  # in the stop it was
    assert speeds[-1] == 0.0


def showing(state, by_time=False):
    """The screen in the middle of a plan that turns it by 1 rad within a second."""
    rows = np.minimum(TICK * np.arange(len(state.screen_plan.angles.pan)), 1.0)
    screen_plan = dataclasses.replace(
        state.screen_plan,
        angles=dataclasses.replace(state.screen_plan.angles, pan=jnp.asarray(rows, jnp.float32)),
        by_time=jnp.asarray(by_time),
    )
    pan = JointState(angle=jnp.float32(0.3), rate=jnp.float32(1.0))
    screen = dataclasses.replace(state.screen, pan=pan, clock=jnp.float32(0.3))
    return dataclasses.replace(state, screen_plan=screen_plan, screen=screen)


def pans(act, state, count=25, **given):
    """Pan angles of ticks in which new plans keep coming that are never taken over."""
    found, pose = [], np.zeros(3)
    for _ in range(count):
        state = dataclasses.replace(state, plan_age=jnp.float32(0.0))
        state, _ = act(state, tick_of(TICKS), scan_of(**given), odometry_of(pose))
        pose = moved(pose, state)
        found.append(float(state.screen.pan.angle))
    return np.array(found)


def test_the_screen_goes_by_the_clock_of_the_base(rest, act):
    """Driving it follows its plan; before an obstacle, slowed to rest, it stops as it is."""
    expected = np.minimum(0.3 + TICK * np.arange(1, 26), 1.0)
    free = pans(act, showing(driving(rest, 0.5, 0.0)), 12)  # then its plan's own stop begins
    np.testing.assert_allclose(free, expected[:12], atol=0.02)
    held = pans(act, showing(driving(rest, 0.5, 0.0)), wall=0.35)
    assert np.ptp(held[-5:]) < 0.01 and held[-1] < 0.62
    # what looks at somebody does not wait
    looking = pans(act, showing(driving(rest, 0.5, 0.0), by_time=True), wall=0.35)
    np.testing.assert_allclose(looking, expected, atol=0.02)


def test_turns_wait_for_a_screen_that_shows_them_and_for_no_other(rest, predict):
    bounds = {}
    for by_time in (False, True):
        state = showing(driving(rest, 0.5, 0.0), by_time=by_time)
        bounds[by_time] = np.asarray(predict(state, odometry_of()).announced)
    assert np.all(np.abs(bounds[False][:3]) < 0.5)
    np.testing.assert_array_equal(bounds[True], np.asarray(anything(CONFIG)))


def test_without_a_goal_the_screen_shows_no_way(rest, act):
    found = pans(act, navigator.halt(showing(driving(rest, 0.5, 0.0))), 60)
    assert np.max(found) < 0.45 and abs(found[-1]) < 0.02
    looking = pans(act, navigator.halt(showing(driving(rest, 0.5, 0.0), by_time=True)), 60)
    assert looking[-1] == pytest.approx(1.0, abs=0.02)


def test_when_nobody_plans_any_more_the_screen_goes_to_rest(rest, act):
    state, found = showing(driving(rest, 0.5, 0.0), by_time=True), []
    for _ in range(90):
        state, _ = act(state, tick_of(TICKS), scan_of(), odometry_of())
        found.append(float(state.screen.pan.angle))
    silent = round(MAX_PLAN_AGE / TICK)
    assert found[silent - 2] == pytest.approx(0.3 + TICK * (silent - 1), abs=0.03)
    assert abs(found[-1]) < 0.02


def test_without_new_maps_it_stops(rest, act):
    """The whole cycle has died: its ticks are counted on, and what it knew grows old."""
    state, speeds, reasons = driving(rest, 0.5, 0.0), [], []
    for k in range(60):
        state, said = act(state, tick_of(k + 10), scan_of(), odometry_of())
        speeds.append(float(said.twist[0]))
        reasons.append(int(said.reason))
    old = int(MAX_MAP_AGE / TICK) + 1 - 10
    np.testing.assert_allclose(speeds[:old], 0.5, atol=1e-5)
    assert set(reasons[:old]) == {Reason.CLEAR} and set(reasons[old:]) == {Reason.BAD_MAP}
    drops = -np.diff(speeds[old - 1 :])
    assert drops[0] == pytest.approx(ROBOT.braking * TICK, abs=1e-5)
    assert speeds[-1] == 0.0


@pytest.mark.parametrize(
    ("scan", "odometry", "reason"),
    [
        (scan_of(age=1.0), odometry_of(), Reason.BAD_SCAN),
        (scan_of(valid=0.3), odometry_of(), Reason.BAD_SCAN),
        (scan_of(age=np.nan), odometry_of(), Reason.BAD_SCAN),
        (scan_of(), odometry_of((np.nan, 0.0, 0.0)), Reason.BAD_STATE),
        (scan_of(), odometry_of((0.0, 0.0, np.inf)), Reason.BAD_STATE),
        (scan_of((np.nan, 0.0, 0.0), wall=0.6), odometry_of(), Reason.BAD_SCAN),
        (scan_of((0.0, 0.0, np.nan), wall=1.5), odometry_of(), Reason.BAD_SCAN),
        (scan_of(wall=np.nan), odometry_of(), Reason.BAD_SCAN),
    ],
)
def test_bad_measurements_brake(rest, act, scan, odometry, reason):
    state, said = act(driving(rest, 0.5, 0.0), tick_of(0), scan, odometry)
    assert float(said.twist[0]) == pytest.approx(0.5 - ROBOT.braking * TICK, abs=1e-5)
    assert int(said.reason) == reason
    assert np.all(np.isfinite(state.sent))


@pytest.mark.parametrize(
    ("first", "last", "stops"),
    [(-0.4, 0.4, True), (-0.5, 0.1, True), (1.0, 2.0, False), (-2.3, -1.5, False)],
)
def test_the_robot_does_not_drive_where_it_is_blind(rest, act, first, last, stops):
    """Most beams ahead are missing: stop.  As many to the side: drive on."""
    half = ROBOT.sensor.field_of_view / 2
    bearing = np.linspace(-half, half, BEAMS)
    scan = scan_of()
    dark = (bearing >= first) & (bearing <= last)
    scan = dataclasses.replace(scan, valid=jnp.asarray(~dark))
    _, said = act(driving(rest, 0.5, 0.0), tick_of(0), scan, odometry_of())
    assert (int(said.reason) == Reason.BAD_SCAN) == stops
    assert (float(said.twist[0]) < 0.5) == stops


def test_a_cancelled_goal_stops_the_robot_from_the_next_tick_on(rest, act):
    """It brakes smoothly along its arc, and no plan that was under way gets it going again."""
    state, speeds = navigator.halt(driving(rest, 0.6, 0.3)), [0.6]
    for k in range(60):
        if k % TICKS == 0:  # a cycle has planned on towards the old goal
            state = navigator.halt(dataclasses.replace(state, next_plan=plan_at(state, 0.6, 0.3)))
        tick = tick_of(k % TICKS)
        state, said = act(state, tick, scan_of(), odometry_of())
        speeds.append(float(said.twist[0]))
        assert int(said.reason) == int(Reason.BAD_PLAN)
        assert float(said.twist[1]) == pytest.approx(0.5 * float(said.twist[0]), abs=1e-6)
    drops = -np.diff(speeds)
    assert drops[0] > 0.0
    assert np.all(drops >= -1e-7) and np.all(drops <= ROBOT.braking * TICK + 1e-6)
    assert speeds[-1] == 0.0
    # a new goal: plans count again, once all has been well for a while
    state = dataclasses.replace(state, plan=plan_at(rest, 0.6, 0.3), plan_age=jnp.float32(0.0))
    waits = round(WELL / TICK) - 1
    for k in range(waits + 1):
        state, said = act(state, tick_of(TICKS), scan_of(), odometry_of())
        assert (float(said.twist[0]) > 0.0) == (k >= waits)


def test_the_button_stops_the_robot_until_it_is_armed_again(rest, act):
    """Released it stays where it is, and armed it goes on, from the present plan."""
    state, speeds, pose = driving(rest, 0.6, 0.3), [0.6], np.zeros(3)

    def ticks(count, **orders):
        nonlocal state, pose
        said = None
        for _ in range(count):
            state = dataclasses.replace(state, plan_age=jnp.float32(0.0))
            state, said = act(state, tick_of(TICKS), scan_of(), odometry_of(pose), **orders)
            pose = moved(pose, state)
            speeds.append(float(said.twist[0]))
            assert float(said.twist[1]) == pytest.approx(0.5 * speeds[-1], abs=3e-3)
        assert said is not None
        return int(said.mode), int(said.reason)

    assert ticks(1, stop=True) == (Mode.E_STOPPED, Reason.E_STOP)
    corner = np.hypot(ROBOT.length, ROBOT.width) / 2  # brakes slow the fastest point
    drop = ROBOT.braking * TICK / (1.0 + 0.5 * corner)
    assert speeds[-1] == pytest.approx(0.6 - drop, abs=1e-5)
    assert ticks(40, rearm=True) == (Mode.E_STOPPED, Reason.E_STOP)  # given while it still moved
    assert speeds[-1] == 0.0
    assert ticks(40) == (Mode.E_STOPPED, Reason.E_STOP)
    assert ticks(1, rearm=True) == (Mode.STOPPED, Reason.WAITING)
    assert ticks(1)[0] == Mode.RUNNING  # well it has been all the while
    assert speeds[-1] > 0.0


@pytest.mark.parametrize("elapsed", [0.0, -0.02, 0.5, np.nan])
def test_a_clock_that_does_not_run_brakes(rest, act, elapsed):
    _, said = act(driving(rest, 0.5, 0.0), tick_of(0), scan_of(), odometry_of(), elapsed=elapsed)
    assert float(said.twist[0]) == pytest.approx(0.5 - ROBOT.braking * TICK, abs=1e-5)
    assert int(said.reason) == Reason.BAD_CLOCK and int(said.mode) == Mode.STOPPED


def test_the_gate_sees_its_window_only(rest, act):
    """A wall within a metre slows the robot, one beyond that does not."""
    twists = {}
    for wall in (0.45, 0.95, 1.3, None):
        scan = scan_of(wall=wall)
        _, said = act(driving(rest, 0.7, 0.0), tick_of(0), scan, odometry_of())
        twists[wall] = float(said.twist[0])
        assert (int(said.reason) == Reason.SLOWED) == (wall == 0.45)
    assert twists[0.45] < 0.7
    assert twists[1.3] == twists[None] == pytest.approx(0.7)


def test_the_gate_judges_from_where_its_command_will_act(rest, act):
    """Commands on their way count as driven: as if the robot were there already."""
    late = 0.04 + float(LATENCY.command) + ROBOT.actuator_lag
    moving = driving(rest, 0.6, 0.0)
    there = dataclasses.replace(moving, sent=jnp.zeros_like(moving.sent))
    sent = []
    for wall in np.arange(0.6, 1.0, 0.02):
        scan = scan_of(wall=wall)
        _, now = act(moving, tick_of(0), scan, odometry_of())
        _, then = act(there, tick_of(0), scan, odometry_of((0.6 * late, 0.0, 0.0)))
        assert float(now.twist[0]) == pytest.approx(float(then.twist[0]), abs=2e-3)
        sent.append(float(now.twist[0]))
    assert len(set(np.round(sent, 2))) >= 3  # braking, slowed and free


def test_the_gate_lets_people_walk_on_between_the_planners_cycles(rest, act):
    """Ticks later is as if they had been seen so much earlier, and no more than seen now."""
    walks = np.array([-1.0, 0.0])
    sent = []
    for x in np.arange(1.2, 3.2, 0.05):
        for tick, age, ahead in ((4, 0.0, 0.0), (0, 4 * TICK, 0.0), (0, 0.0, 4 * TICK)):
            tracks = dataclasses.replace(
                rest.tracks,
                xy_map=jnp.asarray(
                    np.tile(np.array([x, 0.0]) + ahead * walks, (2, 1)), jnp.float32
                ),
                velocity_map=jnp.asarray(np.tile(walks, (2, 1)), jnp.float32),
                velocity_var=jnp.full(2, 0.15**2, jnp.float32),
                valid=jnp.array([True, False]),
                age=jnp.float32(age),
            )
            state = dataclasses.replace(driving(rest, 0.6, 0.0), tracks=tracks)
            sent.append(float(act(state, tick_of(tick), scan_of(), odometry_of())[1].twist[0]))
    later, older, fresh = np.reshape(sent, (-1, 3)).T
    np.testing.assert_allclose(later, older, atol=1e-4)
    assert np.all(later <= fresh + 1e-4)
    # .08 s of not knowing where they turn cost a decimetre of their way at most
    assert np.all(later[2:] >= fresh[:-2] - 1e-4)
    assert len(set(np.round(later, 2))) >= 2


def test_the_prediction_integrates_what_was_sent(rest, predict):
    """Against a fine integration in float64 of the commands that the wheels still see."""
    random = np.random.default_rng(0)
    for sensor, command in ((0.2, 0.1), (0.3, 0.2), (0.0, 0.0)):
        wave = np.cumsum(random.normal(size=(HISTORY_TICKS, 2)) * [0.02, 0.06], axis=0)
        sent = (wave + np.array([0.4, 0.2])).astype(np.float32)
        state = driving(rest, float(sent[-1, 0]), float(sent[-1, 1]))
        state = dataclasses.replace(state, sent=jnp.asarray(sent))
        delay = command + ROBOT.actuator_lag
        known = dataclasses.replace(state.actuation, delay=jnp.float32(delay))
        state = dataclasses.replace(state, actuation=known)
        start = random.uniform(-1, 1, 3)
        world = predict(state, odometry_of(start, sensor))
        upcoming = np.tile(sent[-1], (ALLOWANCE, 1))
        commands = np.concatenate([sent, upcoming]).astype(float)
        h, pose = 0.0005, start.copy()
        # the wheels at time t carry out what was sent at t − delay
        for t in np.arange(-sensor, ALLOWANCE * TICK + delay, h) + h / 2:
            index = int(np.floor((t - delay) / TICK)) + HISTORY_TICKS
            v, omega = commands[np.clip(index, 0, len(commands) - 1)]
            pose += h * np.array([v * np.cos(pose[2]), v * np.sin(pose[2]), omega])
        np.testing.assert_allclose(world.pose_map, pose, atol=4e-3)
        np.testing.assert_allclose(world.command, sent[-1], atol=1e-5)
        np.testing.assert_allclose(world.command_dot, 0.0, atol=1e-3)


def test_a_robot_that_was_slowed_continues_from_its_own_speed(rest, predict):
    """The gate lets through half: the next plan starts from that, not from the old plan."""
    state = driving(rest, 0.6, 0.4)
    slowed = dataclasses.replace(state.gate, twist=jnp.array([0.3, 0.2]))
    world = predict(dataclasses.replace(state, gate=slowed), odometry_of())
    np.testing.assert_allclose(world.command, [0.3, 0.2], atol=1e-5)


def test_a_pose_that_is_unsure_makes_the_place_at_effect_unsure(rest, predict):
    """Heading's share grows with the way that is still driven blindly."""
    params = jax.tree.map(jnp.float32, PlannerParams(walker_slowing=0.0))
    doubtful = jax.jit(lambda *given: navigator.predict(ROBOT, CONFIG, params, *given))
    sure = predict(driving(rest, 0.6, 0.0), odometry_of(age=0.2))
    ahead = np.array([float(sure.pose_map[0]), 0.0])
    assert ahead[0] > 0.2
    carry = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, ahead[0]]])
    root = np.array([[0.03, 0.0, 0.0], [0.01, 0.02, 0.0], [0.05, -0.04, 0.1]])
    for cov in (np.zeros((3, 3)), root @ root.T):
        told = dataclasses.replace(odometry_of(age=0.2), cov=jnp.asarray(cov, jnp.float32))
        world = doubtful(driving(rest, 0.6, 0.0), told)
        worst = np.linalg.eigvalsh(carry @ cov @ carry.T)[-1]
        grown = float(world.position_var) - float(sure.position_var)
        assert grown == pytest.approx(worst, rel=1e-3, abs=1e-8)
        more = np.asarray(world.forecast.xy_var) - np.asarray(sure.forecast.xy_var)
        np.testing.assert_allclose(more, worst, atol=1e-6)


def test_a_jump_of_the_pose_is_corrected_without_a_jerk(rest, act):
    """5 cm and 2° within one tick, at .6 m/s: the turn sets in slowly, v stays the plan's."""
    for side in (1.0, -1.0):
        state, pose, sent = driving(rest, 0.6, 0.0), np.zeros(3), []
        for k in range(14):
            state = dataclasses.replace(state, plan_age=jnp.float32(0.0))
            state, said = act(state, tick_of(TICKS), scan_of(), odometry_of(pose))
            pose = moved(pose, state) + (k == 3) * side * np.array([0.0, 0.05, 0.035])
            sent.append(np.asarray(said.twist))
        v, omega = np.transpose(sent)
        assert np.all(side * omega <= 1e-3) and side * omega[-1] < -0.15
        assert np.abs(np.diff(omega)).max() <= 0.6 * SLEW * TICK + 1e-4
        np.testing.assert_allclose(v, 0.6, atol=0.005)


def test_noise_of_the_pose_does_not_move_a_robot_at_rest(rest, act):
    random, state = np.random.default_rng(0), driving(rest, 0.0, 0.0)
    for _ in range(15):
        pose = random.normal(size=3) * [0.02, 0.02, 0.02]
        state, said = act(state, tick_of(TICKS), scan_of(), odometry_of(pose))
        np.testing.assert_array_equal(said.twist, 0.0)


def test_the_gate_keeps_the_pace_that_health_sets(rest, act):
    """Between the cycles' paces on a straight line."""
    slow = dataclasses.replace(rest.health, pace=jnp.array([0.6, 0.5]))
    state = dataclasses.replace(driving(rest, 0.75, 0.0), health=slow)
    state = dataclasses.replace(
        state, gate=dataclasses.replace(state.gate, twist=jnp.array([0.45, 0.0]))
    )
    for k in range(TICKS):
        state, said = act(state, tick_of(k), scan_of(), odometry_of())
        pace = 0.6 - 0.1 * (k + 1) / TICKS
        assert float(said.twist[0]) == pytest.approx(1.01 * pace * ROBOT.speed, abs=1e-4)
        assert int(said.reason) == Reason.PACED


def test_people_are_foreseen_to_the_moment_of_effect(rest, predict):
    tracks = dataclasses.replace(
        rest.tracks,
        xy_map=jnp.array([[1.0, 0.0], [0.0, 0.0]]),
        velocity_map=jnp.array([[-0.5, 1.0], [0.0, 0.0]]),
        valid=jnp.array([True, False]),
        age=jnp.float32(0.2),
    )
    world = predict(dataclasses.replace(rest, tracks=tracks), odometry_of())
    lead = 0.2 + ALLOWANCE * TICK + float(LATENCY.command) + ROBOT.actuator_lag
    expected = np.array([1.0, 0.0]) + lead * np.array([-0.5, 1.0])
    np.testing.assert_allclose(world.forecast.xy_map[0, 0, -1], expected, atol=1e-5)
    np.testing.assert_array_equal(world.forecast.valid, [True, False])
    assert world.forecast.xy_map.shape[0] == (CONFIG.times - 1) // CONFIG.people_stride + 1
