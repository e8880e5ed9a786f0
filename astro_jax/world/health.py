"""Whether what the sensors say is fit to drive on, before anything is made of it.

A message that is stale, stamped in the future, frozen or not a number must never look like
free space: its beams become invalid, and a robot without a fit message stops until the next
one.  A pose that jumps within its own frame makes what was seen from the old one worthless.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import Latency, PlannerConfig
from astro_jax.types import Scan, Snapshot, pytree

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


@pytree
class Health:
    """The last message, to hold the next one against, and the verdict on it."""

    ranges: Float[Array, "*batch R"]
    eye_map: Float[Array, "*batch 3"]
    """From where those ranges were first seen."""
    pose_map: Float[Array, "*batch 3"]
    scan_age: Float[Array, "*batch"]
    fit: Bool[Array, "*batch"]
    jumped: Bool[Array, "*batch"]
    settling: Int[Array, "*batch"]
    """Messages still to come before the robot trusts its pose again after a jump."""


def unknown_health(beams: int, pose_map: Float[Array, "3"]) -> Health:
    """Before the first message."""
    return Health(
        ranges=jnp.full(beams, jnp.inf, jnp.float32),
        eye_map=pose_map,
        pose_map=pose_map,
        scan_age=jnp.float32(0.0),
        fit=jnp.asarray(False),
        jumped=jnp.asarray(False),
        settling=jnp.int32(0),
    )


def examine(
    config: PlannerConfig, latency: Latency, last: Health, snapshot: Snapshot
) -> tuple[Health, Snapshot]:
    """The verdict on a snapshot, and the snapshot without the beams that must not count."""
    scan, odometry = snapshot.scan, snapshot.odometry
    same = _same(last, scan)
    truth_moved_on = jnp.asarray(scan.age) < last.scan_age + 0.5 * config.period
    moved = _apart(scan.pose_map, last.eye_map, STILL, STILL_YAW)
    frozen = same & truth_moved_on & moved
    fresh = _timely(scan.age, latency) & jnp.all(jnp.isfinite(scan.pose_map))
    placed = jnp.all(jnp.isfinite(odometry.pose_map)) & _timely(odometry.age, latency)
    jumped = _apart(odometry.pose_map, last.pose_map, JUMP, JUMP_YAW)
    trusted = fresh & ~frozen
    # the same message once more is no second witness
    again = same & ~truth_moved_on
    jumped = placed & jumped
    settling = jnp.where(jumped, SETTLING, jnp.maximum(last.settling - 1, 0))
    # frozen content stays with the place it was first seen from, until there is other
    kept = same | ~jnp.all(jnp.isfinite(scan.pose_map))
    health = Health(
        ranges=jnp.asarray(scan.ranges),
        eye_map=jnp.where(kept, last.eye_map, scan.pose_map),
        pose_map=jnp.where(placed, odometry.pose_map, last.pose_map),
        scan_age=jnp.where(fresh, jnp.asarray(scan.age), last.scan_age),
        fit=trusted & placed & (settling == 0) & jnp.any(scan.valid),
        jumped=jumped,
        settling=settling,
    )
    counted = dataclasses.replace(scan, valid=scan.valid & trusted & ~again)
    return health, dataclasses.replace(snapshot, scan=counted)


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
