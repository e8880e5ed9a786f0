"""The rolling local map: log-odds occupancy around the robot, fed by range scans.

In: the last map, a scan with the pose it was taken from, people seen at that moment, and
the house map as prior.  Out: the map around the robot's new place.
Cells lie on one fixed lattice (multiples of the resolution in the map frame), so rolling
is a copy and blurs nothing.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, SensorConfig
from astro_jax.geometry import cell_centres, to_frame, wrap_angle
from astro_jax.types import Grid, Scan, Tracks

HIT, MISS = 0.85, -0.45
"""Log-odds of one scan: three hits turn a free cell of the prior into an obstacle."""
LOW, HIGH = -2.0, 3.5
PRIOR_FREE, PRIOR_OCCUPIED, PRIOR_UNKNOWN = -1.9, 3.0, 0.5
"""An unknown cell counts as blocked until it has been seen free; free by the map alone stays
above LOW, so that the route layer can tell it from seen free."""
PERSON_MARGIN = 0.25
"""Returns this close to a tracked person's outline (m) are that person, not a wall."""


def prior_from_occupancy(occupancy: Float[Array, "H W"]) -> Float[Array, "H W"]:
    """Log-odds of a map_server occupancy grid (0 free, 100 occupied, −1 unknown)."""
    known = jnp.where(occupancy > 50, PRIOR_OCCUPIED, PRIOR_FREE)
    return jnp.where(occupancy < 0, PRIOR_UNKNOWN, known)


def blank_map(config: PlannerConfig, house: Grid, xy_map: Float[Array, "2"]) -> Grid:
    """The local map at start-up: nothing but the prior."""
    origin = _origin_around(config, house, xy_map)
    side = config.map_cells
    resolution = jnp.float32(config.map_resolution)
    empty = Grid(values=jnp.zeros((side, side)), origin=origin, resolution=resolution)
    return Grid(values=_prior_at(house, empty), origin=origin, resolution=resolution)


def update_map(
    config: PlannerConfig,
    sensor: SensorConfig,
    local: Grid,
    house: Grid,
    scan: Scan,
    tracks: Tracks,
    xy_map: Float[Array, "2"],
) -> Grid:
    """Roll the map to be centred on ``xy_map``, then add one scan."""
    rolled = _roll(config, local, house, xy_map)
    evidence = _evidence(sensor, rolled, scan, _beams_on_people(sensor, scan, tracks))
    values = jnp.clip(rolled.values + evidence, LOW, HIGH)
    return Grid(values=values, origin=rolled.origin, resolution=rolled.resolution)


def occupied(local: Grid) -> Bool[Array, "H W"]:
    """Cells that count as obstacles (also when their value is NaN)."""
    return ~(local.values < 0.0)


def beam_angles(sensor: SensorConfig) -> Float[Array, "R"]:
    """Bearing of every beam in the sensor's frame, rad, from right to left."""
    half = sensor.field_of_view / 2
    return jnp.linspace(-half, half, sensor.beams, dtype=jnp.float32)


def scan_points(sensor: SensorConfig, scan: Scan) -> tuple[Float[Array, "R 2"], Bool[Array, "R"]]:
    """End points of the beams in the map frame, and which of them are returns."""
    angles = beam_angles(sensor) + scan.pose_map[2]
    returned = scan.valid & (scan.ranges < sensor.range_max)
    reach = jnp.where(returned, scan.ranges, 0.0)
    xy = scan.pose_map[None, :2] + reach[:, None] * jnp.stack(
        [jnp.cos(angles), jnp.sin(angles)], axis=-1
    )
    return xy, returned


def _beams_on_people(sensor: SensorConfig, scan: Scan, tracks: Tracks) -> Bool[Array, "R"]:
    xy, returned = scan_points(sensor, scan)
    # tracks and scan may differ in age by a few hundredths of a second
    at_scan = tracks.xy_map + tracks.velocity_map * (tracks.age - scan.age)
    gap = jnp.linalg.norm(xy[:, None, :] - at_scan[None], axis=-1) - tracks.radius[None, :]
    return returned & jnp.any((gap < PERSON_MARGIN) & tracks.valid[None, :], axis=1)


def _evidence(
    sensor: SensorConfig, local: Grid, scan: Scan, on_person: Bool[Array, "R"]
) -> Float[Array, "H W"]:
    """Log-odds increment of every cell, looked up from the beam that passes it.

    A cell is free only if *both* neighbouring beams pass it: between a near and a far
    return nothing is known.
    """
    seen = to_frame(scan.pose_map, cell_centres(local))
    distance = jnp.hypot(seen[..., 0], seen[..., 1])
    bearing = jnp.arctan2(seen[..., 1], seen[..., 0])
    spacing = sensor.field_of_view / (sensor.beams - 1)
    beam = (wrap_angle(bearing) + sensor.field_of_view / 2) / spacing
    in_view = (beam >= 0.0) & (beam <= sensor.beams - 1)
    lower = jnp.clip(jnp.floor(beam), 0, sensor.beams - 2).astype(jnp.int32)
    nearest = jnp.clip(jnp.round(beam), 0, sensor.beams - 1).astype(jnp.int32)

    reach = jnp.where(scan.valid, jnp.minimum(scan.ranges, sensor.range_max), 0.0)
    margin = 0.7 * local.resolution
    free = distance < jnp.minimum(reach[lower], reach[lower + 1]) - margin
    wall = scan.valid & (scan.ranges < sensor.range_max) & ~on_person
    hit = wall[nearest] & (jnp.abs(distance - reach[nearest]) <= margin)
    return jnp.where(in_view, jnp.where(hit, HIT, jnp.where(free, MISS, 0.0)), 0.0)


def _origin_around(config: PlannerConfig, house: Grid, xy_map: Float[Array, "2"]):
    steps = jnp.round((xy_map - house.origin) / config.map_resolution)
    centre = jnp.where(jnp.isfinite(steps), steps, 0.0) - config.map_cells // 2
    return house.origin + centre * config.map_resolution


def _roll(config: PlannerConfig, local: Grid, house: Grid, xy_map: Float[Array, "2"]) -> Grid:
    origin = _origin_around(config, house, xy_map)
    shift = jnp.round((origin - local.origin) / local.resolution).astype(jnp.int32)
    side = config.map_cells
    row = jnp.arange(side) + shift[1]
    column = jnp.arange(side) + shift[0]
    kept = ((row >= 0) & (row < side))[:, None] & ((column >= 0) & (column < side))[None, :]
    old = local.values[jnp.clip(row, 0, side - 1)][:, jnp.clip(column, 0, side - 1)]
    moved = Grid(values=old, origin=origin, resolution=local.resolution)
    values = jnp.where(kept, old, _prior_at(house, moved))
    return Grid(values=values, origin=origin, resolution=local.resolution)


def _prior_at(house: Grid, local: Grid) -> Float[Array, "H W"]:
    """The house map's log-odds at the local cells; outside of the map: blocked."""
    rows, columns = house.values.shape
    side_y, side_x = local.values.shape
    start = (local.origin - house.origin) / house.resolution
    ratio = local.resolution / house.resolution
    row = jnp.round(start[1] + jnp.arange(side_y) * ratio).astype(jnp.int32)
    column = jnp.round(start[0] + jnp.arange(side_x) * ratio).astype(jnp.int32)
    inside = ((row >= 0) & (row < rows))[:, None] & ((column >= 0) & (column < columns))[None, :]
    values = house.values[jnp.clip(row, 0, rows - 1)][:, jnp.clip(column, 0, columns - 1)]
    return jnp.where(inside, values, PRIOR_UNKNOWN)
