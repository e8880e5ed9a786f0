"""The ambush's geometry against brute force, its envelope and its promises by hand-made cases."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.reactive.watch import within_limits
from astro_jax.sim.ambush.driver import blind_plan
from astro_jax.sim.ambush.envelope import TURN, Kind, kind_of_contact, take_notice, unnoticed
from astro_jax.sim.ambush.oath import check, sworn
from astro_jax.sim.ambush.script import EPISODE
from astro_jax.sim.ambush.shapes import Boxes, ray_boxes, ray_discs, separation
from astro_jax.sim.ambush.strata import NOMINAL, STRATA, draw, stratum_of
from astro_jax.sim.ambush.trouble import Fault

ROBOT, CONFIG = DEFAULT_ROBOT, DEFAULT_PLANNER
TICK = CONFIG.gate_period
LONGEST = 120
"""Ticks of a case of the promises."""


def boxes_of(table) -> Boxes:
    """(x, y, yaw, half length, half width) per row."""
    table = np.asarray(table, np.float32)
    axis = np.stack([np.cos(table[:, 2]), np.sin(table[:, 2])], axis=1)
    return Boxes(
        xy=jnp.asarray(table[:, :2]),
        axis=jnp.asarray(axis),
        half=jnp.asarray(table[:, 3:]),
        there=jnp.ones(len(table), bool),
    )


def random_boxes(random, count: int) -> np.ndarray:
    return np.column_stack(
        [
            random.uniform(-3, 3, (count, 2)),
            random.uniform(-np.pi, np.pi, count),
            random.uniform(0.02, 0.8, (count, 2)),
        ]
    )


def in_box(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Whether points (…, 2) are inside one row of a table."""
    x, y, yaw, half_length, half_width = box
    c, s = math.cos(yaw), math.sin(yaw)
    dx, dy = points[..., 0] - x, points[..., 1] - y
    return (np.abs(c * dx + s * dy) <= half_length) & (np.abs(c * dy - s * dx) <= half_width)


def corners(x, y, yaw, half_length, half_width) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    local = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * [half_length, half_width]
    return local @ np.array([[c, s], [-s, c]]) + [x, y]


def cross_edges(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether any edges of two polygons properly cross: every pair, by orientation."""

    def turn(o, a, b):
        return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])

    for a, b in zip(first, np.roll(first, -1, axis=0), strict=True):
        for c, d in zip(second, np.roll(second, -1, axis=0), strict=True):
            if turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0:
                return True
    return False


# ---- geometry ------------------------------------------------------------------------


def test_rays_meet_boxes_and_discs_where_marching_finds_them():
    random = np.random.default_rng(0)
    table, discs = random_boxes(random, 40), random.uniform(-3, 3, (30, 2))
    radius = random.uniform(0.05, 0.6, 30)
    eye = np.array([0.1, -0.2])
    angles = random.uniform(-np.pi, np.pi, 24)
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    eye32, rays = jnp.asarray(eye, jnp.float32), jnp.asarray(direction, jnp.float32)
    to_boxes = np.asarray(ray_boxes(eye32, rays, boxes_of(table)))
    to_discs = np.asarray(
        ray_discs(
            eye32,
            rays,
            jnp.asarray(discs, jnp.float32),
            jnp.asarray(radius, jnp.float32),
            jnp.ones(30, bool),
        )
    )
    step, reach = 1e-3, 6.0
    march = np.arange(0.0, reach, step)
    points = eye + march[None, :, None] * direction[:, None, :]
    hits = 0
    for found, inside in [
        *((to_boxes[:, k], in_box(points, table[k])) for k in range(40)),
        *((to_discs[:, k], np.hypot(*(points - discs[k]).T).T <= radius[k]) for k in range(30)),
    ]:
        first = np.where(inside.any(axis=1), march[np.argmax(inside, axis=1)], np.inf)
        both = np.isfinite(first) & (found < reach)
        np.testing.assert_allclose(found[both], first[both], atol=1.1 * step)
        # what only one of them finds is a corner that the march stepped over
        chord = np.count_nonzero(inside, axis=1)
        assert not np.any(np.isfinite(first) & ~np.isfinite(found) & (chord > 2))
        hits += both.sum()
    assert hits > 100


def test_from_inside_a_range_is_0_and_what_is_not_there_is_not_hit():
    boxes = boxes_of([(0, 0, 0.3, 0.5, 0.5), (2, 0, 0.0, 0.5, 0.5)])
    rays = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    ranges = np.asarray(ray_boxes(jnp.zeros(2), rays, boxes))
    np.testing.assert_array_equal(ranges[:, 0], 0.0)
    np.testing.assert_allclose(ranges[0, 1], 1.5, atol=1e-6)
    assert np.isinf(ranges[1:, 1]).all()
    gone = dataclasses.replace(boxes, there=jnp.array([True, False]))
    assert np.isinf(np.asarray(ray_boxes(jnp.zeros(2), rays, gone))[:, 1]).all()


def test_rectangles_overlap_exactly_when_corners_or_edges_do():
    random = np.random.default_rng(1)
    table = random_boxes(random, 4000)
    pose = np.array([0.4, -0.3, 0.7])
    table[:, :2] = pose[:2] + random.uniform(-0.9, 0.9, (4000, 2))
    apart = np.asarray(
        separation(jnp.asarray(pose, jnp.float32), ROBOT.length, ROBOT.width, boxes_of(table))
    )
    own = np.array([*pose, ROBOT.length / 2, ROBOT.width / 2])
    mine = corners(*own)
    touching = np.array(
        [
            in_box(mine, box).any()
            or in_box(corners(*box), own).any()
            or cross_edges(mine, corners(*box))
            for box in table
        ]
    )
    clear = np.abs(apart) > 1e-5
    np.testing.assert_array_equal((apart <= 0.0)[clear], touching[clear])
    assert 500 < touching.sum() < 3500


def test_a_separation_is_a_lower_bound_of_the_distance_and_exact_face_to_face():
    boxes = boxes_of([(1.0, 0.0, 0.0, 0.2, 0.3), (1.0, 1.0, math.pi / 4, 0.1, 0.1)])
    apart = np.asarray(separation(jnp.zeros(3), 0.4, 0.2, boxes))
    np.testing.assert_allclose(apart[0], 0.6, atol=1e-6)
    corner = corners(1.0, 1.0, math.pi / 4, 0.1, 0.1) - [0.2, 0.1]
    assert 0.0 < apart[1] <= np.hypot(*corner.T).min() + 1e-6


# ---- scripts and plans ---------------------------------------------------------------


@pytest.fixture(scope="module")
def apart():
    return jax.jit(lambda pose, boxes: separation(pose, ROBOT.length, ROBOT.width, boxes))


@pytest.fixture(scope="module")
def planned():
    return jax.jit(lambda *given: blind_plan(ROBOT, CONFIG, *given))


def test_a_seed_is_an_episode_and_strata_take_turns():
    one, again = draw(ROBOT, 37), draw(ROBOT, 37)
    jax.tree.map(np.testing.assert_array_equal, one, again)
    shapes = {str(jax.tree.map(np.shape, draw(ROBOT, seed))) for seed in range(len(STRATA))}
    assert len(shapes) == 1
    assert [stratum_of(seed) for seed in range(len(STRATA))] == list(STRATA)
    assert stratum_of(len(STRATA) + 1) == list(STRATA)[1]


@pytest.mark.parametrize("seed", range(len(STRATA)))
def test_nothing_stands_in_the_robot_at_the_start_and_all_is_within_the_episode(seed, apart):
    for k in range(20):
        script = draw(ROBOT, seed + k * len(STRATA))
        assert float(jnp.min(apart(script.start, script.boxes))) > 0.0
        comes = np.asarray(script.roles.at)[np.isfinite(script.roles.at)]
        assert np.all((comes >= 0.0) & (comes < EPISODE))
        windows = np.asarray(script.trouble.windows)
        there = np.isfinite(windows[..., 0])
        assert np.all(windows[..., 1][there] > windows[..., 0][there])
        if stratum_of(seed) == NOMINAL:
            assert not there.any() and np.all(script.roles.shy | np.isinf(script.roles.at))


@pytest.mark.parametrize("target", [(0.75, 0.0), (0.3, 1.8), (-0.25, 0.5), (0.0, -1.8), (0, 0)])
@pytest.mark.parametrize("command", [(0.0, 0.0), (0.75, 0.3), (0.0, 1.8), (-0.25, 0.0)])
def test_blind_plans_keep_the_limits_and_their_motion_is_what_they_command(
    target, command, planned
):
    pose = jnp.array([1.0, 2.0, 0.5])
    plan = planned(jnp.array(target, jnp.float32), jnp.array(command, jnp.float32), pose)
    plan = jax.tree.map(np.asarray, plan)
    for twists in (plan.commands, plan.tail):
        assert np.all(within_limits(ROBOT, jnp.asarray(twists)))
        rates = np.diff(np.array(twists, np.float64), axis=0) / TICK
        assert np.abs(rates[:, 0]).max() <= ROBOT.wheel_acceleration * 1.001
        assert np.abs(rates[:, 1]).max() <= ROBOT.yaw_acceleration * 1.001
        wheels = np.abs(rates[:, 0]) + ROBOT.wheel_base / 2 * np.abs(rates[:, 1])
        assert wheels.max() <= ROBOT.wheel_acceleration * 1.001
    np.testing.assert_allclose(plan.commands[0], command, atol=1e-6)
    np.testing.assert_allclose(plan.commands[-1], target, atol=1e-5)
    np.testing.assert_allclose(plan.tail[-1], 0.0, atol=1e-6)
    turn = round(CONFIG.tail_after / TICK)
    np.testing.assert_allclose(plan.tail[0], plan.commands[turn], atol=1e-6)
    # a fine integration in float64
    x, y, yaw = (float(value) for value in pose)
    every, fine = round(CONFIG.dt / TICK), 20
    for k in range(len(plan.commands) - 1):
        if k % every == 0:
            np.testing.assert_allclose(plan.motion.pose_map[k // every], (x, y, yaw), atol=2e-3)
        for i in range(fine):
            share = (i + 0.5) / fine
            v, omega = (1 - share) * plan.commands[k] + share * plan.commands[k + 1]
            yaw += 0.5 * omega * TICK / fine
            x += v * math.cos(yaw) * TICK / fine
            y += v * math.sin(yaw) * TICK / fine
            yaw += 0.5 * omega * TICK / fine


# ---- the envelope --------------------------------------------------------------------


def noticed(notice, time, gap, speed=0.75, pace=0.0, change=0.0, scan=True, frame=False, new=False):
    one = lambda value: jnp.full(1, value, jnp.float32)
    flag = lambda value: jnp.full(1, value)
    return take_notice(
        ROBOT,
        notice,
        jnp.float32(time),
        gap=one(gap),
        speed=jnp.float32(speed),
        pace=one(pace),
        change=one(change),
        in_scan=flag(scan),
        in_frame=flag(frame),
        appeared=flag(new),
        answer=0.2,
        frame=0.1,
    )


def kind(notice, time, person, excused=False) -> Kind:
    flags = jnp.array([person]), jnp.array([excused])
    return Kind(int(kind_of_contact(notice, jnp.float32(time), *flags)[0]))


def test_a_thing_is_fairly_seen_from_the_stopping_distance_on():
    v, b = 0.75, ROBOT.braking
    needs = v * 0.2 + v**2 / (2 * b) + 0.05
    far = noticed(unnoticed(1), 1.0, needs + 0.01)
    near = noticed(unnoticed(1), 1.0, needs - 0.01)
    assert kind(far, 1.2, False) is Kind.THING
    assert kind(near, 1.2, False) is Kind.THING_TOO_CLOSE
    assert kind(far, 2.0, False) is Kind.FORGOTTEN
    assert kind(unnoticed(1), 1.0, False) is Kind.THING_UNSEEN
    # beside a robot at rest there was time enough
    assert kind(noticed(near, 1.1, 0.06, speed=0.0), 1.2, False) is Kind.THING
    # what stands in the place of what was known is not known
    assert kind(noticed(far, 1.1, 0.1, scan=False, new=True), 1.2, False) is Kind.THING_UNSEEN


def test_a_person_needs_room_for_their_own_way_too():
    v, b, u = 0.5, ROBOT.braking, 1.2
    rest = 0.2 + v / b
    needs = v * 0.2 + v**2 / (2 * b) + u * rest + 0.5 * TURN * rest**2 + 0.05
    assert kind(noticed(unnoticed(1), 1.0, needs + 0.01, v, u), 1.1, True) is Kind.PERSON
    late = noticed(unnoticed(1), 1.0, needs - 0.01, v, u)
    assert kind(late, 1.1, True) is Kind.PERSON_TOO_CLOSE
    # the detector's first frame says nothing of a velocity: .2 s more
    rest += 0.2
    needs = v * 0.4 + v**2 / (2 * b) + u * rest + 0.5 * TURN * rest**2 + 0.05
    by_frame = lambda gap: noticed(unnoticed(1), 1.0, gap, v, u, scan=False, frame=True)
    assert kind(by_frame(needs + 0.01), 1.1, True) is Kind.PERSON
    assert kind(by_frame(needs - 0.01), 1.1, True) is Kind.PERSON_TOO_CLOSE


def test_who_breaks_the_envelope_or_is_out_of_sight_is_outside():
    fair = noticed(unnoticed(1), 1.0, 3.0, 0.5, 1.0)
    assert kind(noticed(fair, 1.1, 2.0, 0.5, 1.0, change=0.9 * TURN), 1.2, True) is Kind.PERSON
    assert (
        kind(noticed(fair, 1.1, 2.0, 0.5, 1.0, change=2.0 * TURN), 1.2, True) is Kind.PERSON_SUDDEN
    )
    assert kind(noticed(fair, 1.1, 2.0, 0.5, 1.9), 1.2, True) is Kind.PERSON_SUDDEN
    assert kind(fair, 1.7, True) is Kind.PERSON_UNSEEN
    assert kind(fair, 1.2, True, excused=True) is Kind.STRUCK_LEAVING
    # a new spell begins with a clean slate
    sudden = noticed(fair, 1.1, 2.0, 0.5, 1.0, change=2.0 * TURN)
    assert kind(noticed(sudden, 3.0, 3.0, 0.5, 1.0), 3.1, True) is Kind.PERSON


# ---- the promises --------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def checked():
    def each(oath, tick):
        time, command, wrong, plan, button, rearm = tick
        given = {"wrong": wrong, "plan_wrong": plan, "button": button, "rearm": rearm}
        return check(ROBOT, oath, time, command, **given, tick=TICK), None

    return jax.jit(lambda oath, ticks: jax.lax.scan(each, oath, ticks)[0])


def broken(commands, wrong=(), plan=(), button=(), rearm=()) -> list[int]:
    """Ticks in which P1, P4, P6 are broken, all having been well for long before."""
    first = np.abs(np.asarray(commands[0], np.float32))
    reach = 0.5 * math.hypot(ROBOT.length, ROBOT.width)
    oath = dataclasses.replace(
        sworn(), well_for=jnp.float32(10.0), speed=jnp.float32(first[0] + reach * first[1])
    )
    # one length for all cases: what follows is more of the last command
    commands = [*commands, *[commands[-1]] * (LONGEST - len(commands))]
    times = TICK * np.arange(LONGEST) + 1e-6
    spans = (
        np.array([any(a <= t < b for a, b in span) for t in times])
        for span in (wrong, plan, button, rearm)
    )
    ticks = (np.float32(times), np.asarray(commands, np.float32), *spans)
    return [int(n) for n in checked()(oath, ticks).broken]


def braking_from(speed: float, rate: float, ticks: int) -> list[tuple[float, float]]:
    return [(max(speed - rate * TICK * k, 0.0), 0.0) for k in range(ticks)]


def test_p1_limits_and_rates():
    assert broken([(0.7, 0.0)]) == [0, 0, 0]
    assert broken([(0.7, 0.0), (0.9, 0.0), (0.7, 0.0)])[0] == 2  # limits, then the brakes
    assert broken([(0.7, 0.0), (math.nan, 0.0), (0.0, 0.0)])[0] == 1
    assert broken([(0.5, 0.0), (0.45, 0.0)])[0] == 1  # faster than the brakes
    assert broken([(0.5, 0.0), (0.54, 0.0)])[0] == 1  # faster than the drive
    assert broken([(0.0, 1.9)])[0] == LONGEST


def test_p4_what_is_wrong_brakes_in_time():
    always = [(0.0, 9.0)]
    brakes = [(0.6, 0.0), *braking_from(0.6, ROBOT.braking, 40)]
    assert broken(brakes, wrong=always) == [0, 0, 0]
    assert broken([(0.6, 0.0)], wrong=always)[1] > 100
    gently = [(0.6, 0.0), *braking_from(0.6, 0.4, 90)]
    assert broken(gently, wrong=always)[1] > 0
    # a plan's own stop may be as gentle as it was planned, but must end
    assert broken(braking_from(0.6, 1.0, 100), plan=always) == [0, 0, 0]
    assert broken(gently, plan=always)[1] > 0
    # and never speeds up
    faster = [(0.3, 0.0)] * 5 + [(0.32, 0.0)] + braking_from(0.32, 1.0, 50)
    assert broken(faster, plan=always)[1] == 1


def starting(ticks: int) -> list[tuple[float, float]]:
    return [(0.0, 0.0)] * ticks + [(0.02 * k, 0.0) for k in range(1, 6)]


def test_p6_no_motion_before_all_has_been_well_for_a_while():
    wrong = [(0.0, 0.1)]
    assert broken(starting(16), wrong=wrong) == [0, 0, 0]
    assert broken(starting(10), wrong=wrong)[2] > 0


def test_p6_after_an_emergency_stop_only_a_new_order_to_arm_counts():
    button = [(0.0, 0.1)]
    assert broken(starting(50), button=button)[2] == 5
    assert broken(starting(50), button=button, rearm=[(0.5, 0.6)]) == [0, 0, 0]
    # held down from before, it is no new order
    assert broken(starting(50), button=button, rearm=[(0.0, 9.0)])[2] == 5


def test_faults_are_named_by_the_rows_of_their_windows():
    seed = list(STRATA).index("scan frozen")
    windows = np.asarray(draw(ROBOT, seed).trouble.windows)
    assert np.isfinite(windows[Fault.SCAN_FROZEN]).all()
    assert np.isinf(np.delete(windows, int(Fault.SCAN_FROZEN), axis=0)).all()
