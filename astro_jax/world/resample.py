"""A scan with any angles on the beams that the robot is configured with.           [host]

In: ranges as a sensor measured them.  Out: for every beam of ``SensorConfig`` the nearest return
in its sector, and how far the way along it is free.  Whatever lies between two beams, one of
them knows of: no space is free on them that was not free between the rays of the sensor.
"""

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.world.grid import beam_bearings

ALIKE = 0.02
"""Rays this close to a beam, in spacings of the beams, are on it."""
GAP = 1.5
"""Neighbouring rays farther apart than this, in increments, have something lost in between."""


def resample(
    robot: RobotConfig,
    bearings: Float[np.ndarray, "n"],
    increment: float,
    ranges: Float[np.ndarray, "n"],
    range_min: float,
    range_max: float,
) -> tuple[Float[np.ndarray, "R"], Float[np.ndarray, "R"], Bool[np.ndarray, "R"]]:
    """(nearest return, inf where there is none; free way; whether the beam says anything), m.

    ``bearings`` are the rays' in the base's axes.  Beam b at angle β_b, spaced s, answers for

        F_b = min { f_i : |α_i − β_b| ≤ s/2, or α_i next to β_b on either side }

    with f_i the return of ray i, ``range_max`` where it meets nothing, 0 where it was lost.
    Then min(F_b, F_b+1) ≤ min(f_i, f_i+1) for every direction between two rays and two beams.
    What a ray sees inside the robot's own rectangle is the robot: that ray is lost.
    """
    sensor = robot.sensor
    beams = beam_bearings(sensor).astype(float)
    spacing = sensor.field_of_view / (sensor.beams - 1)
    bearings = np.mod(bearings + np.pi, 2 * np.pi) - np.pi
    order = np.argsort(bearings, kind="stable")
    bearings, ranges = bearings[order], ranges[order]
    reach, free = _readings(robot, bearings, ranges, range_min, range_max)

    # rays next to each beam, once around
    around = np.concatenate([bearings - 2 * np.pi, bearings, bearings + 2 * np.pi])
    frees = np.tile(free, 3)
    tolerance = ALIKE * spacing
    before = np.searchsorted(around, beams + tolerance, side="right") - 1
    after = np.searchsorted(around, beams - tolerance, side="left")
    before, after = np.maximum(before, 0), np.minimum(after, len(around) - 1)
    seen = around[after] - around[before] <= GAP * abs(increment)
    way = np.where(seen, np.minimum(frees[before], frees[after]), 0.0)

    nearest = np.full(sensor.beams, np.inf)
    index = np.round((bearings + sensor.field_of_view / 2) / spacing).astype(int)
    inside = (index >= 0) & (index < sensor.beams)
    np.minimum.at(way, index[inside], free[inside])
    np.minimum.at(nearest, index[inside], reach[inside])
    return nearest, way, (way > 0.0) | np.isfinite(nearest)


def shorten(
    robot: RobotConfig,
    nearest: Float[np.ndarray, "R"],
    way: Float[np.ndarray, "R"],
    xy: Float[np.ndarray, "n 2"],
) -> tuple[Float[np.ndarray, "R"], Float[np.ndarray, "R"]]:
    """``resample``'s answer with returns of another sensor, at ``xy`` as seen from the first one.

    Whatever it has met ends the beam; where it has met nothing nothing becomes free by it.
    """
    sensor = robot.sensor
    spacing = sensor.field_of_view / (sensor.beams - 1)
    reach, bearings = np.hypot(*xy.T), np.arctan2(xy[:, 1], xy[:, 0])
    index = np.round((bearings + sensor.field_of_view / 2) / spacing).astype(int)
    inside = (index >= 0) & (index < sensor.beams)
    nearest, way = nearest.copy(), way.copy()
    np.minimum.at(nearest, index[inside], reach[inside])
    np.minimum.at(way, index[inside], reach[inside])
    return nearest, way


def _readings(
    robot: RobotConfig,
    bearings: Float[np.ndarray, "n"],
    ranges: Float[np.ndarray, "n"],
    range_min: float,
    range_max: float,
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Of every ray the return (inf: none) and the free way (0: nothing is known), m."""
    # −inf: nearer than the sensor can tell
    reach = np.where(np.isneginf(ranges), range_min, ranges)
    returned = (reach >= range_min) & (reach <= range_max)
    along = np.where(returned, reach, 0.0)
    x = robot.sensor.mount_x + along * np.cos(bearings)
    y = robot.sensor.mount_y + along * np.sin(bearings)
    itself = (np.abs(x) < robot.length / 2) & (np.abs(y) < robot.width / 2)
    returned &= ~itself
    free = np.where(np.isposinf(ranges), range_max, np.where(returned, reach, 0.0))
    return np.where(returned, reach, np.inf), free
