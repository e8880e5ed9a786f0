"""Whoever moves, wherever they might get to, and how fast the robot may be in spite of them.

A robot that stops from v drives on for the reaction time, brakes, and rests after
T = t_r + v/b.  It may drive v if until then, wherever it still moves, nobody can be where it is
(passive safety: Bouraine, Fraichard & Salhi, "Provably safe navigation for mobile robots with
limited field-of-views in dynamic environments", 2012).  Who is tracked is within
½·a·t² of where they would be at their velocity; what has only just appeared, within u·t of
where it is, in every direction.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import to_frame
from astro_jax.reactive.gaps import nearest_rows, rectangle_gap
from astro_jax.reactive.path import Path, along
from astro_jax.reactive.sight import EXPLAINED
from astro_jax.reactive.stopping import travelled
from astro_jax.types import Scalar, Tracks, pytree

MOVER_MARGIN = 0.05
"""Gap (m) to where somebody might be."""
TURN = 0.7
"""Acceleration that is granted to whoever is tracked, in any direction, m/s²."""
DOUBT, KNOWN = 0.1, 0.2
"""What is granted besides, m/s: velocities are tracked to ± .15 m/s, later than they change.  Of
somebody seen for the first few times less is known: what their velocity's standard deviation has
above ``KNOWN`` (m/s) is granted too."""
FASTEST = 3.0
"""Faster tracks are taken for so fast, and may be anywhere within the difference, m/s."""
RUSH = 1.6
"""Speed that is granted to what has just appeared, m/s."""
SPEEDS, INSTANTS = 10, 8
"""Speeds that are tried up to the planned one, and moments of each stop that are looked at."""
SECTORS = 12
"""Around the robot: in each, the nearest new return stands for all."""
LEAVING = 0.3
"""A robot leaves somebody if it gets farther from them by this share of its way."""
NEARER, BESIDE = 0.004, 0.25
"""Beside somebody who is not coming it passes no faster than this (m/s), and so little nearer to
them (m) at that speed."""
PASSING = 0.15
"""Acceleration (m/s²) of somebody whom the robot still passes in time."""
UNSURE = 0.1
"""An overlap (m) that may as well be none, by how well people are tracked."""
RELEASE = 0.8
"""The allowed speed rises again by this at most, m/s²: what flickers is taken for there."""


@pytree
class Movers:
    """Discs that move and grow: xy + velocity·t, radius + ½·turn·t² + rush·t."""

    xy_map: Float[Array, "M 2"]
    velocity_map: Float[Array, "M 2"]
    radius: Float[Array, "M"]
    turn: Float[Array, "M"]
    rush: Float[Array, "M"]
    since: Float[Array, "M"]
    """From when they were there to the moment at which the command acts, s."""
    there: Bool[Array, "M"]

    def at(self, time: Float[Array, ""]) -> tuple[Float[Array, "M 2"], Float[Array, "M"]]:
        """(Centres, radii of what they may reach) ``time`` s after the command acts."""
        t = time + self.since
        grown = self.radius + 0.5 * self.turn * t**2 + self.rush * t
        return self.xy_map + t[:, None] * self.velocity_map, grown


def tracked(
    tracks: Tracks,
    shown_map: Float[Array, "M 2"],
    mine: Bool[Array, "M R"],
    points_map: Float[Array, "R 2"],
    eye_map: Float[Array, "3"],
    scan_age: Scalar,
    delay: Scalar,
) -> Movers:
    """Everybody who is tracked, where the scan shows them if it does; NaN is anywhere.

    The scan is younger than the track: a return that is theirs and nearer to the eye than they
    are believed to be moves them so much nearer (``shown_map`` and ``mine``: ``sight.claims``).
    """
    speed = jnp.linalg.norm(tracks.velocity_map, axis=-1)
    # positive: a speed that is not a number stays one that is not
    share = jnp.where(speed <= FASTEST, 1.0, FASTEST / speed)
    velocity = share[:, None] * tracks.velocity_map
    offset = shown_map - eye_map[None, :2]
    distance = jnp.linalg.norm(offset, axis=-1)
    reach = jnp.linalg.norm(points_map - eye_map[None, :2], axis=-1)
    nearest = jnp.min(jnp.where(mine, reach[None], jnp.inf), axis=1)
    nearer = jnp.clip(nearest - (distance - tracks.radius), -EXPLAINED, 0.0)
    seen = jnp.any(mine, axis=1)
    moved = shown_map + (nearer / jnp.maximum(distance, 1e-3))[:, None] * offset
    return Movers(
        xy_map=jnp.where(seen[:, None], moved, tracks.xy_map),
        velocity_map=velocity,
        radius=tracks.radius + MOVER_MARGIN,
        turn=jnp.full_like(tracks.radius, TURN),
        rush=DOUBT
        + jnp.maximum(jnp.sqrt(tracks.velocity_var) - KNOWN, 0.0)
        + jnp.where(speed <= FASTEST, 0.0, speed - FASTEST),
        since=jnp.where(seen, jnp.maximum(scan_age, 0.0), tracks.age) + delay,
        there=tracks.valid,
    )


def appeared(
    points_map: Float[Array, "R 2"],
    points_base: Float[Array, "R 2"],
    new: Bool[Array, "R"],
    scan_age: Scalar,
    delay: Scalar,
) -> Movers:
    """The nearest new return in each of some sectors around the robot, free to run anywhere."""
    distance = jnp.hypot(points_base[:, 0], points_base[:, 1])
    bearing = jnp.arctan2(points_base[:, 1], points_base[:, 0])
    edges = np.linspace(-np.pi, np.pi, SECTORS + 1, dtype=np.float32)[None]
    bearing, lost = bearing[:, None], jnp.isnan(distance)[:, None]
    # NaN is in every sector, and nearer than everything
    within = ~((bearing < edges[:, :-1]) | (bearing > edges[:, 1:])) & new[:, None]
    nearness = jnp.where(within, jnp.where(lost, -1.0, distance[:, None]), jnp.inf)
    nearest = nearest_rows(nearness)
    return Movers(
        xy_map=points_map[nearest],
        velocity_map=jnp.zeros((SECTORS, 2)),
        radius=jnp.full(SECTORS, MOVER_MARGIN),
        turn=jnp.zeros(SECTORS),
        rush=jnp.full(SECTORS, RUSH),
        since=jnp.broadcast_to(jnp.maximum(scan_age, 0.0) + delay, (SECTORS,)),
        there=jnp.any(within, axis=0),
    )


@pytree
class Stops:
    """How near the stops that are tried come to everybody, speed by speed, moment by moment."""

    speeds: Float[Array, "V"]
    """From which the robot would stop, m/s; the last is the one that is wanted."""
    gap: Float[Array, "V J M"]
    """m, at ``INSTANTS`` moments of each stop."""
    leaving: Float[Array, "V J M"]
    """How much farther from them than leaving asks for, m; below 0 it does not leave them."""
    spared: Float[Array, "V J M"]
    """The same, m, or what is left of passing slowly beside somebody who is not coming."""


def stops(
    robot: RobotConfig, reaction: Scalar, path: Path, movers: Movers, wanted: Float[Array, ""]
) -> Stops:
    """All stops that are tried, for everybody at once."""
    speeds = wanted * jnp.arange(1, SPEEDS + 1, dtype=jnp.float32) / SPEEDS
    stop = reaction + speeds / robot.wheel_acceleration
    times = stop[:, None] * jnp.arange(1, INSTANTS + 1, dtype=jnp.float32)[None] / INSTANTS
    driven = travelled(robot, reaction, speeds[:, None], times)
    poses = along(path, driven)
    centres, radii = jax.vmap(jax.vmap(movers.at))(times)
    gap = rectangle_gap(robot, jax.vmap(jax.vmap(to_frame))(poses, centres)) - radii
    staying = rectangle_gap(robot, to_frame(path.poses[0], centres)) - radii
    # one who could be here anyway is no reason not to leave; to turn is not to leave
    farther = _distance(centres, poses[..., None, :2]) - _distance(
        centres, path.poses[None, None, :1, :2]
    )
    leaving = jnp.minimum(farther, gap - staying) - LEAVING * driven[..., None]
    # nor, if they are not coming without a turn, to pass beside them slowly
    straight = dataclasses.replace(
        movers, turn=jnp.zeros_like(movers.turn), rush=jnp.maximum(movers.rush - DOUBT, 0.0)
    )
    # within the margin all count as coming, also who stands: with robots that creep along there
    # 39 of 2200 ambushes ended in a touch inside the envelope, without them 22
    coming = staying + radii - jax.vmap(jax.vmap(straight.at))(times)[1] < 0.0
    slow = (speeds <= BESIDE)[:, None, None]
    beside = gap - staying + jnp.where(slow, NEARER * speeds[:, None, None] / BESIDE, -jnp.inf)
    spared = jnp.where(coming, leaving, jnp.maximum(leaving, beside))
    return Stops(speeds=speeds, gap=gap, leaving=leaving, spared=spared)


def fastest(tried: Stops, counted: Bool[Array, "M"]) -> Float[Array, ""]:
    """Fastest path speed from which it stops before any who count can be there (m/s).

    It is inf if the wanted one itself is slow enough.  Between the speeds that are tried it goes
    by how far they are from their bounds.
    """
    speeds = tried.speeds
    apart = _least(tried.gap, tried.leaving, counted)
    room = _least(tried.gap, tried.spared, counted)
    clear = room >= 0.0
    best = SPEEDS - 1 - jnp.argmax(clear[::-1])
    beyond = jnp.minimum(best + 1, SPEEDS - 1)
    share = jnp.clip(room[best] / jnp.maximum(room[best] - room[beyond], 1e-6), 0.0, 1.0)
    found = speeds[best] + share * (speeds[beyond] - speeds[best])
    # what is granted up to a speed is not granted between it and the next one
    most = jnp.where(apart[best] >= 0.0, jnp.inf, jnp.maximum(speeds[best], BESIDE))
    found = jnp.minimum(found, most)
    found = jnp.where(clear[-1], jnp.inf, found)
    return jnp.where(jnp.any(clear), found, 0.0)


def _least(
    gap: Float[Array, "V J M"], spared: Float[Array, "V J M"], counted: Bool[Array, "M"]
) -> Float[Array, "V"]:
    """Room (m) at each speed: the gap, or by how much somebody is spared; NaN is no room."""
    room = jnp.maximum(gap, jnp.where(spared >= 0.0, spared, gap))
    room = jnp.where(counted[None, None], room, 1e3)
    return jnp.min(jnp.where(room >= -1e3, room, -1e3), axis=(1, 2))


def passed_in_time(
    robot: RobotConfig, path: Path, movers: Movers, speed: Scalar, ceiling: Scalar
) -> Bool[Array, "M"]:
    """Whom the robot does not touch if it goes on, and nears more if it brakes.

    It would come to a rest in their way.  They may change their velocity by ``PASSING`` only:
    a robot that drives on has more to answer for than one that rests.  Where the rest itself
    is a touch unless they swerve, not even that is granted: it is no way out then, if going on
    is clearly better and no touch.  For a robot that would be touched before it is at rest, an
    overlap that may as well be none (``UNSURE``) is no touch: measured to the millimetre, the
    noise of one look made robots stop in the way of those who would just have passed behind
    them.  One that is at rest before it is touched stays on the safe side.
    ``ceiling`` is how fast it may go by now (m/s); that rises by ``RELEASE``.
    """
    t, speed = path.times, jnp.asarray(speed)
    rest = speed / robot.wheel_acceleration
    walking = dataclasses.replace(movers, turn=jnp.full_like(movers.turn, PASSING))
    still = jnp.zeros_like(movers.rush)
    steady = dataclasses.replace(movers, turn=still, rush=still)
    centres, radii = jax.vmap(walking.at)(t)
    _, least = jax.vmap(steady.at)(t)

    def nearest(driven):
        apart = rectangle_gap(robot, jax.vmap(to_frame)(along(path, driven), centres))
        gap = apart - least + MOVER_MARGIN
        moving = jnp.min(jnp.where((t < rest)[:, None], gap, jnp.inf), axis=0)
        return jnp.min(apart - radii, axis=0), jnp.min(gap, axis=0), moving

    picked_up = speed * t + 0.5 * robot.wheel_acceleration * t**2
    let_go = ceiling * t + 0.5 * RELEASE * t**2
    going, going_steady, _ = nearest(jnp.minimum(path.lengths, jnp.minimum(picked_up, let_go)))
    braking, braking_steady, braking_moving = nearest(travelled(robot, 0.0, speed, t))
    no_touch = jnp.where(braking_moving < 0.0, -UNSURE, 0.0)
    better = going_steady >= jnp.maximum(braking_steady + UNSURE, no_touch)
    no_way_out = (braking_steady < 0.0) & better
    return (going >= braking) & ((going >= 0.0) | no_way_out)


def _distance(here: Float[Array, "V J M 2"], there: Float[Array, "..."]) -> Float[Array, "V J M"]:
    # jnp.linalg.norm adds along an axis of two, which takes ten times as long
    apart = here - there
    return jnp.sqrt(apart[..., 0] ** 2 + apart[..., 1] ** 2)
