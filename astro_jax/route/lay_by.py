"""After you: where a robot that stands face to face with somebody lets them pass.        [host]

In a passage that is too narrow for two, both would wait for ever.  The robot goes back to where
there is room for both, and comes again.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from astro_jax.errors import InputError
from astro_jax.route.house import Numbers
from astro_jax.route.planner import BODY, Route, redirect, taken
from astro_jax.route.speed import circumscribed_radius, wall_distance

FACE_TO_FACE = 1.5
"""From the robot to somebody who holds it up, m."""
ASIDE = 1.2
"""How far from where they stand it waits at least, m."""
BETWEEN = 0.1
"""What is left between the two, and at their other sides, m."""


def lay_by(route: Route, pose_map: Numbers, bodies: Float[np.ndarray, "n 2"]) -> Route | None:
    """The way to the nearest place where ``bodies`` (house, m) can pass the robot.

    None if none of them is near, or there is no such place that can be reached without passing
    them.
    """
    place = np.asarray(pose_map, np.float64)[:2]
    near = np.hypot(*(bodies - place).T) <= FACE_TO_FACE
    if not near.any():
        return None
    house = route.house_map
    cells = taken(route, pose_map, np.empty((0, 2)), bodies[near])
    blocked = route.closed | route.seen_blocked
    # two discs side by side, and three gaps: from wall to wall that is twice as much
    needed = BODY + circumscribed_radius(route.robot) + 1.5 * BETWEEN
    room = wall_distance(blocked, house.resolution) >= needed
    xy = house.xy_of(np.indices(blocked.shape))
    for body in bodies[near]:
        room &= np.hypot(*np.moveaxis(xy - body, -1, 0)) >= ASIDE
    if not room.any():
        return None
    try:
        aside = redirect(dataclasses.replace(route, avoided=cells), pose_map, room)
    except InputError:
        return None
    return None if aside.failure else aside
