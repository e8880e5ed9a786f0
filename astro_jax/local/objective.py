"""Uncertainty-adjusted progress: one continuous objective, no modes, no thresholds.

    J = −∫ S(t) γ(t) (−Ṗ) dt + Σ_i ∫ (−Ṡ_i) harm_i dt + ∫ comfort dt

P is the route layer's cost-to-go (s) plus the final turn, S the probability of having
touched nothing, S_i that of not having touched i, γ(t) = exp(−t/τ) the time preference:
progress later is worth less, or the robot would dither near the goal for ever.  Where risk
is low the robot simply makes progress; where it is high, progress counts for nothing and
only harm matters.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import cos_sin, sample_slope, sample_xy
from astro_jax.local.risk import Discs, unharmed, wall_hazard
from astro_jax.products import integral, interpolated, loss, middle, over_things, smoothed
from astro_jax.products import total as sum_over
from astro_jax.types import CostTerms, Forecast, Motion, RouteField, WorldAtEffect

CAME_JUST_NOW = 1.0
"""For how long after its last motion a robot answers for standing where it stands, s."""
SLACK = 0.2
"""Over so much of the way a leash begins to pull, s."""
TURNED_BY = 0.5
"""A robot so near to its goal may come to it backwards, m."""
ARRIVED, ERRAND = 0.3, 1.0
"""To be this near to the goal (m) is worth so much (s) beyond the way: the errand is done."""
UNNOTICED = 0.17
"""A turn may get so far (10°) before anybody needs to have been told."""

Encounter = tuple[Float[Array, "M t K"], Float[Array, "M t K"], Float[Array, "M t K"]]
"""Hazard (1/s), the robot's own closing speed (m/s) and mean gap (m) per body over time."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """How precisely the footprint is looked at: its discs for walls, the hazard of bodies."""

    discs: Discs
    encounters: Callable[[Motion, Forecast], Encounter]
    quickly: Callable[[Motion, Forecast], Encounter]
    """The same, roughly: enough to say who is coming anyway."""


def evaluate(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    world: WorldAtEffect,
    field: RouteField,
    look: Look,
    anyway: Float[Array, "M t 1"],
    motion: Motion,
) -> tuple[CostTerms, Float[Array, "T K"]]:
    """The unweighted terms of each motion, and its survival over time.

    ``anyway``: how likely each body would by then have run into a robot at rest
    (``run_into_at_rest``); the same for all motions.
    """
    dt, stride = config.dt, config.people_stride
    vx, vy, omega = (motion.twist[:, i] for i in range(3))
    ax, ay, turn = (motion.twist_dot[:, i] for i in range(3))
    wall, _, edge = wall_hazard(params, motion, world.clearance, look.discs, dt)
    past_walls = unharmed(wall, dt)
    # people are sampled more coarsely: the entry rate does not depend on the step
    coarse = Motion(
        pose_map=motion.pose_map[::stride],
        twist=motion.twist[::stride],
        twist_dot=motion.twist_dot[::stride],
    )
    hazard, own_speed, gap = look.encounters(coarse, world.forecast)
    past_bodies = unharmed(hazard, dt * stride)
    alive = past_walls * interpolated(jnp.prod(past_bodies, axis=0), stride)

    # each contact harms by its own hazard: after one with a person a wall still hurts
    speed_squared = vx**2 + vy**2
    bumped = loss(past_walls)
    kind = world.forecast.kind
    struck = jnp.asarray(params.harm_of_kind)[kind][:, None, None] * loss(past_bodies)
    pushed = over_things(struck * middle(own_speed**2))
    own_doing = struck * middle(1.0 - anyway)
    struck = over_things(struck)

    time = dt * jnp.arange(config.times, dtype=jnp.float32)[:, None]
    worth = middle(alive * jnp.exp(-time / params.patience))
    space = params.personal_space * jnp.asarray(params.space_of_kind)[kind]
    inside = jnp.maximum(1.0 - gap / space[:, None, None], 0.0)
    terms = CostTerms(
        progress=sum_over(worth * loss(remaining(robot, params, field, motion.pose_map, time))),
        touched=sum_over(struck),
        struck=sum_over(over_things(own_doing) * middle(answerable(coarse, dt * stride))),
        pushed=sum_over(pushed),
        bumped=sum_over(bumped * middle(1.0 - edge)),
        rammed=sum_over(bumped * middle((1.0 - edge) * speed_squared)),
        fallen=sum_over(bumped * middle(edge)),
        acceleration=integral(ax**2 + ay**2, dt),
        turning=integral(turn**2, dt),
        lateral=integral(speed_squared * omega**2, dt),
        reversing=integral(jnp.maximum(-vx, 0.0), dt),
        intrusion=integral(over_things(inside**2), dt * stride),
        unannounced=integral(unshown(world, motion) ** 2, dt),
    )
    return terms, alive


def total(params: PlannerParams, terms: CostTerms) -> Float[Array, "*batch"]:
    """J: the weighted sum of the terms, in seconds of progress.

    What touching a body costs depends on the robot's own part in it.  A robot that is run
    into while it rests harms less, and more than nothing, or it would not make way; one that
    moves, or has just stopped there, is at fault, unless it would have been run into at rest as
    well (``run_into_at_rest``); one that drives into somebody harms with the square of its closing
    speed.  Counting the walker's speed as well made stopping look as bad as pushing past: the
    robot did not brake.
    """
    return (
        -terms.progress
        + params.harm_person_rest * terms.touched
        + params.harm_person_moving * terms.struck
        + params.harm_person_speed * terms.pushed
        + params.harm_wall * terms.bumped
        + params.harm_wall_speed * terms.rammed
        + params.harm_edge * terms.fallen
        + params.acceleration * terms.acceleration
        + params.turning * terms.turning
        + params.lateral * terms.lateral
        + params.reversing * terms.reversing
        + params.intrusion * terms.intrusion
        + params.unannounced * terms.unannounced
    )


def unshown(world: WorldAtEffect, motion: Motion) -> Float[Array, "t K"]:
    """How far the base has turned beyond what its screen has shown before, rad.

    A turn is counted from where the heading was extreme on the other side: who swings back
    from one begins another.  The first ``UNNOTICED`` of it need not be shown.
    """
    yaw = motion.pose_map[:, 2]
    if world.announced is None:
        return jnp.zeros_like(yaw[:2])
    low, high = world.announced[:, 0, None], world.announced[:, 1, None]
    turned = yaw[: len(low)] - world.pose_map[2]
    high = jnp.maximum(high, jax.lax.cummin(turned) + UNNOTICED)
    low = jnp.minimum(low, jax.lax.cummax(turned) - UNNOTICED)
    return jnp.maximum(turned - high, 0.0) + jnp.maximum(low - turned, 0.0)


def under_way(motion: Motion) -> Float[Array, "t K"]:
    """How far the robot counts as moving, 0 at rest … 1 well under way (half at .15 m/s)."""
    vx, vy, omega = (motion.twist[:, i] for i in range(3))
    speed = vx**2 + vy**2 + (0.2 * omega) ** 2
    return speed / (speed + 0.15**2)


def answerable(motion: Motion, dt: float) -> Float[Array, "t K"]:
    """How far the robot answers for a contact: it moves, or came there just now.

    1 − (1 − u)(1 − ū), with u of ``under_way`` and ū its exponential average over the last
    ``CAME_JUST_NOW`` seconds.  Whoever stops in somebody's way is no less at fault than who
    drives on: a robot that tried to pass in front of people, gave up and was run into at rest
    paid for the rest only, and tried too often.
    """
    now = under_way(motion)
    lately = smoothed(now, dt, CAME_JUST_NOW)
    return 1.0 - (1.0 - now) * (1.0 - lately)


def run_into_at_rest(
    config: PlannerConfig, world: WorldAtEffect, look: Look
) -> Float[Array, "M t 1"]:
    """Probability that each body would by then have run into a robot that stays where it is.

    Who is coming anyway is no reason to stand still: as far as that is likely, a robot that moves
    and is touched no sooner does not answer for it.  The referee judges so too (``sim/contact.py``,
    K2).  One that moves towards them is touched sooner, and does answer.  Without it a robot at
    which somebody walked stopped half-way out of their course: being run into at rest was cheaper.
    """
    still = jnp.zeros((world.forecast.xy_map.shape[0], 3, 1))
    here = Motion(
        pose_map=jnp.broadcast_to(world.pose_map[None, :, None], still.shape),
        twist=still,
        twist_dot=still,
    )
    hazard, _, _ = look.quickly(here, world.forecast)
    return 1.0 - unharmed(hazard, config.dt * config.people_stride)


def remaining(
    robot: RobotConfig,
    params: PlannerParams,
    field: RouteField,
    pose_map: Float[Array, "T 3 K"],
    time: Float[Array, "T 1"] | None = None,
) -> Float[Array, "T K"]:
    """P: seconds still to go, with the turn into the way and the final turn.

    P = V − e·exp(−r²/2a²) +
    2f·(1 − exp(−r²/2R²))·((½‖∇V‖ + ∇V·h)₊ / 1½)²/‖∇V‖ + w·exp(−r²/2ρ²)·(1 − cos(ψ − ψ_goal)), h the
    heading.  V does not know where the robot faces.  For one that backs as fast as it drives
    that is right; others lose up to 2f = 2·facing·(1 − reverse_speed/speed) metres of way by
    turning round, and without that term they would rather creep backwards through a whole
    house, where they do not look.  It fades within R = ``TURNED_BY`` of the goal, where to back
    is quicker, and nowhere keeps the robot from getting nearer: facing away costs more the
    farther it is.  Up to 60° off the way it costs nothing: with f·(‖∇V‖ + ∇V·h), by which
    every turn aside costs, a slow robot did not swerve any more around somebody in its way.

    A robot that comes with the wrong heading has to climb 2w at most; the horizon sees the
    turn behind it.  (Asking it to face the goal itself from afar, blended into the final
    heading, made places where the two cancel: robots that had overshot stood there for ever,
    facing sideways.)

    The errand e (``ERRAND``, within a = ``ARRIVED``) is what waiting short of the goal costs beyond
    the way that is left.  Without it robots rested for good a centimetre before they had arrived
    (within .3 m), for the space of somebody who stood .8 m from their goal: of 250 CrowdNav cases
    with wheels two more arrive, and all .2 s sooner; e = ½ s gave as many, .1 s sooner, and left
    less to spare.

    On a leash there is no errand, and V is what goes beyond it: b(V + ρ t − ℓ), for a goal that
    recedes by ρ s per s, with b(x) = 0 for x ≤ 0 and x − w/2 for x ≥ w = ``SLACK``, a parabola
    between.
    """
    dx, dy = pose_map[:, 0] - field.goal_map[0], pose_map[:, 1] - field.goal_map[1]
    at_goal = jnp.exp(-0.5 * (dx**2 + dy**2) / params.heading_radius**2)
    turn = 1.0 - cos_sin(pose_map[:, 2] - field.goal_map[2])[0]
    to_go = sample_xy(field.cost_to_go, pose_map[:, 0], pose_map[:, 1])
    pull = 1.0 - jnp.exp(-0.5 * (dx**2 + dy**2) / TURNED_BY**2)
    if field.leash is not None:
        moved = 0.0 if time is None else field.leash.receding * time
        beyond = to_go + moved - field.leash.length
        within = jnp.clip(beyond, 0.0, SLACK)
        to_go = within**2 / (2.0 * SLACK) + jnp.maximum(beyond - SLACK, 0.0)
        pull = pull * within / SLACK
    else:
        to_go = to_go - ERRAND * jnp.exp(-0.5 * (dx**2 + dy**2) / ARRIVED**2)
    if robot.reverse_speed < robot.speed:
        slower = 1.0 - robot.reverse_speed / robot.speed
        to_go = to_go + params.facing * slower * pull * _facing_away(field, pose_map)
    return to_go + params.heading_weight * at_goal * turn


def _facing_away(field: RouteField, pose_map: Float[Array, "T 3 K"]) -> Float[Array, "T K"]:
    """2·((½‖∇V‖ + ∇V·h)₊ / 1½)²/‖∇V‖, s/m: none within 60° of the way, 2‖∇V‖ against it."""
    x, y = sample_slope(field.cost_to_go, pose_map[:, 0], pose_map[:, 1])
    c, s = cos_sin(pose_map[:, 2])
    slope = jnp.sqrt(x**2 + y**2 + 1e-6)
    off = jnp.maximum(0.5 * slope + x * c + y * s, 0.0) / 1.5
    return 2.0 * off**2 / slope
