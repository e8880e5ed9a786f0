"""Speeds in spite of people, against exact geometry at many moments of many stops."""

import jax
import numpy as np

from astro_jax.reactive import movers, path, sight

from .cases import (
    CONFIG,
    DELAY,
    ROBOT,
    case_of,
    constant_plan,
    f32,
    mask,
    path_speed,
    planned_at,
    put,
    tracks_of,
)
from .many import random_case

OPTIMISM = 0.02
"""So much room may be missing at the speed that is found: it is looked at at ten speeds, at
eight moments of each stop, m."""


def people_of(case):
    """As the gate takes them, from its scan and its tracks."""
    senses = case.senses
    points, returned, _ = sight.nearby(ROBOT, senses)
    shown, mine = sight.claims(senses.tracks, points, returned, senses.scan.age)
    eye, age = senses.scan.pose_map, senses.scan.age
    people = movers.tracked(senses.tracks, shown, mine, points, eye, age, senses.delay)
    return people, points, returned


@jax.jit
def allowed(case, reaction, wanted):
    pose, phase = case.senses.pose_map, case.state.phase
    way = path.path_ahead(ROBOT, CONFIG, case.plan, phase, pose, jax.numpy.float32(0.0))
    people, points, returned = people_of(case)
    tried = movers.stops(ROBOT, reaction, way, people, wanted)
    return movers.fastest(tried, people.there), vars(way), points, returned, vars(tried)


def tracked_twin(tracks, points, returned, eye, scan_age, delay=DELAY):
    """By the docstrings of ``claims`` and ``tracked``, one track and one return at a time."""
    found = []
    for k in np.flatnonzero(tracks.valid):
        xy, walk = np.asarray(tracks.xy_map[k], float), np.asarray(tracks.velocity_map[k], float)
        radius, age = float(tracks.radius[k]), float(tracks.age)
        shown = xy + (age - scan_age) * walk
        theirs = [
            np.hypot(*(point - eye[:2]))
            for point in points[returned]
            if np.hypot(*(point - shown)) < radius + sight.EXPLAINED
        ]
        if theirs:
            away = shown - eye[:2]
            front = np.hypot(*away) - radius
            nearer = min(front - min(theirs), sight.EXPLAINED) if min(theirs) < front else 0.0
            xy, age = shown - nearer * away / np.hypot(*away), scan_age
        fast = np.hypot(*walk)
        unsure = max(float(np.sqrt(tracks.velocity_var[k])) - movers.KNOWN, 0.0)
        rush = movers.DOUBT + unsure + max(fast - movers.FASTEST, 0.0)
        walk = walk * min(1.0, movers.FASTEST / max(fast, 1e-9))
        found.append((xy, walk, radius + movers.MOVER_MARGIN, rush, age + delay))
    return found


def rectangle_gap(poses, centres):
    """Signed distance of points to the footprint at poses, float64."""
    dx, dy = (centres - poses[..., :2]).T
    c, s = np.cos(poses[..., 2]), np.sin(poses[..., 2])
    outside = np.stack(
        [np.abs(c * dx + s * dy) - ROBOT.length / 2, np.abs(c * dy - s * dx) - ROBOT.width / 2]
    )
    return np.hypot(*np.maximum(outside, 0.0)) + np.minimum(np.max(outside, axis=0), 0.0)


def room(way, people, speed, reaction):
    """Least room (m) at 300 moments of the stop from ``speed``, to its very end.

    Between two speeds and two moments that the gate looks at, a rule may just begin to hold.
    """
    b = ROBOT.wheel_acceleration
    t = np.linspace(0.0, reaction + speed / b, 300)
    braking = np.clip(t - reaction, 0.0, speed / b)
    metres = speed * np.minimum(t, reaction) + speed * braking - 0.5 * b * braking**2
    poses = np.stack([np.interp(metres, way["lengths"], p) for p in way["poses"].T], axis=1)
    first = np.broadcast_to(poses[0], poses.shape)
    least = np.inf
    for xy, walk, radius, rush, since in people:
        ahead = t + since
        centres = xy + ahead[:, None] * walk
        reach = radius + 0.5 * movers.TURN * ahead**2 + rush * ahead
        gap = rectangle_gap(poses, centres) - reach
        nearer = rectangle_gap(first, centres) - reach - gap
        away = np.hypot(*(centres - poses[:, :2]).T) - np.hypot(*(centres - first[:, :2]).T)
        spared = np.minimum(away - movers.LEAVING * metres, -nearer)
        if speed <= movers.BESIDE + 1e-6:
            sure = radius + (rush - movers.DOUBT) * ahead
            coming = rectangle_gap(first, centres) < sure - OPTIMISM
            beside = movers.NEARER * speed / movers.BESIDE - nearer
            spared = np.where(coming, spared, np.maximum(spared, beside))
        room = np.where(spared >= -OPTIMISM, np.maximum(gap, spared), gap)
        least = min(least, np.min(room))
    return least


def meetings(count):
    """(People, reaction time, wanted speed, allowed speed, path) of random meetings."""
    random = np.random.default_rng(3)
    for _ in range(count):
        case = random_case(random)
        wanted = path_speed(planned_at(case.plan, float(case.state.phase)))
        reaction = f32(random.uniform(0.05, 0.2))
        speed, way, points, returned, _ = allowed(case, reaction, f32(wanted))
        way = {name: np.asarray(value, float) for name, value in way.items()}
        scan = case.senses.scan
        seen = np.asarray(points, float), np.asarray(returned), np.asarray(scan.pose_map, float)
        people = tracked_twin(case.senses.tracks, *seen, float(scan.age))
        yield people, float(reaction), wanted, float(speed), way


def test_no_allowed_speed_lets_anybody_into_the_stop():
    held = 0
    for people, reaction, wanted, speed, way in meetings(700):
        held += np.isfinite(speed)
        if min(speed, wanted) > 1e-3:
            assert room(way, people, min(speed, wanted), reaction) > -OPTIMISM
    assert held > 40


def test_an_allowed_speed_is_about_the_highest_that_can_be():
    """No speed well above it is clear, up to the planned one: a dense search finds none."""
    for people, reaction, wanted, speed, way in meetings(300):
        if np.isfinite(speed):
            above = np.linspace(speed + 1.1 * wanted / movers.SPEEDS, wanted, 30)
            rooms = [room(way, people, v, reaction) for v in above if v <= wanted]
            assert all(r < OPTIMISM for r in rooms)


def test_stops_are_their_twin():
    """Every number of them, with those of the docstrings written out."""
    random, slow = np.random.default_rng(8), 0
    for _ in range(25):
        case = random_case(random)
        wanted, reaction = random.uniform(0.1, 0.7), random.uniform(0.05, 0.2)
        _, way, points, returned, tried = allowed(case, f32(reaction), f32(wanted))
        tracks, scan = case.senses.tracks, case.senses.scan
        seen = np.asarray(points, float), np.asarray(returned), np.asarray(scan.pose_map, float)
        people = tracked_twin(tracks, *seen, float(scan.age))
        way = {name: np.asarray(value, float) for name, value in way.items()}
        speeds = wanted * np.arange(1, 11) / 10
        np.testing.assert_allclose(tried["speeds"], speeds, rtol=1e-5)
        v, t = speeds[:, None], (reaction + speeds / 1.2)[:, None] * np.arange(1, 9) / 8
        braking = np.clip(t - reaction, 0.0, v / 1.2)
        metres = v * np.minimum(t, reaction) + v * braking - 0.6 * braking**2
        poses = np.stack([np.interp(metres, way["lengths"], p) for p in way["poses"].T], axis=-1)
        for k, (xy, walk, radius, rush, since) in zip(
            np.flatnonzero(tracks.valid), people, strict=True
        ):
            ahead = (t + since)[..., None]
            centres = (xy + ahead * walk).reshape(-1, 2)
            ahead, flat = ahead.ravel(), poses.reshape(-1, 3)
            first = np.broadcast_to(way["poses"][0], flat.shape)
            reach = radius + 0.35 * ahead**2 + rush * ahead
            here, there = rectangle_gap(first, centres), rectangle_gap(flat, centres)
            away = np.hypot(*(centres - flat[:, :2]).T) - np.hypot(*(centres - first[:, :2]).T)
            leaving = np.minimum(away, there - here) - 0.3 * metres.ravel()
            at = np.repeat(speeds, 8)
            beside = there - here + np.where(at <= 0.25, 0.004 * at / 0.25, -np.inf)
            coming = here - radius - (rush - 0.1) * ahead
            spared = np.where(coming < 0.0, leaving, np.maximum(leaving, beside))
            close = {"atol": 2e-4, "rtol": 0}
            found = {
                name: np.asarray(tried[name])[..., k].ravel() for name in tried if name != "speeds"
            }
            np.testing.assert_allclose(found["gap"], there - reach, **close)
            np.testing.assert_allclose(found["leaving"], leaving, **close)
            clear_cut = np.abs(coming) > 1e-3
            np.testing.assert_allclose(found["spared"][clear_cut], spared[clear_cut], **close)
            slow += np.sum(spared[clear_cut] > leaving[clear_cut])
    assert slow > 20


def test_a_track_that_is_too_fast_may_be_anywhere_in_between():
    tracks = tracks_of([(1.0, 0.0)] * 3, [(5.0, 0.0), (0.0, 2.9), (0.0, 0.0)], age=0.1)
    people = unseen(tracks)
    np.testing.assert_allclose(people.velocity_map, [[3, 0], [0, 2.9], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(people.rush, movers.DOUBT + np.array([2.0, 0.0, 0.0]), atol=1e-6)
    np.testing.assert_allclose(people.since, 0.28, rtol=1e-6)
    centres, radii = people.at(f32(0.22))
    np.testing.assert_allclose(centres, [[2.5, 0], [1, 1.45], [1, 0]], atol=1e-5)
    walking = 0.22 + movers.MOVER_MARGIN + 0.5 * movers.TURN * 0.25 + 0.5 * movers.DOUBT
    np.testing.assert_allclose(radii, [walking + 1.0, walking, walking], atol=1e-5)


def test_of_a_velocity_that_is_hardly_known_more_is_granted():
    walks = put(tracks_of([(1.0, 0.0)] * 3), "velocity_var", f32([0.6**2, 0.2**2, 0.0]))
    np.testing.assert_allclose(unseen(walks).rush, movers.DOUBT + np.array([0.4, 0, 0]), atol=1e-6)
    for var in (np.nan, -1.0, np.inf):
        case = case_of(constant_plan(0.6, 0.0), people=[(1.5, 0.0)])
        lost = put(case, "senses.tracks.velocity_var", f32(np.full(3, var)))
        assert float(allowed(lost, f32(0.1), f32(0.5))[0]) == 0.0


def test_a_velocity_that_is_not_a_number_is_everywhere():
    for points in ((), [(1.2, 0.0)]):
        case = case_of(constant_plan(0.6, 0.0), points=points, people=[(1.5, 0.0)])
        lost = put(case, "senses.tracks.velocity_map", f32(np.full((3, 2), np.nan)))
        assert float(allowed(lost, f32(0.1), f32(0.5))[0]) == 0.0
        assert float(allowed(case, f32(0.1), f32(0.5))[0]) > 0.0


def test_people_are_where_the_scan_shows_them():
    random, shown = np.random.default_rng(5), 0
    tracked = jax.jit(lambda case: (vars(people_of(case)[0]), people_of(case)[1:]))
    for _ in range(300):
        case = random_case(random)
        scan, tracks = case.senses.scan, case.senses.tracks
        people, (points, returned) = tracked(case)
        seen = np.asarray(points, float), np.asarray(returned), np.asarray(scan.pose_map, float)
        twin = tracked_twin(tracks, *seen, float(scan.age))
        names = ("xy_map", "velocity_map", "radius", "rush", "since")
        for k, expected in zip(np.flatnonzero(tracks.valid), twin, strict=True):
            shown += expected[-1] != float(tracks.age) + DELAY
            for name, value in zip(names, expected, strict=True):
                np.testing.assert_allclose(people[name][k], value, atol=1e-4)
    assert shown > 50


def test_beside_somebody_it_passes_slowly():
    """Passing beside them is granted up to ``BESIDE``, between the speeds that are tried too."""
    for wanted in (0.31, 0.45, 0.6, 0.7):
        # an arm's length from the flank, standing
        case = case_of(constant_plan(wanted, 0.0), people=[(0.1, 0.44)])
        speed = float(allowed(case, f32(0.1), f32(wanted))[0])
        assert 0.8 * movers.BESIDE < speed <= movers.BESIDE + 1e-6


def unseen(tracks, delay=DELAY):
    """Tracks in a scan that shows nothing."""
    points, none = jax.numpy.full((4, 2), 9.0), jax.numpy.zeros((len(tracks.radius), 4), bool)
    eye = jax.numpy.zeros(3)
    return movers.tracked(tracks, tracks.xy_map, none, points, eye, f32(0.04), delay)


def ahead():
    """Straight on at .6 m/s."""
    return constant_plan(0.6, 0.0), f32(0.0), f32(np.zeros(3))


def appeared_twin(points, new):
    """Index of the nearest new point in each sector, None without any."""
    width = 2 * np.pi / movers.SECTORS
    found: list[int | None] = [None] * movers.SECTORS
    for k in np.flatnonzero(new):
        sector = int((np.arctan2(points[k, 1], points[k, 0]) + np.pi) // width)
        best = found[sector]
        if best is None or np.hypot(*points[k]) < np.hypot(*points[best]):
            found[sector] = int(k)
    return found


def test_appeared_is_the_nearest_new_return_of_each_sector():
    random = np.random.default_rng(4)
    appeared = jax.jit(lambda p, new: vars(movers.appeared(p + 10.0, p, new, 0.04, DELAY)))
    for _ in range(40):
        points = f32(random.normal(size=(60, 2)))
        new = random.uniform(size=60) < random.choice([0.0, 0.1, 0.8])
        found = appeared(points, mask(new))
        twin = appeared_twin(np.asarray(points, float), new)
        np.testing.assert_array_equal(found["there"], [k is not None for k in twin])
        for sector, k in enumerate(twin):
            if k is not None:
                np.testing.assert_allclose(found["xy_map"][sector], points[k] + 10.0, rtol=1e-6)
        np.testing.assert_allclose(found["rush"], movers.RUSH)
        np.testing.assert_allclose(found["since"], 0.04 + DELAY, rtol=1e-6)


def test_a_new_return_that_is_not_a_number_stops():
    points = jax.numpy.full((4, 2), 3.0).at[2].set(jax.numpy.nan)

    @jax.jit
    def speed(new):
        way = path.path_ahead(ROBOT, CONFIG, *ahead(), jax.numpy.float32(0.0))
        strangers = movers.appeared(points, points, new, 0.04, DELAY)
        tried = movers.stops(ROBOT, 0.1, way, strangers, jax.numpy.float32(0.5))
        return movers.fastest(tried, strangers.there)

    assert np.isinf(speed(mask([True, True, False, True])))
    assert float(speed(mask([False, False, True, False]))) == 0.0


def test_who_does_not_count_is_not_there():
    @jax.jit
    def speed(counted):
        way = path.path_ahead(ROBOT, CONFIG, *ahead(), jax.numpy.float32(0.0))
        people = unseen(tracks_of([(0.75, 0.0)] * 3))
        return movers.fastest(
            movers.stops(ROBOT, 0.1, way, people, jax.numpy.float32(0.6)), counted
        )

    assert np.isfinite(speed(mask([False, True, False])))
    assert np.isinf(speed(mask([False, False, False])))
