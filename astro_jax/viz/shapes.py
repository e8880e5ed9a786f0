"""Outlines in the map frame: what things look like from above.   [host]

Poses and places come in, vertices of polygons and polylines go out.
"""

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.types import RouteField

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 49)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)
CONE_LENGTH, CONE_HALF_ANGLE = 0.9, 0.40
"""Where the screen faces, drawn as a cone: m, rad."""
VIEW_LENGTH = 2.4
"""How far the camera's field of view is drawn, m."""


def placed(
    pose_map: npt.ArrayLike, outline: Float[np.ndarray, "v 2"]
) -> Float[np.ndarray, "*n v 2"]:
    """An outline in the frame of a body, for a body at each of the poses (..., 3)."""
    pose_map = np.asarray(pose_map)
    cos, sin = np.cos(pose_map[..., 2:]), np.sin(pose_map[..., 2:])
    x, y = outline[:, 0], outline[:, 1]
    turned = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    return pose_map[..., None, :2] + turned


def seen_from(
    pose: Float[np.ndarray, "3"], x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of points in the frame of ``pose``: the inverse of ``placed``."""
    dx, dy = x - pose[0], y - pose[1]
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return c * dx + s * dy, c * dy - s * dx


def rectangle(length: float, width: float) -> Float[np.ndarray, "5 2"]:
    """A closed rectangle around the origin."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    return 0.5 * corners * [length, width]


def footprint(robot: RobotConfig) -> Float[np.ndarray, "v 2"]:
    """The closed outline of the base: the polygon that was given, or its rectangle."""
    if not robot.footprint:
        return rectangle(robot.length, robot.width)
    corners = np.array(robot.footprint, float)
    return np.concatenate([corners, corners[:1]])


def heading_mark(robot: RobotConfig) -> Float[np.ndarray, "4 2"]:
    """A triangle inside the footprint that points ahead."""
    half = 0.34 * robot.width
    tip, tail = 0.40 * robot.length, 0.02 * robot.length
    return np.array([[tip, 0.0], [tail, half], [tail, -half], [tip, 0.0]])


def screen_bar(robot: RobotConfig, pose_map: npt.ArrayLike, pan: float) -> Float[np.ndarray, "2 2"]:
    """The screen where it is, a bar across the direction in which it faces."""
    half = 0.5 * robot.screen.width
    bar = np.array([[robot.screen.reach, -half], [robot.screen.reach, half]])
    return placed(_facing(robot, pose_map, pan), bar)


def screen_cone(
    robot: RobotConfig, pose_map: npt.ArrayLike, pan: float
) -> Float[np.ndarray, "v 2"]:
    """What lies before the screen, from the screen outwards."""
    angle = np.linspace(-CONE_HALF_ANGLE, CONE_HALF_ANGLE, 13)
    near, half = robot.screen.reach, 0.5 * robot.screen.width
    far = (near + CONE_LENGTH) * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    bar = np.array([[near, half], [near, -half]])
    return placed(_facing(robot, pose_map, pan), np.concatenate([bar, far]))


def camera_view(
    robot: RobotConfig, pose_map: npt.ArrayLike, pan: float
) -> Float[np.ndarray, "v 2"]:
    """The camera's field of view up to ``VIEW_LENGTH``: from its axis along one side and back."""
    half = robot.camera.field_of_view / 2
    angle = np.linspace(-half, half, 25)
    reach = min(VIEW_LENGTH, robot.camera.range_max)
    arc = reach * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    fan = np.concatenate([np.zeros((1, 2)), arc, np.zeros((1, 2))])
    return placed(_facing(robot, pose_map, pan), fan)


def _facing(robot: RobotConfig, pose_map: npt.ArrayLike, pan: float) -> Float[np.ndarray, "3"]:
    """Pose of the screen's axis, turned to where it faces."""
    axis = placed(pose_map, np.array([[robot.screen.mount_x, robot.screen.mount_y]]))[0]
    return np.append(axis, np.asarray(pose_map)[2] + pan)


def circles(xy_map: npt.ArrayLike, radius: npt.ArrayLike) -> Float[np.ndarray, "n v 2"]:
    """Circles as polygons: centres (n, 2), radii (n,)."""
    return np.asarray(xy_map)[:, None, :] + np.asarray(radius)[:, None, None] * _CIRCLE


def ellipses(xy_map: npt.ArrayLike, covariance: npt.ArrayLike) -> Float[np.ndarray, "n v 2"]:
    """1σ ellipses as polygons: centres (n, 2), covariances (n, 2, 2) in m²."""
    size, axes = np.linalg.eigh(np.asarray(covariance))
    half = axes * np.sqrt(np.maximum(size, 0.0))[:, None, :]
    return np.asarray(xy_map)[:, None, :] + _CIRCLE @ np.swapaxes(half, 1, 2)


def goal_arrow(goal_map: Float[np.ndarray, "3"], size: float) -> Float[np.ndarray, "5 2"]:
    """A stroke with a head from the goal in the direction to face there."""
    return placed(goal_map, size * np.array([[0, 0], [2, 0], [1.5, 0.35], [2, 0], [1.5, -0.35]]))


def descent_arrows(
    field: RouteField,
    allowed: Bool[np.ndarray, "H W"],
    centre: npt.ArrayLike,
    reach: float,
    spacing: float = 0.4,
) -> Float[np.ndarray, "n 5 2"]:
    """Arrows along −∇V, the way to the goal, on a lattice around ``centre``.

    Args:
      field: the guidance; one arrow in the middle of each lattice cell that is allowed.
      allowed: cells of the same grid in which an arrow makes sense.
      centre: (x, y) of the middle, m; the lattice itself stays put as this moves.
      reach: half the side of the square that is covered, m.
      spacing: of the lattice, m.
    """
    grid = field.cost_to_go
    table = np.asarray(grid.table)
    low = np.ceil((np.asarray(centre) - reach) / spacing)
    high = np.floor((np.asarray(centre) + reach) / spacing)
    x, y = (spacing * np.arange(a, b + 1) for a, b in zip(low, high, strict=True))
    xy = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    column, row = np.rint((xy - np.asarray(grid.origin)) / float(grid.resolution)).astype(int).T
    on_map = (column >= 0) & (row >= 0) & (column < table.shape[1]) & (row < table.shape[0])
    xy, column, row = xy[on_map], column[on_map], row[on_map]
    slope = table[row, column, 1:3]
    drawn = allowed[row, column] & (np.hypot(*slope.T) > 1e-6)
    heading = np.arctan2(-slope[drawn, 1], -slope[drawn, 0])
    arrow = np.array([[-0.5, 0.0], [0.5, 0.0], [0.2, 0.2], [0.5, 0.0], [0.2, -0.2]])
    pose = np.concatenate([xy[drawn], heading[:, None]], axis=1)
    return placed(pose, 0.42 * spacing * arrow)
