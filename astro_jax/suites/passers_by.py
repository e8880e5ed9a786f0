"""Recorded people around one of them, sharing a fixed number of bodies.                [host]

Everybody walks as recorded.  For ``BEYOND`` seconds before and after that they go straight on, as
they would into and out of the picture.  Whoever is gone leaves their body to another: in between,
it is far away for a sample or more.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from astro_jax.suites.eth_ucy import STEP, Scene
from astro_jax.suites.floor import FAR

BEYOND = 8.0
"""s"""
STEADY = 3
"""Steps over which the speed at either end is taken."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Visit:
    first: int
    """Sample of the episode."""
    path: Float[np.ndarray, "S 2"]
    nearest: float
    """To the way of the one who is not there, m."""


def passers_by(
    recording: Scene, who: int, samples: int, capacity: int
) -> tuple[Float[np.ndarray, "capacity samples 2"], int]:
    """Places of everybody but ``who`` from the moment ``who`` appears, and how many are left out.

    Of more than ``capacity`` at once those are left out who come least near to the way of ``who``.

    Args:
      recording: a place.
      who: index of a piece; whoever it is of is not there.
      samples: of the episode, ``STEP`` s apart.
      capacity: bodies; those without anybody are ``FAR`` away.
    """
    way, begin = recording.pieces[who], recording.begins[who]
    visits = []
    for k, path in enumerate(recording.pieces):
        if recording.persons[k] == recording.persons[who] or len(path) < 2:
            continue
        first, positions = _extended(path, recording.begins[k] - begin, samples)
        if len(positions):
            off = np.hypot(*np.moveaxis(positions[:, None] - way[None], -1, 0))
            visits.append(_Visit(first=first, path=positions, nearest=float(off.min())))
    visits.sort(key=lambda visit: visit.nearest)
    busy, kept = np.zeros(samples + 2, int), []
    for visit in visits:
        # a sample far away parts it from the next one
        taken = slice(visit.first, visit.first + len(visit.path) + 1)
        if busy[taken].max() < capacity:
            busy[taken] += 1
            kept.append(visit)
    kept.sort(key=lambda visit: visit.first)
    places = np.full((capacity, samples, 2), FAR)
    free_from = np.zeros(capacity, int)
    for visit in kept:
        body = int(np.argmin(free_from))
        last = visit.first + len(visit.path)
        places[body, visit.first : last] = visit.path
        free_from[body] = last + 1
    return places, len(visits) - len(kept)


def _extended(
    path: Float[np.ndarray, "S 2"], begin: float, samples: int
) -> tuple[int, Float[np.ndarray, "N 2"]]:
    """First sample of a visit that begins ``begin`` steps after the episode, and its places."""
    beyond = BEYOND / STEP
    first = max(0, int(np.ceil(begin - beyond)))
    last = min(samples - 1, int(np.floor(begin + len(path) - 1 + beyond)))
    steps = np.arange(first, last + 1) - begin
    inside = np.clip(steps, 0.0, len(path) - 1.0)
    known = np.arange(len(path))
    xy = np.stack([np.interp(inside, known, path[:, k]) for k in (0, 1)], axis=-1)
    few = min(STEADY, len(path) - 1)
    before, after = (path[few] - path[0]) / few, (path[-1] - path[-1 - few]) / few
    outside = (steps - inside)[:, None]
    return first, xy + np.minimum(outside, 0.0) * before + np.maximum(outside, 0.0) * after
