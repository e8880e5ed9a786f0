"""Tracks of people: one constant-velocity Kalman filter per slot, from birth to death.

The perception below delivers noisy positions in any order, some of them of nobody, some
missing, with or without an identity.  This file turns them into positions *and* velocities
with covariance.  Somebody counts from the first detection on, and somebody who has gone out
of sight is kept for a while, ever less certain: the longer the more often they were seen.

The axes are independent and share one covariance [[a, b], [b, c]] per slot; the tracks of a
detector that measures bearing better than range are therefore less certain than they could
be, because its larger variance counts for both axes.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from astro_jax.geometry import safe_norm
from astro_jax.types import Detections, Kind, Scalar, Tracks
from astro_jax.world.association import NOBODY, associate, association_cost
from astro_jax.world.detections import RADIUS, sound

DETECTION_VAR = 0.05**2
"""Noise of one detection of a usual detector, per axis, m²."""

# Per ``Kind``: person, child, pet, robot, unknown.  Persons' are fitted (see ``forecast``);
# the others are set by judgement: more agile ones settle less.
DIFFUSION = np.array([0.08, 0.16, 0.30, 0.04, 0.30], np.float32)
"""Velocity diffusion of the filter, m²/s³; with 5 cm of detection noise at 10 Hz the
velocity of a person settles at ± .15 m/s per axis.  (.4 followed turns sooner, at ± .27 m/s:
the planner then saw people jitter and braked for phantoms.)"""
FIRST_VELOCITY_VAR = np.array([0.6, 0.8, 1.0, 0.4, 1.0], np.float32) ** 2
"""Somebody just seen may go any way (m²/s²)."""
TOP_SPEED = np.array([3.0, 3.0, 4.0, 2.0, 4.0], np.float32)
"""A faster estimate is cut down to this, m/s, and the excess becomes uncertainty."""

CREDIT = 0.45
"""Seconds that each detection adds to the time for which a track lives on unseen."""
PERSISTENCE = 1.6
"""The most that it gains so, s: somebody seen three times in a row outlives 1 s of occlusion,
something seen once is gone after .5 s."""
LOST_VAR = 1.0
"""An unseen track that may be anywhere within ± 1 m is given up, m²."""
TWIN_DISTANCE, TWIN_SPEED = 0.25, 0.5
"""Nearer to one another (m, m/s) than any two people: two reports of the same one."""
DISPLACEMENT = 0.5
"""When all slots are taken, a new person must be nearer to the robot by this than the
farthest known one, m; it keeps two at the same distance from displacing each other."""
BODY = 0.12
"""No robot is narrower to either side of its centre, m."""
SAME_FRAME = 1e-3
"""No detector is faster than this, s."""
LONGEST_STEP = 2.0
"""Seconds; after a longer pause nothing unseen is left anyway."""


def no_tracks(count: int) -> Tracks:
    """All slots empty."""
    return Tracks(
        xy_map=jnp.zeros((count, 2)),
        velocity_map=jnp.zeros((count, 2)),
        xy_var=jnp.ones(count),
        xy_velocity_cov=jnp.zeros(count),
        velocity_var=jnp.ones(count),
        radius=jnp.full(count, RADIUS[Kind.PERSON], jnp.float32),
        kind=jnp.zeros(count, jnp.int32),
        identity=jnp.full(count, NOBODY, jnp.int32),
        credit=jnp.zeros(count),
        valid=jnp.zeros(count, bool),
        age=jnp.float32(0.0),
    )


def follow(
    tracks: Tracks,
    detections: Detections,
    robot_xy_map: Float[Array, "2"],
    elapsed: Scalar,
    looked_at: Bool[Array, "M"] | None = None,
) -> Tracks:
    """Tracks ``elapsed`` seconds later, with the newest frame that the detector delivered.

    Who is not ``looked_at`` (world/sight.py) loses no credit by not being seen: they are
    forgotten only when they may be anywhere.  By default everybody is looked at.

    What counts is the time between the moments at which frames were true.  A frame that has
    only aged is the last one again, and an older one has been overtaken: the tracks stay
    where they are in time and grow old.
    """
    before, age = tracks.age + elapsed, jnp.asarray(detections.age)
    # where nobody is known there is no moment to keep
    late = ~(age < before) & (jnp.any(tracks.valid) | ~jnp.isfinite(age))
    age = jnp.where(late, before, age)
    if looked_at is not None:
        spent = jnp.clip(before - age, 0.0, LONGEST_STEP)
        credit = tracks.credit + jnp.where(looked_at, 0.0, spent)
        tracks = dataclasses.replace(tracks, credit=jnp.minimum(credit, PERSISTENCE + spent))
    tracks = update_tracks(tracks, detections, robot_xy_map, before - age)
    return dataclasses.replace(tracks, age=age)


def update_tracks(
    tracks: Tracks,
    detections: Detections,
    robot_xy_map: Float[Array, "2"],
    dt: Scalar,
) -> Tracks:
    """The tracks at the time of ``detections``, ``dt`` seconds after they were last true.

    ``dt`` up to ``SAME_FRAME``, negative or NaN: the same frame again.  Nothing moves and
    nothing is counted twice; only who has no track yet gets one.  A track keeps its slot for
    as long as it lives.
    """
    dt = jnp.where(dt > SAME_FRAME, jnp.minimum(dt, LONGEST_STEP), 0.0)
    detections, seen_var = sound(detections, robot_xy_map)
    tracks = _predicted(tracks, dt)
    cost = association_cost(
        tracks.xy_map,
        tracks.xy_var,
        tracks.identity,
        tracks.valid,
        detections.xy_map,
        seen_var,
        detections.identity,
        detections.seen,
    )
    owned = associate(cost)
    found = owned != NOBODY
    tracks = _corrected(tracks, detections, seen_var, owned, found & (dt > 0.0))
    tracks = dataclasses.replace(tracks, valid=_alive(tracks, found))
    tracks = _stopped(tracks, found, robot_xy_map)
    born = _births(tracks, detections, owned, robot_xy_map)
    tracks = _select(born != NOBODY, _fresh(detections, seen_var, born), tracks)
    # nothing grows without bound in a slot that nobody reads
    blank = dataclasses.replace(no_tracks(tracks.valid.shape[0]), age=tracks.age)
    return _select(tracks.valid, tracks, blank)


def _predicted(tracks: Tracks, dt: Float[Array, ""]) -> Tracks:
    q = jnp.asarray(DIFFUSION)[tracks.kind]
    a, b, c = tracks.xy_var, tracks.xy_velocity_cov, tracks.velocity_var
    return dataclasses.replace(
        tracks,
        xy_map=tracks.xy_map + dt * tracks.velocity_map,
        xy_var=a + 2 * dt * b + dt**2 * c + q * dt**3 / 3,
        xy_velocity_cov=b + dt * c + q * dt**2 / 2,
        velocity_var=c + q * dt,
        credit=tracks.credit - dt,
    )


def _corrected(
    tracks: Tracks,
    detections: Detections,
    seen_var: Float[Array, "D"],
    owned: Int[Array, "M"],
    new: Bool[Array, "M"],
) -> Tracks:
    """Kalman's correction of the tracks in ``new`` by the detections that they own."""
    a, b, c = tracks.xy_var, tracks.xy_velocity_cov, tracks.velocity_var
    gain = jnp.where(new, 1.0 / (a + seen_var[owned]), 0.0)
    innovation = detections.xy_map[owned] - tracks.xy_map
    velocity = tracks.velocity_map + (gain * b)[:, None] * innovation
    speed = safe_norm(velocity)
    top = jnp.asarray(TOP_SPEED)[tracks.kind]
    told = new & (detections.identity[owned] >= 0)
    return dataclasses.replace(
        tracks,
        xy_map=tracks.xy_map + (gain * a)[:, None] * innovation,
        velocity_map=velocity * jnp.minimum(1.0, top / speed)[:, None],
        xy_var=a - gain * a * a,
        xy_velocity_cov=b - gain * a * b,
        velocity_var=c - gain * b * b + jnp.maximum(speed - top, 0.0) ** 2,
        radius=jnp.where(new, detections.radius[owned], tracks.radius),
        kind=jnp.where(new, detections.kind[owned], tracks.kind),
        identity=jnp.where(told, detections.identity[owned], tracks.identity),
        credit=jnp.where(new, jnp.clip(tracks.credit + CREDIT, CREDIT, PERSISTENCE), tracks.credit),
    )


def _alive(tracks: Tracks, found: Bool[Array, "M"]) -> Bool[Array, "M"]:
    """Which tracks live on: those found, and unseen ones that have credit and no twin."""
    near = _distance(tracks.xy_map, tracks.xy_map) < TWIN_DISTANCE
    alike = _distance(tracks.velocity_map, tracks.velocity_map) < TWIN_SPEED
    twin = jnp.any(near & alike & found[None, :], axis=1)
    unseen = (tracks.credit > 0.0) & (tracks.xy_var < LOST_VAR) & ~twin
    return tracks.valid & (found | unseen)


def _stopped(tracks: Tracks, found: Bool[Array, "M"], robot_xy_map: Float[Array, "2"]) -> Tracks:
    """Nobody walks through the robot: who is not seen to is stopped in front of it."""
    offset = tracks.xy_map - robot_xy_map[None]
    distance, least = safe_norm(offset), tracks.radius + BODY
    inside = ~found & (distance < least)
    outside = robot_xy_map[None] + (least / distance)[:, None] * offset
    return dataclasses.replace(
        tracks,
        xy_map=jnp.where(inside[:, None], outside, tracks.xy_map),
        velocity_map=jnp.where(inside[:, None], 0.0, tracks.velocity_map),
    )


def _births(
    tracks: Tracks,
    detections: Detections,
    owned: Int[Array, "M"],
    robot_xy_map: Float[Array, "2"],
) -> Int[Array, "M"]:
    """For each slot the detection that starts a new track in it, or ``NOBODY``.

    The nearest to the robot first, into an empty slot or that of the farthest track.  A
    detection beside one that has a track already is a second report of the same person.
    """
    found = owned != NOBODY
    here = jnp.where(jnp.isfinite(robot_xy_map), robot_xy_map, 0.0)[None]
    seen_range = _distance(detections.xy_map, here)[:, 0]
    slot_range = jnp.where(tracks.valid, _distance(tracks.xy_map, here)[:, 0], jnp.inf)
    slots = jnp.arange(slot_range.shape[0])
    reported = _distance(detections.xy_map[owned], detections.xy_map) < TWIN_DISTANCE
    waiting = detections.seen & ~jnp.any(found[:, None] & reported, axis=0)

    def place(_, carry):
        waiting, slot_range, born = carry
        new = jnp.argmin(jnp.where(waiting, seen_range, jnp.inf)).astype(jnp.int32)
        slot = jnp.argmax(slot_range)
        fits = waiting[new] & (seen_range[new] + DISPLACEMENT < slot_range[slot])
        mine = fits & (slots == slot)
        beside = safe_norm(detections.xy_map - detections.xy_map[new][None]) < TWIN_DISTANCE
        waiting = waiting & ~(fits & beside)
        return waiting, jnp.where(mine, 0.0, slot_range), jnp.where(mine, new, born)

    nobody = jnp.full(slot_range.shape[0], NOBODY, jnp.int32)
    places = min(slot_range.shape[0], seen_range.shape[0])
    return jax.lax.fori_loop(0, places, place, (waiting, slot_range, nobody))[2]


def _fresh(detections: Detections, seen_var: Float[Array, "D"], born: Int[Array, "M"]) -> Tracks:
    blank = no_tracks(born.shape[0])
    kind = detections.kind[born]
    return dataclasses.replace(
        blank,
        xy_map=detections.xy_map[born],
        xy_var=seen_var[born],
        velocity_var=jnp.asarray(FIRST_VELOCITY_VAR)[kind],
        radius=detections.radius[born],
        kind=kind,
        identity=detections.identity[born],
        credit=jnp.full_like(blank.credit, CREDIT),
        valid=jnp.ones_like(blank.valid),
    )


def _select(which: Bool[Array, "M"], chosen: Tracks, other: Tracks) -> Tracks:
    """Slot by slot; the age, which all slots share, is the other's."""

    def slotwise(new, old):
        return jnp.where(which.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    chosen = dataclasses.replace(chosen, age=other.age)
    return jax.tree.map(lambda new, old: slotwise(new, old) if new.ndim else old, chosen, other)


def _distance(here: Float[Array, "n 2"], there: Float[Array, "k 2"]) -> Float[Array, "n k"]:
    return safe_norm(here[:, None] - there[None])
