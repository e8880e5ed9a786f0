"""The simulated sensors against rays marched in steps of a millimetre."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from astro_jax.config import CameraConfig, RobotConfig, SensorConfig
from astro_jax.sim import sensors
from astro_jax.sim.detector import detect_people
from astro_jax.sim.scene import make_scene
from astro_jax.sim.sensors import (
    DETECTION_NOISE,
    NOISE_PER_RANGE,
    PERSON_SIGHT,
    people_in_sight,
    take_scan,
)

RESOLUTION = 0.05
SHAPE = (60, 90)
ORIGIN = np.array([-1.0, 0.5])
RADIUS = 0.22
SENSOR = SensorConfig(range_noise=0.0, beams=60, range_max=3.5)
MARCH = 0.001
SKIPPED = 0.36 * RESOLUTION
"""A corner of a wall that a beam cuts by less than this may be missed."""
DEEP = round(SKIPPED / MARCH)


def scene_of(blocked, people=2):
    return make_scene(
        occupancy=np.zeros(blocked.shape, np.int8),
        blocked=blocked,
        origin=ORIGIN,
        resolution=RESOLUTION,
        start=np.zeros(3),
        goal=np.zeros(3),
        paths=np.zeros((people, 2, 2)),
        lengths=np.full(people, 2),
        spacing=0.1,
        capacity=3,
        seed=0,
    )


@functools.cache
def cases():
    """Scenes, poses on free cells, and people; the third slot is always empty."""
    rng = np.random.default_rng(0)
    grids, poses, people = [], [], []
    for k in range(40):
        if k % 2:
            blocked = rng.random(SHAPE) < rng.choice([0.002, 0.01, 0.03])
        else:
            noise = ndimage.gaussian_filter(rng.normal(size=SHAPE), 3.0)
            blocked = noise > np.quantile(noise, 0.8)
        eye = rng.choice(np.argwhere(np.asarray(ndimage.distance_transform_edt(~blocked)) > 1.0))
        xy = ORIGIN + RESOLUTION * (eye[::-1] + rng.uniform(-0.5, 0.5, 2))
        around = xy + rng.uniform(-1.5, 1.5, (3, 2))
        near = np.hypot(*(around - xy).T) < RADIUS + 0.05
        around[near] += 1.0
        grids.append(blocked)
        poses.append([*xy, rng.uniform(-7, 7)])
        people.append(around)
    return np.array(grids), np.array(poses), np.array(people)


def at_mount(poses, sensor):
    """Poses of bases that carry the sensor to the given places."""
    mount, yaw = np.array([sensor.mount_x, sensor.mount_y]), poses[:, 2]
    turned = np.stack(
        [np.cos(yaw) * mount[0] - np.sin(yaw) * mount[1],
         np.sin(yaw) * mount[0] + np.cos(yaw) * mount[1]], axis=1
    )  # fmt: skip
    return np.column_stack([poses[:, :2] - turned, yaw])


@functools.cache
def march(sensor):
    """Where every beam first is in a wall, where it has gone ``SKIPPED`` deep into one,
    and where it meets the first of the two people (inf: never within reach)."""
    grids, poses, people = cases()
    along = np.arange(0.0, sensor.range_max, MARCH)
    bearing = np.linspace(-0.5, 0.5, sensor.beams) * sensor.field_of_view
    found = []
    for blocked, pose, around in zip(grids, poses, people, strict=True):
        angle = pose[2] + bearing
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        xy = pose[:2] + along[:, None, None] * direction
        column, row = np.floor((xy - ORIGIN) / RESOLUTION + 0.5).astype(int).transpose(2, 0, 1)
        walled = np.pad(blocked, 1, constant_values=True)
        inside = walled[np.clip(row + 1, 0, SHAPE[0] + 1), np.clip(column + 1, 0, SHAPE[1] + 1)]
        total = np.pad(np.cumsum(inside, axis=0), ((DEEP, 0), (0, 0)))
        deep = total[DEEP:] - total[:-DEEP] == DEEP
        touch = np.zeros_like(inside)
        for person in around[:2]:
            touch |= np.hypot(*(xy - person).transpose(2, 0, 1)) < RADIUS
        found.append([first(mask, along) for mask in (inside, deep, touch)])
    return np.array(found).transpose(1, 0, 2)


def first(mask, along):
    return np.where(mask.any(axis=0), along[np.argmax(mask, axis=0)], np.inf)


def scans(sensor, steps, seed=1):
    grids, poses, people = cases()
    scenes = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[scene_of(g) for g in grids])
    keys = jax.random.split(jax.random.key(seed), len(grids))

    def one(scene, pose, around, key):
        return take_scan(sensor, scene, pose, around, 0.1, key, steps)

    scan = jax.jit(jax.vmap(one))(
        scenes,
        jnp.asarray(at_mount(poses, sensor), jnp.float32),
        jnp.asarray(people, jnp.float32),
        keys,
    )
    return scan, np.asarray(scan.ranges), np.asarray(scan.valid)


def assert_true_ranges(ranges, valid, sensor):
    """What is valid lies between the first wall and the first wall of some depth."""
    earliest, latest, person = march(sensor)
    low, high = np.minimum(earliest, person), np.minimum(latest, person)
    returned = valid & np.isfinite(ranges)
    slack = 2 * MARCH
    assert np.all(ranges[returned] >= low[returned] - slack)
    assert np.all(ranges[returned] <= high[returned] + slack)
    nothing = valid & np.isinf(ranges)
    assert np.all(high[nothing] > sensor.range_max - slack)
    return returned, nothing


@pytest.mark.parametrize("accelerator", [False, True])
def test_scans_are_those_of_marched_rays(accelerator, monkeypatch):
    monkeypatch.setattr(sensors, "merges", lambda: accelerator)
    scan, ranges, valid = scans(SENSOR, 200)
    assert valid.all()
    returned, nothing = assert_true_ranges(ranges, valid, SENSOR)
    _, latest, person = march(SENSOR)
    assert returned.sum() > 1000 and nothing.sum() > 30
    assert np.sum(returned & (person < latest)) > 100  # people are among what is seen
    np.testing.assert_allclose(scan.pose_map[:, :2], cases()[1][:, :2], atol=1e-5)


def test_a_beam_that_did_not_come_to_an_end_is_invalid():
    _, ranges, valid = scans(SENSOR, 12)
    assert 0.02 < np.mean(~valid) < 0.9
    returned, _ = assert_true_ranges(ranges, valid, SENSOR)
    assert returned.sum() > 300
    assert np.all(np.isinf(ranges[~valid]))


def test_the_field_of_view_and_the_mount_are_the_configured_ones():
    sensor = dataclasses.replace(
        SENSOR, field_of_view=1.2, beams=41, range_max=2.0, mount_x=-0.2, mount_y=0.15
    )
    scan, ranges, valid = scans(sensor, 200)
    assert valid.all()
    assert_true_ranges(ranges, valid, sensor)
    np.testing.assert_allclose(scan.pose_map[:, :2], cases()[1][:, :2], atol=1e-5)


def test_noise_has_the_configured_size_and_never_makes_a_range_negative():
    noisy = dataclasses.replace(SENSOR, range_noise=0.05)
    _, clean, _ = scans(SENSOR, 200)
    _, ranges, valid = scans(noisy, 200, seed=5)
    returned = np.isfinite(clean)
    np.testing.assert_array_equal(np.isfinite(ranges), returned)
    far = returned & (clean > 0.3)
    error = ranges[far] - clean[far]
    assert abs(error.mean()) < 5 * 0.05 / np.sqrt(error.size)
    assert abs(error.std() / 0.05 - 1) < 5 / np.sqrt(2 * error.size)
    assert ranges[valid].min() >= 0.0


def test_people_are_detected_in_view_and_in_sight():
    sensor = dataclasses.replace(SENSOR, field_of_view=np.radians(200.0))
    grids, poses, _ = cases()
    rng = np.random.default_rng(7)
    count = 60  # per scene, in slots of three
    spread = rng.uniform(0.4, 4.0, (len(grids), count, 1))
    angle = rng.uniform(-np.pi, np.pi, (len(grids), count))
    offset = spread * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    people = (poses[:, None, :2] + offset).reshape(len(grids), -1, 3, 2)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, 0, 0, 0))
    def look(scene, pose, groups, keys):
        one = lambda group, key: people_in_sight(sensor, scene, pose, group, key)
        return jax.vmap(one)(groups, keys)

    scenes = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[scene_of(g) for g in grids])
    keys = jax.random.split(jax.random.key(2), (len(grids), count // 3))
    found = look(
        scenes,
        jnp.asarray(at_mount(poses, sensor), jnp.float32),
        jnp.asarray(people, jnp.float32),
        keys,
    )
    seen = np.asarray(found.seen).reshape(len(grids), count)

    tally = {"seen": 0, "missed": 0, "hidden": 0, "behind": 0}
    for k, (blocked, pose) in enumerate(zip(grids, poses, strict=True)):
        walled = np.pad(blocked, 1, constant_values=True)
        for m in range(count):
            if m % 3 == 2:
                assert not seen[k, m]  # an empty slot
                continue
            distance = np.hypot(*offset[k, m])
            bearing = np.angle(np.exp(1j * (np.arctan2(*offset[k, m][::-1]) - pose[2])))
            if abs(abs(bearing) - np.radians(100)) < 1e-3:
                continue
            if abs(bearing) > np.radians(100):
                assert not seen[k, m]
                tally["behind"] += 1
                continue
            t = np.arange(0.0, distance - RADIUS, MARCH)
            xy = pose[:2] + t[:, None] * offset[k, m] / distance
            column, row = np.floor((xy - ORIGIN) / RESOLUTION + 0.5).astype(int).T + 1
            inside = walled[np.clip(row, 0, SHAPE[0] + 1), np.clip(column, 0, SHAPE[1] + 1)]
            depth = np.where(inside, MARCH, 0.0).sum()
            if depth == 0.0:
                tally["seen" if seen[k, m] else "missed"] += 1
            elif depth > 4 * SKIPPED and first(inside, t) < distance - RADIUS - 0.1:
                assert not seen[k, m], (k, m, distance)
                tally["hidden"] += 1
    # A ray that creeps along walls for long is given up, and its person missed.
    assert tally.pop("missed") <= 0.02 * tally["seen"]
    assert min(tally.values()) > 50, tally

    error = (np.asarray(found.xy_map) - people)[:, :, :2]
    cov = np.asarray(found.xy_cov)[:, :, :2]
    np.testing.assert_array_equal(cov[..., 0, 1], 0.0)
    np.testing.assert_array_equal(cov[..., 0, 0], cov[..., 1, 1])
    range_ = spread[..., 0].reshape(len(grids), -1, 3)[:, :, :2]
    expected = np.hypot(DETECTION_NOISE, NOISE_PER_RANGE * range_)
    np.testing.assert_allclose(np.sqrt(cov[..., 0, 0]), expected, rtol=1e-3)
    error = error / expected[..., None]
    assert abs(error.std() - 1) < 5 / np.sqrt(2 * error.size)
    assert abs(error.mean()) < 5 / np.sqrt(error.size)


def test_nobody_is_recognised_from_far_away():
    scene = scene_of(np.zeros((20, 200), bool))
    eye = jnp.array([ORIGIN[0] + 0.5, ORIGIN[1] + 0.5, 0.0])
    people = np.tile(np.asarray(eye)[:2], (3, 1))
    people[:, 0] += SENSOR.mount_x + PERSON_SIGHT + np.array([-0.1, 0.1, 0.0])
    scene = dataclasses.replace(scene, present=jnp.ones(3, bool))
    look = jax.jit(functools.partial(people_in_sight, SENSOR))
    found = look(scene, eye, jnp.asarray(people), jax.random.key(0))
    np.testing.assert_array_equal(found.seen[:2], [True, False])


def frames_of(miss_rate, ghost_rate, count=4000):
    """Frames of a detector in a hall with three people in sight, and where those are."""
    scene = scene_of(np.zeros((200, 200), bool), people=3)
    rates = {"miss_rate": jnp.float32(miss_rate), "ghost_rate": jnp.float32(ghost_rate)}
    scene = dataclasses.replace(scene, **rates, kind=jnp.array([0, 1, 2], jnp.int32))
    eye = jnp.array([ORIGIN[0] + 0.5, ORIGIN[1] + 5.0, 0.0])
    people = np.asarray(eye)[:2] + np.array([[2.0, 0.0], [3.0, 1.5], [3.5, -2.0]])
    blind = RobotConfig(sensor=SENSOR, camera=CameraConfig(field_of_view=0.0))
    seen_by = functools.partial(detect_people, blind, scene, eye, jnp.float32(0.0))
    detect = functools.partial(seen_by, jnp.asarray(people, jnp.float32))
    keys = jax.random.split(jax.random.key(3), count)
    return jax.device_get(jax.jit(jax.vmap(lambda key: detect(0.15, key)))(keys)), people


def test_a_frame_comes_in_any_order_and_names_nobody():
    found, people = frames_of(0.0, 0.0)
    assert np.all(found.seen.sum(axis=1) == 3)
    np.testing.assert_array_equal(found.identity, -1)
    np.testing.assert_allclose(found.age, 0.15)
    gap = np.linalg.norm(found.xy_map[:, :, None] - people, axis=-1)
    who = np.where(found.seen, gap.argmin(axis=-1), -1)
    assert gap[found.seen].min(axis=-1).max() < 0.5
    np.testing.assert_array_equal(found.kind[found.seen], who[found.seen])
    # everybody, and the ghost that there is not, at every index equally often
    for index in range(4):
        share = np.bincount(who[:, index] + 1, minlength=4) / len(who)
        np.testing.assert_allclose(share, 0.25, atol=5 * np.sqrt(0.25 * 0.75 / len(who)))


def test_people_are_overlooked_and_ghosts_seen_as_often_as_the_scene_says():
    found, people = frames_of(0.1, 0.2)
    gap = np.linalg.norm(found.xy_map[:, :, None] - people, axis=-1)
    real = found.seen & (gap.min(axis=-1) < 0.5)
    count = len(real)
    assert abs(real.sum() / (3 * count) - 0.9) < 5 * np.sqrt(0.09 / (3 * count)) + 0.01
    ghost = found.seen & ~real
    assert np.all(ghost.sum(axis=1) <= 1)
    assert abs(ghost.sum() / count - 0.2) < 5 * np.sqrt(0.16 / count) + 0.01
    eye = np.array([ORIGIN[0] + 0.5 + SENSOR.mount_x, ORIGIN[1] + 5.0 + SENSOR.mount_y])
    offset = found.xy_map[ghost] - eye
    assert np.linalg.norm(offset, axis=-1).max() <= PERSON_SIGHT + 1e-3
    bearing = np.arctan2(offset[:, 1], offset[:, 0])
    assert np.abs(bearing).max() <= SENSOR.field_of_view / 2 + 1e-3
