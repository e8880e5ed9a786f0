"""Between the robot's own frame and the house's, in NumPy.                           [host]"""

import math

import numpy as np
from jaxtyping import Float


def in_house(house_from_map: Float[np.ndarray, "3"], xy: Float[np.ndarray, "*n 2"]) -> np.ndarray:
    """Points of the map frame in the house, m."""
    x, y, turn = (float(value) for value in house_from_map)
    return _turned(np.asarray(xy, np.float64), turn) + np.array([x, y])


def turned_into_house(
    house_from_map: Float[np.ndarray, "3"], vector: Float[np.ndarray, "*n 2"]
) -> np.ndarray:
    """Directions of the map frame in the house."""
    return _turned(np.asarray(vector, np.float64), float(house_from_map[2]))


def in_map(house_from_map: Float[np.ndarray, "3"], xy: Float[np.ndarray, "*n 2"]) -> np.ndarray:
    """Points of the house in the map frame, m."""
    x, y, turn = (float(value) for value in house_from_map)
    return _turned(np.asarray(xy, np.float64) - (x, y), -turn)


def wrapped(angle: float) -> float:
    """The same direction within ± π."""
    return math.remainder(angle, 2.0 * math.pi)


def bearing_to(pose: Float[np.ndarray, "3"], xy: Float[np.ndarray, "2"]) -> float:
    """Of a point seen from a pose, rad, left positive."""
    return wrapped(math.atan2(xy[1] - pose[1], xy[0] - pose[0]) - float(pose[2]))


def _turned(vector: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    x, y = vector[..., 0], vector[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
