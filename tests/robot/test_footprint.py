"""Footprints: what is refused, what the rim encloses, what the discs cover."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from astro_jax.config import RobotConfig, ScreenConfig
from astro_jax.robot.footprint import covering_discs, outline, overhang, rim

WEDGE = ((0.3, -0.1), (0.38, 0.0), (0.3, 0.1), (-0.2, 0.24), (-0.26, 0.0), (-0.2, -0.24))


def area(points):
    x, y = np.asarray(points).T
    return 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))


@st.composite
def footprints(draw):
    """Convex polygons with the origin inside, without tiny edges or flat corners."""
    count = draw(st.integers(3, 9))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    angle = (np.arange(count) + random.uniform(-0.2, 0.2, count)) * 2 * np.pi / count
    size = random.uniform(0.1, 0.8, 2)
    points = np.stack([size[0] * np.cos(angle), size[1] * np.sin(angle)], axis=1)
    points = points[ConvexHull(points).vertices]
    return tuple((float(x), float(y)) for x, y in points)


def inside(points, place):
    edge = np.roll(points, -1, axis=0) - points
    off = place[:, None] - points[None]
    return np.all(edge[:, 0] * off[..., 1] - edge[:, 1] * off[..., 0] >= 0, axis=1)


def test_the_default_is_the_rectangle():
    robot = RobotConfig()
    assert robot.problems() == []
    points = outline(robot)
    np.testing.assert_allclose(np.ptp(points, axis=0), [robot.length, robot.width])
    assert area(points) == pytest.approx(robot.length * robot.width)
    np.testing.assert_array_equal(outline(RobotConfig(footprint=WEDGE)), WEDGE)


@pytest.mark.parametrize(
    ("footprint", "expected"),
    [
        (((0.1, 0.1), (-0.1, 0.1)), "3 vertices"),
        (((0.2, -0.1), (np.nan, 0.1), (-0.2, 0.1)), "finite"),
        (((0.2, -0.1), (np.inf, 0.1), (-0.2, 0.1)), "finite"),
        (WEDGE[::-1], "counter-clockwise"),
        (((0.3, -0.2), (0.05, 0.0), (0.3, 0.2), (-0.3, 0.2), (-0.3, -0.2)), "convex"),
        (((0.3, -0.2), (0.3, 0.2), (-0.3, 0.2), (-0.3, 0.0), (-0.3, -0.2)), "straight"),
        (tuple((np.cos(a), np.sin(a)) for a in np.arange(5) * 0.8 * np.pi), "convex"),
        (((0.2, -0.1), (0.2, -0.1), (0.0, 0.2), (-0.2, -0.1)), "apart"),
        (((0.2, -0.0005), (0.2, 0.0005), (-0.2, 0.0)), "area"),
        (((0.3, 0.1), (0.6, 0.1), (0.4, 0.4)), "origin"),
    ],
)
def test_unusable_footprints_are_refused_with_a_reason(footprint, expected):
    ((field, value, text),) = RobotConfig(footprint=footprint).problems()
    assert field == "footprint" and value == footprint
    assert expected in text


@given(footprints())
@settings(max_examples=60)
def test_usable_footprints_are_accepted(footprint):
    length, width = 2.0 * np.max(np.abs(footprint), axis=0)
    bare = ScreenConfig(mount_x=0.0, reach=0.0, width=0.0)  # screens: see test_problems.py
    robot = RobotConfig(footprint=footprint, length=length, width=width, screen=bare)
    assert robot.problems() == []
    small = dataclasses.replace(robot, length=0.9 * length)
    assert "length x width" in small.problems()[0][2]


@given(footprints(), st.floats(0.0, 0.6))
@settings(max_examples=60)
def test_the_rim_is_the_grown_footprint(footprint, radius):
    """Closed, as long as the true boundary, and at most a few per cent of r away from it."""
    points, sides = np.array(footprint), rim(np.array(footprint))
    reach, left, right = (part @ [1.0, radius] for part in (sides.reach, sides.left, sides.right))
    tangent = np.stack([-sides.normal[:, 1], sides.normal[:, 0]], axis=1)
    start = sides.normal * reach[:, None] + tangent * left[:, None]
    end = sides.normal * reach[:, None] + tangent * right[:, None]
    np.testing.assert_allclose(end, np.roll(start, -1, axis=0), atol=1e-5)
    assert np.all(right - left > -1e-6)
    edge = np.roll(points, -1, axis=0) - points
    true = np.sum(np.hypot(*edge.T)) + 2 * np.pi * radius
    assert np.sum(right - left) == pytest.approx(true, rel=0.03)
    # corners of the rim lie near the true boundary: at distance r from the footprint
    along = np.clip(
        np.einsum("fej,ej->fe", start[:, None] - points, edge) / np.sum(edge**2, axis=1), 0, 1
    )
    nearest = points[None] + along[..., None] * edge[None]
    gap = np.min(np.hypot(*np.moveaxis(start[:, None] - nearest, -1, 0)), axis=1)
    np.testing.assert_allclose(gap, radius, atol=0.05 * radius + 1e-5)


@given(footprints(), st.integers(1, 8))
@settings(max_examples=15)
def test_discs_cover_any_convex_footprint(footprint, count):
    robot = RobotConfig(footprint=footprint)
    points = np.array(footprint)
    centres, radii = covering_discs(robot, count)
    assert 1 <= len(centres) == len(radii) <= count
    random = np.random.default_rng(0)
    place = random.uniform(points.min(0), points.max(0), (2000, 2))
    edge_points = points[None] + random.random((40, 1, 1)) * (np.roll(points, -1, 0) - points)[None]
    place = np.concatenate([place[inside(points, place)], points, edge_points.reshape(-1, 2)])
    covered = np.hypot(*np.moveaxis(place[:, None] - centres, -1, 0)) <= radii + 1e-6
    assert np.all(np.any(covered, axis=1))


@pytest.mark.parametrize("footprint", [(), WEDGE])
def test_more_discs_stick_out_less(footprint):
    robot = RobotConfig(footprint=footprint)
    worst = [
        max(overhang(outline(robot), c, float(r)) for c, r in zip(*discs, strict=True))
        for discs in (covering_discs(robot, count) for count in (1, 2, 4, 8))
    ]
    assert np.all(np.diff(worst) <= 1e-5)
    assert worst[-1] < 0.6 * worst[0]


def test_four_discs_cover_a_square_by_its_quarters():
    """Also where more would be allowed: two rows of three stick out further."""
    robot = RobotConfig(length=0.46, width=0.42)
    for count in (4, 5, 7):
        centres, radii = covering_discs(robot, count)
        np.testing.assert_allclose(np.abs(centres), np.tile([0.115, 0.105], (4, 1)), atol=1e-6)
        np.testing.assert_allclose(radii, np.hypot(0.115, 0.105), atol=1e-5)


def test_a_regular_polygon_needs_one_disc():
    angle = np.arange(16) * np.pi / 8
    circle = tuple((float(0.2 * np.cos(a)), float(0.2 * np.sin(a))) for a in angle)
    centres, radii = covering_discs(RobotConfig(footprint=circle), 4)
    np.testing.assert_allclose(centres, [[0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(radii, [0.2], atol=1e-5)
