"""The nouns that travel through one planning cycle, in the order of the cycle.

Axes: B scenes, K candidates, T times, N knots, D command coordinates or detections,
M bodies (people), C mixture components, R beams, L past commands, H W grid rows (y) and
columns (x).
Units: metres, seconds, radians, float32.
A *command* is what the drive is told, in its own coordinates (robot/drive.py): (v, ω) for a
differential drive, (vx, vy, ω) for an omnidirectional one, (v, curvature) for Ackermann
steering.  A *twist* is always the body's (vx, vy, ω).
Frames are in names: ``pose_map`` is (x, y, yaw) of a thing in the map frame.  That is the
frame in which the local map is kept and everything is planned; the robot's pose in it is
dead reckoning and never jumps (ROS: odom).  Where it lies in the house map, localisation says
anew in every cycle (``house_from_map``); route layer and goals live in the house.
A fixed capacity with a positive ``valid`` mask stands for everything of varying length.
Ages count seconds back from *now*; plan times count seconds forward from ``t_effect``,
the moment at which the plan's first command reaches the wheels.
"""

import dataclasses
import enum
from typing import TypeVar, dataclass_transform

import jax
from jaxtyping import Array, Bool, Float, Int

_T = TypeVar("_T")

Scalar = float | Float[Array, ""]
"""A number that may be data: a setting on the host, a tracer inside jit."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
def pytree(cls: type[_T]) -> type[_T]:
    """Make ``cls`` a frozen keyword-only dataclass that JAX sees through."""
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True, kw_only=True)(cls))


class Status(enum.IntEnum):
    """Outcome of a planning cycle; the gate treats everything but ``OK`` as a stop."""

    OK = 0
    NO_FINITE_CANDIDATE = 1
    """Every candidate had a non-finite cost; the plan is the full stop."""
    BAD_STATE = 2
    """Pose or command of the robot was not finite; the plan is the full stop."""
    NO_SAFE_TAIL = 3
    """A stop begun a little way into the plan would not end before a wall."""
    BAD_INPUT = 4
    """What the sensors say is not fit to drive on, or the base does not obey."""
    NO_GOAL = 5
    """There is nowhere to go: the goal was cancelled, or there is no way to it."""


class Reason(enum.IntEnum):
    """Why the reactive gate scaled the command as it did."""

    CLEAR = 0
    SLOWED = 1
    """Something stands or walks within the stopping distance of the planned path."""
    BAD_PLAN = 2
    """The plan is missing, too old, or its status is not OK."""
    BAD_SCAN = 3
    """The scan is missing, too old, or has too few valid beams."""
    BAD_STATE = 4
    """Pose or twist are too old, jump, or cannot be; or the command came out non-finite."""
    PACED = 5
    """Messages come too seldom, or nobody says where people are, to go any faster."""
    BLIND = 6
    """The way leads where the sensor does not look."""
    BAD_MAP = 7
    """The local map is missing or too old."""
    BAD_CLOCK = 8
    """The time since the last tick is none, or too long."""
    WAITING = 9
    """All is well again, but has not been for long enough."""
    E_STOP = 10
    """The emergency stop is pressed, or was, and nobody has armed the robot again."""


# ---- what the sensors say ------------------------------------------------------------


@pytree
class Scan:
    """One sweep of a range sensor. ``inf`` range: nothing within reach of the beam."""

    ranges: Float[Array, "*batch R"]
    valid: Bool[Array, "*batch R"]
    pose_map: Float[Array, "*batch 3"]
    """Where the sensor was when it looked."""
    age: float | Float[Array, "*batch"]
    height: Float[Array, "*batch R"] | None = None
    """Of the returns above the floor, m, where the sensor gives it (NaN: not for this one):
    the floor and what is above the robot is no obstacle, what lies below is an edge."""
    free: Float[Array, "*batch R"] | None = None
    """How far the way along each beam is known to be free, m, where that is less than up to
    the return or the end of sight: something beside it was nearer, or was lost."""


@pytree
class Odometry:
    """Measured pose and twist of the robot's base, true ``age`` seconds ago."""

    pose_map: Float[Array, "*batch 3"]
    twist: Float[Array, "*batch 2"]
    """(v, ω) as the wheels turned, m/s and rad/s."""
    age: float | Float[Array, "*batch"]
    cov: Float[Array, "*batch 3 3"] | None = None
    """Covariance of the pose's error (m, m, rad; map axes); None: it is as good as exact.  Not
    what has drifted since the start: the local map has drifted with it."""


class Kind(enum.IntEnum):
    """What kind of body something is; harm and personal space depend on it."""

    PERSON = 0
    CHILD = 1
    PET = 2
    ROBOT = 3
    UNKNOWN = 4


@pytree
class Detections:
    """One frame of a detector of people and other bodies, true ``age`` seconds ago.

    In any order: what is at one index in this frame may be at another in the next.
    """

    xy_map: Float[Array, "*batch D 2"]
    xy_cov: Float[Array, "*batch D 2 2"]
    """Covariance of the position, m²."""
    radius: Float[Array, "*batch D"]
    """Where it is no positive number, the tracker takes what is usual for the kind."""
    kind: Int[Array, "*batch D"]
    """A ``Kind`` per detection."""
    identity: Int[Array, "*batch D"]
    """The detector's own guess at who is who from frame to frame; −1 where it makes none."""
    seen: Bool[Array, "*batch D"]
    age: float | Float[Array, "*batch"]


@pytree
class Snapshot:
    """Everything the sensors delivered for one planning cycle."""

    scan: Scan
    odometry: Odometry
    detections: Detections
    house_from_map: Float[Array, "*batch 3"]
    """Localisation: where the map frame's origin lies in the house, and how it is turned."""


# ---- what the robot remembers --------------------------------------------------------


@pytree
class Tracks:
    """People as the tracker believes them, true ``age`` seconds ago.

    Somebody stays in one slot for as long as they are tracked.
    """

    xy_map: Float[Array, "*batch M 2"]
    velocity_map: Float[Array, "*batch M 2"]
    xy_var: Float[Array, "*batch M"]
    """Variance of the position, per axis, m²."""
    xy_velocity_cov: Float[Array, "*batch M"]
    """Covariance of position and velocity along one axis, m²/s."""
    velocity_var: Float[Array, "*batch M"]
    """Variance of the velocity, per axis, m²/s²."""
    radius: Float[Array, "*batch M"]
    kind: Int[Array, "*batch M"]
    """A ``Kind`` per body."""
    identity: Int[Array, "*batch M"]
    """What the detector last called it, −1: nothing yet."""
    credit: Float[Array, "*batch M"]
    """For how much longer it is kept unless it is seen again, s."""
    valid: Bool[Array, "*batch M"]
    age: Float[Array, "*batch"]


@pytree
class Grid:
    """A field on square cells aligned with the map axes; row 0 is the smallest y."""

    values: Float[Array, "*batch H W"]
    origin: Float[Array, "*batch 2"]
    """Map coordinates of the *centre* of cell [0, 0]."""
    resolution: Float[Array, "*batch"]
    """Edge of a cell, m."""


@pytree
class LocalMap:
    """What the robot has seen around it, on top of what the house map says."""

    grid: Grid
    """Log-odds of "occupied": the house map's and the scans' together."""
    evidence: Float[Array, "*batch H W"]
    """The scans' part of it; fades where nothing looks."""
    edge: Bool[Array, "*batch H W"]
    """Cells last seen as an edge to fall over."""


@pytree
class SmoothGrid:
    """A grid with slopes, sampled with continuous first derivatives (see geometry)."""

    table: Float[Array, "*batch H W 3"]
    """Value, d/dx and d/dy at the centre of each cell."""
    origin: Float[Array, "*batch 2"]
    resolution: Float[Array, "*batch"]


@pytree
class Clearance:
    """Distance to the nearest obstacle of the local map, and what kind of place that is."""

    table: Float[Array, "*batch H W 4"]
    """Signed distance (m), d/dx, d/dy, and 1 where the nearest obstacle is an edge to fall
    over (stairs), 0 where it is a thing to bump into."""
    origin: Float[Array, "*batch 2"]
    resolution: Float[Array, "*batch"]


@pytree
class Leash:
    """The goal is somebody who walks: near enough is good enough, and it moves as we plan."""

    length: Float[Array, "*batch"]
    """Cost-to-go within which nothing is left to gain, s; below 0 the goal is the place itself."""
    receding: Float[Array, "*batch"]
    """By how much the cost-to-go grows while one stands still: the goal walks away, s per s."""


@pytree
class RouteField:
    """Guidance from the route layer: cost-to-go in seconds.

    The route layer makes it for the whole house, in the house's frame; the local planner gets
    the part around the robot, in the map frame (``route/field.py``).
    """

    cost_to_go: SmoothGrid
    goal_map: Float[Array, "*batch 3"]
    leash: Leash | None = None


# ---- the moment the plan takes effect ------------------------------------------------


@pytree
class Forecast:
    """Gaussian mixture of where every body will be, at plan times.

    Position and velocity of a component are jointly Gaussian, independently along and across
    ``axis_map``; the last axis of the variances is (along, across).
    """

    xy_map: Float[Array, "*batch T M C 2"]
    velocity_map: Float[Array, "*batch T M C 2"]
    axis_map: Float[Array, "*batch T M C 2"]
    """Unit vector of the "along" direction."""
    xy_var: Float[Array, "*batch T M C 2"]
    xy_velocity_cov: Float[Array, "*batch T M C 2"]
    velocity_var: Float[Array, "*batch T M C 2"]
    weight: Float[Array, "*batch M C"]
    """Sums to 1 over the components of a body."""
    radius: Float[Array, "*batch M"]
    kind: Int[Array, "*batch M"]
    valid: Bool[Array, "*batch M"]


@pytree
class WorldAtEffect:
    """Robot, map and people at ``t_effect``: the only thing the local planner sees."""

    pose_map: Float[Array, "*batch 3"]
    command: Float[Array, "*batch D"]
    """What the wheels are told at that moment, in the drive's own coordinates."""
    command_dot: Float[Array, "*batch D"]
    clearance: Clearance
    forecast: Forecast
    position_var: float | Float[Array, "*batch"] = 0.0
    """Of the robot's own position, per axis, m²: what it was measured with, and grown since.
    The forecast's variances contain it; walls take it from here."""
    announced: Float[Array, "*batch t 2"] | None = None
    """Least and greatest heading that the screen will have shown in time before the first plan
    times, rad against that of ``pose_map`` (body/announce.py); None: nothing has to be shown."""


# ---- what comes out ------------------------------------------------------------------


@pytree
class Motion:
    """One trajectory at the plan times 0, dt … horizon (T points)."""

    pose_map: Float[Array, "*batch T 3"]
    twist: Float[Array, "*batch T 3"]
    """(vx, vy, ω) of the body, m/s, m/s, rad/s."""
    twist_dot: Float[Array, "*batch T 3"]


@pytree
class CostTerms:
    """The objective's terms, unweighted; what learning fits. See local/objective.py."""

    progress: Float[Array, "*batch"]
    """Cost-to-go gained, discounted by survival and time, s."""
    touched: Float[Array, "*batch"]
    """Expected contacts with bodies, weighted by their kind."""
    struck: Float[Array, "*batch"]
    """Those of them while it is under way, unless it would have been touched at rest as well."""
    pushed: Float[Array, "*batch"]
    """Expected square of the robot's own closing speed in them, (m/s)²."""
    bumped: Float[Array, "*batch"]
    """Expected contacts with things."""
    rammed: Float[Array, "*batch"]
    """Expected square of the speed in them, (m/s)²."""
    fallen: Float[Array, "*batch"]
    """Expected contacts with edges to fall over."""
    acceleration: Float[Array, "*batch"]
    """∫ a² dt, m²/s³."""
    turning: Float[Array, "*batch"]
    """∫ ω̇² dt, rad²/s³."""
    lateral: Float[Array, "*batch"]
    """∫ (v ω)² dt, m²/s³."""
    reversing: Float[Array, "*batch"]
    """Metres driven backwards."""
    intrusion: Float[Array, "*batch"]
    """Seconds inside somebody's personal space, weighted by depth."""
    unannounced: Float[Array, "*batch"]
    """∫ (turned beyond what the screen has shown before)² dt, rad²·s."""


@pytree
class Plan:
    """A motion to execute, with everything the gate and the screen need."""

    motion: Motion
    survival: Float[Array, "*batch T"]
    """Probability of getting to each time without having touched anything."""
    commands: Float[Array, "*batch S D"]
    """At the gate's rate, from the first tick on."""
    tail: Float[Array, "*batch S D"]
    """The stop that is always in hand: commands from ``config.tail_after`` seconds into the
    plan until rest, should no newer plan come."""
    tail_clearance: Float[Array, "*batch"]
    """Smallest clearance of the footprint up to the end of that stop, m."""
    controls: Float[Array, "*batch N D"]
    """Spline control points: enough to rebuild the plan."""
    status: Int[Array, "*batch"]


@pytree
class PlannerState:
    """What the local planner carries from cycle to cycle."""

    controls: Float[Array, "*batch N D"]
    key: Array


@pytree
class Diagnostics:
    """What a cycle looked like from inside; nothing here steers the robot."""

    cost: Float[Array, "*batch K"]
    """Total cost of every ``k``-th evaluated candidate."""
    candidate_xy_map: Float[Array, "*batch K T 2"]
    terms: CostTerms
    """Of the chosen plan."""
    best_cost: Float[Array, "*batch"]
    sampled_cost: Float[Array, "*batch"]
    """Best cost before gradient refinement: the difference is the gain of refinement."""
    nonfinite_gradients: Int[Array, "*batch"]
    finite_candidates: Int[Array, "*batch"]
