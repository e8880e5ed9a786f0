"""What the gate is told in one tick, what it carries to the next, and what it says.

In one tick come the messages as they are, with their ages; nothing is checked before.
"""

import enum

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.types import Clearance, Odometry, Scalar, Scan, Tracks, pytree
from astro_jax.world.sight import Glance

SECTORS = 90
"""Of the bearings around the base, 4° each, in which one thing out of sight is kept."""


class Mode(enum.IntEnum):
    """What the gate is doing; see reactive/modes.py."""

    RUNNING = 0
    SLOWED = 1
    """Something in or near the way: the same path, slower, down to a rest."""
    STOPPED = 2
    """Something is wrong: a controlled stop, held until everything has been well for a while."""
    E_STOPPED = 3
    """Somebody pressed the button: held until it is released and the robot is armed again."""


@pytree
class Orders:
    """The two things that a person may tell the gate itself."""

    stop: bool | Bool[Array, "*batch"] = False
    """The emergency stop is pressed."""
    rearm: bool | Bool[Array, "*batch"] = False
    """Arm again after an emergency stop: what counts is that it *becomes* true, at rest."""


@pytree
class Senses:
    """One tick's messages.  Ages are those of now."""

    pose_map: Float[Array, "*batch 3"]
    """Where the robot will be when this command acts."""
    delay: Scalar
    """From sending a command to the motion, s."""
    odometry: Odometry
    scan: Scan
    tracks: Tracks
    clearance: Clearance
    """The last local map's: it knows what stands where the sensor cannot look."""
    map_age: Scalar
    """Since it was last brought up to date, s."""
    plan_age: Scalar
    pace: Scalar = 1.0
    """Share of its speeds that the robot may use (``Health.pace``)."""
    elapsed: Scalar = 0.02
    """Since the tick before, by a clock that nobody sets, s."""
    orders: Orders = Orders()


@pytree
class Memory:
    """What the last messages were, to hold the next ones against."""

    ranges: Float[Array, "*batch R"]
    eye_map: Float[Array, "*batch 3"]
    """From where those ranges were first seen."""
    scan_age: Float[Array, "*batch"]
    pose_map: Float[Array, "*batch 3"]
    """The odometry's, NaN before the first."""
    odometry_age: Float[Array, "*batch"]
    rolled: Float[Array, "*batch"]
    """How far it is said to have rolled with its pose the same to the last bit, m and rad."""
    old: Glance
    """From one to two times ``sight.GLANCE`` ago."""
    middle: Glance
    since: Float[Array, "*batch"]
    """Time since the last one of these was taken, s."""


@pytree
class Kept:
    """Where things stand that no beam reaches now (reactive/kept.py)."""

    xy_map: Float[Array, "*batch S 2"]
    age: Float[Array, "*batch S"]
    """Since they were seen, s."""
    there: Bool[Array, "*batch S"]


@pytree
class GateState:
    """What the gate carries from tick to tick."""

    phase: Float[Array, "*batch"]
    """Progress along the plan's own time, s; runs slower than the clock while s < 1."""
    twist: Float[Array, "*batch 2"]
    """Last twist sent to the wheels."""
    rate: Float[Array, "*batch"]
    """Change of its path speed in the last tick, m/s²."""
    ceiling: Float[Array, "*batch"]
    """Path speed that was last allowed, m/s: rises slowly again."""
    steer: Float[Array, "*batch"]
    """Curvature added to come back to the path, 1/m."""
    mode: Int[Array, "*batch"]
    """A ``Mode``."""
    well_for: Float[Array, "*batch"]
    """How long nothing has been wrong, s."""
    rearm: Bool[Array, "*batch"]
    """Whether the order to arm was given in the last tick."""
    memory: Memory
    kept: Kept
    """What has passed out of the scan's view."""


@pytree
class Verdict:
    """What the gate says in one tick."""

    twist: Float[Array, "*batch 2"]
    """(v, ω) for the wheels."""
    scale: Float[Array, "*batch"]
    """The factor s ∈ [0, 1] on the planned twist."""
    mode: Int[Array, "*batch"]
    reason: Int[Array, "*batch"]
    """A ``Reason``."""


def initial_gate(beams: int) -> GateState:
    """At rest at the start of a plan, stopped until all is well."""
    nothing = Glance(free=jnp.zeros(beams), eye_map=jnp.zeros(3))
    return GateState(
        phase=jnp.float32(0.0),
        twist=jnp.zeros(2),
        rate=jnp.float32(0.0),
        ceiling=jnp.float32(100.0),
        steer=jnp.float32(0.0),
        mode=jnp.int32(Mode.STOPPED),
        well_for=jnp.float32(0.0),
        rearm=jnp.asarray(False),
        memory=Memory(
            ranges=jnp.full(beams, jnp.nan, jnp.float32),
            eye_map=jnp.zeros(3),
            scan_age=jnp.float32(jnp.inf),
            pose_map=jnp.full(3, jnp.nan, jnp.float32),
            odometry_age=jnp.float32(jnp.inf),
            rolled=jnp.float32(0.0),
            old=nothing,
            middle=nothing,
            since=jnp.float32(jnp.inf),
        ),
        kept=Kept(
            xy_map=jnp.zeros((SECTORS, 2)),
            age=jnp.zeros(SECTORS),
            there=jnp.zeros(SECTORS, bool),
        ),
    )
