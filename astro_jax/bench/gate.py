"""``bench gate``: how long a tick of the armed gate takes, at its own pace.            [host]

The robot drives down a corridor among people; its messages come late by what is usual, a fresh
scan and a fresh pose at every tick, a new plan ten times a second.  Between two ticks the process
sleeps, as it does on a robot: what a tick costs with cold caches is what counts.  A tick is
everything between its beginning and the twist: ages, poses at the stamps, the compiled part, the
record.  Receiving a message is timed apart.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.bench.clock import cores, load, peak_memory_mb, resident_mb
from astro_jax.bench.report import Report
from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.errors import InputError
from astro_jax.reactive.armed import ArmedGate, arm
from astro_jax.reactive.briefing import Briefing, Contents, resting_plan
from astro_jax.reactive.senses import Mode
from astro_jax.types import Clearance, Plan, Status, Tracks
from astro_jax.world.actuation import configured
from astro_jax.world.inbox import SECOND, Inbox, empty_inbox, receive
from astro_jax.world.messages import Frames, Mount, OdometryMessage, ScanMessage
from astro_jax.world.people import no_tracks

SPEED = 0.5
"""Of the robot, m/s."""
HALF_WIDTH = 1.2
"""Of the corridor, m."""
ODOMETRY_AGE = 0.02
"""s."""
WARM_UP = 50
"""Ticks before the clock starts."""
COMPILED = "/jax/core/compile/backend_compile_duration"


def bench_gate(
    robot: RobotConfig,
    config: PlannerConfig,
    people: int = 16,
    seconds: float = 20.0,
    seed: int = 0,
) -> Report:
    """Milliseconds of a tick, recompiles and growth of memory over ``seconds`` of driving.

    ``tick_cpu_…`` is what the process worked in it, whatever else the machine did meanwhile;
    ``late_ticks`` took longer than a period; ``driving`` is the share of ticks in which the gate
    let the robot drive.

    Raises:
      InputError: there are more people than tracks, or the robot is none that drives so.
    """
    if not 0 <= people <= config.people:
        raise InputError("people", people, f"a number from 0 to {config.people}")
    if not 0.0 < seconds <= 86400.0:
        raise InputError("seconds", seconds, "a time of up to a day")
    if robot.drive != "differential":
        raise InputError("drive", robot.drive, "differential")
    busy, began = load(), time.perf_counter()
    gate = arm(robot, config)
    arming = time.perf_counter() - began
    random = np.random.default_rng(seed)
    ticks = max(round(seconds / config.gate_period), 1)
    corridor = Corridor(robot, config, people, random)
    _drive(gate, corridor, WARM_UP)
    before, cpu = resident_mb(), time.process_time()
    with compilations() as compiled:
        took, worked, received, driving = _drive(gate, corridor, ticks)
    cpu, growth = time.process_time() - cpu, resident_mb() - before
    return Report(
        name="gate",
        seed=seed,
        config={"robot": robot, "planner": config, "seconds": seconds},
        metrics={
            "tick_median_ms": 1e3 * float(np.median(took)),
            "tick_p99_ms": 1e3 * float(np.percentile(took, 99)),
            "tick_max_ms": 1e3 * float(np.max(took)),
            "tick_cpu_median_ms": 1e3 * float(np.median(worked)),
            "tick_cpu_p99_ms": 1e3 * float(np.percentile(worked, 99)),
            "receive_median_ms": 1e3 * float(np.median(received)),
            "cpu_share": cpu / (ticks * config.gate_period),
            "late_ticks": int(np.count_nonzero(took > config.gate_period)),
            "ticks": ticks,
            "rate_hz": 1.0 / config.gate_period,
            "driving": driving,
            "recompiles": len(compiled),
            "growth_mb": growth,
            "peak_mb": peak_memory_mb(),
            "arming_s": arming,
            "beams": robot.sensor.beams,
            "people": people,
            "threads": len(cores()),
            "load_before": busy,
            "load_after": load(),
        },
    )


def with_sizes(
    robot: RobotConfig, config: PlannerConfig, rate: int, beams: int, people: int
) -> tuple[RobotConfig, PlannerConfig]:
    """``beams`` over the robot's field of view, ``rate`` (Hz) of the gate, tracks for ``people``.

    Raises:
      InputError: a number is out of range, or the rate does not fit the planner's period.
    """
    for field, value, low, high in (("beams", beams, 8, 4096), ("people", people, 0, 64)):
        if not low <= value <= high:
            raise InputError(field, value, f"a number from {low} to {high}")
    robot = dataclasses.replace(robot, sensor=dataclasses.replace(robot.sensor, beams=beams))
    config = dataclasses.replace(config, gate_period=1.0 / rate, people=max(people, config.people))
    for field, value, expected in config.problems(robot):
        raise InputError(field, value, expected)
    return robot, config


@contextmanager
def compilations() -> Iterator[list[float]]:
    """Seconds of every compilation in this process meanwhile."""
    found: list[float] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            found.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _drive(
    gate: ArmedGate, corridor: "Corridor", ticks: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Seconds of every tick, worked in it, of receiving its messages; share that drives."""
    took, busy, received = np.empty((3, ticks))
    driving = 0
    due = time.monotonic_ns()
    for k in range(ticks):
        if k % corridor.ticks_of_a_cycle == 0:
            gate.hear(corridor.briefing(time.monotonic_ns()))
        messages = corridor.messages(time.monotonic_ns())
        start = time.perf_counter()
        for message in messages:
            corridor.inbox = receive(corridor.inbox, message, time.monotonic_ns())
        received[k] = time.perf_counter() - start
        due += corridor.period
        time.sleep(max(due - time.monotonic_ns(), 0) / SECOND)
        start, begun = time.perf_counter(), time.process_time()
        verdict = gate.tick(corridor.inbox)
        took[k], busy[k] = time.perf_counter() - start, time.process_time() - begun
        driving += int(verdict.mode) in (Mode.RUNNING, Mode.SLOWED)
        corridor.advance(float(verdict.twist[0]))
    return took, busy, received, driving / ticks


class Corridor:
    """A straight corridor without an end, a robot in its middle, people far enough away."""

    def __init__(
        self,
        robot: RobotConfig,
        config: PlannerConfig,
        people: int,
        random: np.random.Generator,
    ) -> None:
        """At rest."""
        self.robot, self.config, self.random = robot, config, random
        self.period = round(config.gate_period * SECOND)
        self.ticks_of_a_cycle = round(config.period / config.gate_period)
        frames = Frames(
            mounts=(Mount(frame="laser", x=robot.sensor.mount_x, y=robot.sensor.mount_y),)
        )
        self.inbox: Inbox = empty_inbox(robot, frames)
        self.x = 0.0
        self.speed = 0.0
        self.plan = _straight(robot, config)
        self.tracks = _crowd(config, people, random)
        self.latency = jax.tree.map(jnp.float32, Latency())
        self.actuation = configured(robot, self.latency)
        self.house = _walls(config)

    def advance(self, speed: float) -> None:
        """One tick later; the wheels follow at once."""
        self.x += speed * self.config.gate_period
        self.speed = speed

    def briefing(self, now: int) -> Briefing:
        """A plan to drive on straight, due now, and people who keep walking beside the robot."""
        beside = jnp.asarray([self.x, 0.0], jnp.float32)
        # its first command acts where the robot will be by then
        ahead = jnp.asarray([self.x + self.speed * float(self.actuation.delay), 0.0, 0.0])
        motion = self.plan.motion
        motion = dataclasses.replace(motion, pose_map=motion.pose_map + ahead[None])
        contents = Contents(
            plan=dataclasses.replace(self.plan, motion=motion),
            tracks=dataclasses.replace(self.tracks, xy_map=self.tracks.xy_map + beside[None]),
            clearance=dataclasses.replace(self.house, origin=self.house.origin + beside),
            actuation=self.actuation,
            pace=jnp.ones(2),
        )
        return Briefing(began=now - SECOND // 50, starts=now, contents=contents)

    def messages(self, now: int) -> tuple[OdometryMessage, ScanMessage]:
        """What the sensors say, late by what is usual."""
        sensor = self.robot.sensor
        late = float(self.latency.reactive_sensor)
        bearing = np.linspace(-sensor.field_of_view / 2, sensor.field_of_view / 2, sensor.beams)
        ranges = HALF_WIDTH / np.maximum(np.abs(np.sin(bearing)), 1e-3)
        ranges += self.random.normal(0.0, sensor.range_noise, sensor.beams)
        return (
            OdometryMessage(
                stamp=now - round(ODOMETRY_AGE * SECOND),
                frame=self.inbox.frames.map,
                child_frame=self.inbox.frames.base,
                position=(self.x - self.speed * ODOMETRY_AGE, 0.0, 0.0),
                orientation=(0.0, 0.0, 0.0, 1.0),
                linear=(self.speed, 0.0, 0.0),
                angular=(0.0, 0.0, 0.0),
                covariance=np.zeros(36),
            ),
            ScanMessage(
                stamp=now - round(late * SECOND),
                frame="laser",
                angle_min=-sensor.field_of_view / 2,
                angle_max=sensor.field_of_view / 2,
                angle_increment=sensor.field_of_view / (sensor.beams - 1),
                range_min=0.05,
                range_max=sensor.range_max,
                ranges=np.where(ranges <= sensor.range_max, ranges, np.inf),
            ),
        )


def _straight(robot: RobotConfig, config: PlannerConfig) -> Plan:
    plan = resting_plan(robot, config, jnp.zeros(3), Status.OK)
    time_in_plan = config.gate_period * np.arange(plan.commands.shape[0])
    stop = np.maximum(SPEED - robot.wheel_acceleration * time_in_plan, 0.0)
    ahead = np.stack([np.full(len(stop), SPEED), np.zeros(len(stop))], axis=1)
    forwards = SPEED * config.dt * np.arange(config.times)
    poses = np.stack([forwards, np.zeros(config.times), np.zeros(config.times)], axis=1)
    return dataclasses.replace(
        plan,
        motion=dataclasses.replace(plan.motion, pose_map=jnp.asarray(poses, jnp.float32)),
        commands=jnp.asarray(ahead, jnp.float32),
        tail=jnp.asarray(np.stack([stop, np.zeros(len(stop))], axis=1), jnp.float32),
    )


def _crowd(config: PlannerConfig, people: int, random: np.random.Generator) -> Tracks:
    """People who walk along with the robot on either side, beyond the walls' reach of it."""
    side = np.where(np.arange(config.people) % 2, 2.0, -2.0)
    xy = np.stack([random.uniform(-3.0, 3.0, config.people), side], axis=1)
    walk = np.stack([random.uniform(-0.8, 0.8, config.people), np.zeros(config.people)], axis=1)
    return dataclasses.replace(
        no_tracks(config.people),
        xy_map=jnp.asarray(xy, jnp.float32),
        velocity_map=jnp.asarray(walk, jnp.float32),
        valid=jnp.arange(config.people) < people,
        age=jnp.float32(Latency().sensor),
    )


def _walls(config: PlannerConfig) -> Clearance:
    """Distances in the corridor, the robot in the middle of the map."""
    cells, edge = config.map_cells, config.map_resolution
    start = -0.5 * (cells - 1) * edge
    y = start + edge * np.arange(cells)
    table: Float[np.ndarray, "H W 4"] = np.zeros((cells, cells, 4), np.float32)
    table[..., 0] = (HALF_WIDTH - np.abs(y))[:, None]
    table[..., 2] = -np.sign(y)[:, None]
    return Clearance(
        table=jnp.asarray(table),
        origin=jnp.full(2, start, jnp.float32),
        resolution=jnp.float32(edge),
    )
