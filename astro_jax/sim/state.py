"""The nouns of an episode: what is true, how late and wrong it is told, what is logged of it."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.body.gaze import Gaze
from astro_jax.config import Latency
from astro_jax.navigator import NavigatorState
from astro_jax.reactive.senses import Orders
from astro_jax.sim.contact import ContactState
from astro_jax.sim.odometry import Believed, PoseErrors
from astro_jax.sim.walkers import Walkers
from astro_jax.types import Diagnostics, WorldAtEffect, pytree

MEMORY_TICKS = 64
"""How far back the truth is kept for late sensors: 1.28 s at 50 Hz."""


@pytree
class Circumstances:
    """How late and how wrong everything is, and what the robot is told of it."""

    latency: Latency
    """The truth."""
    told: Latency
    """What the robot is configured with; ages of messages are stamped with it."""
    errors: PoseErrors


def honest(latency: Latency, errors: PoseErrors | None = None) -> Circumstances:
    """The robot knows how late everything is."""
    return Circumstances(latency=latency, told=latency, errors=errors or PoseErrors())


@pytree
class Told:
    """What the robot is told besides where to go."""

    halted: Bool[Array, "*batch"]
    """There is nowhere to go."""
    pace: Float[Array, "*batch"]
    """Share of its speeds that it may use."""
    orders: Orders


def nothing_told() -> Told:
    """Go as you like."""
    no = jnp.asarray(False)
    return Told(halted=no, pace=jnp.float32(1.0), orders=Orders(stop=no, rearm=no))


@pytree
class SimState:
    """The true world and the robot in it."""

    time: Float[Array, "*batch"]
    """``tick`` gate periods, s: a sum of float32 steps would drift."""
    tick: Int[Array, "*batch"]
    pose: Float[Array, "*batch 3"]
    """In the house."""
    belief: Believed
    """The pose that the robot's odometry has come to, in the map frame."""
    twist: Float[Array, "*batch 2"]
    wheel_gain: Float[Array, "*batch 2"]
    """True over commanded twist: worn wheels, uneven floor; fixed per episode."""
    people: Walkers
    contacts: ContactState
    robot: NavigatorState
    gaze: Gaze
    """What the screen is told to look at; a task may set it between two segments."""
    told: Told
    past_pose: Float[Array, "*batch C 3"]
    """True poses at the last gate ticks, oldest first, the last one now."""
    past_belief: Float[Array, "*batch C 3"]
    past_twist: Float[Array, "*batch C 2"]
    past_people: Float[Array, "*batch C M 2"]
    past_pan: Float[Array, "*batch C"]
    sent: Float[Array, "*batch C 2"]
    """Commands on their way to the wheels, oldest first."""
    arrived_at: Float[Array, "*batch"]
    """When the goal was reached (inf: not yet), s."""
    key: Array


@pytree
class CycleLog:
    """What happened in one planning cycle; a leading axis of cycles is added by the scan."""

    time: Float[Array, "*batch"]
    pose_map: Float[Array, "*batch 3"]
    """The truth.  What the robot plans in its own frame is logged where it lies in the house."""
    house_from_map: Float[Array, "*batch 3"]
    """Where that is in truth: the local map and its clearance stay in the map frame."""
    pan: Float[Array, "*batch"]
    people_xy: Float[Array, "*batch M 2"]
    tracked: Bool[Array, "*batch M"]
    """Whom the robot knows of: a track was near them when they were last looked for."""
    world: WorldAtEffect
    plan_pose: Float[Array, "*batch T 3"]
    plan_twist: Float[Array, "*batch T 3"]
    survival: Float[Array, "*batch T"]
    status: Int[Array, "*batch"]
    looking: Int[Array, "*batch"]
    """A ``Looking``: what comes of what the screen was told to look at."""
    seen: Float[Array, "*batch tracks"]
    """Probability, as the robot believes it, of having each *track* in the camera's view."""
    diagnostics: Diagnostics


@pytree
class TickLog:
    """The true motion at the gate's rate."""

    time: Float[Array, "*batch"]
    pose_map: Float[Array, "*batch 3"]
    twist: Float[Array, "*batch 2"]
    command: Float[Array, "*batch 2"]
    scale: Float[Array, "*batch"]
    mode: Int[Array, "*batch"]
    reason: Int[Array, "*batch"]
    pan: Float[Array, "*batch"]
    people_xy: Float[Array, "*batch M 2"]
    contacts: Int[Array, "*batch"]
