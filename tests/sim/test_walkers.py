"""Simulated people: what they never do, over minutes in the packaged flat and on a floor."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.home import packaged_home
from astro_jax.route.field import wall_distance
from astro_jax.sim.scene import make_scene
from astro_jax.sim.walkers import PATIENCE, initial_walkers, walk

DT = 0.02
ROBOT_RADIUS = 0.21
NOWHERE = np.array([100.0, 100.0])


@functools.partial(jax.jit, static_argnames="seconds")
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def stroll(scene, robot_xy, seconds):
    """Every tick of ``seconds`` of walking."""

    def step(people, _):
        people = walk(scene, people, robot_xy, ROBOT_RADIUS, DT)
        return people, people

    return jax.lax.scan(step, initial_walkers(scene), length=round(seconds / DT))[1]


def stacked(scenes):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *scenes)


@functools.cache
def in_the_flat():
    """Two minutes of seven people in the flat, twice."""
    homes = [packaged_home(DEFAULT_ROBOT, DEFAULT_PLANNER, people=7, seed=k) for k in (0, 1)]
    scenes = stacked([home.scene for home in homes])
    robots = jnp.asarray(np.tile(NOWHERE, (2, 1)), jnp.float32)
    return homes, jax.device_get(stroll(scenes, robots, 120.0))


def test_people_stay_out_of_walls():
    homes, people = in_the_flat()
    for k, home in enumerate(homes):
        clearance = wall_distance(home.blocked, home.house_map.resolution)
        row, column, inside = home.house_map.cell_of(people.xy_map[k, :, :7])
        assert inside.all()
        room = clearance[row, column]
        assert room.min() > 0.05  # shoulders may brush a frame, the trunk goes nowhere near
        assert np.mean(room < 0.15) < 0.02


def test_people_keep_their_speed_and_move_as_fast_as_they_say():
    homes, people = in_the_flat()
    for k, home in enumerate(homes):
        speed = np.linalg.norm(people.velocity_map[k], axis=-1)
        assert np.all(speed <= 1.2 * np.asarray(home.scene.walk_speed) + 1e-4)
        moved = np.diff(people.xy_map[k], axis=0) / DT
        np.testing.assert_allclose(moved, people.velocity_map[k, 1:], atol=2e-3)
        assert np.all(speed[:, 7] == 0.0)  # an empty slot
        assert np.median(speed[:, :7]) > 0.3  # they do get about
        change = np.abs(np.diff(people.velocity_map[k], axis=0))
        assert change.max() <= 4.0 * DT + 1e-4  # the cap on the force, per axis


def test_people_keep_apart():
    _, people = in_the_flat()
    for k in range(2):
        xy = people.xy_map[k, :, :7]
        apart = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1)
        apart = apart[round(3.0 / DT) :, *np.triu_indices(7, 1)]  # two may start too near
        assert apart.min() > 0.4  # they squeeze past each other, not through each other
        assert np.any(apart < 1.0)  # they do meet


def test_people_walk_to_and_fro_along_their_paths():
    homes, people = in_the_flat()
    for k, home in enumerate(homes):
        scene = home.scene
        end = (np.asarray(scene.path_length) - 1) * float(scene.path_spacing)
        for m in range(7):
            along, direction = people.along[k, :, m], people.direction[k, :, m]
            assert along.min() >= 0.0 and along.max() <= end[m] + 1e-4
            turns = np.flatnonzero(np.diff(direction))
            if 3.0 * end[m] < 0.4 * 120:  # else a round may not fit
                assert len(turns) >= 2
            path = np.asarray(scene.path_map)[m, : int(scene.path_length[m])]
            off = np.linalg.norm(people.xy_map[k, ::50, m, None] - path, axis=-1).min(axis=1)
            assert np.median(off) < 0.35 and off.max() < 1.2


# ---- encounters on an open floor -----------------------------------------------------


def floor_scene(paths, speeds, phases):
    blocked = np.zeros((120, 200), bool)  # 10 m by 6 m around the origin
    scene = make_scene(
        occupancy=np.zeros(blocked.shape, np.int8),
        blocked=blocked,
        origin=np.array([-4.975, -2.975]),
        resolution=0.05,
        start=np.array([0.0, 2.0, 0.0]),
        goal=np.zeros(3),
        paths=np.asarray(paths, float),
        lengths=np.full(len(paths), len(paths[0])),
        spacing=0.1,
        capacity=2,
        seed=0,
    )
    return dataclasses.replace(
        scene,
        walk_speed=jnp.asarray(speeds, jnp.float32),
        walk_start=jnp.asarray(phases, jnp.float32),
    )


def straight(x_from, x_to, y=0.0):
    x = np.linspace(x_from, x_to, round(abs(x_to - x_from) / 0.1) + 1)
    return np.stack([x, np.full_like(x, y)], axis=1)


@functools.cache
def on_the_floor():
    """One person and a robot: far away, right in the way, a little beside; two people."""
    alone = [straight(-3.0, 3.0)]
    scenes = [floor_scene(alone, (speed, 1.0), (0.0, 0.0)) for speed in (0.8, 0.8, 1.1, 0.6)]
    both = [straight(-3.0, 3.0), straight(3.0, -3.0)]
    scenes.append(floor_scene(both, (0.9, 0.9), (0.0, 0.0)))
    robots = np.array([NOWHERE, [0.0, 0.0], [0.0, 0.0], [0.0, 0.15], NOWHERE])
    return jax.device_get(stroll(stacked(scenes), jnp.asarray(robots, jnp.float32), 40.0)), robots


def test_an_undisturbed_walker_turns_back_at_both_ends():
    people, _ = on_the_floor()
    x = people.xy_map[0, :, 0, 0]
    assert 2.3 < x.max() < 3.1 and x.min() < -2.3
    turned = np.flatnonzero(np.diff(people.direction[0, :, 0]))
    np.testing.assert_array_equal(np.sign(people.direction[0, turned + 1, 0])[:3], [-1, 1, -1])
    assert turned[1] * DT > 6.0 / 0.8  # an end to end walk between two turns
    assert np.abs(people.xy_map[0, :, 0, 1]).max() < 0.05
    cruising = np.abs(x) < 1.5
    speed = np.linalg.norm(people.velocity_map[0, :, 0], axis=-1)[cruising]
    np.testing.assert_allclose(np.median(speed), 0.8, atol=0.05)


def test_a_standing_robot_is_not_walked_through():
    people, robots = on_the_floor()
    for k in (1, 2, 3):
        xy = people.xy_map[k, :, 0]
        gap = np.linalg.norm(xy - robots[k], axis=-1) - ROBOT_RADIUS - 0.22
        assert gap.min() > 0.0
        assert gap.min() < 0.6  # they did meet


def test_someone_who_is_blocked_turns_back_when_out_of_patience():
    people, _ = on_the_floor()
    x, direction = people.xy_map[1, :, 0, 0], people.direction[1, :, 0]
    passed = x.max() > 1.0
    turned = np.flatnonzero(np.diff(direction) < 0)
    assert passed or (len(turned) and x[turned[0]] < 0.0 and turned[0] * DT > PATIENCE)
    # Either way nobody stands before the robot for the rest of the day.
    still = np.linalg.norm(people.velocity_map[1, :, 0], axis=-1) < 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still, [0]])))
    assert np.max(edges[1::2] - edges[::2], initial=0) * DT < PATIENCE + 3.0


def test_two_who_meet_head_on_pass_each_other_on_the_right():
    people, _ = on_the_floor()
    one, other = people.xy_map[4, :, 0], people.xy_map[4, :, 1]
    apart = np.linalg.norm(one - other, axis=-1)
    assert 0.3 < apart.min() < 1.0
    crossed = np.flatnonzero(one[:, 0] > other[:, 0])
    assert len(crossed) and crossed[0] * DT < 10.0
    # To the right of someone who walks along +x is −y.
    assert one[crossed[0], 1] < other[crossed[0], 1]


def test_a_person_starts_on_the_path_away_from_the_robot():
    homes, _ = in_the_flat()
    for home in homes:
        people = initial_walkers(home.scene)
        for m in range(7):
            path = np.asarray(home.scene.path_map)[m, : int(home.scene.path_length[m])]
            gap = np.linalg.norm(path - np.asarray(people.xy_map[m]), axis=-1)
            assert gap.min() <= 0.051
        assert np.all(np.asarray(people.velocity_map) == 0.0)
