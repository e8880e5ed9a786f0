"""A short drive, call by call: what an artifact has to answer wherever it runs.      [host]

A box of a room, somebody who walks through it, a robot with sensors and wheels as late as the
settings say.  No more than is needed to get under way: the simulator proper is in ``sim``.
The numbers of the way are multiples of 2⁻⁸, so that they pack well.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from astro_jax.config import SensorConfig
from astro_jax.deploy.arrays import flat
from astro_jax.deploy.room import Size, roomy_field, roomy_house
from astro_jax.deploy.settings import Settings
from astro_jax.types import Grid, RouteField, SmoothGrid
from astro_jax.world.grid import beam_bearings
from astro_jax.world.inbox import empty_inbox, snapshot
from astro_jax.world.prior import PRIOR_FREE, PRIOR_OCCUPIED

CYCLES = 9
"""Of the drive; the last one is kept, the robot is under way by then."""
CELL = 0.05
"""m."""
ROOM = (100, 80)
"""Columns and rows of the room, its walls of one cell included."""
START, GOAL = (1.0, 2.0, 0.0), (4.0, 2.4, 0.0)
WALKER_RADIUS, WALKER_SPEED = 0.22, 0.5
"""m, m/s."""

Calls = Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]
"""Of the artifact's functions, on flat dictionaries."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """One call."""

    function: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


def golden_cycle(settings: Settings, calls: Calls, room: Size) -> dict[str, Recorded]:
    """The last call of every function in a short drive."""
    return {call.function: call for call in drive(settings, calls, room, CYCLES)}


def drive(
    settings: Settings, calls: Calls, room: Size, cycles: int, seed: int = 0
) -> Iterator[Recorded]:
    """Every call of a drive from start to goal; the seed is that of noise, search and walker."""
    random = np.random.default_rng(seed)
    config, latency = settings.config, settings.latency
    period = config.gate_period
    house, way = roomy_house(_house(), room), roomy_field(_way(), room)
    world = _World(settings, random)
    fixed = _float32(flat(settings.params, "params") | flat(latency, "latency"))
    places = flat(house, "house")

    def call(function: str, inputs: dict[str, Any]) -> Recorded:
        given = {name: np.asarray(value) for name, value in inputs.items()}
        return Recorded(function=function, inputs=given, outputs=calls[function](given))

    delays = {name: value for name, value in fixed.items() if name.startswith("latency.")}
    key = np.array([0, seed], np.uint32)
    done = call("start", {**delays, **places, "pose_map": _array(START), "key": key})
    yield done
    for _ in range(cycles):
        seen = world.snapshot(latency.sensor)
        done = call(
            "think",
            {
                **fixed,
                **_state(done.outputs),
                **places,
                **flat(way, "field"),
                **{f"snapshot.{name}": value for name, value in seen.items()},
                **_AHEAD,
                "pace": np.float32(1.0),
                "halted": np.False_,
            },
        )
        yield done
        for tick in range(round(config.period / period)):
            scan, odometry = world.nearby(latency.reactive_sensor)
            done = call(
                "act",
                {
                    **delays,
                    **_state(done.outputs),
                    **scan,
                    **odometry,
                    "tick": np.int32(tick),
                    "orders.stop": np.False_,
                    "orders.rearm": np.False_,
                    "elapsed": np.float32(period),
                },
            )
            yield done
            world.advance(np.asarray(done.outputs["verdict.twist"], np.float64), period)


_AHEAD = {
    "gaze.intent": np.int32(0),
    "gaze.body": np.int32(-1),
    "gaze.point_map": np.zeros(2, np.float32),
    "gaze.share": np.float32(1.0),
    "gaze.centre": np.float32(0.0),
}
"""``body.gaze.ahead``."""


def _state(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arrays.items() if name.startswith("state.")}


def _float32(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.float32(value) for name, value in numbers.items()}


class _World:
    """A robot that is where its delayed commands have brought it, and a walker."""

    def __init__(self, settings: Settings, random: np.random.Generator) -> None:
        self.settings, self.random = settings, random
        self.poses = [np.array(START)] * 64
        self.twists = [np.zeros(2)] * 64
        self.walker = np.array([3.0, 1.0]) + random.uniform(-0.3, 0.3, 2)
        self.walks = WALKER_SPEED * np.array([np.cos(a := random.uniform(1.2, 1.9)), np.sin(a)])

    def advance(self, twist: np.ndarray, period: float) -> None:
        """One tick later."""
        late = round((self.settings.latency.command + self.settings.robot.actuator_lag) / period)
        self.twists = [*self.twists[1:], twist]
        v, omega = self.twists[-1 - late]
        x, y, yaw = self.poses[-1]
        pose = np.array([x + period * v * np.cos(yaw), y + period * v * np.sin(yaw), yaw])
        self.poses = [*self.poses[1:], pose + np.array([0.0, 0.0, period * omega])]
        self.walker = self.walker + period * self.walks

    def snapshot(self, age: float) -> dict[str, Any]:
        """Everything for a cycle, true ``age`` seconds ago."""
        scan, odometry = self.nearby(age)
        seen = flat(snapshot(empty_inbox(self.settings.robot), 0))
        at = self.walker - age * self.walks + self.random.normal(0.0, 0.02, 2)
        seen["detections.xy_map"][0] = at
        seen["detections.xy_cov"][0] = 0.05**2 * np.eye(2)
        seen["detections.radius"][0] = WALKER_RADIUS
        seen["detections.seen"][0] = True
        seen["detections.age"] = np.float32(age)
        seen["house_from_map"] = np.zeros(3, np.float32)
        return {**seen, **scan, **odometry}

    def nearby(self, age: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Scan and odometry, true ``age`` seconds ago."""
        sensor, ticks = self.settings.robot.sensor, round(age / self.settings.config.gate_period)
        x, y, yaw = self.poses[-1 - ticks]
        c, s = np.cos(yaw), np.sin(yaw)
        mount = np.array(
            [sensor.mount_x * c - sensor.mount_y * s, sensor.mount_x * s + sensor.mount_y * c]
        )
        eye = np.array([x, y, yaw]) + np.array([*mount, 0.0])
        ranges = _ranges(sensor, eye, self.walker - age * self.walks)
        ranges = ranges + self.random.normal(0.0, 0.5 * sensor.range_noise, len(ranges))
        ranges = np.where(ranges < sensor.range_max, ranges, np.inf).astype(np.float32)
        scan = {
            "scan.ranges": ranges,
            "scan.valid": np.ones(sensor.beams, bool),
            "scan.pose_map": eye.astype(np.float32),
            "scan.age": np.float32(age),
            "scan.free": np.minimum(ranges, np.float32(sensor.range_max)),
        }
        odometry = {
            "odometry.pose_map": np.array([x, y, yaw], np.float32),
            "odometry.twist": np.asarray(self.twists[-1 - ticks], np.float32),
            "odometry.age": np.float32(age),
            "odometry.cov": np.zeros((3, 3), np.float32),
        }
        return scan, odometry


def _ranges(
    sensor: SensorConfig, eye: Float[np.ndarray, "3"], walker: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "R"]:
    """Distance to the room's walls or the walker along every beam, m."""
    angle = beam_bearings(sensor).astype(float) + eye[2]
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low, high = np.full(2, 0.5 * CELL), (np.array(ROOM) - 1.5) * CELL
    with np.errstate(divide="ignore"):
        walls = np.where(way > 0.0, (high - eye[:2]) / way, (low - eye[:2]) / way).min(axis=1)
    to = walker - eye[:2]
    along = way @ to
    aside = WALKER_RADIUS**2 - (to @ to - along**2)
    body = np.where((aside > 0.0) & (along > 0.0), along - np.sqrt(np.maximum(aside, 0.0)), np.inf)
    return np.minimum(walls, body)


def _house() -> Grid:
    columns, rows = ROOM
    values = np.full((rows, columns), PRIOR_FREE, np.float32)
    values[[0, -1]] = values[:, [0, -1]] = PRIOR_OCCUPIED
    return Grid(values=_array(values), origin=_array((0.0, 0.0)), resolution=_array(CELL))


def _way() -> RouteField:
    """Seconds along the straight line to the goal, at .6 m/s."""
    columns, rows = ROOM
    dx = CELL * np.arange(columns)[None, :] - GOAL[0]
    dy = CELL * np.arange(rows)[:, None] - GOAL[1]
    away = np.sqrt(dx**2 + dy**2 + CELL**2)
    table = np.stack([away, dx / away, dy / away], axis=-1) / 0.6
    table[[0, -1], :, 1:] = table[:, [0, -1], 1:] = 0.0  # flat beyond the room: it packs well
    packed = _array(np.round(256.0 * table) / 256.0)
    field = SmoothGrid(table=packed, origin=_array((0.0, 0.0)), resolution=_array(CELL))
    return RouteField(cost_to_go=field, goal_map=_array(GOAL))


def _array(value: Any) -> Any:
    return np.asarray(value, np.float32)
