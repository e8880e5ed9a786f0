"""The rolling map, fed by simulated scans of rooms whose truth is known."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, SensorConfig
from astro_jax.sim.scene import make_scene
from astro_jax.sim.sensors import take_scan
from astro_jax.types import Grid, LocalMap, Scan
from astro_jax.world import grid as occupancy
from astro_jax.world.grid import blank_map, update_map
from astro_jax.world.people import no_tracks
from astro_jax.world.prior import (
    PRIOR_FREE,
    PRIOR_OCCUPIED,
    PRIOR_UNKNOWN,
    prior_from_occupancy,
)

CONFIG = PlannerConfig(map_cells=80)
SENSOR = SensorConfig()
RESOLUTION = CONFIG.map_resolution
SAME_FRAME = jnp.zeros(3)
SHAPE = (100, 140)  # 5 m by 7 m
ORIGIN = np.array([-1.0, -2.0])
EYE = np.array([2.5, 0.5])
STEPS = 200


def xy_of(grid):
    rows, columns = grid.grid.values.shape
    x = np.asarray(grid.grid.origin)[0] + RESOLUTION * np.arange(columns)
    y = np.asarray(grid.grid.origin)[1] + RESOLUTION * np.arange(rows)
    return np.stack(np.meshgrid(x, y), axis=-1)


def at_cells(grid, mask, beyond=False):
    """What a mask of the house says of each cell of a local map."""
    column, row = np.rint((xy_of(grid) - ORIGIN) / RESOLUTION).astype(int).transpose(2, 0, 1)
    inside = (row >= 0) & (row < SHAPE[0]) & (column >= 0) & (column < SHAPE[1])
    state = mask[np.clip(row, 0, SHAPE[0] - 1), np.clip(column, 0, SHAPE[1] - 1)]
    return np.where(inside, state, beyond)


def room(x0=1.2, x1=3.8, y0=-0.6, y1=1.6):
    """Walls two cells thick around a rectangle of floor."""
    rows, columns = np.indices(SHAPE)
    x, y = ORIGIN[0] + RESOLUTION * columns, ORIGIN[1] + RESOLUTION * rows
    inner = (x > x0) & (x < x1) & (y > y0) & (y < y1)
    return ndimage.binary_dilation(inner, np.ones((3, 3)), 2) & ~inner, inner


def house(values):
    return Grid(
        values=jnp.broadcast_to(jnp.asarray(values, jnp.float32), SHAPE),
        origin=jnp.asarray(ORIGIN, jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )


def scene_of(blocked):
    return make_scene(
        occupancy=np.zeros(SHAPE, np.int8),
        blocked=blocked,
        origin=ORIGIN,
        resolution=RESOLUTION,
        start=np.zeros(3),
        goal=np.zeros(3),
        paths=np.zeros((2, 2, 2)),
        lengths=np.full(2, 2),
        spacing=0.1,
        capacity=2,
        seed=0,
    )


@functools.partial(jax.jit, static_argnames="sensor")
def scan_of(scene, pose, people, key, sensor=SENSOR):
    return take_scan(sensor, scene, pose, people, 0.0, key, STEPS)


@functools.partial(jax.jit, static_argnames="sensor")
def update(local, prior, scan, tracks, xy, sensor=SENSOR, house_from_map=SAME_FRAME):
    robot = dataclasses.replace(DEFAULT_ROBOT, sensor=sensor)
    return update_map(robot, CONFIG, local, prior, house_from_map, scan, tracks, xy)


NOBODY = np.full((2, 2), 50.0, np.float32)


def look(blocked, prior, scans=8, turns=4, people=NOBODY, tracks=None, start=None, tamper=None):
    """The map after some scans from about one place, turning in between."""
    scene, tracks = scene_of(blocked), no_tracks(2) if tracks is None else tracks
    xy = jnp.asarray(EYE, jnp.float32)
    local = blank_map(CONFIG, prior, xy) if start is None else start
    rng = np.random.default_rng(0)
    for k in range(scans):
        pose = np.array([*(EYE + rng.uniform(-0.1, 0.1, 2)), 2 * np.pi * k / turns])
        scan = scan_of(
            scene, jnp.asarray(pose, jnp.float32), jnp.asarray(people), jax.random.key(k)
        )
        local = update(local, prior, scan if tamper is None else tamper(scan), tracks, xy)
    return local


UNKNOWN, FREE = PRIOR_UNKNOWN, PRIOR_FREE


# ---- what is seen --------------------------------------------------------------------


@pytest.mark.parametrize("prior", [UNKNOWN, FREE], ids=["unknown house", "house without walls"])
def test_a_scanned_room_has_walls_around_and_floor_inside(prior):
    walls, inner = room()
    local = look(walls, house(prior))
    blocked = np.asarray(occupancy.occupied(local))
    floor = at_cells(local, ndimage.binary_erosion(inner, np.ones((3, 3))))
    assert floor.sum() > 1500
    assert not blocked[floor].any()
    # What a beam can meet: wall cells that share an edge with the floor.
    faces = at_cells(local, walls & ndimage.binary_dilation(inner))
    assert faces.sum() > 150
    assert blocked[faces].mean() > 0.97
    # No way out: nothing wider than a cell leads through the walls.
    labels = np.zeros(blocked.shape, np.int32)
    ndimage.label(~np.asarray(ndimage.binary_dilation(blocked), bool), output=labels)
    row, column = np.unravel_index(np.argmin(np.sum((xy_of(local) - EYE) ** 2, -1)), labels.shape)
    reached = labels == labels[row, column]
    assert labels[row, column] > 0 and reached.sum() > 1500
    assert not np.any(reached & at_cells(local, ~inner, beyond=True))


def test_walls_of_the_map_stay_when_seen_and_vanish_when_not_there():
    walls, _ = room()
    rows, columns = np.indices(SHAPE)
    phantom = (np.abs(rows - 55) < 2) & (np.abs(columns - 90) < 4)  # a cupboard that is gone
    prior = house(np.where(walls | phantom, PRIOR_OCCUPIED, FREE))
    local = look(walls, prior, scans=16)
    blocked = np.asarray(occupancy.occupied(local))
    there = at_cells(local, phantom)
    assert there.sum() == phantom.sum() and not blocked[there].any()
    _, inner = room()
    faces = at_cells(local, walls & ndimage.binary_dilation(inner))
    assert blocked[faces].mean() > 0.98


def test_cells_that_nobody_saw_keep_their_prior():
    walls, inner = room()
    rng = np.random.default_rng(1)
    prior = house(rng.uniform(-1.5, 3.0, SHAPE))
    before = blank_map(CONFIG, prior, jnp.asarray(EYE, jnp.float32))
    after = look(walls, prior)
    hidden = at_cells(after, ~np.asarray(ndimage.binary_dilation(walls | inner), bool), beyond=True)
    assert hidden.sum() > 1000
    np.testing.assert_array_equal(
        np.asarray(after.grid.values)[hidden], np.asarray(before.grid.values)[hidden]
    )
    assert (
        np.mean(np.asarray(after.grid.values)[~hidden] != np.asarray(before.grid.values)[~hidden])
        > 0.8
    )


def test_behind_the_robot_nothing_is_seen():
    local = look(room()[0], house(UNKNOWN), turns=1)  # always facing along +x
    xy = xy_of(local) - EYE
    behind = np.abs(np.arctan2(xy[..., 1], xy[..., 0])) > np.radians(160)
    behind &= np.hypot(*np.moveaxis(xy, -1, 0)) > 0.5
    np.testing.assert_array_equal(np.asarray(local.grid.values)[behind], UNKNOWN)


def test_between_a_near_and_a_far_return_nothing_is_known():
    """A gap between two beams may hide a table leg: free needs both neighbours."""
    sensor = dataclasses.replace(SENSOR, beams=19, field_of_view=np.radians(180.0))
    ranges = np.where(np.arange(19) < 9, 1.0, 2.5)
    scan = Scan(
        ranges=jnp.asarray(ranges, jnp.float32),
        valid=jnp.ones(19, bool),
        pose_map=jnp.array([*EYE, 0.0]),
        age=0.0,
    )
    xy = jnp.asarray(EYE, jnp.float32)
    prior = house(UNKNOWN)
    local = update(blank_map(CONFIG, prior, xy), prior, scan, no_tracks(2), xy, sensor=sensor)
    seen = xy_of(local) - EYE
    bearing = np.degrees(np.arctan2(seen[..., 1], seen[..., 0]))
    distance = np.hypot(*np.moveaxis(seen, -1, 0))
    beyond = (distance > 1.1) & (distance < 1.9)  # of the map's 2 m
    values = np.asarray(local.grid.values)
    assert np.all(values[beyond & (bearing > 0.5) & (bearing < 89)] < UNKNOWN)
    between = beyond & (bearing > -9.5) & (bearing < -0.5)
    assert between.sum() > 20
    np.testing.assert_array_equal(values[between], UNKNOWN)


def closed_door():
    """A wall along x = 3.6 m whose door the map does not know to be closed."""
    rows, columns = np.indices(SHAPE)
    wall = np.abs(columns - 92) < 1
    door = wall & (np.abs(rows - 50) < 9)
    return wall, door


def test_a_door_that_the_map_shows_open_is_found_closed_within_five_scans():
    wall, door = closed_door()
    prior = house(np.where(wall & ~door, PRIOR_OCCUPIED, FREE))
    local = look(wall, prior, scans=5, turns=1)
    leaf = at_cells(local, door)
    assert leaf.sum() == door.sum()
    assert np.asarray(occupancy.occupied(local))[leaf].mean() > 0.95
    # One stray return does not close it.
    once = look(wall, prior, scans=1, turns=1)
    assert not np.asarray(occupancy.occupied(once))[leaf].any()


# ---- what must not be believed -------------------------------------------------------


def values_of(name):
    def tamper(scan):
        ranges, valid = scan.ranges, scan.valid
        return {
            "nan": dataclasses.replace(scan, ranges=jnp.full_like(ranges, jnp.nan)),
            "minus inf": dataclasses.replace(scan, ranges=jnp.full_like(ranges, -jnp.inf)),
            "negative": dataclasses.replace(scan, ranges=jnp.full_like(ranges, -1.0)),
            "invalid": dataclasses.replace(scan, valid=jnp.zeros_like(valid)),
            "invalid inf": dataclasses.replace(
                scan, ranges=jnp.full_like(ranges, jnp.inf), valid=jnp.zeros_like(valid)
            ),
            "lost pose": dataclasses.replace(scan, pose_map=scan.pose_map * jnp.nan),
        }[name]

    return tamper


@pytest.mark.parametrize(
    "name", ["nan", "minus inf", "negative", "invalid", "invalid inf", "lost pose"]
)
def test_nonsense_changes_nothing(name):
    prior = house(np.random.default_rng(2).uniform(-1.5, 3.0, SHAPE))
    before = blank_map(CONFIG, prior, jnp.asarray(EYE, jnp.float32))
    after = look(room()[0], prior, scans=3, tamper=values_of(name))
    np.testing.assert_array_equal(after.grid.values, before.grid.values)


def test_one_bad_beam_frees_nothing_beside_it():
    walls, _ = room()
    prior = house(UNKNOWN)
    keep = np.arange(SENSOR.beams) % 2 == 0
    for bad in (jnp.nan, -jnp.inf):
        tamper = lambda scan: dataclasses.replace(
            scan,
            ranges=jnp.where(keep, scan.ranges, bad),  # noqa: B023
        )
        local = look(walls, prior, scans=3, tamper=tamper)
        assert np.asarray(local.grid.values).min() >= UNKNOWN  # every cell has a bad neighbour
    invalid = lambda scan: dataclasses.replace(scan, valid=scan.valid & keep)
    assert np.asarray(look(walls, prior, scans=3, tamper=invalid).grid.values).min() >= UNKNOWN


@pytest.mark.parametrize("bad", [np.nan, -np.inf, -1.0])
def test_a_bad_beam_says_nothing_and_spoils_no_other(bad):
    """As if it had not come back, to the last bit: also for the walls that others hit."""
    prior, hand = house(FREE), np.arange(SENSOR.beams) % 16 == 3

    def seen(**changes):
        tamper = lambda scan: dataclasses.replace(
            scan, **{name: change(getattr(scan, name)) for name, change in changes.items()}
        )
        return np.asarray(look(room()[0], prior, scans=3, tamper=tamper).grid.values)

    gone = seen(valid=lambda valid: valid & ~hand)
    assert np.sum(gone > FREE) > 50
    np.testing.assert_array_equal(seen(ranges=lambda r: jnp.where(hand, bad, r)), gone)
    dark = seen(free=lambda _: jnp.where(hand, bad, SENSOR.range_max))
    lit = seen(free=lambda _: jnp.where(hand, 0.0, SENSOR.range_max))
    np.testing.assert_array_equal(dark, lit)


def test_no_cell_is_free_beyond_what_a_beam_knows_to_be():
    """The return counts, the way to it only as far as it is known (also if that is no number)."""
    walls, _ = room()
    prior = house(UNKNOWN)
    plain = look(walls, prior, scans=3)
    with_free = lambda free: look(
        walls,
        prior,
        scans=3,
        tamper=lambda scan: dataclasses.replace(scan, free=free(scan.ranges)),
    )
    np.testing.assert_array_equal(with_free(lambda r: r).grid.values, plain.grid.values)
    near = np.asarray(with_free(lambda r: jnp.minimum(r, 0.5)).grid.values)
    # the sensor looks from .1 m ahead of the base, into every direction
    away = np.linalg.norm(xy_of(plain) - EYE, axis=-1)
    far, close = away > 0.6, away < 0.35
    assert np.any(np.asarray(plain.grid.values)[far] < UNKNOWN)
    assert np.all(near[far] >= UNKNOWN)
    np.testing.assert_array_equal(near[close], np.asarray(plain.grid.values)[close])
    hit = np.asarray(plain.grid.values) > UNKNOWN + 1.0
    assert np.count_nonzero(hit) > 50 and np.all(near[hit] > UNKNOWN + 1.0)
    lost = np.asarray(with_free(lambda r: jnp.nan * r).grid.values)
    assert np.all(lost >= UNKNOWN)


def test_32_where_nothing_is_known_everything_is_blocked():
    unknown = prior_from_occupancy(jnp.full(SHAPE, -1))
    local = blank_map(CONFIG, house(unknown), jnp.asarray(EYE, jnp.float32))
    assert np.all(occupancy.occupied(local))


def test_a_beam_that_meets_nothing_frees_as_far_as_it_can_see():
    sensor = dataclasses.replace(SENSOR, range_max=1.5)
    scan = Scan(
        ranges=jnp.full(sensor.beams, jnp.inf),
        valid=jnp.ones(sensor.beams, bool),
        pose_map=jnp.array([*EYE, 0.0]),
        age=0.0,
    )
    xy, prior = jnp.asarray(EYE, jnp.float32), house(UNKNOWN)
    local = update(blank_map(CONFIG, prior, xy), prior, scan, no_tracks(2), xy, sensor=sensor)
    seen = xy_of(local) - EYE
    distance = np.hypot(*np.moveaxis(seen, -1, 0))
    ahead = np.abs(np.arctan2(seen[..., 1], seen[..., 0])) < np.radians(134)
    values = np.asarray(local.grid.values)
    once = np.asarray(local.evidence)[ahead & (distance < 1.45)]
    np.testing.assert_allclose(once, occupancy.MISS, rtol=1e-5)
    assert np.all(np.asarray(occupancy.occupied(local))[ahead & (distance < 1.45)])
    twice = update(local, prior, scan, no_tracks(2), xy, sensor=sensor)
    assert not np.any(np.asarray(occupancy.occupied(twice))[ahead & (distance < 1.45)])
    np.testing.assert_array_equal(values[distance > 1.5], UNKNOWN)


def test_people_who_are_tracked_leave_no_obstacle():
    walls, _ = room()
    person = EYE + np.array([0.8, 0.1])
    people = np.array([person, [50.0, 50.0]], np.float32)
    around = lambda grid: np.linalg.norm(xy_of(grid) - person, axis=-1) < 0.3
    unaware = look(walls, house(FREE), people=people, turns=1)
    assert np.asarray(occupancy.occupied(unaware))[around(unaware)].any()

    tracks = dataclasses.replace(
        no_tracks(2),
        xy_map=jnp.asarray(people) + 0.05,
        radius=jnp.full(2, 0.22),
        valid=jnp.array([True, False]),
    )
    aware = look(walls, house(FREE), people=people, turns=1, tracks=tracks)
    assert not np.asarray(occupancy.occupied(aware))[around(aware)].any()
    # Somebody who walks is looked for where they were when the scan was taken.
    moving = dataclasses.replace(
        tracks,
        xy_map=tracks.xy_map + jnp.array([[0.9, 0.0]]),
        velocity_map=jnp.array([[-0.9, 0.0]] * 2),
        age=jnp.float32(0.0),
    )
    early = lambda scan: dataclasses.replace(scan, age=jnp.float32(-1.0))
    same = look(walls, house(FREE), people=people, turns=1, tracks=moving, tamper=early)
    np.testing.assert_array_equal(occupancy.occupied(same), occupancy.occupied(aware))
    # With the tracker dead for longer, somebody is an obstacle like any other (fault 40).
    for age in (2.0, np.nan):
        old = dataclasses.replace(tracks, age=jnp.float32(age))
        dead = look(walls, house(FREE), people=people, turns=1, tracks=old)
        np.testing.assert_array_equal(dead.grid.values, unaware.grid.values)
    # An invalid track excuses nothing.
    gone = dataclasses.replace(tracks, valid=jnp.zeros(2, bool))
    np.testing.assert_array_equal(
        look(walls, house(FREE), people=people, turns=1, tracks=gone).grid.values,
        unaware.grid.values,
    )


def test_a_cell_that_is_not_a_number_is_an_obstacle():
    values = jnp.array([[jnp.nan, -1.0], [0.0, 2.0], [-0.01, jnp.inf], [-jnp.inf, 0.01]])
    grid = Grid(values=values, origin=jnp.zeros(2), resolution=jnp.float32(RESOLUTION))
    got = occupancy.occupied(LocalMap(grid=grid, evidence=values, edge=values > 1.0))
    expected = [[True, False], [True, True], [False, True], [False, True]]
    np.testing.assert_array_equal(got, expected)


# ---- rolling -------------------------------------------------------------------------


def blind():
    return Scan(
        ranges=jnp.full(SENSOR.beams, jnp.inf),
        valid=jnp.zeros(SENSOR.beams, bool),
        pose_map=jnp.zeros(3),
        age=0.0,
    )


def test_rolling_is_copying_whole_cells_and_the_prior_fills_up():
    rng = np.random.default_rng(3)
    prior = house(rng.uniform(-1.9, 3.0, SHAPE))
    local = blank_map(CONFIG, prior, jnp.asarray(EYE, jnp.float32))
    marked = rng.uniform(-0.1, 0.1, local.evidence.shape).astype(np.float32)
    local = dataclasses.replace(local, evidence=jnp.asarray(marked), edge=jnp.asarray(marked > 0))
    faded = np.exp(-CONFIG.period / occupancy.FADING) * marked
    for shift in ([0.0, 0.0], [0.26, 0.0], [-0.4, 0.71], [0.049, -0.024], [1.0, -2.2], [9.0, 0.0]):
        xy = jnp.asarray(EYE + shift, jnp.float32)
        rolled = update(local, prior, blind(), no_tracks(2), xy)
        cells = np.rint(
            (np.asarray(rolled.grid.origin) - np.asarray(local.grid.origin)) / RESOLUTION
        )
        np.testing.assert_allclose(
            rolled.grid.origin, np.asarray(local.grid.origin) + cells * RESOLUTION, atol=1e-5
        )
        centre = np.asarray(rolled.grid.origin) + RESOLUTION * CONFIG.map_cells / 2
        assert np.abs(centre - np.asarray(xy)).max() <= 0.5 * RESOLUTION + 1e-5
        expected = np.asarray(blank_map(CONFIG, prior, xy).grid.values).copy()
        columns, rows = np.meshgrid(np.arange(80) + int(cells[0]), np.arange(80) + int(cells[1]))
        old = (rows >= 0) & (rows < 80) & (columns >= 0) & (columns < 80)
        kept = faded[rows[old], columns[old]]
        expected[old] = (1 - np.abs(kept) / occupancy.ENOUGH) * expected[old] + kept
        expected = np.clip(expected, occupancy.LOW, occupancy.HIGH)
        np.testing.assert_allclose(rolled.grid.values, expected, atol=1e-6)
        np.testing.assert_array_equal(
            rolled.edge, old & (marked[rows.clip(0, 79), columns.clip(0, 79)] > 0)
        )


def test_rolling_away_and_back_in_small_steps_blurs_nothing():
    prior = house(np.random.default_rng(4).uniform(-1.9, 3.0, SHAPE))
    first = blank_map(CONFIG, prior, jnp.asarray(EYE, jnp.float32))
    local = first
    turn = np.linspace(0, 2 * np.pi, 60)
    for shift in np.stack([np.sin(turn), 1 - np.cos(turn)], axis=1):
        local = update(local, prior, blind(), no_tracks(2), jnp.asarray(EYE + shift, jnp.float32))
    np.testing.assert_array_equal(local.grid.values, first.grid.values)
    np.testing.assert_allclose(local.grid.origin, first.grid.origin, atol=1e-5)


def test_the_prior_is_the_house_map_and_blocked_beyond_it():
    occupied = np.zeros(SHAPE, np.int8)
    occupied[::3, ::2], occupied[1::3, 1::2] = 100, -1
    prior = Grid(
        values=prior_from_occupancy(jnp.asarray(occupied)),
        origin=jnp.asarray(ORIGIN, jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )
    for xy in (EYE, ORIGIN, [50.0, 50.0]):
        local = blank_map(CONFIG, prior, jnp.asarray(xy, jnp.float32))
        np.testing.assert_array_equal(
            occupancy.occupied(local),
            at_cells(local, (occupied > 50) | (occupied < 0), beyond=True),
        )


def test_a_robot_that_is_lost_still_gets_a_finite_map():
    local = blank_map(CONFIG, house(FREE), jnp.asarray(EYE, jnp.float32))
    lost = update(local, house(FREE), blind(), no_tracks(2), jnp.full(2, jnp.nan))
    assert np.all(np.isfinite(lost.grid.values)) and np.all(np.isfinite(lost.grid.origin))


def test_log_odds_stay_within_their_bounds():
    local = look(room()[0], house(UNKNOWN), scans=24, turns=1)
    values = np.asarray(local.grid.values)
    assert values.min() == np.float32(occupancy.LOW) and values.max() == np.float32(occupancy.HIGH)


def test_scan_points_are_the_ends_of_the_beams():
    sensor = dataclasses.replace(SENSOR, beams=5, field_of_view=np.pi)
    scan = Scan(
        ranges=jnp.array([1.0, 2.0, jnp.inf, 1.5, jnp.nan]),
        valid=jnp.array([True, True, True, False, True]),
        pose_map=jnp.array([1.0, 2.0, np.pi / 2]),
        age=0.0,
    )
    xy, returned = occupancy.scan_points(dataclasses.replace(DEFAULT_ROBOT, sensor=sensor), scan)
    np.testing.assert_array_equal(returned, [True, True, False, False, False])
    np.testing.assert_allclose(xy[0], [2.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(xy[1], [1 + np.sqrt(2), 2 + np.sqrt(2)], atol=1e-5)


def test_the_map_compiles_once_for_all_places():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def roll(local, prior, scan, tracks, xy):
        return update_map(DEFAULT_ROBOT, CONFIG, local, prior, SAME_FRAME, scan, tracks, xy)

    chex.clear_trace_counter()
    local, prior = blank_map(CONFIG, house(FREE), jnp.asarray(EYE, jnp.float32)), house(FREE)
    for shift in (0.0, 0.3, 5.0):
        xy = jnp.asarray(EYE + shift, jnp.float32)
        local = roll(local, prior, blind(), no_tracks(2), xy)


# ---- what the house map says, and what has been seen ---------------------------------


def bumpy():
    return house(np.random.default_rng(5).choice([FREE, PRIOR_OCCUPIED], SHAPE))


@pytest.mark.parametrize("moved", [[0.05, -0.1, 0.0], [0.03, 0.02, 0.035], [2.0, 1.0, -2.5]])
def test_a_correction_moves_the_house_and_leaves_what_was_seen(moved):
    """Localisation jumps: the prior is looked up anew, evidence and lattice stay in place."""
    xy, prior = jnp.asarray(EYE, jnp.float32), bumpy()
    scan = dataclasses.replace(blind(), pose_map=jnp.array([*EYE, 0.0], jnp.float32))
    scan = dataclasses.replace(
        scan, ranges=jnp.full(SENSOR.beams, 1.5), valid=jnp.ones(SENSOR.beams, bool)
    )
    local = blank_map(CONFIG, prior, xy)
    for _ in range(12):
        local = update(local, prior, scan, no_tracks(2), xy)
    moved = np.array(moved, np.float32)
    jumped = update(local, prior, scan, no_tracks(2), xy, house_from_map=jnp.asarray(moved))
    np.testing.assert_array_equal(jumped.grid.origin, local.grid.origin)
    # the ring that the beams end at was seen often enough to outweigh either prior
    seen = np.abs(np.linalg.norm(xy_of(local) - EYE, axis=-1) - 1.5) < 0.03
    ahead = np.abs(np.arctan2(*np.moveaxis(xy_of(local) - EYE, -1, 0)[::-1])) < 2.2
    assert (seen & ahead).sum() > 60
    assert np.asarray(occupancy.occupied(local))[seen & ahead].all()
    assert np.asarray(occupancy.occupied(jumped))[seen & ahead].all()
    # out of sight, every cell says what the house map says at its corrected place
    unseen = np.linalg.norm(xy_of(local) - EYE, axis=-1) > 1.6
    c, s = np.cos(float(moved[2])), np.sin(float(moved[2]))
    x, y = np.moveaxis(xy_of(local), -1, 0)
    at = np.stack([moved[0] + c * x - s * y, moved[1] + s * x + c * y], axis=-1)
    cells = (at - np.asarray(prior.origin)) / RESOLUTION
    column, row = np.rint(np.moveaxis(cells, -1, 0)).astype(int)
    inside = (row >= 0) & (row < SHAPE[0]) & (column >= 0) & (column < SHAPE[1])
    told = np.asarray(prior.values)[row.clip(0, SHAPE[0] - 1), column.clip(0, SHAPE[1] - 1)]
    expected = np.where(inside, told, UNKNOWN)
    # half-way between two cells either may be meant
    clear = np.abs(np.abs(cells - np.rint(cells)) - 0.5).min(-1) > 1e-3
    np.testing.assert_allclose(
        np.asarray(jumped.grid.values)[unseen & clear], expected[unseen & clear], atol=1e-5
    )


def test_what_is_out_of_sight_fades_to_the_house_map():
    """A chair that was moved behind the robot's back does not block for ever."""
    walls, _ = room()
    xy = jnp.asarray(EYE, jnp.float32)
    chair = np.zeros(SHAPE, bool)
    row, column = np.rint((EYE + np.array([0.8, 0.0]) - ORIGIN)[::-1] / RESOLUTION).astype(int)
    chair[row - 2 : row + 3, column - 2 : column + 3] = True
    local = look(walls | chair, house(FREE), turns=1)
    leg = at_cells(local, chair & ~np.asarray(ndimage.binary_erosion(chair), bool)) & (
        np.asarray(occupancy.occupied(local))
    )
    assert leg.sum() >= 4
    before, counts = np.asarray(local.evidence)[leg], []
    for _ in range(1200):
        local = update(local, house(FREE), blind(), no_tracks(2), xy)
        counts.append(int(np.asarray(occupancy.occupied(local))[leg].sum()))
    assert counts[100] == leg.sum() and counts[-1] == 0
    share = np.exp(-1200 * CONFIG.period / occupancy.FADING)
    np.testing.assert_allclose(np.asarray(local.evidence)[leg], share * before, rtol=1e-3)


def seen_at_height(height):
    """A ring of returns at 1.5 m, all at one height above the floor."""
    xy, prior = jnp.asarray(EYE, jnp.float32), house(FREE)
    scan = Scan(
        ranges=jnp.full(SENSOR.beams, 1.5),
        valid=jnp.ones(SENSOR.beams, bool),
        pose_map=jnp.array([*EYE, 0.0], jnp.float32),
        age=0.0,
        height=jnp.full(SENSOR.beams, height),
    )
    local = blank_map(CONFIG, prior, xy)
    for _ in range(6):
        local = update(local, prior, scan, no_tracks(2), xy)
    distance = np.linalg.norm(xy_of(local) - EYE, axis=-1)
    bearing = np.arctan2(*np.moveaxis(xy_of(local) - EYE, -1, 0)[::-1])
    ring = (np.abs(distance - 1.5) < 0.02) & (np.abs(bearing) < 2.2)
    assert ring.sum() > 30
    return np.asarray(occupancy.occupied(local))[ring], np.asarray(local.edge)[ring]


@pytest.mark.parametrize(
    ("height", "blocks", "edge"),
    [
        (0.2, True, False),
        (DEFAULT_ROBOT.height, True, False),
        (DEFAULT_ROBOT.height + 0.1, False, False),
        (0.0, False, False),
        (0.01, False, False),
        (-0.15, True, True),
        (np.nan, True, False),
    ],
)
def test_height_decides_what_is_in_the_way_and_what_to_fall_over(height, blocks, edge):
    occupied, edges = seen_at_height(height)
    assert np.all(occupied == blocks) and np.all(edges == edge)


def test_two_narrow_views_see_what_one_wide_one_does():
    """A camera that looks ahead and one that looks back fill the same map."""
    walls, inner = room()
    narrow = dataclasses.replace(SENSOR, field_of_view=np.radians(70.0), beams=96)
    scene, prior = scene_of(walls), house(UNKNOWN)
    xy = jnp.asarray(EYE, jnp.float32)
    local = wide = blank_map(CONFIG, prior, xy)
    for k in range(4):
        for turn in (0.0, np.pi):
            pose = jnp.array([*EYE, turn], jnp.float32)
            scan = scan_of(scene, pose, jnp.asarray(NOBODY), jax.random.key(k), sensor=narrow)
            local = update(local, prior, scan, no_tracks(2), xy, sensor=narrow)
            scan = scan_of(scene, pose, jnp.asarray(NOBODY), jax.random.key(k))
            wide = update(wide, prior, scan, no_tracks(2), xy)
    bearing = np.degrees(np.arctan2(*np.moveaxis(xy_of(local) - EYE, -1, 0)[::-1]))
    in_view = (np.abs(bearing) < 30) | (np.abs(bearing) > 150)
    # nearer by, the camera's place ahead of the centre narrows what it sees
    away = np.linalg.norm(xy_of(local) - EYE, axis=-1) > 0.7
    floor = at_cells(local, ndimage.binary_erosion(inner, np.ones((5, 5))))
    blocked, all_blocked = (np.asarray(occupancy.occupied(m)) for m in (local, wide))
    free = floor & in_view & away & ~all_blocked
    assert free.sum() > 300 and not blocked[free].any()
    aside = floor & (np.abs(np.abs(bearing) - 90) < 30)
    assert blocked[aside & away].all() and not all_blocked[aside & away].all()


def test_what_is_inside_the_robot_is_the_robot():
    """Self-hits are masked, and nothing beyond the outline is."""
    sensor = dataclasses.replace(SENSOR, beams=91, field_of_view=np.pi)
    robot = dataclasses.replace(DEFAULT_ROBOT, sensor=sensor)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 91)
    # ranges at which each beam leaves the rectangle
    ahead = (robot.length / 2 - sensor.mount_x) / np.maximum(np.cos(angles), 1e-9)
    aside = (robot.width / 2) / np.maximum(np.abs(np.sin(angles)), 1e-9)
    leaves = np.minimum(ahead, aside)
    for share, seen in ((0.5, False), (0.98, False), (1.02, True), (3.0, True)):
        scan = Scan(
            ranges=jnp.asarray(share * leaves, jnp.float32),
            valid=jnp.ones(91, bool),
            pose_map=jnp.zeros(3),
            age=0.0,
        )
        _, returned = occupancy.scan_points(robot, scan)
        assert np.all(np.asarray(returned) == seen)
