"""What can be set, with its unit and the range in which it makes sense.        [host]

Static configuration (sizes, rates, geometry) is hashable: a change recompiles.
``PlannerParams`` is data (a pytree of float32): it can be swept, tuned and learned
without recompiling.  The defaults here are the robot and the planner of the demo;
``configs/*.yaml`` spell them out for editing and are read by ``astro_jax.strict_yaml``.
"""

import dataclasses
import math
from typing import Any

from astro_jax.types import pytree


def setting(default: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    """A field with the closed range that the strict loader accepts."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


@dataclasses.dataclass(frozen=True, kw_only=True)
class SensorConfig:
    """A planar range sensor fixed to the base."""

    field_of_view: float = setting(math.radians(270.0), 0.1, 2 * math.pi)  # rad
    beams: int = setting(270, 8, 4096)
    range_max: float = setting(8.0, 0.5, 100.0)  # m
    range_noise: float = setting(0.01, 0.0, 0.5)  # standard deviation, m
    mount_x: float = setting(0.10, -2.0, 2.0)  # m ahead of the base's centre
    mount_y: float = setting(0.0, -2.0, 2.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """A camera in the screen: it looks where the screen faces."""

    field_of_view: float = setting(math.radians(70.0), 0.0, math.pi)  # across, rad; 0: no camera
    range_max: float = setting(5.0, 0.1, 50.0)  # how far it knows people, m
    height: float = setting(0.40, 0.0, 3.0)  # above the floor, m


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScreenConfig:
    """The screen's place and size, seen from above: a bar before the axis of its pan joint."""

    mount_x: float = setting(0.06, -2.0, 2.0)  # of the axis, m ahead of the base's centre
    mount_y: float = setting(0.0, -2.0, 2.0)
    reach: float = setting(0.05, 0.0, 1.0)  # of the screen before the axis, m
    width: float = setting(0.20, 0.0, 2.0)  # m


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobotConfig:
    """A home robot with a screen on a pan joint.

    ``drive`` decides which of the limits count (astro_jax/robot): all drives use speed,
    reverse_speed, wheel_acceleration, yaw_rate, lateral_acceleration and jerk.
    """

    name: str = "astro"
    drive: str = "differential"  # or omni, ackermann
    length: float = setting(0.42, 0.05, 3.0)  # rectangular footprint, centred, m
    width: float = setting(0.25, 0.05, 3.0)
    height: float = setting(0.44, 0.02, 3.0)  # what hangs higher is no obstacle, m
    footprint: tuple[tuple[float, float], ...] = ()  # convex, counter-clockwise; () = rectangle
    # differential: distance between the wheels; mecanum: between axles + along an axle, m
    wheel_base: float = setting(0.22, 0.02, 3.0)
    wheel_speed: float = setting(1.0, 0.05, 10.0)  # |v| + wheel_base/2·|ω|, m/s
    wheel_acceleration: float = setting(1.2, 0.1, 50.0)  # m/s²; ackermann: of v
    speed: float = setting(0.75, 0.05, 10.0)  # forward (omni: in any direction), m/s
    reverse_speed: float = setting(0.25, 0.0, 10.0)  # m/s; 0: forward only
    yaw_rate: float = setting(1.8, 0.1, 20.0)  # rad/s
    yaw_acceleration: float = setting(4.0, 0.1, 100.0)  # rad/s²; not ackermann
    lateral_acceleration: float = setting(2.0, 0.05, 100.0)  # speed·|ω|, m/s²
    jerk: float = setting(0.0, 0.0, 1000.0)  # of v (omni: vx, vy each), m/s³; 0: no limit
    yaw_jerk: float = setting(0.0, 0.0, 5000.0)  # of ω, rad/s³; 0: no limit; not ackermann
    mecanum: bool = True  # omni: wheels add up |vx| + |vy| + wheel_base/2·|ω|; else nothing does
    lateral_speed: float = setting(0.5, 0.01, 10.0)  # omni: sideways, m/s
    curvature: float = setting(1.5, 0.01, 20.0)  # ackermann: 1/least turning radius, 1/m
    curvature_rate: float = setting(2.0, 0.01, 100.0)  # ackermann, 1/(m·s)
    curvature_acceleration: float = setting(0.0, 0.0, 5000.0)  # ackermann, 1/(m·s²); 0: no limit
    braking: float = setting(1.8, 0.1, 50.0)  # what the gate may use, m/s²
    actuator_lag: float = setting(0.08, 0.0, 1.0)  # first-order time constant, s
    pan_limit: float = setting(1.6, 0.0, math.pi)  # rad to either side
    pan_rate: float = setting(2.5, 0.0, 20.0)  # rad/s
    pan_acceleration: float = setting(8.0, 0.01, 200.0)  # rad/s²
    tilt_limit: float = setting(0.0, 0.0, math.pi / 2)  # rad up and down; 0: no tilt joint
    tilt_rate: float = setting(1.5, 0.0, 20.0)  # rad/s
    tilt_acceleration: float = setting(6.0, 0.01, 200.0)  # rad/s²
    screen: ScreenConfig = ScreenConfig()
    camera: CameraConfig = CameraConfig()
    sensor: SensorConfig = SensorConfig()

    @property
    def stopping_time(self) -> float:
        """From full speed to rest, s: v/a, and a/j more with a jerk limit."""
        easing = self.wheel_acceleration / self.jerk if self.jerk else 0.0
        return self.speed / self.wheel_acceleration + easing

    def problems(self) -> list[tuple[str, object, str]]:
        """Physical inconsistencies between fields: (field, value, expectation)."""
        drives = ("differential", "omni", "ackermann")
        if self.drive not in drives:
            return [("drive", self.drive, f"one of {', '.join(drives)}")]
        at_most = [
            ("speed", self.wheel_speed, "wheel_speed"),
            ("reverse_speed", self.wheel_speed, "wheel_speed"),
        ]
        at_least = [("braking", self.wheel_acceleration, "wheel_acceleration")]
        # below that the line that stands for the limit (robot/reach.py) cuts off the top speed
        top = max(self.speed, self.reverse_speed)
        if self.drive == "ackermann":
            cornering = 4 / 27 * top**2 * self.curvature
            at_least += [
                ("lateral_acceleration", cornering, "4/27·speed²·curvature"),
                ("yaw_rate", top * self.curvature / 4, "speed·curvature/4"),
            ]
        else:
            at_least += [("lateral_acceleration", top * self.yaw_rate / 4, "speed·yaw_rate/4")]
        if self.drive == "differential" or (self.drive == "omni" and self.mecanum):
            spinning = 2 * self.wheel_speed / self.wheel_base
            at_most += [("yaw_rate", spinning, "2·wheel_speed/wheel_base")]
        if self.drive == "omni":
            at_most += [
                ("reverse_speed", self.speed, "speed"),
                ("lateral_speed", self.speed, "speed"),
            ]
        # below that a full acceleration ends beyond the top speed
        for field, rate, value in self._jerks():
            if getattr(self, field):
                rates = getattr(self, rate)
                at_least += [(field, rates**2 / getattr(self, value), f"{rate}²/{value}, or 0")]
        found: list[tuple[str, object, str]] = []
        for field, bound, name in at_most:
            if getattr(self, field) > bound:
                found.append((field, getattr(self, field), f"at most {name} ({bound:g})"))
        for field, bound, name in at_least:
            if getattr(self, field) < bound:
                found.append((field, getattr(self, field), f"at least {name} ({bound:g})"))
        expectation = self._footprint_expectation()
        if expectation:
            found.append(("footprint", self.footprint, expectation))
            return found
        expectation = self._screen_expectation()
        if expectation:
            found.append(("screen", dataclasses.asdict(self.screen), expectation))
        return found

    def _screen_expectation(self) -> str:
        """Where the screen should have been; empty if it is fine.

        Everything that keeps the robot off things takes its footprint for the whole robot, so
        that has to cover the screen wherever it is panned.
        """
        x, y = self.length / 2, self.width / 2
        shape = self.footprint or ((x, -y), (x, y), (-x, y), (-x, -y))
        corner = math.hypot(self.screen.reach, self.screen.width / 2)
        half = math.atan2(self.screen.width / 2, self.screen.reach)
        out = 0.0
        for p, q in zip(shape, shape[1:] + shape[:1], strict=True):
            normal = math.atan2(-(q[0] - p[0]), q[1] - p[1])
            depth = (self.screen.mount_x - p[0]) * math.cos(normal)
            depth += (self.screen.mount_y - p[1]) * math.sin(normal)
            # the corner that comes nearest to this side while the screen pans
            turned = min(
                abs(math.remainder(normal - side * half - pan, 2 * math.pi))
                for side in (-1, 1)
                for pan in (-self.pan_limit, self.pan_limit, self._panned_to(normal - side * half))
            )
            out = max(out, depth + corner * math.cos(turned))
        if out <= 1e-6:
            return ""
        return (
            f"a screen that stays within the footprint as it pans (it comes out {out:.3f} m): "
            "a footprint (length x width) that covers it, or a smaller screen"
        )

    def _panned_to(self, angle: float) -> float:
        """The pan angle nearest to this direction, rad."""
        angle = math.remainder(angle, 2 * math.pi)
        return min(max(angle, -self.pan_limit), self.pan_limit)

    def _jerks(self) -> list[tuple[str, str, str]]:
        """Names of (limit on c̈, limit on ċ, limit on c) of the drive's commands c."""
        linear = ("jerk", "wheel_acceleration", "speed")
        if self.drive == "ackermann":
            return [linear, ("curvature_acceleration", "curvature_rate", "curvature")]
        return [linear, ("yaw_jerk", "yaw_acceleration", "yaw_rate")]

    def _footprint_expectation(self) -> str:
        """What the footprint should have been; empty if it is fine."""
        points = self.footprint
        if not points:
            return ""
        if len(points) < 3:
            return "at least 3 vertices [x, y]"
        if not all(math.isfinite(value) and abs(value) <= 3.0 for p in points for value in p):
            return "finite vertices within 3 m of the base"
        following = points[1:] + points[:1]
        edges = [(q[0] - p[0], q[1] - p[1]) for p, q in zip(points, following, strict=True)]
        if min(math.hypot(*edge) for edge in edges) < 1e-3:
            return "vertices at least 1 mm apart"
        after = edges[1:] + edges[:1]
        # sine of the turn at each vertex, and the turns' sum: once around is 2π
        turns = [
            (a[0] * b[1] - a[1] * b[0]) / (math.hypot(*a) * math.hypot(*b))
            for a, b in zip(edges, after, strict=True)
        ]
        around = sum(
            math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1])
            for a, b in zip(edges, after, strict=True)
        )
        if max(turns) <= 1e-6 and around < -math.pi:
            return "vertices in counter-clockwise order"
        if min(turns) <= 1e-3 or not math.isclose(around, 2 * math.pi, rel_tol=1e-6):
            return "a convex polygon, counter-clockwise, without vertices on a straight line"
        area = 0.5 * sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(points, following, strict=True))
        if area < 1e-3:
            return "a polygon with an area of at least 0.001 m²"
        # signed distance of the base's origin to each edge's line
        inside = [
            (p[0] * e[1] - p[1] * e[0]) / math.hypot(*e) for p, e in zip(points, edges, strict=True)
        ]
        if min(inside) <= 1e-3:
            return "a polygon that contains the base's origin (0, 0)"
        # the gate, the route and the simulator take the rectangle for the robot
        if any(
            abs(x) > self.length / 2 + 1e-6 or abs(y) > self.width / 2 + 1e-6 for x, y in points
        ):
            return f"a polygon within length x width ({self.length:g} x {self.width:g} m)"
        return ""


STEADY_COMMANDS = {"differential": 38, "omni": 44, "ackermann": 34}
"""How many constant commands a search begins with, at most (robot/drive.py)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannerConfig:
    """Sizes and rates of the local planner (static: a change recompiles)."""

    dt: float = setting(0.1, 0.02, 0.5)  # spacing of the trajectory's samples, s
    intervals: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5)  # knots, s
    period: float = setting(0.1, 0.02, 1.0)  # of the local planner, s
    gate_period: float = setting(0.02, 0.005, 0.1)  # of the reactive layer, s
    candidates: int = setting(320, 64, 1000000)  # judged per stage
    stages: int = setting(1, 1, 20)  # of sampling, each around the last one's best
    guided_candidates: int = setting(12, 1, 1000)
    elites: int = setting(4, 1, 64)  # centres of the next stage
    finalists: int = setting(16, 1, 64)  # that are judged exactly
    descents: int = setting(4, 1, 64)  # ways to go that gradients refine
    gradient_steps: int = setting(7, 0, 100)  # of each descent
    step_lengths: tuple[float, ...] = (1.5, 0.4)  # tried per step, in quasi-Newton steps
    tail_after: float = setting(0.3, 0.0, 1.0)  # into a plan, the stop in hand begins, s
    people: int = setting(8, 1, 64)  # capacity of tracks
    near_bodies: int = setting(8, 1, 64)  # that the search looks at; the decision counts all
    people_stride: int = setting(3, 1, 10)  # moving bodies are sampled at dt·stride
    map_cells: int = setting(120, 16, 512)  # rolling local map, cells per side
    map_resolution: float = setting(0.05, 0.01, 0.5)  # m
    clearance_cells: int = setting(20, 2, 100)  # distances are exact up to here
    footprint_discs: int = setting(4, 1, 9)  # that stand for it against walls
    exact_discs: int = setting(9, 1, 25)  # and in the last word, the plan's and the gate's
    recorded_stride: int = setting(10, 1, 1000)  # every k-th candidate is kept

    @property
    def horizon(self) -> float:
        """Length of a plan, s."""
        return sum(self.intervals)

    @property
    def times(self) -> int:
        """Number of samples of a plan, both ends included."""
        return round(self.horizon / self.dt) + 1

    def problems(self, robot: RobotConfig) -> list[tuple[str, object, str]]:
        """Physical inconsistencies between fields: (field, value, expectation)."""
        found: list[tuple[str, object, str]] = []
        if abs(self.horizon / self.dt - round(self.horizon / self.dt)) > 1e-6:
            found.append(
                ("intervals", self.intervals, f"a sum that is a multiple of dt ({self.dt})")
            )
        stopping = robot.stopping_time
        if self.horizon < stopping:
            found.append(
                (
                    "intervals",
                    self.intervals,
                    f"a sum of at least the stopping time {stopping:.2f} s",
                )
            )
        ticks = self.period / self.gate_period
        if abs(ticks - round(ticks)) > 1e-6 or round(ticks) < 2:
            expected = f"at most half of period ({self.period}), and a divisor of it"
            found.append(("gate_period", self.gate_period, expected))
        if (self.times - 1) % self.people_stride:
            found.append(
                ("people_stride", self.people_stride, f"a divisor of {self.times - 1} plan steps")
            )
        steps = self.tail_after / self.dt
        if abs(steps - round(steps)) > 1e-6 or not 0 <= round(steps) < self.times:
            expected = f"a multiple of dt ({self.dt}) within the horizon ({self.horizon:g} s)"
            found.append(("tail_after", self.tail_after, expected))
        return found + self._search_problems(robot)

    def _search_problems(self, robot: RobotConfig) -> list[tuple[str, object, str]]:
        """Seeds that do not fit in, and more of the best than there are candidates."""
        found: list[tuple[str, object, str]] = []
        if not (self.step_lengths and all(0.0 < step <= 10.0 for step in self.step_lengths)):
            found.append(("step_lengths", self.step_lengths, "some numbers above 0 and up to 10"))
        steady = STEADY_COMMANDS.get(robot.drive, 0)
        # constant commands, followers of the route, the last plan, one maneuver, one at large
        least = steady + self.guided_candidates + 1 + 2
        if self.candidates < least:
            expected = f"at least {least}: {steady} constant commands, {self.guided_candidates} "
            expected += "guided ones, the last plan and two more"
            found.append(("candidates", self.candidates, expected))
        judged = self.candidates * self.stages
        for field, most, of in (
            ("elites", self.candidates, "candidates"),
            ("finalists", judged, "candidates·stages"),
            ("descents", judged, "candidates·stages"),
        ):
            if not 1 <= getattr(self, field) <= most:
                found.append((field, getattr(self, field), f"from 1 to {of} ({most})"))
        return found


@pytree
class PlannerParams:
    """What the planner values and believes: data, so that it can be swept and learned.

    The unit of the objective is seconds of progress: a weight says how many seconds of
    progress one unit of the term is worth.
    """

    # time preference and progress
    patience: float = setting(4.0, 0.2, 100.0)  # τ of γ(t) = exp(−t/τ), s
    facing: float = setting(1.0, 0.0, 10.0)  # a half turn is worth up to twice that way, m
    heading_weight: float = setting(0.4, 0.0, 10.0)  # s per 1 − cos(heading error)
    heading_radius: float = setting(0.15, 0.02, 5.0)  # where the goal's heading counts, m
    # harm, in seconds of progress
    harm_person_rest: float = setting(5.0, 0.0, 1e4)  # touched while the robot rests
    harm_person_moving: float = setting(10.0, 0.0, 1e4)  # more, if it moves
    harm_person_speed: float = setting(20.0, 0.0, 1e4)  # more, per (m/s)² of its closing speed
    harm_wall: float = setting(3.0, 0.0, 1e4)
    harm_wall_speed: float = setting(6.0, 0.0, 1e4)
    harm_edge: float = setting(60.0, 0.0, 1e5)  # to fall over: never slow enough
    harm_of_kind: tuple[float, float, float, float, float] = setting(
        (1.0, 1.5, 1.2, 0.3, 1.0), 0.0, 100.0
    )
    # comfort
    acceleration: float = setting(0.25, 0.0, 1e3)  # per (m/s²)²·s
    turning: float = setting(0.06, 0.0, 1e3)  # per (rad/s²)²·s
    lateral: float = setting(0.25, 0.0, 1e3)  # per (m/s²)²·s
    reversing: float = setting(0.6, 0.0, 1e3)  # per m driven backwards
    intrusion: float = setting(1.2, 0.0, 1e3)  # per s wholly inside personal space
    personal_space: float = setting(0.55, 0.05, 5.0)  # gap at which it begins, m
    space_of_kind: tuple[float, float, float, float, float] = setting(
        (1.0, 1.2, 0.8, 0.3, 1.0), 0.01, 10.0
    )
    # the screen
    unannounced: float = setting(30.0, 0.0, 1e3)  # per rad²·s turned before it was shown
    information: float = setting(0.0, 0.0, 1e4)  # per m² that a look would remove, and second
    # beliefs
    wall_noise: float = setting(0.02, 0.005, 1.0)  # σ of the map at rest, m
    wall_noise_speed: float = setting(0.03, 0.0, 1.0)  # its growth with speed, m per m/s
    wall_noise_time: float = setting(0.004, 0.0, 1.0)  # its growth along the plan, m/s
    dead_reckoning: float = setting(0.03, 0.0, 1.0)  # σ of the pose per metre driven blindly
    wall_correlation: float = setting(0.4, 0.02, 10.0)  # length l of the map's error, m
    overlap_rate: float = setting(2.0, 0.0, 100.0)  # hazard while inside, 1/s
    # fitted to ETH, hotel and zara01 together: astro-jax bench forecast
    walker_noise: float = setting(0.0064, 0.0, 10.0)  # velocity diffusion of most people, m²/s³
    walker_noise_wide: float = setting(0.11, 0.0, 10.0)  # and when they turn, stop or set out
    walker_wide_share: float = setting(0.145, 0.0, 1.0)  # how likely that is
    walker_slowing: float = setting(0.016, 0.0, 1.0)  # share of the speed lost, 1/s
    # assumed without data: child and pet change their way sooner than recorded pedestrians
    walker_noise_of_kind: tuple[float, float, float, float, float] = setting(
        (1.0, 2.0, 3.0, 0.5, 1.0), 0.01, 100.0
    )


@pytree
class Latency:
    """Delays between a photon and a wheel, s (data: a sweep may vary them)."""

    sensor: float = setting(0.20, 0.0, 1.0)
    """Photon to planner."""
    reactive_sensor: float = setting(0.04, 0.0, 1.0)
    """Photon to gate: its own short path, no mapping and no tracking in between."""
    command: float = setting(0.10, 0.0, 0.5)
    """Gate to wheel (dead time): what is believed until the odometry has shown it."""
    command_doubt: float = setting(0.08, 0.0, 0.3)
    """How far the identified dead time may be from ``command``; 0 identifies nothing, and
    does not notice a base that disobeys."""
    planning: float = setting(0.04, 0.0, 1.0)
    """Granted to one planning cycle; its plan takes over so much after the cycle began,
    at the latest one gate tick before the next one does."""


DEFAULT_ROBOT = RobotConfig()
DEFAULT_PLANNER = PlannerConfig()
