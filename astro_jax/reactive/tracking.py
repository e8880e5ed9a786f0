"""Back to the plan's path, gently: a bounded curvature added, and plan's time that waits.

In: where the robot will be when this command acts, and where the plan has it then.  The
difference is split.  How late the robot is on its way only makes the plan's own time pass
slower or faster (``flow``), so v stays the plan's.  Of how far it is beside the nearest
place of the way (e, to the left) and turned from it (θ), the added curvature is

    κ = −(e/ℓ² + 2·sin θ/ℓ)   so that   e″ + 2·e′/ℓ + e/ℓ² = 0 over the way driven, forwards,

ω = ω_plan + v·κ: the law of Kanayama, Kimura, Miyazaki & Noguchi, "A stable tracking control
method for an autonomous mobile robot" (1990, eq. 8), with v of the plan for that of the
reference, in the form for paths of Samson, "Control of chained systems" (1995); critically
damped as in De Luca, Oriolo & Vendittelli, "Control of wheeled mobile robots: an
experimental overview" (2001, §5).  All of it vanishes with the speed: noise never moves a
robot at rest, and a turn on the spot is corrected through ``flow`` alone.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.geometry import to_frame, wrap_angle
from astro_jax.reactive.path import SETTLING, path_reach, planned_twist, pose_of_plan
from astro_jax.types import Plan

NOISE, NOISE_YAW = 0.008, 0.006
"""Deviations up to this (m, rad) are taken for noise: the plan began at one measured pose, this is
another (1.4 standard deviations of the difference at 4 mm and 3 mrad each)."""
MOST_ASIDE = 0.12
"""Of an offset no more than this counts (m): the robot comes back at .17 rad, not across."""
MOST = 0.6
"""Curvature that is added at most, 1/m: 5 cm and 2° at once are within it."""
SMOOTHING = 0.1
"""Time over which corrections are smoothed (s): a pose's noise is new in every tick."""
SLEW = 2.0
"""Their fastest change, 1/m per s: at .75 m/s 1.5 rad/s², a seventh of what wheels can do."""
HURRY = 1.5
"""A robot that is one second late slows the plan's time by this, 1/s."""
SLOWEST, FASTEST = 0.87, 1.15
"""Bounds of the rate at which the plan's time passes: a robot that is late all the time comes to
the plan's stop (``config.tail_after``, .3 s) before the plan is too old (.35 s)."""
LATE = 0.2
"""A robot later or earlier than this is taken for so late, s."""
RESTING = 0.1
"""Near a rest, well below this path speed (m/s), nobody is late."""


def steer(
    robot: RobotConfig,
    config: PlannerConfig,
    plan: Plan,
    phase: Float[Array, ""],
    pose_map: Float[Array, "3"],
    last: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(Curvature to add, 1/m; rate at which the plan's time passes, about 1).

    ``last`` is the curvature of the tick before.  Without a pose there is no correction.
    """
    twist = planned_twist(config, plan, phase)
    late = lateness(robot, twist, pose_of_plan(config, plan, phase, phase), pose_map)
    late = jnp.where(jnp.isfinite(late), jnp.clip(late, -LATE, LATE), 0.0)
    place = pose_of_plan(config, plan, phase, phase - late)
    wanted = curvature_back(twist[0], place, pose_map)
    # an endless offset is no place, though the curvature back from it is bounded
    known = jnp.all(jnp.isfinite(jnp.stack([place, pose_map]))) & jnp.isfinite(wanted)
    wanted = jnp.where(known, wanted, 0.0)
    change = (wanted - last) * jnp.minimum(config.gate_period / SMOOTHING, 1.0)
    most = SLEW * config.gate_period
    steered = jnp.clip(last + jnp.clip(change, -most, most), -MOST, MOST)
    # time that runs ahead brakes harder than was planned: no harder than the brakes can, and in
    # the stop in hand, which uses all that the wheels can, not at all
    fastest = min(FASTEST, robot.braking / robot.wheel_acceleration)
    stops = phase >= config.tail_after - FASTEST * config.gate_period
    fastest = jnp.where(stops, 1.0, fastest)
    return steered, jnp.clip(1.0 - HURRY * late, SLOWEST, fastest)


def lateness(
    robot: RobotConfig,
    twist: Float[Array, "2"],
    reference_map: Float[Array, "3"],
    pose_map: Float[Array, "3"],
) -> Float[Array, ""]:
    """How long ago the plan was nearest to ``pose_map``, s, were it to keep ``twist``.

    The metric counts an angle as the way of the footprint's outermost point.
    """
    reach = path_reach(robot)
    x, _, turned = _beside(reference_map, pose_map)
    square = twist[0] ** 2 + (reach * twist[1]) ** 2
    return -(twist[0] * x + reach**2 * twist[1] * turned) / (square + RESTING**2)


def curvature_back(
    speed: Float[Array, ""], place_map: Float[Array, "3"], pose_map: Float[Array, "3"]
) -> Float[Array, ""]:
    """The bounded curvature that leads back to the way through ``place_map``, 1/m.

    Backwards the same turn of the robot moves it to the other side: θ counts reversed.  Of e
    and sin θ counts what is beyond the noise.
    """
    _, aside, turned = _beside(place_map, pose_map)
    forwards = speed / jnp.sqrt(speed**2 + RESTING**2)
    aside = jnp.clip(_beyond(aside, NOISE), -MOST_ASIDE, MOST_ASIDE)
    turned = _beyond(jnp.sin(turned), NOISE_YAW)
    back = jnp.abs(forwards) * aside / SETTLING**2 + forwards * 2.0 * turned / SETTLING
    return jnp.clip(-back, -MOST, MOST)


def _beyond(x: Float[Array, ""], zone: float) -> Float[Array, ""]:
    return x - jnp.clip(x, -zone, zone)


def _beside(place_map: Float[Array, "3"], pose_map: Float[Array, "3"]):
    """``pose_map`` as seen from ``place_map``: m ahead, m to the left, rad to the left."""
    x, y = to_frame(place_map, pose_map[:2])
    return x, y, wrap_angle(pose_map[2] - place_map[2])
