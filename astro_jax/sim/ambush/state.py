"""The nouns of an ambush: what is true, what the robot carries, what is counted and logged."""

from jaxtyping import Array, Bool, Float, Int

from astro_jax.reactive.senses import GateState
from astro_jax.sim.ambush.driver import Driver
from astro_jax.sim.ambush.envelope import Notice
from astro_jax.sim.ambush.oath import Oath
from astro_jax.sim.ambush.people import People
from astro_jax.sim.ambush.shapes import Boxes
from astro_jax.sim.contact import ContactState
from astro_jax.sim.odometry import Believed
from astro_jax.types import Clearance, LocalMap, Plan, Tracks, pytree

MEMORY = 16
"""Gate ticks for which the truth is kept: .32 s, more than any sensor is late."""
SENT = 32
"""Commands kept: .64 s, more than a scan's age and the way to the wheels."""


@pytree
class Held:
    """The last scan that came, and what it was taken from."""

    ranges: Float[Array, "*batch R"]
    valid: Bool[Array, "*batch R"]
    eye_map: Float[Array, "*batch 3"]
    taken: Float[Array, "*batch"]
    """According to its stamp, s."""
    looked: Float[Array, "*batch"]
    """In truth, s."""
    looked_from: Float[Array, "*batch 3"]
    half_blind: Bool[Array, "*batch"]


@pytree
class Robot:
    """What the robot carries from tick to tick."""

    gate: GateState
    plan: Plan
    next_plan: Plan
    plan_age: Float[Array, "*batch"]
    plan_spoiled: Bool[Array, "*batch"]
    next_spoiled: Bool[Array, "*batch"]
    sent: Float[Array, "*batch C 2"]
    tracks: Tracks
    near_map: LocalMap
    clearance: Clearance
    """Distances in ``near_map``."""
    held: Held
    driver: Driver


@pytree
class Tally:
    """Sums over an episode."""

    kinds: Int[Array, "*batch N"]
    """Contacts of the moving robot by ``envelope.Kind``."""
    first: Float[Array, "*batch"]
    """Time of the first at-fault one, inf for none, s."""
    first_body: Int[Array, "*batch"]
    """With whom: the people, then the things."""
    driven: Float[Array, "*batch"]
    """m"""
    wanting: Int[Array, "*batch"]
    """Ticks in which the plan moved, …"""
    slowed: Int[Array, "*batch"]
    """… those slowed because of things or people, …"""
    blind: Int[Array, "*batch"]
    """… because the sensor does not look there, …"""
    stopped: Int[Array, "*batch"]
    """… and those without any motion."""
    rest: Int[Array, "*batch"]
    """Ticks since the robot last moved, …"""
    frozen: Int[Array, "*batch"]
    """… and all ticks in rests of more than 10 s."""


@pytree
class State:
    """The true world and the robot in it."""

    tick: Int[Array, "*batch"]
    pose: Float[Array, "*batch 3"]
    belief: Believed
    twist: Float[Array, "*batch 2"]
    gain: Float[Array, "*batch 2"]
    """True over commanded twist."""
    people: People
    drops: Boxes
    contacts: ContactState
    robot: Robot
    past_pose: Float[Array, "*batch C 3"]
    """Oldest first, the last one now."""
    past_belief: Float[Array, "*batch C 3"]
    past_twist: Float[Array, "*batch C 2"]
    past_people: Float[Array, "*batch C M 2"]
    past_there: Bool[Array, "*batch C M"]
    notice: Notice
    oath: Oath
    tally: Tally
    key: Array


@pytree
class Tick:
    """One line of a replay."""

    time: Float[Array, "*batch"]
    pose: Float[Array, "*batch 3"]
    belief: Float[Array, "*batch 3"]
    twist: Float[Array, "*batch 2"]
    wished: Float[Array, "*batch 2"]
    command: Float[Array, "*batch 2"]
    mode: Int[Array, "*batch"]
    reason: Int[Array, "*batch"]
    ceiling: Float[Array, "*batch"]
    scan_age: Float[Array, "*batch"]
    faults: Bool[Array, "*batch F"]
    gaps: Float[Array, "*batch P"]
    """People's, then things' (these along the separating axis), m."""
    xy: Float[Array, "*batch P 2"]
    velocity: Float[Array, "*batch M 2"]
    seen: Bool[Array, "*batch P"]
    fair: Bool[Array, "*batch P"]
    tracks_xy: Float[Array, "*batch S 2"]
    tracks_velocity: Float[Array, "*batch S 2"]
    tracks_valid: Bool[Array, "*batch S"]
    struck: Int[Array, "*batch P"]
    """A ``Kind`` of contact in this tick, −1 for none."""
    broken: Int[Array, "*batch 3"]
