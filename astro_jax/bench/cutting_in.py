"""How often the robot steps into somebody's way just before them.                    [host]

Their way is a strip: from where they are in the direction in which they walk, ``AHEAD`` long
beyond their body, as wide as they and the robot are together.  The robot cuts in when its centre
comes into the strip over one of the long sides by its own motion: with the robot where it was a
sample before, this same strip would not have had it.  Who walks up behind a robot, turns to face
one or is met head-on is not cut in on.

The referee of contacts has a stricter word of the same name (``sim/contact.py``: less than a
second from a touch); this one is about manners.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

AHEAD = 1.0
"""From somebody's body to the middle of the robot, m."""
WALKS = 0.3
"""Whoever is slower than this has no way that could be cut into, m/s."""
AGAIN = 1.0
"""Outside for so long, the next time is another one, s."""


def cut_ins(
    pose: Float[np.ndarray, "N 3"],
    people: Float[np.ndarray, "N M 2"],
    radius: Float[np.ndarray, "M"],
    half_width: float,
    period: float,
) -> Int[np.ndarray, "M"]:
    """How often each of them was cut in on.

    Args:
      pose: of the robot, every ``period`` seconds, m and rad.
      people: their centres at the same moments, m.
      radius: of their bodies, m.
      half_width: of the robot, m.
      period: s.
    """
    entered = entering(pose, people, radius, half_width, period)
    apart = max(round(AGAIN / period), 1)
    counts = np.zeros(people.shape[1], int)
    for k, own in enumerate(entered.T):
        moments = np.flatnonzero(own)
        counts[k] = np.count_nonzero(np.diff(moments, prepend=-np.inf) > apart)
    return counts


def entering(
    pose: Float[np.ndarray, "N 3"],
    people: Float[np.ndarray, "N M 2"],
    radius: Float[np.ndarray, "M"],
    half_width: float,
    period: float,
) -> Bool[np.ndarray, "N M"]:
    """At which samples the robot comes into whose way by its own motion."""
    step = np.diff(people, axis=0, prepend=people[:1])
    speed = np.hypot(*np.moveaxis(step, -1, 0)) / period
    walks = speed > WALKS
    heading = step / np.where(walks, period * speed, 1.0)[..., None]
    along, aside = _on_strip(heading, pose[:, None, :2] - people)
    before = np.concatenate([pose[:1, :2], pose[:-1, :2]])
    _, aside_before = _on_strip(heading, before[:, None] - people)
    half = radius + half_width
    within = (along > 0.0) & (along < radius + AHEAD) & (np.abs(aside) < half)
    return walks & within & (np.abs(aside_before) >= half)


def _on_strip(heading: Float[np.ndarray, "N M 2"], off: Float[np.ndarray, "N M 2"]):
    along = np.sum(heading * off, axis=-1)
    return along, heading[..., 0] * off[..., 1] - heading[..., 1] * off[..., 0]
