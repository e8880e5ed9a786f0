"""Inputs of the gate, in NumPy: hypothesis runs faster on it than on JAX's arrays.

A case is one tick's (state, plan, senses).  Places are given in the map frame and reach the
gate as a real sensor would report them: the range of the beam that points nearest to them.
"""

import dataclasses
from typing import Any, NamedTuple

import chex
import jax
import numpy as np

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, RobotConfig
from astro_jax.reactive import gate
from astro_jax.reactive.senses import (
    SECTORS,
    GateState,
    Glance,
    Kept,
    Memory,
    Mode,
    Orders,
    Senses,
)
from astro_jax.types import Clearance, Motion, Odometry, Plan, Scan, Status, Tracks
from astro_jax.world.grid import beam_bearings

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig()
TICK = CONFIG.gate_period
STEPS = round(CONFIG.horizon / TICK) + 1
BEAMS = ROBOT.sensor.beams
BEARINGS = beam_bearings(ROBOT.sensor).astype(float)
SIGHT = 1.6
"""How far the gate's own scan reaches in these tests, m."""
PEOPLE = 3
DELAY = 0.18
"""Dead time and lag of the base, s."""
REACH = 0.5 * float(np.hypot(ROBOT.length, ROBOT.width))


class Case(NamedTuple):
    """What one tick of the gate gets."""

    state: GateState
    plan: Plan
    senses: Senses


def f32(value) -> Any:
    """NumPy where the types ask for JAX."""
    return np.asarray(value, np.float32)


def mask(value) -> Any:
    return np.asarray(value, bool)


@chex.assert_max_traces(n=1)
def _react(case: Case):
    return gate.react(ROBOT, CONFIG, case.state, case.plan, case.senses)


react = jax.jit(_react)
"""One tick.  It is compiled once: a second shape, or a stray Python number, fails the test."""


def put(tree: Any, path: str, value: Any) -> Any:
    """A copy with another value at a dotted path, such as ``senses.scan.age``."""
    name, _, rest = path.partition(".")
    inner = put(getattr(tree, name), rest, value) if rest else value
    if isinstance(tree, Case):
        return tree._replace(**{name: inner})
    return dataclasses.replace(tree, **{name: inner})


# ---- plans ---------------------------------------------------------------------------


def plan_of(commands, tail=None) -> Plan:
    """A plan that is nothing but its commands; its tail is a rest unless it is given."""
    still = f32(np.zeros((CONFIG.times, 3)))
    return Plan(
        motion=Motion(pose_map=still, twist=still, twist_dot=still),
        survival=f32(np.ones(CONFIG.times)),
        commands=f32(commands),
        tail=f32(np.zeros_like(commands) if tail is None else tail),
        tail_clearance=f32(0.5),
        controls=f32(np.zeros((9, 2))),
        status=np.int32(Status.OK),  # pyright: ignore[reportArgumentType]
    )


def stop_from(twist) -> np.ndarray:
    """Commands of a comfortable stop along a constant curvature."""
    speed = path_speed(twist)
    down = speed - ROBOT.wheel_acceleration * TICK * np.arange(STEPS)
    return np.maximum(down, 0.0)[:, None] / max(float(speed), 1e-9) * np.asarray(twist, float)


def constant_plan(v, omega) -> Plan:
    """One twist for ever, and a stop out of it in hand."""
    return plan_of(np.tile([float(v), float(omega)], (STEPS, 1)), stop_from((v, omega)))


def path_speed(twist) -> np.ndarray:
    """|v| + |ω|·r in float64, m/s."""
    v, omega = np.abs(np.moveaxis(np.asarray(twist, float), -1, 0))
    return v + REACH * omega


def planned_at(plan: Plan, phase: float) -> np.ndarray:
    """The twist at a time of the plan, or of its stop from ``tail_after`` on."""
    late = phase >= np.float32(CONFIG.tail_after)
    rows = np.asarray(plan.tail if late else plan.commands, float)
    ticks = TICK * np.arange(rows.shape[0])
    return np.array([np.interp(phase - late * CONFIG.tail_after, ticks, c) for c in rows.T])


def driven_poses(rows, step: float) -> np.ndarray:
    """Poses at the times of the rows, from (0, 0, 0), float64."""
    v, omega = 0.5 * (np.asarray(rows, float)[1:] + np.asarray(rows, float)[:-1]).T
    yaw = np.concatenate([[0.0], np.cumsum(step * omega)])
    middle = 0.5 * (yaw[1:] + yaw[:-1])
    x, y = np.cumsum(step * v * np.cos(middle)), np.cumsum(step * v * np.sin(middle))
    return np.stack([np.append(0.0, x), np.append(0.0, y), yaw], axis=1)


def anchored(plan: Plan, phase: float, pose) -> Plan:
    """The plan, moved so that at its own time ``phase`` it has the robot at ``pose``."""
    with np.errstate(all="ignore"):
        poses = driven_poses(np.where(np.isfinite(plan.commands), plan.commands, 0.0), TICK)
        every = round(CONFIG.dt / TICK)
        tail_at = poses[round(CONFIG.tail_after / TICK)]
        late = phase >= np.float32(CONFIG.tail_after)
        rows = driven_poses(plan.tail, TICK) if late else poses
        since = phase - late * CONFIG.tail_after
        there = np.array([np.interp(since, TICK * np.arange(STEPS), p) for p in rows.T])
        if late:
            there = placed(tail_at, there[None])[0]
        turn = float(pose[2]) - there[2]
        c, s = np.cos(turn), np.sin(turn)
        shift = np.array(
            [pose[0] - c * there[0] + s * there[1], pose[1] - s * there[0] - c * there[1], turn]
        )
        moved = placed(shift, poses[::every])
    return put(plan, "motion.pose_map", f32(moved))


def placed(pose, poses) -> np.ndarray:
    """Poses given in the frame of another."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    x, y, yaw = np.asarray(poses, float).T
    return np.stack([pose[0] + c * x - s * y, pose[1] + s * x + c * y, pose[2] + yaw], axis=1)


# ---- what the sensor sees ------------------------------------------------------------


def eye_of(pose, robot: RobotConfig = ROBOT) -> np.ndarray:
    """Where the sensor is when the base is at ``pose``."""
    x, y, yaw = np.asarray(pose, float)
    c, s = np.cos(yaw), np.sin(yaw)
    dx, dy = robot.sensor.mount_x, robot.sensor.mount_y
    return np.array([x + c * dx - s * dy, y + s * dx + c * dy, yaw])


def ranges_to(points, eye) -> np.ndarray:
    """Range of every beam: of the nearest point that it points nearest to, inf without any."""
    ranges = np.full(BEAMS, np.inf)
    if len(points):
        away = np.asarray(points, float) - eye[:2]
        bearing = np.mod(np.arctan2(away[:, 1], away[:, 0]) - eye[2] + np.pi, 2 * np.pi) - np.pi
        index = np.round((bearing - BEARINGS[0]) / (BEARINGS[1] - BEARINGS[0])).astype(int)
        seen = (index >= 0) & (index < BEAMS)
        np.minimum.at(ranges, index[seen], np.hypot(*away[seen].T))
    return np.where(ranges < SIGHT, ranges, np.inf)


def cast(eye, discs=(), walls=()) -> np.ndarray:
    """Exact range of every beam to discs (x, y, r) and segments (x, y, x', y'), else inf, m."""
    angle = BEARINGS + eye[2]
    ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ranges = np.full(BEAMS, np.inf)
    for x, y, r in discs:
        away = np.array([x, y]) - eye[:2]
        along = ray @ away
        inside = r**2 - (away @ away - along**2)
        hit = along - np.sqrt(np.maximum(inside, 0.0))
        ranges = np.where((inside > 0) & (hit > 0), np.minimum(ranges, hit), ranges)
    for x0, y0, x1, y1 in walls:
        edge, start = np.array([x1 - x0, y1 - y0]), np.array([x0, y0]) - eye[:2]
        cross = ray[:, 0] * edge[1] - ray[:, 1] * edge[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            hit = (start[0] * edge[1] - start[1] * edge[0]) / cross
            share = (start[0] * ray[:, 1] - start[1] * ray[:, 0]) / cross
        ranges = np.where((hit > 0) & (share >= 0) & (share <= 1), np.minimum(ranges, hit), ranges)
    return np.where(ranges < SIGHT, ranges, np.inf)


def scan_of(ranges, eye, age=0.04) -> Scan:
    return Scan(
        ranges=f32(ranges),
        valid=mask(np.ones(BEAMS)),
        pose_map=f32(eye),
        age=f32(age),
        free=f32(np.minimum(ranges, SIGHT)),
    )


def seen_before(ranges, eye, pose, age=0.04) -> Memory:
    """The memory of a gate that has had such ranges before its eyes for a while."""
    look = Glance(free=f32(np.minimum(ranges, SIGHT)), eye_map=f32(eye))
    return Memory(
        # a real sensor never says the same twice
        ranges=f32(np.asarray(ranges, float) + 0.002),
        eye_map=f32(eye),
        scan_age=f32(age),
        pose_map=f32(pose),
        odometry_age=f32(age),
        rolled=f32(0.0),
        old=look,
        middle=look,
        since=f32(0.1),
    )


# ---- people and maps -----------------------------------------------------------------


def tracks_of(people=(), velocity=(0.0, 0.0), age=0.1, radius=0.22) -> Tracks:
    xy = np.full((PEOPLE, 2), 40.0)
    if len(people):
        xy[: len(people)] = people
    return Tracks(
        xy_map=f32(xy),
        velocity_map=f32(np.broadcast_to(np.asarray(velocity, float), (PEOPLE, 2))),
        xy_var=f32(np.ones(PEOPLE)),
        xy_velocity_cov=f32(np.zeros(PEOPLE)),
        velocity_var=f32(np.full(PEOPLE, 0.15**2)),
        radius=f32(np.full(PEOPLE, radius)),
        kind=np.zeros(PEOPLE, np.int32),  # pyright: ignore[reportArgumentType]
        identity=np.full(PEOPLE, -1, np.int32),  # pyright: ignore[reportArgumentType]
        credit=f32(np.ones(PEOPLE)),
        valid=mask(np.arange(PEOPLE) < len(people)),
        age=f32(age),
    )


def clearance_of(values) -> Clearance:
    """A map of 4 m x 4 m around the origin from distances on a grid of 20 x 20 cells."""
    values = np.asarray(values, float)
    dy, dx = np.gradient(values, 0.2)
    table = np.stack([values, dx, dy, np.zeros_like(values)], axis=-1)
    return Clearance(table=f32(table), origin=f32([-2.0, -2.0]), resolution=f32(0.2))


OPEN = clearance_of(np.full((20, 20), 1.0))


NOTHING_KEPT = Kept(
    xy_map=f32(np.zeros((SECTORS, 2))),
    age=f32(np.zeros(SECTORS)),
    there=mask(np.zeros(SECTORS)),
)


def kept_at(*places) -> Kept:
    """These places, seen a second ago, as if each were in a sector of its own."""
    xy, count = np.zeros((SECTORS, 2)), len(places)
    xy[:count] = np.reshape(places, (count, 2))
    return Kept(
        xy_map=f32(xy), age=f32(np.full(SECTORS, 1.0)), there=mask(np.arange(SECTORS) < count)
    )


# ---- cases ---------------------------------------------------------------------------


def running(twist, memory: Memory, phase=0.0, mode=Mode.RUNNING, well_for=1.0) -> GateState:
    """The state of a gate that has been driving for a while."""
    return GateState(
        phase=f32(phase),
        twist=f32(twist),
        rate=f32(0.0),
        ceiling=f32(gate.UNLIMITED),
        steer=f32(0.0),
        mode=np.int32(mode),  # pyright: ignore[reportArgumentType]
        well_for=f32(well_for),
        rearm=mask(False),
        memory=memory,
        kept=NOTHING_KEPT,
    )


def case_of(
    plan: Plan | None = None,
    twist=(0.0, 0.0),
    points=(),
    before=None,
    people=(),
    velocity=(0.0, 0.0),
    pose=(0.0, 0.0, 0.0),
    anchor: bool = True,
    **changes,
) -> Case:
    """One tick in which all is well, and nothing is near unless it is asked for.

    Args:
        plan: what is planned, .5 m/s straight ahead by default.
        twist: what was sent in the tick before.
        points: what the scan shows, map frame, m.
        before: what the older scans showed; the same by default.
        people: tracked, map frame, m.
        velocity: of all of them, m/s.
        pose: where the robot will be when the command acts, and was when it looked.
        anchor: whether the plan is moved so that the robot is where it should be on it.
        changes: values at dotted paths of the case, with "__" for the dots.
    """
    eye = eye_of(pose)
    ranges = ranges_to(points, eye)
    known = ranges if before is None else ranges_to(before, eye)
    case = Case(
        state=running(twist, seen_before(known, eye, pose)),
        plan=plan or constant_plan(0.5, 0.0),
        senses=Senses(
            pose_map=f32(pose),
            delay=f32(DELAY),
            odometry=Odometry(pose_map=f32(pose), twist=f32(np.zeros(2)), age=f32(0.04)),
            scan=scan_of(ranges, eye),
            tracks=tracks_of(people, velocity),
            clearance=OPEN,
            map_age=f32(0.05),
            plan_age=f32(0.05),
            pace=f32(1.0),
            elapsed=f32(TICK),
            orders=Orders(stop=mask(False), rearm=mask(False)),
        ),
    )
    for path, value in changes.items():
        case = put(case, path.replace("__", "."), value)
    if not anchor:
        return case
    return put(case, "plan", anchored(case.plan, float(case.state.phase), case.senses.pose_map))


def driven(case: Case, ticks: int, rewind: bool = False) -> tuple[Case, list]:
    """(The case after so many ticks of the same senses, the verdicts).

    The robot stays where its plan has it; with ``rewind`` it is always at the plan's beginning.
    """
    verdicts = []
    for _ in range(ticks):
        state, verdict = react(case)
        state = jax.tree.map(np.asarray, state)
        case = case._replace(state=put(state, "phase", f32(0.0)) if rewind else state)
        if np.all(np.isfinite(case.senses.pose_map)):
            plan = anchored(case.plan, float(case.state.phase), case.senses.pose_map)
            case = case._replace(plan=plan)
        verdicts.append(verdict)
    return case, verdicts
