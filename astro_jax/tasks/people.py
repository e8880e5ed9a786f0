"""Who is who for longer than a track lives.                                          [host]

The tracker gives somebody a slot for as long as they are tracked; whoever was out of sight for
too long comes back in another one, and their old slot may be somebody else's by then.  Here a
person is kept by where they must be: whatever is in their slot far from there is not them, and
whoever appears near there after a loss is them again, unless they were seen beside them before.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from astro_jax.errors import InputError
from astro_jax.tasks.frames import in_house, turned_into_house
from astro_jax.tasks.nouns import Belief, Person, Setting

NEAR = 1.0
"""Whoever is meant by a place is within this of it, m."""
STEP = 0.7
"""Between two looks nobody's track is off by more than this and ``RUSH`` times the time, m."""
RUSH = 1.5
"""m/s."""
SPREAD = 0.6
"""How fast the place where a lost person may be grows, m/s, …"""
FARTHEST = 4.0
"""… up to this, m."""
SEEN_VAR = 0.15**2
"""A track whose position is less sure than this has not been seen for a while, m²."""
COASTS = 1.5
"""Whoever is out of sight is taken to have walked on for so long, s."""
REMEMBERED = 6.0
"""So long somebody else is remembered who is not tracked any more, s."""
CLEARLY = 0.6
"""Of two who may be the one, one must be nearer by this factor …"""
AT_ONCE = 2.0
"""… for so long; then the nearer one it is, s."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Other:
    """Somebody else, as last tracked."""

    slot: int
    """−1: not tracked any more."""
    xy: Float[np.ndarray, "2"]
    """In the house, m."""
    velocity: Float[np.ndarray, "2"]
    time: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Somebody, as last seen."""

    slot: int
    """In the tracks; −1: not tracked at the moment."""
    identity: int
    """The detector's name for them, −1: none."""
    xy: Float[np.ndarray, "2"]
    """In the house, m; of the moment ``time``."""
    velocity: Float[np.ndarray, "2"]
    time: float
    """When that was true, s."""
    seen_at: float
    """When they were last really seen, s: a track lives on for a while without."""
    others: tuple[Other, ...]
    """People who are not them."""

    def in_sight(self, now: float) -> bool:
        """Whether they were seen just now."""
        return self.slot >= 0 and now - self.seen_at < 0.6


def check_person(setting: Setting, person: Person) -> None:
    """Refuse who cannot be meant at all.

    Raises:
      InputError: not exactly one way to say who, or one that makes no sense.
    """
    said = [v for v in (person.identity, person.slot, person.near) if v is not None]
    if len(said) != 1:
        raise InputError("person", person, "exactly one of identity, slot and near")
    if person.identity is not None and person.identity < 0:
        raise InputError("person.identity", person.identity, "a number from 0")
    if person.slot is not None and not 0 <= person.slot < setting.people:
        raise InputError("person.slot", person.slot, f"a number from 0 to {setting.people - 1}")
    if person.near is not None:
        near = np.asarray(person.near, np.float64)
        if near.shape != (2,) or not np.all(np.isfinite(near)):
            raise InputError("person.near", person.near, "two finite numbers: x, y")


def find(person: Person, belief: Belief) -> Known | None:
    """Who is meant, if they are tracked now."""
    tracks = belief.tracks
    valid = np.asarray(tracks.valid)
    if person.slot is not None:
        return _known(belief, person.slot) if valid[person.slot] else None
    if person.identity is not None:
        same = np.flatnonzero(valid & (np.asarray(tracks.identity) == person.identity))
        return _known(belief, int(same[0])) if len(same) else None
    assert person.near is not None
    away = np.hypot(*(_places(belief) - np.asarray(person.near)).T)
    away = np.where(valid, away, np.inf)
    nearest = int(np.argmin(away))
    return _known(belief, nearest) if away[nearest] <= NEAR else None


def keep(known: Known, belief: Belief, expected: Float[np.ndarray, "2"]) -> Known:
    """The same person a step later; ``expected`` is where they must be by now (house, m)."""
    tracks = belief.tracks
    valid, identity = np.asarray(tracks.valid), np.asarray(tracks.identity)
    places = _places(belief)
    since = max(belief.time - float(tracks.age) - known.time, 0.0)
    if known.identity >= 0:
        same = np.flatnonzero(valid & (identity == known.identity))
        if len(same):
            return _known(belief, int(same[0]), known)
    off = np.hypot(*(places - expected).T)
    slot = known.slot
    if slot >= 0 and valid[slot] and off[slot] <= STEP + RUSH * since:
        return _known(belief, slot, known)
    named = (identity >= 0) & (known.identity >= 0)
    could = valid & ~named & (off <= min(STEP + SPREAD * since, FARTHEST))
    for k in np.flatnonzero(could):
        could[k] = off[k] / (STEP + SPREAD * since) < _as_other(known, belief, int(k))
    candidates = np.flatnonzero(could)
    order = candidates[np.argsort(off[candidates])]
    unclear = len(order) > 1 and since < AT_ONCE and off[order[0]] > CLEARLY * off[order[1]]
    if not len(order) or unclear:
        others = _others(belief, -1, known.others, known if slot >= 0 else None)
        return dataclasses.replace(known, slot=-1, others=others)
    return _known(belief, int(order[0]), known)


def _as_other(known: Known, belief: Belief, slot: int) -> float:
    """How far somebody is from where one of the others must be, in units of what that may be off.

    Whoever has been in their slot all along is that other: 0.
    """
    place, least = _places(belief)[slot], math.inf
    for other in known.others:
        if other.slot == slot:
            return 0.0
        since = max(belief.time - other.time, 0.0)
        walked = min(since, COASTS) * other.velocity
        off = float(np.hypot(*(place - other.xy - walked)))
        least = min(least, off / (STEP + SPREAD * since))
    return least


def _others(
    belief: Belief, slot: int, before: tuple[Other, ...], lost: Known | None = None
) -> tuple[Other, ...]:
    """Everybody but the one in ``slot``: those tracked now, and those tracked lately.

    A slot that the lost one has just left is nobody's yet.
    """
    valid = np.asarray(belief.tracks.valid)
    places, velocities = _places(belief), _velocities(belief)
    known_slots = {other.slot for other in before}
    found = []
    for k in np.flatnonzero(valid):
        fresh = lost is not None and int(k) == lost.slot
        new = slot < 0 and lost is None and int(k) not in known_slots
        if int(k) != slot and not fresh and not new:
            found.append(Other(slot=int(k), xy=places[k], velocity=velocities[k], time=belief.time))
    stale = [
        dataclasses.replace(other, slot=-1)
        for other in before
        if belief.time - other.time < REMEMBERED and (other.slot < 0 or not valid[other.slot])
    ]
    return (*found, *stale)


def _known(belief: Belief, slot: int, before: Known | None = None) -> Known:
    tracks = belief.tracks
    named = int(np.asarray(tracks.identity)[slot])
    true_at = belief.time - float(tracks.age)
    sure = float(np.asarray(tracks.xy_var)[slot]) < SEEN_VAR
    others = _others(belief, slot, () if before is None else before.others, before)
    return Known(
        slot=slot,
        identity=named if before is None or before.identity < 0 else before.identity,
        xy=_places(belief)[slot],
        velocity=_velocities(belief)[slot],
        time=true_at,
        seen_at=belief.time if sure or before is None else before.seen_at,
        others=others,
    )


def _places(belief: Belief) -> Float[np.ndarray, "M 2"]:
    return in_house(belief.house_from_map, np.asarray(belief.tracks.xy_map))


def _velocities(belief: Belief) -> Float[np.ndarray, "M 2"]:
    return turned_into_house(belief.house_from_map, np.asarray(belief.tracks.velocity_map))


def speed_of(known: Known) -> float:
    """m/s."""
    return math.hypot(*known.velocity)
