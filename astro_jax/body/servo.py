"""The joints, tick by tick: after what is planned, within the limits whatever that is.

In: the angles of the plan in force, one per gate tick, and how fast its time passes.  Out: the
joints' angles one tick later.  A plan that the joints can follow is followed exactly; after one
that jumps, ends or is void they go as fast as their limits allow, without overshoot.

The plan's clock.  What shows where the base will go is played by the clock of the base's own
plan: while the gate slows the base the screen slows with it, and while the gate holds the base
the screen shows no turn that does not come.  What looks at bodies and places goes by time: they
do not wait.  A clock changes its pace gradually, over the time that a joint needs to stop.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.robot.joint import Joint, pan_joint, tilt_joint
from astro_jax.types import Scalar, pytree

STIFFNESS = 5.0
"""Rate of closing on what is planned, 1/s (critically damped within the limits)."""


@pytree
class JointState:
    """Angle (rad) and its rate (rad/s)."""

    angle: Float[Array, "*batch"]
    rate: Float[Array, "*batch"]


@pytree
class ScreenState:
    """How the screen stands, and where in its plan it is."""

    pan: JointState
    """Against the base, left positive."""
    tilt: JointState
    """Up positive."""
    clock: Float[Array, "*batch"]
    """The plan's own time, s."""
    pace: Float[Array, "*batch"]
    """How fast that passes, 1 as planned."""
    sweep: Float[Array, "*batch"]
    """For how long the screen has been searching, s; 0 while it does not."""


@pytree
class Angles:
    """What is planned: one angle per gate tick, rad."""

    pan: Float[Array, "*batch S"]
    tilt: Float[Array, "*batch S"]


def initial_screen() -> ScreenState:
    """Looking straight ahead, at rest."""
    zero = jnp.float32(0.0)
    still = JointState(angle=zero, rate=zero)
    return ScreenState(pan=still, tilt=still, clock=zero, pace=jnp.float32(1.0), sweep=zero)


def move_screen(
    robot: RobotConfig,
    state: ScreenState,
    angles: Angles,
    flow: Scalar,
    void: Bool[Array, ""],
    tick: float,
) -> ScreenState:
    """One tick of ``tick`` s along the plan, whose time wants to pass at ``flow``.

    While the plan is ``void`` the screen goes back to straight ahead.
    """
    pan, tilt = pan_joint(robot), tilt_joint(robot)
    flow = jnp.clip(jnp.where(jnp.isfinite(flow), flow, 0.0), 0.0, 1.2)
    change = tick * pan.acceleration / max(pan.top_rate, 1e-3)
    pace = jnp.clip(flow, state.pace - change, state.pace + change)
    after = state.clock + tick * pace

    def moved(joint: Joint, now: JointState, rows: Float[Array, "S"]) -> JointState:
        here, there = (_at(rows, clock / tick) for clock in (state.clock, after))
        known = jnp.isfinite(here) & jnp.isfinite(there) & ~void
        return move_joint(
            joint, now, jnp.where(known, here, 0.0), jnp.where(known, there, 0.0), tick
        )

    return ScreenState(
        pan=moved(pan, state.pan, angles.pan),
        tilt=moved(tilt, state.tilt, angles.tilt),
        clock=after,
        pace=pace,
        sweep=jnp.where(state.sweep > 0.0, state.sweep + tick, 0.0),
    )


def move_joint(
    joint: Joint, state: JointState, here: Scalar, there: Scalar, tick: float
) -> JointState:
    """One tick after a target that moves from ``here`` to ``there`` meanwhile (rad).

    The rate is the target's own and one that closes the distance e to it, no faster than can
    be braked before it: c·tick + c²/2a ≤ |e|.  The same bound keeps the joint from its end
    stops.  The acceleration limit has the last word: from a state that this function has made
    it never contradicts the others.
    """
    if not joint.moves:
        return state
    a, change = joint.acceleration, joint.acceleration * tick
    here, there = (jnp.clip(x, -joint.limit, joint.limit) for x in (here, there))

    def stoppable(distance):
        return a * (jnp.sqrt(tick**2 + 2.0 * jnp.maximum(distance, 0.0) / a) - tick)

    error = here - state.angle
    closing = jnp.minimum(stoppable(jnp.abs(error)), STIFFNESS * jnp.abs(error))
    rate = (there - here) / tick + jnp.sign(error) * closing
    low = -jnp.minimum(joint.rate, stoppable(joint.limit + state.angle))
    high = jnp.minimum(joint.rate, stoppable(joint.limit - state.angle))
    rate = jnp.clip(jnp.clip(rate, low, high), state.rate - change, state.rate + change)
    angle = jnp.clip(state.angle + tick * rate, -joint.limit, joint.limit)
    return JointState(angle=angle, rate=rate)


def _at(rows: Float[Array, "S"], place: Float[Array, ""]) -> Float[Array, ""]:
    place = jnp.clip(place, 0.0, rows.shape[0] - 1.001)
    index = jnp.floor(place).astype(jnp.int32)
    share = place - index
    return (1.0 - share) * rows[index] + share * rows[index + 1]
