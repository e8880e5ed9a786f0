"""The nouns that travel through one planning cycle, in the order of the cycle.

Axes: B scenes, K candidates, T times, M bodies (people), R beams, C past commands,
H W grid rows (y) and columns (x).  Units: metres, seconds, radians, float32.
Frames are in names: ``pose_map`` is (x, y, yaw) of a thing in the map frame.
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
    """Pose or twist of the robot was not finite; the plan is the full stop."""


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
    """The command came out non-finite; the gate stops."""


# ---- what the sensors say ------------------------------------------------------------


@pytree
class Scan:
    """One sweep of a range sensor. ``inf`` range: nothing within reach of the beam."""

    ranges: Float[Array, "*batch R"]
    valid: Bool[Array, "*batch R"]
    pose_map: Float[Array, "*batch 3"]
    """Where the sensor was when it looked."""
    age: float | Float[Array, "*batch"]


@pytree
class Odometry:
    """Measured pose of the robot's base, true ``age`` seconds ago."""

    pose_map: Float[Array, "*batch 3"]
    age: float | Float[Array, "*batch"]


@pytree
class Detections:
    """People as a detector sees them, true ``age`` seconds ago; slot = identity."""

    xy_map: Float[Array, "*batch M 2"]
    seen: Bool[Array, "*batch M"]
    age: float | Float[Array, "*batch"]


@pytree
class Snapshot:
    """Everything the sensors delivered for one planning cycle."""

    scan: Scan
    odometry: Odometry
    detections: Detections


# ---- what the robot remembers --------------------------------------------------------


@pytree
class Tracks:
    """People as the tracker believes them, true ``age`` seconds ago; slot = identity."""

    xy_map: Float[Array, "*batch M 2"]
    velocity_map: Float[Array, "*batch M 2"]
    xy_var: Float[Array, "*batch M"]
    """Variance of the position, per axis, m²."""
    xy_velocity_cov: Float[Array, "*batch M"]
    """Covariance of position and velocity along one axis, m²/s."""
    velocity_var: Float[Array, "*batch M"]
    """Variance of the velocity, per axis, m²/s²."""
    radius: Float[Array, "*batch M"]
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
class SmoothGrid:
    """A grid with slopes, sampled with continuous first derivatives (see geometry)."""

    table: Float[Array, "*batch H W 3"]
    """Value, d/dx and d/dy at the centre of each cell."""
    origin: Float[Array, "*batch 2"]
    resolution: Float[Array, "*batch"]


@pytree
class RouteField:
    """Guidance from the route layer: cost-to-go in seconds, over the whole map."""

    cost_to_go: SmoothGrid
    goal_map: Float[Array, "*batch 3"]


# ---- the moment the plan takes effect ------------------------------------------------


@pytree
class Forecast:
    """Gaussian forecast of every body at plan times, isotropic per body and time."""

    xy_map: Float[Array, "*batch T M 2"]
    velocity_map: Float[Array, "*batch T M 2"]
    xy_var: Float[Array, "*batch T M"]
    xy_velocity_cov: Float[Array, "*batch T M"]
    velocity_var: Float[Array, "*batch T M"]
    radius: Float[Array, "*batch M"]
    valid: Bool[Array, "*batch M"]


@pytree
class WorldAtEffect:
    """Robot, map and people at ``t_effect``: the only thing the local planner sees."""

    pose_map: Float[Array, "*batch 3"]
    twist: Float[Array, "*batch 2"]
    """Commanded forward speed (m/s) and yaw rate (rad/s) at that moment."""
    twist_dot: Float[Array, "*batch 2"]
    clearance: SmoothGrid
    """Distance to the nearest obstacle of the local map, m."""
    forecast: Forecast


# ---- what comes out ------------------------------------------------------------------


@pytree
class Motion:
    """One trajectory at the plan times 0, dt … horizon (T points)."""

    pose_map: Float[Array, "*batch T 3"]
    twist: Float[Array, "*batch T 2"]
    twist_dot: Float[Array, "*batch T 2"]


@pytree
class CostTerms:
    """The objective's terms, unweighted; what learning fits. See local/objective.py."""

    progress: Float[Array, "*batch"]
    harm: Float[Array, "*batch"]
    acceleration: Float[Array, "*batch"]
    turning: Float[Array, "*batch"]
    lateral: Float[Array, "*batch"]
    reversing: Float[Array, "*batch"]
    intrusion: Float[Array, "*batch"]


@pytree
class Plan:
    """A motion to execute, with everything the gate and the screen need."""

    motion: Motion
    survival: Float[Array, "*batch T"]
    """Probability of getting to each time without having touched anything."""
    commands: Float[Array, "*batch S 2"]
    """Twist at the gate's rate, from the first tick on; ends at rest (stopping tail)."""
    controls: Float[Array, "*batch N 2"]
    """Spline control points (v, ω): enough to rebuild the plan."""
    status: Int[Array, "*batch"]


@pytree
class PlannerState:
    """What the local planner carries from cycle to cycle."""

    controls: Float[Array, "*batch N 2"]
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
