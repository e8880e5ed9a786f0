"""Whether what the sensors say is fit to drive on, before anything is made of it.

A message that is stale, stamped in the future, frozen or not a number must never look like
free space: its beams become invalid, and a robot without a fit message stops until the next
one.  Nor must a scan that has met nothing at all, where the map has something right in its view.
A pose that jumps within its own frame makes what was seen from the old one worthless; when
localisation puts the robot somewhere else, it stops and plans anew.
What is not unfit but worse than it should be (scans that come too seldom, a silent detector of
people, a pose that is unsure of itself) slows the robot instead: ``Health.pace``.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.geometry import cell_centres, compose
from astro_jax.types import LocalMap, Odometry, Scalar, Scan, Snapshot, pytree
from astro_jax.world.detections import believed
from astro_jax.world.doubt import bounded

LATE = 0.3
"""Older than expected by more than this, a message is stale, s."""
AHEAD_OF_TIME = 0.05
"""No message is from the future, but for so much of disagreement between clocks, s."""
JUMP = 0.3
"""The pose of dead reckoning does not jump; farther than this between two cycles, m, …"""
JUMP_YAW = 0.6
"""… or turned by more than this beyond what the robot can, rad, it has."""
SETTLING = 8
"""Messages after a jump before the robot drives on: it has come to rest by then."""
STILL, STILL_YAW = 0.02, 0.02
"""Moved by more than this (m, rad) the robot cannot see the very same ranges again."""
ENOUGH_RETURNS = 8
"""Returns that must be the same to the last bit for content to be called frozen."""
DOUBTED = 5
"""So many messages in a row whose covariance is none, or too large, are put up with."""
RATE_MEMORY = 0.1
"""Weight of the last interval in the mean interval between scans: one lost scan is no trend."""
RARE = 1.1
"""Scans may be so much rarer than planning cycles before it counts."""
SURELY, SLANT = 2.5, 0.1
"""An obstacle of the map nearer than this (m), and so far within the field of view (rad), is met
by some beam."""
KNOWN = 1.0
"""Log-odds from which a cell of the local map is known to be blocked, and not just unknown."""
UNWATCHED = 0.4
"""Pace while nobody says where people are: every return of the scan may be one who walks."""
EASE = 0.05
"""The pace changes by this per cycle at most: .4 m/s² at full speed."""


@pytree
class Health:
    """The last message, to hold the next one against, and the verdict on it."""

    ranges: Float[Array, "*batch R"]
    eye_map: Float[Array, "*batch 3"]
    """From where those ranges were first seen."""
    pose_map: Float[Array, "*batch 3"]
    house_from_map: Float[Array, "*batch 3"]
    """NaN before the first."""
    scan_age: Float[Array, "*batch"]
    fit: Bool[Array, "*batch"]
    jumped: Bool[Array, "*batch"]
    settling: Int[Array, "*batch"]
    """Messages still to come before the robot trusts its pose again after a jump."""
    doubted: Int[Array, "*batch"]
    """Messages in a row whose covariance could not be taken as it was."""
    interval: Float[Array, "*batch"]
    """Mean time between the moments at which scans were true, s."""
    pace: Float[Array, "*batch 2"]
    """Share of the robot's speeds that it may use, at the start of this cycle and at its end."""


def unknown_health(config: PlannerConfig, beams: int, pose_map: Float[Array, "3"]) -> Health:
    """Before the first message."""
    return Health(
        ranges=jnp.full(beams, jnp.inf, jnp.float32),
        eye_map=pose_map,
        pose_map=pose_map,
        house_from_map=jnp.full(3, jnp.nan, jnp.float32),
        scan_age=jnp.float32(0.0),
        fit=jnp.asarray(False),
        jumped=jnp.asarray(False),
        settling=jnp.int32(0),
        doubted=jnp.int32(0),
        interval=jnp.float32(config.period),
        pace=jnp.ones(2),
    )


def examine(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    last: Health,
    local_map: LocalMap,
    snapshot: Snapshot,
) -> tuple[Health, Snapshot]:
    """The verdict on a snapshot, and the snapshot without the beams that must not count.

    ``local_map`` is what was known before it.
    """
    scan, odometry = snapshot.scan, snapshot.odometry
    detections = believed(snapshot.detections, odometry.pose_map[:2])
    same = _same(last, scan)
    truth_moved_on = jnp.asarray(scan.age) < last.scan_age + 0.5 * config.period
    moved = _apart(scan.pose_map, last.eye_map, STILL, STILL_YAW)
    frozen = same & truth_moved_on & moved
    fresh = _timely(scan.age, latency) & jnp.all(jnp.isfinite(scan.pose_map))
    placed = jnp.all(jnp.isfinite(odometry.pose_map)) & _timely(odometry.age, latency)
    located = jnp.all(jnp.isfinite(snapshot.house_from_map))
    located = located & jnp.all(jnp.isfinite(odometry.twist))
    odometry, sure = _sure(odometry)
    doubted = jnp.where(sure, 0, last.doubted + 1)
    jumped = _apart(odometry.pose_map, last.pose_map, JUMP, JUMP_YAW)
    relocated = located & _relocated(last, snapshot)
    blank = ~jnp.any(scan.valid & jnp.isfinite(scan.ranges))
    blind = blank & something_in_view(robot, local_map, scan.pose_map)
    trusted = fresh & ~frozen & ~blind
    # the same message once more is no second witness
    again = same & ~truth_moved_on
    jumped = placed & jumped
    settling = jnp.where(jumped | relocated, SETTLING, jnp.maximum(last.settling - 1, 0))
    some = jnp.any(scan.valid)
    # frozen content stays with the place it was first seen from, until there is other
    kept = same | ~jnp.all(jnp.isfinite(scan.pose_map))
    interval = _interval(config, last, scan.age, trusted & truth_moved_on)
    watched = _timely(detections.age, latency)
    pace = jnp.minimum(RARE * config.period / interval, jnp.where(watched, 1.0, UNWATCHED))
    eased = last.pace[1] + jnp.clip(jnp.minimum(pace, 1.0) - last.pace[1], -EASE, EASE)
    health = Health(
        ranges=jnp.asarray(scan.ranges),
        eye_map=jnp.where(kept, last.eye_map, scan.pose_map),
        pose_map=jnp.where(placed, odometry.pose_map, last.pose_map),
        house_from_map=jnp.where(located, snapshot.house_from_map, last.house_from_map),
        scan_age=jnp.where(fresh, jnp.asarray(scan.age), last.scan_age),
        fit=trusted & placed & located & (settling == 0) & (doubted <= DOUBTED) & some,
        jumped=jumped,
        settling=settling,
        doubted=doubted,
        interval=interval,
        pace=jnp.stack([last.pace[1], eased]),
    )
    counted = dataclasses.replace(scan, valid=scan.valid & trusted & ~again)
    seen = dataclasses.replace(snapshot, scan=counted, odometry=odometry, detections=detections)
    return health, seen


def something_in_view(
    robot: RobotConfig, local_map: LocalMap, eye_map: Float[Array, "3"]
) -> Bool[Array, ""]:
    """Whether the map has an obstacle that a scan from there cannot but meet.

    Whatever hides it would be met itself.  An open hall has none; a sensor that says everywhere
    that there is nothing has failed, or is covered, where there is one.  Edges to fall over are
    not met.
    """
    sensor = robot.sensor
    centres = cell_centres(local_map.grid)
    dx, dy = centres[..., 0] - eye_map[0], centres[..., 1] - eye_map[1]
    far = jnp.sqrt(dx**2 + dy**2)
    inside = far * np.cos(max(sensor.field_of_view / 2 - SLANT, 0.0))
    ahead = dx * jnp.cos(eye_map[2]) + dy * jnp.sin(eye_map[2])
    reach = min(SURELY, 0.9 * sensor.range_max)
    met = (ahead > inside) & (far < reach) & ~local_map.edge
    return jnp.any(met & (local_map.grid.values > KNOWN))


def _relocated(last: Health, snapshot: Snapshot) -> Bool[Array, ""]:
    """Whether localisation has put the robot somewhere else: a step, not a correction."""
    here = snapshot.odometry.pose_map
    before, now = compose(last.house_from_map, here), compose(snapshot.house_from_map, here)
    # what is not a number is not apart: the first one is no jump
    return _apart(now, before, JUMP, JUMP_YAW)


def pace_within(pace: Float[Array, "2"], share: Scalar) -> Float[Array, ""]:
    """The pace after ``share`` of the cycle that ``Health.pace`` is of: no step between cycles."""
    return pace[0] + jnp.clip(share, 0.0, 1.0) * (pace[1] - pace[0])


def _interval(
    config: PlannerConfig, last: Health, age: Scalar, news: Bool[Array, ""]
) -> Float[Array, ""]:
    """Mean time between the moments at which scans were true, after this message, s."""
    since = jnp.clip(last.scan_age + config.period - age, 0.0, LATE)
    return jnp.where(news, last.interval + RATE_MEMORY * (since - last.interval), last.interval)


def _sure(odometry: Odometry) -> tuple[Odometry, Bool[Array, ""]]:
    """Odometry with a covariance to plan with, and whether it came with one."""
    if odometry.cov is None:
        return odometry, jnp.asarray(True)
    cov, sound = bounded(odometry.cov)
    return dataclasses.replace(odometry, cov=cov), sound


def _timely(age: float | Float[Array, ""], latency: Latency) -> Bool[Array, ""]:
    # NaN is neither
    age = jnp.asarray(age)
    return (age >= -AHEAD_OF_TIME) & (age <= latency.sensor + LATE)


def _same(last: Health, scan: Scan) -> Bool[Array, ""]:
    returned = scan.valid & jnp.isfinite(scan.ranges)
    alike = scan.ranges == last.ranges
    return jnp.all(alike | ~returned) & (jnp.sum(returned & alike) >= ENOUGH_RETURNS)


def _apart(
    pose: Float[Array, "3"], other: Float[Array, "3"], far: float, turned: float
) -> Bool[Array, ""]:
    off = pose - other
    turn = jnp.abs(jnp.mod(off[2] + jnp.pi, 2 * jnp.pi) - jnp.pi)
    return (jnp.sqrt(jnp.sum(off[:2] ** 2)) > far) | (turn > turned)
