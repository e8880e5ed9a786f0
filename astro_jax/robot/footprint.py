"""The robot's footprint: any convex polygon, with its rounded rim and its covering discs. [host]

A body that is a disc of radius r touches the footprint when its centre enters the footprint
grown by r.  ``rim`` describes the boundary of that region as straight sides whose places are
linear in r, so that one set of constants serves every radius.
"""

import dataclasses
import functools
import itertools
import math

import numpy as np
from jaxtyping import Float

from astro_jax.config import RobotConfig

CORNER = math.radians(31.0)
"""Sharpest turn of the rim: sharper corners get chamfers (a right angle gets two)."""


def outline(robot: RobotConfig) -> Float[np.ndarray, "E 2"]:
    """Vertices of the footprint in the base frame, counter-clockwise, m."""
    if robot.footprint:
        return np.array(robot.footprint, np.float64)
    x, y = robot.length / 2, robot.width / 2
    return np.array([(x, -y), (x, y), (-x, y), (-x, -y)])


# ---- the rim of the footprint grown by a radius --------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rim:
    """Sides of the grown footprint; a place p is inside when n·p < reach for all of them.

    Along a side, τ = ẑ × n runs from ``left`` to ``right``.  Each of the three is a pair
    (a, b) that stands for a + b·r at radius r.
    """

    normal: Float[np.ndarray, "F 2"]
    reach: Float[np.ndarray, "F 2"]
    left: Float[np.ndarray, "F 2"]
    right: Float[np.ndarray, "F 2"]


def rim(outline: Float[np.ndarray, "E 2"]) -> Rim:
    """Straight sides that stand for the boundary of outline ⊕ disc.

    The footprint's own edges are moved out by r exactly.  The arc of each corner becomes
    chamfers, moved in from the tangents half as far as would make them as long as the arc:
    how many walkers with random courses enter is proportional to the perimeter
    (Cauchy–Crofton), of which a circumscribed polygon has too much; but whoever stands just
    beside a corner must not be cut off.
    """
    edge = np.roll(outline, -1, axis=0) - outline
    angle = np.arctan2(-edge[:, 0], edge[:, 1])  # of the outward normal (dy, −dx)
    before = np.roll(angle, 1)
    turn = np.mod(angle - before, 2 * np.pi)
    sides = []  # angle of the normal, vertex it turns about, offset per radius
    for k, vertex in enumerate(outline):
        chamfers = max(math.ceil(turn[k] / CORNER) - 1, 0)
        inset = _inset(turn[k], chamfers)
        for i in range(1, chamfers + 1):
            sides.append((before[k] + turn[k] * i / (chamfers + 1), vertex, inset))
        sides.append((angle[k], vertex, 1.0))
    theta = np.array([side[0] for side in sides])
    vertex = np.array([side[1] for side in sides])
    offset = np.array([side[2] for side in sides])
    normal = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    # neighbours meet at (the vertex they turn about) + r·w; an edge's own vertex comes first
    w = _meet(np.roll(normal, 1, axis=0), np.roll(offset, 1), normal, offset)
    tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    start = np.stack([vertex, w], axis=-1)
    end = np.roll(start, -1, axis=0)
    along = lambda direction, place: np.einsum("fi,fir->fr", direction, place)
    return Rim(
        normal=normal.astype(np.float32),
        reach=np.stack([np.sum(normal * vertex, axis=1), offset], axis=1).astype(np.float32),
        left=along(tangent, start).astype(np.float32),
        right=along(tangent, end).astype(np.float32),
    )


def _inset(turn: float, chamfers: int) -> float:
    """Distance of the chamfers of a unit arc at which they are as long as the arc."""
    if not chamfers:
        return 1.0

    def length(d: float) -> float:
        theta = turn * np.arange(chamfers + 2) / (chamfers + 1)
        normal = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        offset = np.full(chamfers + 2, d)
        offset[[0, -1]] = 1.0
        w = _meet(normal[:-1], offset[:-1], normal[1:], offset[1:])
        inner = np.sum(np.hypot(*np.diff(w, axis=0).T))
        # where the arc's ends touch the edges' own lines
        return inner + np.hypot(*(w[0] - normal[0])) + np.hypot(*(w[-1] - normal[-1]))

    # exactly linear while the order of the sides holds, which a large step would upset
    slope = (length(1.0) - length(0.999)) / 0.001
    # half way from the tangents: as far outside the arc as inside, and no shorter
    return 1.0 - 0.5 * (length(1.0) - turn) / slope


def _meet(normal_a, offset_a, normal_b, offset_b):
    """Where the lines n_a·p = o_a and n_b·p = o_b cross."""
    lines = np.stack([normal_a, normal_b], axis=1)
    return np.linalg.solve(lines, np.stack([offset_a, offset_b], axis=1)[..., None])[..., 0]


# ---- discs that cover it -------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def covering_discs(
    robot: RobotConfig, count: int
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"]]:
    """Centres (base frame) and radii of n ≤ ``count`` discs whose union holds the footprint, m.

    The polygon is cut into rows and columns along several directions, and each cell gets its
    smallest enclosing disc.  Within a row the cuts are moved until no disc sticks out further
    than its neighbours.  Of all cuttings the one whose discs stick out least wins.
    """
    shape = outline(robot)
    best, least = [], math.inf
    for direction in _directions(shape):
        for rows in range(1, count + 1):
            for columns in {1, min(rows, count // rows), count // rows}:
                cells = _cells(shape, direction, rows, columns)
                discs = [_enclosing(cell) for cell in cells]
                excess = max(overhang(shape, centre, radius) for centre, radius in discs)
                if excess < least - 1e-4:
                    best, least = discs, excess
    centres = np.array([centre for centre, _ in best], np.float32)
    # rounding must not uncover a vertex
    radii = np.array([radius for _, radius in best], np.float32) + np.float32(1e-6)
    centres.setflags(write=False)
    radii.setflags(write=False)
    return centres, radii


def overhang(
    outline: Float[np.ndarray, "E 2"], centre: Float[np.ndarray, "2"], radius: float
) -> float:
    """How far a disc whose centre is inside the outline sticks out of it, m."""
    edge = np.roll(outline, -1, axis=0) - outline
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / np.hypot(*edge.T)[:, None]
    return float(radius + np.max(np.sum(normal * (centre - outline), axis=1)))


def _directions(shape: np.ndarray) -> list[np.ndarray]:
    """Unit vectors along the base's axes and along up to eight edges, no two parallel."""
    edge = np.roll(shape, -1, axis=0) - shape
    longest = edge[np.argsort(-np.hypot(*edge.T), kind="stable")][:8]
    found: list[np.ndarray] = []
    for vector in np.concatenate([np.eye(2), longest]):
        unit = vector / np.hypot(vector[0], vector[1])
        if all(abs(unit @ other) < 0.999 for other in found):
            found.append(unit)
    return found


def _cells(shape: np.ndarray, direction: np.ndarray, rows: int, columns: int) -> list[np.ndarray]:
    """Cut into ``columns`` across ``direction`` and each of these into ``rows`` along it."""
    side = np.array([-direction[1], direction[0]])
    return [
        cell
        for column in _strips(shape, direction, columns)
        for cell in _strips(column, side, rows)
    ]


def _strips(shape: np.ndarray, direction: np.ndarray, count: int) -> list[np.ndarray]:
    """Strips across ``direction`` whose enclosing discs stick out about equally far."""
    if count == 1:
        return [shape]
    along = shape @ direction
    cuts = np.linspace(along.min(), along.max(), count + 1)
    best, least = [], math.inf
    for _ in range(10):
        strips = [_between(shape, direction, a, b) for a, b in itertools.pairwise(cuts)]
        excess = np.array([overhang(shape, *_enclosing(strip)) for strip in strips])
        if excess.max() < least - 1e-9:
            best, least = strips, excess.max()
        # strips that stick out more become narrower
        width = np.diff(cuts) * (np.mean(excess) / np.maximum(excess, 1e-6)) ** 0.3
        cuts = along.min() + np.append(0.0, np.cumsum(width)) * np.ptp(along) / np.sum(width)
    return best


def _between(shape: np.ndarray, direction: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of a convex polygon with low ≤ direction·p ≤ high."""
    for normal, limit in ((direction, high), (-direction, -low)):
        depth = shape @ normal - limit
        kept = []
        for p, q, a, b in zip(
            shape, np.roll(shape, -1, axis=0), depth, np.roll(depth, -1), strict=True
        ):
            if a <= 1e-12:
                kept.append(p)
            if (a < -1e-12 and b > 1e-12) or (a > 1e-12 and b < -1e-12):
                kept.append(p + (q - p) * a / (a - b))
        shape = np.array(kept)
    return shape


def _enclosing(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Smallest disc around a few points: the best through two or three of them."""
    i, j = np.triu_indices(len(points), 1)
    trials: list[np.ndarray] = [0.5 * (points[i] + points[j])]
    triples = np.array(list(itertools.combinations(range(len(points)), 3)))
    if len(triples):
        a, b, c = points[triples.T]
        lines = 2.0 * np.stack([b - a, c - a], axis=1)
        square = np.stack([np.sum(b * b - a * a, axis=1), np.sum(c * c - a * a, axis=1)], axis=1)
        proper = np.abs(np.linalg.det(lines)) > 1e-9
        trials.append(np.linalg.solve(lines[proper], square[proper][..., None])[..., 0])
    centres = np.concatenate(trials)
    radii = np.max(np.hypot(*(points[None] - centres[:, None]).T), axis=0)
    least = int(np.argmin(radii))
    return centres[least], float(radii[least])
