"""Who touched whom, and whose fault it was: the referee of the 2-D simulator.

In: the true pose and twist of one robot, the true people and the true occupancy grid, one
physics step (≤ 5 ms) at a time.  Out: gaps in metres, and a carried ``ContactState`` that
counts contacts and judges them.  The geometry is in ``sim/gaps.py``.

**The judgement.**  v_p is the largest speed of a footprint point.

* K1  the body stood still for at least 1 s (walls always): at fault if v_p > .05 m/s.
* K2  the body moves and the robot is not at rest: at fault unless *excused*, that is, unless
  the robot's contact point does not approach the body (closing speed ≤ 0) and the robot did
  not cut in.
* K3  the robot is at rest (v_p ≤ .05 m/s for at least .2 s): passive and not at fault, except
  when it cut in.

**Cut in**, as read here: within the last 2 s there was a step in which the robot, by its own
motion (v_p > .05 m/s), entered the path on which the person would be with the present
velocity, and the person was less than 1 s away from touching it there.  "By its own motion"
is a counterfactual: with the robot at its previous pose this same path would have missed it
altogether, at its present pose it does not.  So neither a person who turns towards the robot
nor one who catches up with a robot already in the way makes a cut-in; nor does driving head-on
at someone, which K2 judges.  Leaving the path again does not undo it before the 2 s are over.

**An event** begins when a body is touched that was not touched for .3 s.  It is judged at that
instant.  If it began with v_p ≤ .05 m/s it is judged once more should the robot then press on
(v_p > .05 m/s with a closing contact point): leaning on a robot is no licence to push back,
while backing off is no violation.  All walls together count as one body; where they are
touched is not known, so every motion along them presses.  A body that overlaps the robot when
it first appears makes the episode void and is not counted.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.sim.gaps import (
    at_contact_point,
    footprint_speed,
    person_gap,
    time_to_collision,
)
from astro_jax.types import Scalar, pytree

MOVING = 0.05
"""Speed above which a footprint or a person moves, m/s."""
REST_TIME = 0.2
STILL_TIME = 1.0
CUT_IN_MEMORY = 2.0
CUT_IN_TTC = 1.0
SEPARATION_TIME = 0.3
"""Apart for this long, the next touch is a new event, s."""
GRAZE = 1e-4
"""Overlap of a path and the robot that rounding might make or unmake, m."""


@pytree
class ContactState:
    """What the referee remembers and has counted.  ``B`` is the people, then the walls."""

    # memory; stamps are in the episode's seconds, −inf for never
    pose: Float[Array, "*batch 3"]
    """Of the step before."""
    present: Bool[Array, "*batch B"]
    """In the step before: whoever was not is new, and without a past."""
    moved_at: Float[Array, "*batch"]
    walked_at: Float[Array, "*batch M"]
    cut_in_at: Float[Array, "*batch M"]
    touched_at: Float[Array, "*batch B"]
    violated: Bool[Array, "*batch B"]
    """The present event is a passive violation (and counted as one)."""
    faulted: Bool[Array, "*batch B"]
    """The present event is the robot's fault (and counted as such)."""

    # result
    contacts: Int[Array, "*batch"]
    """Events of every kind."""
    wall_contacts: Int[Array, "*batch"]
    """Those among them with walls."""
    at_fault: Int[Array, "*batch"]
    passive_violations: Int[Array, "*batch"]
    """Events with v_p > .05 m/s at the touch, or pressing on later."""
    contact_speed: Float[Array, "*batch"]
    """Largest: of the contact point relative to the person, v_p for walls, m/s."""
    first_contact_at: Float[Array, "*batch"]
    """+inf when there was none, s."""
    min_ttc: Float[Array, "*batch"]
    """Least time to collision with a person, both going straight on, s."""
    min_gap_people: Float[Array, "*batch"]
    """Signed, see ``person_gap``; +inf when nobody was there, m."""
    min_gap_walls: Float[Array, "*batch"]
    """Saturated, see ``wall_gap``, m."""
    void: Bool[Array, "*batch"]
    """Something overlapped the robot when it appeared: the episode says nothing."""


def no_contacts(people: int) -> ContactState:
    """The state before the first step, for a capacity of ``people``."""

    def stamps(*shape: int) -> Array:
        return jnp.full(shape, -jnp.inf, jnp.float32)

    def flags(*shape: int) -> Array:
        return jnp.zeros(shape, bool)

    none, never = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, jnp.float32)
    return ContactState(
        pose=jnp.zeros(3, jnp.float32),
        present=flags(people + 1),
        moved_at=stamps(),
        walked_at=stamps(people),
        cut_in_at=stamps(people),
        touched_at=stamps(people + 1),
        violated=flags(people + 1),
        faulted=flags(people + 1),
        contacts=none,
        wall_contacts=none,
        at_fault=none,
        passive_violations=none,
        contact_speed=jnp.zeros((), jnp.float32),
        first_contact_at=never,
        min_ttc=never,
        min_gap_people=never,
        min_gap_walls=never,
        void=flags(),
    )


def update_contacts(
    state: ContactState,
    time: Float[Array, ""],
    pose: Float[Array, "3"],
    twist: Float[Array, "2"],
    *,
    length: Scalar,
    width: Scalar,
    xy: Float[Array, "M 2"],
    velocity: Float[Array, "M 2"],
    radius: Float[Array, "M"],
    valid: Bool[Array, "M"],
    wall: Float[Array, ""],
    excused: Bool[Array, "M"] | None = None,
) -> ContactState:
    """Look at one physics step: call it every 5 ms or more often, first at the start pose.

    Args:
      state: from the step before.
      time: since the episode's start, s.
      pose: true pose of the robot, map.
      twist: true forward speed and yaw rate.
      length: of the footprint along the heading, m.
      width: across, m.
      xy: true positions of people, map.  A slot is one person while it stays valid; to give
        it to another, or to let one jump, let it be invalid for a step.
      velocity: of people, map, m/s.
      radius: of people, m.
      valid: which slots are people.
      wall: ``wall_gap``; or, to save time, 0 where ``touches_wall`` and +inf elsewhere.
      excused: people whose contact K2 excuses on the other ground, that they broke their
        declared envelope while the robot did all it could.  Only a scene that declares
        envelopes can tell; nobody by default.

    Returns:
      The next state.  A gap that is not a number counts as contact.
    """
    present = jnp.append(valid, True)
    fresh = present & ~state.present
    person_fresh = fresh[:-1]
    fastest = footprint_speed(twist, length, width)
    moving = fastest > MOVING
    moved_at = jnp.where(moving, time, state.moved_at)
    walking = jnp.linalg.norm(velocity, axis=-1) > MOVING
    walked_at = jnp.where(walking, time, jnp.where(person_fresh, -jnp.inf, state.walked_at))

    gaps = person_gap(pose, length, width, xy, radius, valid)
    touching = present & ~(jnp.append(gaps, wall) > 0.0)
    closing, impact = at_contact_point(pose, twist, length, width, xy, velocity)
    # Where a wall is touched is not known: the fastest point stands for the contact point.
    closing, impact = jnp.append(closing, fastest), jnp.append(impact, fastest)

    ttc = jax.vmap(
        lambda at, velocity, radius: time_to_collision(
            at, length, width, xy, velocity, radius, valid
        )
    )
    drive = twist[0] * jnp.stack([jnp.cos(pose[2]), jnp.sin(pose[2])])
    # A path that slides along an edge meets it at the near or the far corner, by rounding: a
    # hair less counts as missed, so that the step that makes the touch definite is the entry.
    before, now, both = ttc(
        jnp.stack([state.pose, pose, pose]),
        jnp.stack([velocity, velocity, velocity - drive[None, :]]),
        jnp.stack([radius - GRAZE, radius, radius]),
    )
    entered = moving & walking & ~person_fresh & jnp.isinf(before) & (now < CUT_IN_TTC)
    cut_in_at = jnp.where(entered, time, jnp.where(person_fresh, -jnp.inf, state.cut_in_at))

    resting = time - moved_at >= REST_TIME
    still = jnp.append(time - walked_at >= STILL_TIME, True)
    cut_in = jnp.append(time - cut_in_at <= CUT_IN_MEMORY, False)
    forgiven = jnp.zeros_like(valid) if excused is None else excused
    k1 = moving
    k2 = ~(((closing <= 0.0) & ~cut_in) | jnp.append(forgiven, False))
    k3 = cut_in
    fault = jnp.where(resting, k3, jnp.where(still, k1, k2))

    spawned = touching & fresh
    touched_before = jnp.where(fresh, -jnp.inf, state.touched_at)
    onset = touching & ~fresh & (time - touched_before >= SEPARATION_TIME)
    violated, faulted = state.violated & ~onset, state.faulted & ~onset
    pressing = touching & ~onset & ~fresh & ~violated & moving & (closing > 0.0)
    new_violation = (onset & moving) | pressing
    new_fault = ((onset & fault) | pressing) & ~faulted
    struck = onset | pressing

    def count(events: Array) -> Array:
        return jnp.sum(events, dtype=jnp.int32)

    return ContactState(
        pose=pose,
        present=present,
        moved_at=moved_at,
        walked_at=walked_at,
        cut_in_at=cut_in_at,
        touched_at=jnp.where(touching, time, touched_before),
        violated=violated | new_violation | spawned,  # nor is pressing on counted then
        faulted=faulted | new_fault,
        contacts=state.contacts + count(onset),
        wall_contacts=state.wall_contacts + onset[-1].astype(jnp.int32),
        at_fault=state.at_fault + count(new_fault),
        passive_violations=state.passive_violations + count(new_violation),
        contact_speed=jnp.maximum(state.contact_speed, jnp.max(jnp.where(struck, impact, 0.0))),
        first_contact_at=jnp.where(
            jnp.any(onset), jnp.minimum(state.first_contact_at, time), state.first_contact_at
        ),
        min_ttc=jnp.minimum(state.min_ttc, jnp.min(both, initial=jnp.inf)),
        min_gap_people=jnp.minimum(state.min_gap_people, jnp.min(gaps, initial=jnp.inf)),
        min_gap_walls=jnp.minimum(state.min_gap_walls, wall),
        void=state.void | jnp.any(spawned),
    )
