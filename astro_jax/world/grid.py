"""The rolling local map: log-odds occupancy around the robot, fed by range scans.

In: the last map, a scan with the pose it was taken from, people seen at that moment, and
the house map as prior.  Out: the map around the robot's new place.
Cells lie on one fixed lattice (multiples of the resolution in the map frame), so rolling
is a copy and blurs nothing; the pose in that frame never jumps, so walls stay sharp.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, RobotConfig, SensorConfig
from astro_jax.geometry import cell_centres, from_frame, to_frame
from astro_jax.products import settled
from astro_jax.types import Grid, LocalMap, Scan, Tracks
from astro_jax.world.prior import PRIOR_UNKNOWN

HIT, MISS = 0.85, -0.45
"""Log-odds of one scan: two hits turn a free cell of the prior into an obstacle, three misses
an obstacle into a free cell."""
LOW, HIGH = -2.0, 3.5
ENOUGH = 2.0
"""Log-odds of evidence at which the house map is not asked any more."""
FADING = 60.0
"""What is out of sight fades towards the house map with this time constant, s."""
FLOOR = 0.02
"""Returns this close to the floor's height (m) are the floor."""
PERSON_MARGIN = 0.25
"""Returns this close to a tracked person's outline (m) are that person, not a wall."""
NOWHERE = -1e6
"""Stands for the range of a beam that hit nothing, m."""
TOGETHER = 1.5
"""Tracks that were true longer before or after a scan than this explain none of its returns, s:
with the tracker dead, people are obstacles."""


def blank_map(
    config: PlannerConfig,
    house: Grid,
    xy_map: Float[Array, "2"],
) -> LocalMap:
    """The local map at start-up: nothing but the prior, both frames being one."""
    side = config.map_cells
    frame = Grid(
        values=jnp.zeros((side, side)),
        origin=_origin_around(config, house, xy_map),
        resolution=jnp.float32(config.map_resolution),
    )
    return LocalMap(
        grid=dataclasses.replace(frame, values=_prior_at(house, jnp.zeros(3), frame)),
        evidence=frame.values,
        edge=jnp.zeros((side, side), bool),
    )


def update_map(
    robot: RobotConfig,
    config: PlannerConfig,
    local: LocalMap,
    house: Grid,
    house_from_map: Float[Array, "3"],
    scan: Scan,
    tracks: Tracks,
    xy_map: Float[Array, "2"],
) -> LocalMap:
    """Roll the map to be centred on ``xy_map``, add one scan, and lay it on the house map.

    The evidence is kept apart from the prior: a correction of localisation moves what the
    house map says, and leaves what has been seen where the robot has seen it.
    """
    rolled = _roll(config, local, house, xy_map)
    sensed, edge = _evidence(robot, rolled.grid, scan, _beams_on_people(robot, scan, tracks))
    sensed = settled(sensed)
    fading = math.exp(-config.period / FADING)
    evidence = jnp.where(sensed == 0.0, fading * rolled.evidence, rolled.evidence + sensed)
    evidence = jnp.clip(evidence, LOW, HIGH)
    values = _together(_prior_at(house, house_from_map, rolled.grid), evidence)
    return LocalMap(
        grid=dataclasses.replace(rolled.grid, values=settled(values)),
        evidence=evidence,
        edge=jnp.where(sensed > 0.0, edge, rolled.edge),
    )


def _together(prior: Float[Array, "H W"], evidence: Float[Array, "H W"]) -> Float[Array, "H W"]:
    """The house map's word counts for less the more has been seen, and at last for nothing.

    A plain sum would let a wall that was seen a hundred times, at its true place, be voted
    down by a house map that localisation has just moved.
    """
    trust = jnp.maximum(1.0 - jnp.abs(evidence) / ENOUGH, 0.0)
    return jnp.clip(trust * prior + evidence, LOW, HIGH)


def occupied(local: LocalMap) -> Bool[Array, "H W"]:
    """Cells that count as obstacles (also when their value is NaN)."""
    return ~(local.grid.values < 0.0)


def beam_angles(sensor: SensorConfig) -> Float[Array, "R"]:
    """Bearing of every beam in the sensor's frame, rad, from right to left."""
    return jnp.asarray(beam_bearings(sensor))


def beam_bearings(sensor: SensorConfig) -> Float[np.ndarray, "R"]:
    """``beam_angles`` on the host."""
    half = sensor.field_of_view / 2
    return np.linspace(-half, half, sensor.beams, dtype=np.float32)


def scan_points(robot: RobotConfig, scan: Scan) -> tuple[Float[Array, "R 2"], Bool[Array, "R"]]:
    """End points of the beams in the map frame, and which of them are in the robot's way."""
    angles = beam_angles(robot.sensor) + scan.pose_map[2]
    returned = scan.valid & (scan.ranges < robot.sensor.range_max) & _obstacles(robot, scan)[0]
    reach = jnp.where(returned, scan.ranges, 0.0)
    xy = scan.pose_map[None, :2] + reach[:, None] * jnp.stack(
        [jnp.cos(angles), jnp.sin(angles)], axis=-1
    )
    return xy, returned


def _beams_on_people(robot: RobotConfig, scan: Scan, tracks: Tracks) -> Bool[Array, "R"]:
    xy, returned = scan_points(robot, scan)
    # tracks and scan may differ in age by a few hundredths of a second
    at_scan = tracks.xy_map + tracks.velocity_map * (tracks.age - scan.age)
    gap = jnp.linalg.norm(xy[:, None, :] - at_scan[None], axis=-1) - tracks.radius[None, :]
    known = tracks.valid & (jnp.abs(tracks.age - scan.age) < TOGETHER)
    return returned & jnp.any((gap < PERSON_MARGIN) & known[None, :], axis=1)


def _evidence(
    robot: RobotConfig, local: Grid, scan: Scan, on_person: Bool[Array, "R"]
) -> tuple[Float[Array, "H W"], Bool[Array, "H W"]]:
    """Log-odds increment of every cell, looked up from the beam that passes it; edges hit.

    A cell is free only if *both* neighbouring beams pass it: between a near and a far
    return nothing is known.
    """
    sensor = robot.sensor
    seen = to_frame(scan.pose_map, cell_centres(local))
    distance = jnp.hypot(seen[..., 0], seen[..., 1])
    bearing = jnp.arctan2(seen[..., 1], seen[..., 0])
    spacing = sensor.field_of_view / (sensor.beams - 1)
    # straight behind is on the right; a remainder, which would wrap any angle, takes far longer
    bearing = jnp.where(bearing < jnp.pi, bearing, -bearing)
    beam = (bearing + sensor.field_of_view / 2) / spacing
    in_view = (beam >= 0.0) & (beam <= sensor.beams - 1)
    lower = jnp.clip(jnp.floor(beam), 0, sensor.beams - 2).astype(jnp.int32)
    nearest = jnp.clip(jnp.round(beam), 0, sensor.beams - 1).astype(jnp.int32)

    # no beam may hold what is no number, or endless: see ``settled``
    says = scan.valid & (scan.ranges >= 0.0)
    reach = jnp.where(says, jnp.minimum(scan.ranges, sensor.range_max), 0.0)
    margin = 0.7 * local.resolution
    # a cell lies between the beams ``lower`` and ``lower + 1``: both must pass
    clear = reach if scan.free is None else jnp.minimum(reach, scan.free)
    clear = jnp.where(clear >= 0.0, clear, 0.0)
    passes = settled(jnp.minimum(clear, jnp.concatenate([clear[1:], clear[-1:]])))
    free = distance < passes[lower] - margin
    stops, edge = _obstacles(robot, scan)
    wall = says & (scan.ranges < sensor.range_max) & stops & ~on_person
    hit_at = settled(jnp.where(wall, reach, NOWHERE))
    hit = jnp.abs(distance - hit_at[nearest]) <= margin
    increment = jnp.where(hit, HIT, jnp.where(free, MISS, 0.0))
    return jnp.where(in_view, increment, 0.0), edge[nearest]


def _obstacles(robot: RobotConfig, scan: Scan) -> tuple[Bool[Array, "R"], Bool[Array, "R"]]:
    """Which returns are in the robot's way, and which of them are edges to fall over.

    What is seen inside the robot's own rectangle is the robot: a cable, a raised arm.
    """
    angles = beam_angles(robot.sensor)
    x = robot.sensor.mount_x + scan.ranges * jnp.cos(angles)
    y = robot.sensor.mount_y + scan.ranges * jnp.sin(angles)
    itself = (jnp.abs(x) < robot.length / 2) & (jnp.abs(y) < robot.width / 2)
    if scan.height is None:
        return ~itself, jnp.zeros_like(scan.valid)
    floor = jnp.abs(scan.height) <= FLOOR
    overhead = scan.height > robot.height + FLOOR
    return ~(itself | floor | overhead), scan.height < -FLOOR


def _origin_around(config: PlannerConfig, house: Grid, xy_map: Float[Array, "2"]):
    steps = jnp.round((xy_map - house.origin) / config.map_resolution)
    centre = jnp.where(jnp.isfinite(steps), steps, 0.0) - config.map_cells // 2
    return house.origin + centre * config.map_resolution


def _roll(
    config: PlannerConfig, local: LocalMap, house: Grid, xy_map: Float[Array, "2"]
) -> LocalMap:
    old = local.grid
    origin = _origin_around(config, house, xy_map)
    shift = jnp.round((origin - old.origin) / old.resolution).astype(jnp.int32)
    side = config.map_cells
    row = jnp.arange(side) + shift[1]
    column = jnp.arange(side) + shift[0]
    kept = ((row >= 0) & (row < side))[:, None] & ((column >= 0) & (column < side))[None, :]

    def moved(values):
        cells = values[jnp.clip(row, 0, side - 1)][:, jnp.clip(column, 0, side - 1)]
        return jnp.where(kept, cells, jnp.zeros_like(cells))

    return LocalMap(
        grid=dataclasses.replace(old, origin=origin),
        evidence=moved(local.evidence),
        edge=moved(local.edge),
    )


def _prior_at(house: Grid, house_from_map: Float[Array, "3"], local: Grid) -> Float[Array, "H W"]:
    """The house map's log-odds at the local cells; outside of the map: unknown."""
    rows, columns = house.values.shape
    xy = from_frame(house_from_map, cell_centres(local))
    cell = jnp.round((xy - house.origin[None, None]) / house.resolution)
    # NaN is outside
    inside = (cell[..., 0] >= 0) & (cell[..., 0] < columns)
    inside = inside & (cell[..., 1] >= 0) & (cell[..., 1] < rows)
    index = jnp.where(inside, cell[..., 1] * columns + cell[..., 0], 0.0).astype(jnp.int32)
    return jnp.where(inside, house.values.reshape(-1)[index], PRIOR_UNKNOWN)
