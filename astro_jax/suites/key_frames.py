"""Things that are moved along key frames, as the simulator Gazebo plays an animation.     [host]

Key frames (time, place) come in, places at any times go out.  Between frames i and i+1, at the
share s of the time between them, the place is the cubic Hermite curve with the tangents of the
uniform Catmull-Rom spline,

  m_i = ½ (p_{i+1} − p_{i−1}),   at the ends of an open curve ½ of its first and last chord,

so the times of the frames enter only through s.  Time runs in a loop; a curve that does not end
where it began jumps there.

Source: Catmull, Rom, "A class of local interpolating splines", 1974; Gazebo's ``PoseAnimation``
and Ignition Math's ``Spline``.
"""

import numpy as np
from jaxtyping import Float

from astro_jax.errors import InputError
from astro_jax.suites.floor import FAR

JUMP = 0.1
"""Farther than this between the end and the beginning is a jump, m."""


def check_frames(
    name: str,
    times: Float[np.ndarray, "n"],
    places: Float[np.ndarray, "n 2"],
    duration: float,
    where: str,
) -> None:
    """Refuse frames that cannot be played.

    Raises:
      InputError: fewer than two, times that do not rise from 0 to ``duration`` s, or places
        farther away than whatever is not there.
    """
    if len(times) < 2:
        raise InputError(name, f"{len(times)} key frames", "at least two", where)
    if times[0] != 0.0 or not np.all(np.diff(times) > 0.0) or abs(times[-1] - duration) > 1e-3:
        found = f"from {times[0]:g} to {times[-1]:g} s"
        expected = f"key times that rise from 0 to the duration ({duration:g} s)"
        raise InputError(name, found, expected, where)
    if np.abs(places).max() >= 0.1 * FAR:
        raise InputError(name, float(np.abs(places).max()), f"within {0.1 * FAR:g} m", where)


def places_at(
    key_times: Float[np.ndarray, "n"],
    key_places: Float[np.ndarray, "n 2"],
    duration: float,
    times: Float[np.ndarray, "T"],
) -> Float[np.ndarray, "T 2"]:
    """Where the thing is at ``times`` (s), in the loop of ``duration`` (s)."""
    p = np.asarray(key_places, np.float64)
    if np.array_equal(p[0], p[-1]):
        around = np.concatenate([p[-2:-1], p, p[1:2]])
        tangent = 0.5 * (around[2:] - around[:-2])
    else:
        tangent = 0.5 * np.diff(np.concatenate([p[:1], p, p[-1:]]), axis=0)
        tangent = tangent[1:] + tangent[:-1]
    now = np.mod(times, duration)
    i = np.clip(np.searchsorted(key_times, now, side="right") - 1, 0, len(p) - 2)
    s = ((now - key_times[i]) / (key_times[i + 1] - key_times[i]))[:, None]
    return (
        (2 * s**3 - 3 * s**2 + 1) * p[i]
        + (s**3 - 2 * s**2 + s) * tangent[i]
        + (3 * s**2 - 2 * s**3) * p[i + 1]
        + (s**3 - s**2) * tangent[i + 1]
    )


def replayed(
    key_times: Float[np.ndarray, "n"],
    key_places: Float[np.ndarray, "n 2"],
    duration: float,
    phase: float,
    times: Float[np.ndarray, "T"],
) -> Float[np.ndarray, "T 2"]:
    """Places at evenly spaced ``times`` (s) of a loop that began ``phase`` seconds before.

    Who joins them up must not sweep the floor where the loop jumps: there one place is ``FAR``.
    """
    at = np.asarray(times, np.float64) + phase
    places = places_at(key_times, key_places, duration, at)
    if np.hypot(*(key_places[-1] - key_places[0])) <= JUMP:
        return places
    turns = np.floor(at / duration)
    last = np.flatnonzero(np.diff(turns) > 0)  # the last place before each jump
    jump = turns[last + 1] * duration
    nearer = np.where(jump - at[last] < at[last + 1] - jump, last, last + 1)
    places[nearer] = FAR
    return places
