"""What is granted to people and newcomers, and what counts as seen, in metres and seconds.

The other tests speak of these numbers by their names; here they are written out, so that
nobody moves one of them without saying so.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.reactive import movers, path, sight
from astro_jax.reactive.path import Path
from astro_jax.world.sight import Glance

from .cases import (
    BEAMS,
    BEARINGS,
    CONFIG,
    ROBOT,
    TICK,
    case_of,
    constant_plan,
    f32,
    mask,
    put,
    scan_of,
    tracks_of,
)

# ---- people ----------------------------------------------------------------------------


def people(tracks, mine=False, points=((9.0, 9.0),) * 3, age=0.04, delay=0.18):
    """Tracks, all of the returns being everybody's or nobody's, seen from the origin."""
    returns = jnp.asarray(f32(points))
    theirs = jnp.full((len(tracks.radius), len(points)), mine)
    shown, eye = jnp.asarray(tracks.xy_map), jnp.zeros(3)
    return movers.tracked(tracks, shown, theirs, returns, eye, f32(age), delay)


@pytest.mark.parametrize(
    ("speed", "x", "radius"),
    [
        # half a second and .28 before: .7 m/s² and .1 m/s, and 5 cm besides
        (0.0, 2.0, 0.22 + 0.05 + 0.35 * 0.78**2 + 0.1 * 0.78),
        (1.0, 2.0 + 0.78, 0.22 + 0.05 + 0.35 * 0.78**2 + 0.1 * 0.78),
        # nobody is faster than 3 m/s, but who knows
        (3.0, 2.0 + 3 * 0.78, 0.22 + 0.05 + 0.35 * 0.78**2 + 0.1 * 0.78),
        (4.0, 2.0 + 3 * 0.78, 0.22 + 0.05 + 0.35 * 0.78**2 + 1.1 * 0.78),
    ],
)
def test_where_somebody_may_be_in_half_a_second(speed, x, radius):
    tracks = tracks_of([(2.0, 1.0)], (speed, 0.0), age=0.1)
    centres, radii = jax.jit(lambda tracks: people(tracks).at(jnp.float32(0.5)))(tracks)
    np.testing.assert_allclose(centres[0], (x, 1.0), atol=1e-5)
    assert float(radii[0]) == pytest.approx(radius, abs=1e-5)


@pytest.mark.parametrize(
    ("nearest", "x"),
    [
        # their front is believed to be at 1.78 m
        (1.9, 2.0),
        (1.78, 2.0),
        (1.7, 1.92),
        (1.64, 1.86),
        # fifteen centimetres are as much as is theirs
        (1.5, 1.85),
    ],
)
def test_the_scan_shows_somebody_nearer_than_their_track(nearest, x):
    points = [(0.0, 2.4), (nearest, 0.0), (2.3, 0.0)]
    for age, since in ((0.04, 0.22), (-0.03, 0.18)):
        found = people(tracks_of([(2.0, 0.0)]), True, points, age)
        np.testing.assert_allclose(found.xy_map[0], (x, 0.0), atol=1e-5)
        np.testing.assert_allclose(found.since, since, rtol=1e-5)


@jax.jit
def appeared(points, age):
    new = jnp.ones(len(points), bool)
    found = movers.appeared(points + 2.0, points, new, age, 0.18)
    return found.there, *found.at(jnp.float32(0.1))


def test_what_has_appeared_may_run_at_1_6_metres_a_second():
    points = f32([(0.5, 0.1), (0.7, 0.1), (-0.5, 0.3)])
    for age, since in ((0.04, 0.22), (-0.03, 0.18)):
        there, centres, radii = map(np.asarray, appeared(points, f32(age)))
        assert there.shape == (12,) and np.sum(there) == 2
        np.testing.assert_allclose(radii, 0.05 + 1.6 * (0.1 + since), rtol=1e-5)
        where = centres[there]
        np.testing.assert_allclose(sorted(where.tolist()), [[1.5, 2.3], [2.5, 2.1]], rtol=1e-6)


def test_right_behind_it_is_a_place_and_what_is_no_number_is_everywhere():
    for zero in (0.0, -0.0):
        there, centres, _ = appeared(f32([(-0.5, zero)] * 3), f32(0.04))
        np.testing.assert_allclose(centres[there], [[1.5, 2.0]], rtol=1e-6)
    there, centres, _ = appeared(f32([(0.5, 0.1), (np.nan, 0.1), (-0.5, 0.3)]), f32(0.04))
    assert np.all(there) and np.all(np.isnan(centres[:, 0]))


def test_a_robot_leaves_if_three_tenths_of_its_way_are_away():
    """From somebody right behind it all of it is, from somebody beside nothing."""

    @jax.jit
    def left(plan, tracks):
        start = jnp.float32(0.0), jnp.zeros(3), jnp.float32(0.0)
        way = path.path_ahead(ROBOT, CONFIG, plan, *start)
        return movers.stops(ROBOT, 0.1, way, people(tracks), jnp.float32(0.5)).leaving[-1, -1]

    way = 0.5 * 0.1 + 0.5**2 / 2.4
    behind, aside, _ = left(constant_plan(0.5, 0.0), tracks_of([(-1.0, 0.0), (way / 2, 1.0)]))
    np.testing.assert_allclose((behind, aside), (0.7 * way, -0.3 * way), atol=1e-5)


def test_beside_somebody_it_drives_a_quarter_of_a_metre_a_second():

    @jax.jit
    def allowed(plan, tracks, wanted):
        start = jnp.float32(0.0), jnp.zeros(3), jnp.float32(0.0)
        way, standing = path.path_ahead(ROBOT, CONFIG, plan, *start), people(tracks)
        return movers.fastest(movers.stops(ROBOT, 0.1, way, standing, wanted), standing.there)

    speed = allowed(constant_plan(0.5, 0.0), tracks_of([(0.1, 0.44)]), f32(0.5))
    assert float(speed) == pytest.approx(0.25, abs=1e-6)


# ---- the scan ----------------------------------------------------------------------------


in_window = jax.jit(lambda senses: sight.nearby(ROBOT, senses)[1])


def shown(ranges):
    """(Beams in the window) of a scan from the origin of the base, the eye 10 cm ahead."""
    senses = put(case_of().senses, "scan", scan_of(ranges, (0.1, 0.0, 0.0)))
    return np.asarray(in_window(senses))


def test_returns_count_within_a_metre():
    for bearing, near, far in (
        (0.0, 0.89, 0.91),
        (np.pi / 2, 0.99, 1.01),
        (-np.pi / 2, 0.99, 1.01),
    ):
        beam = int(np.argmin(np.abs(BEARINGS - bearing)))
        for reach, counts in ((near, True), (far, False)):
            ranges = np.full(BEAMS, np.inf)
            ranges[beam] = reach
            assert np.flatnonzero(shown(ranges)).tolist() == [beam] * counts


def test_ahead_is_half_a_radian_to_either_side():
    scan, aside = scan_of(np.full(BEAMS, 1.0), (0, 0, 0)), np.abs(BEARINGS)
    lost = (aside > 0.5) & (aside < 0.6)
    found = sight.sighted(ROBOT, dataclasses.replace(scan, valid=mask(~lost)))
    assert float(found) == pytest.approx(1.0 - np.mean(lost), abs=1e-5)
    lost = (aside < 0.5) & (aside > 0.4)
    found = sight.sighted(ROBOT, dataclasses.replace(scan, valid=mask(~lost)))
    share = np.sum(aside < 0.4) / np.sum(aside < 0.5)
    assert float(found) == pytest.approx(share, abs=1e-5)


def test_a_return_is_somebodys_within_fifteen_centimetres():
    # .1 s before the scan: 5 cm on, 2 cm to the right
    tracks = tracks_of([(1.0, 0.32)], (0.5, -0.2), age=0.14, radius=0.2)
    points = [(1.05, 0.649), (1.05, -0.051), (1.05, 0.3), (0.701, 0.3), (1.401, 0.3)]
    points += [(1.05, 0.651), (1.05, -0.049)]
    returned = jnp.asarray([True, True, False, True, True, True, True])
    there, mine = sight.claims(tracks, jnp.asarray(f32(points)), returned, f32(0.04))
    np.testing.assert_allclose(there[0], (1.05, 0.3), rtol=1e-5)
    np.testing.assert_array_equal(mine[0], [True, False, False, True, False, False, True])
    assert not np.any(np.asarray(mine)[1:])


new_points = jax.jit(lambda memory, xy, hit: sight.new_points(ROBOT, memory, xy, hit))


@pytest.mark.parametrize(
    ("points", "new"),
    [
        # where it was free for 1 m: 12 cm nearer than that
        ([(0.875, 0.0), (0.875, 0.02)], [True, True]),
        ([(0.885, 0.0), (0.885, 0.02)], [False, False]),
        # two neighbours that are within 10 cm of each other
        ([(0.5, 0.0), (0.5, 0.099)], [True, True]),
        ([(0.5, 0.0), (0.5, 0.101)], [False, False]),
        ([(0.5, 0.0), (0.595, 0.0)], [True, True]),
        ([(0.5, 0.0), (0.605, 0.0)], [False, False]),
        ([(0.605, 0.0), (0.5, 0.0)], [False, False]),
        ([(0.5, 0.0), (0.885, 0.02)], [False, False]),
        ([(0.5, 0.0), (0.6, 0.3), (0.6, 0.35)], [False, True, True]),
        ([(0.5, 0.0), (np.nan, 0.0)], [False, False]),
    ],
)
def test_new_is_what_two_beams_see_where_it_was_free(points, new):
    look = Glance(free=f32(np.ones(BEAMS)), eye_map=f32(np.zeros(3)))
    memory = dataclasses.replace(case_of().state.memory, old=look)
    # as many as the longest of these: no new shape
    padded = f32([*points, *[(5.0, 5.0)] * (3 - len(points))])
    returned = np.arange(3) < len(points)
    found = np.asarray(new_points(memory, padded, mask(returned)))
    np.testing.assert_array_equal(found[: len(points)], new)
    # what has not returned is not there
    assert not np.any(new_points(memory, padded, mask(np.zeros(3))))


def test_ten_centimetres_beside_itself_it_need_not_look():
    """With nothing in sight at all: backwards, forwards, sideways."""
    nothing = Glance(free=jnp.zeros(BEAMS), eye_map=jnp.zeros(3))
    seen = jax.jit(
        lambda poses, lengths: sight.seen_way(
            ROBOT, nothing, Path(poses=poses, times=lengths, lengths=lengths)
        )
    )
    on, still = f32([0.0, 0.06, 0.099, 0.101, 0.2]), np.zeros(5, np.float32)
    for x, y in ((-on, still), (on, still), (still, on)):
        poses = jnp.asarray(np.stack([x, y, still], axis=1))
        assert float(seen(poses, 2 * on)) == pytest.approx(0.202)
        assert np.isinf(seen(poses[:3], 2 * on[:3]))


@pytest.mark.parametrize(
    ("since", "due"), [(0.0, False), (0.18, False), (0.185, False), (0.195, True), (np.inf, True)]
)
def test_a_look_is_kept_every_fifth_of_a_second(since, due):
    """To half a tick."""
    old, middle, now = (
        Glance(free=jnp.full(BEAMS, k), eye_map=jnp.full(3, k)) for k in (1.0, 2.0, 3.0)
    )
    case = case_of(state__memory__since=f32(since))
    memory = dataclasses.replace(case.state.memory, old=old, middle=middle)
    after = jax.jit(lambda m, s, g: sight.remember(m, s, g, TICK))(memory, case.senses, now)
    looks = [float(after.old.free[0]), float(after.middle.free[0])]
    assert looks == [float(after.old.eye_map[0]), float(after.middle.eye_map[0])]
    assert looks == ([2.0, 3.0] if due else [1.0, 2.0])
    assert float(after.since) == pytest.approx(TICK if due else since + TICK)
    np.testing.assert_array_equal(after.ranges, case.senses.scan.ranges)
    assert float(after.scan_age) == pytest.approx(float(case.senses.scan.age))
