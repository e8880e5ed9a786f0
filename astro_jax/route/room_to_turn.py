"""Out again and round: where a robot that is wedged in between things finds room to turn.  [host]

The cost-to-go knows places, not headings.  In a gap narrower than its own diagonal a robot that
came in askew can neither go on nor turn, and every plan of 3 s that leads out first ends farther
from the goal than it began: it would rest there for good.
"""

import math

import numpy as np

from astro_jax.errors import InputError
from astro_jax.route.house import Numbers
from astro_jax.route.planner import Route, redirect
from astro_jax.route.query import around
from astro_jax.route.speed import circumscribed_radius, wall_distance

BESIDE = 0.05
"""What is left around the circle in which the robot turns, m."""
BACK = 0.2
"""By how much such a place is farther from the goal at least, s: others lie behind the gap."""


def has_room(route: Route, pose_map: Numbers) -> bool:
    """Whether the robot can turn where it stands."""
    row, column, _ = route.house_map.cell_of(np.asarray(pose_map)[:2])
    reach = circumscribed_radius(route.robot) / route.house_map.resolution + 0.5
    window = around(route.closed.shape, int(row), int(column), reach)
    rows, columns = np.ogrid[window]
    blocked = route.closed[window] | route.seen_blocked[window]
    return not np.any(blocked & (np.hypot(rows - row, columns - column) < reach))


def room_to_turn(route: Route, pose_map: Numbers) -> Route | None:
    """The way back to the nearest place with room to turn, to be left in the route's direction.

    None if there is no such place that can be reached.
    """
    to_go, *slope = np.moveaxis(np.asarray(route.field.cost_to_go.table), -1, 0)
    blocked = route.closed | route.seen_blocked
    distance = wall_distance(blocked, route.house_map.resolution)
    room = distance >= circumscribed_radius(route.robot) + BESIDE
    room &= to_go > route.to_go(pose_map) + BACK
    if not room.any():
        return None
    try:
        back = redirect(route, pose_map, room)
        if back.failure:
            return None
        # a pose, which a look on the way there leaves as it is
        x, y, _ = back.goal_map
        row, column, _ = route.house_map.cell_of(np.array([x, y]))
        yaw = math.atan2(-slope[1][row, column], -slope[0][row, column])
        back = redirect(route, pose_map, (x, y, yaw))
    except InputError:
        return None
    return None if back.failure else back
