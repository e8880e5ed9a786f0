"""A joint of the body (pan, tilt): splines of its angle that its motor can follow.

To the chain of reachable sets (robot/chain.py) an angle is a command of one coordinate: its end
stops are limits of value, its largest rate is one of change, its acceleration one of jerk.  So
all of them hold at all times for any wanted curve, and the joint never comes to an end stop with
a rate that it cannot brake.
"""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.robot.chain import chain, easing
from astro_jax.robot.reach import Bounds, Limits, bounds, capped
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import Scalar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Joint:
    """What a joint can do."""

    limit: float
    """To either side, rad; 0: there is no such joint."""
    rate: float
    """rad/s"""
    acceleration: float
    """rad/s²"""

    @property
    def moves(self) -> bool:
        """Whether there is anything to plan."""
        return self.limit > 0.0 and self.rate > 0.0

    @property
    def top_rate(self) -> float:
        """What it can use of its rate, rad/s: from a faster one it could not stop in its range."""
        return min(self.rate, math.sqrt(self.acceleration * self.limit))


def pan_joint(robot: RobotConfig) -> Joint:
    """The joint that turns the screen to the side."""
    return Joint(limit=robot.pan_limit, rate=robot.pan_rate, acceleration=robot.pan_acceleration)


def tilt_joint(robot: RobotConfig) -> Joint:
    """The joint that turns it up and down."""
    return Joint(limit=robot.tilt_limit, rate=robot.tilt_rate, acceleration=robot.tilt_acceleration)


def follow(
    joint: Joint,
    basis: SplineBasis,
    angle: Scalar,
    rate: Scalar,
    wanted: Float[Array, "T *K"],
) -> Float[Array, "N *K"]:
    """Control points of the spline that goes after ``wanted`` (rad, at the plan times).

    It begins at ``angle`` with ``rate`` (rad, rad/s), as far as the joint can.  Each control
    point is chosen by where the joint would come to rest from it, which shall be where the
    wanted curve would: so it is caught up with at the joint's limits and not overshot.  What is
    not finite is taken for straight ahead.
    """
    wanted = jnp.where(jnp.isfinite(wanted), wanted, 0.0)
    shape = (basis.fit_samples.shape[0], *wanted.shape[1:])
    if not joint.moves:
        return jnp.zeros(shape)
    angle, rate = (jnp.where(jnp.isfinite(x), x, 0.0) for x in (angle, rate))
    wanted = jnp.clip(wanted, -joint.limit, joint.limit)
    points = jnp.tensordot(jnp.asarray(basis.fit_samples), wanted, 1, precision="highest")
    limits, rows = _rules(joint)
    slopes = jnp.diff(points, axis=0) / _column(basis.steps, points)
    rests = points[2:] + _column(easing(limits, basis)[1:], points) * slopes[1:]

    def nearest(low, high, wanted, aim):
        return jnp.clip(wanted, low, high), wanted

    start = jnp.stack([jnp.asarray(angle)]), jnp.stack([jnp.asarray(rate)])
    controls, _ = chain(limits, rows, basis, *start, rests[:, None], nearest)
    return controls[:, 0]


def _column(values: np.ndarray, like: Float[Array, "N *K"]) -> Float[Array, "n *one"]:
    return jnp.asarray(values, jnp.float32).reshape(-1, *[1] * (like.ndim - 1))


@functools.lru_cache(maxsize=16)
def _rules(joint: Joint) -> tuple[Limits, dict[int, Bounds]]:
    limits = capped(
        low=(-joint.limit,),
        high=(joint.limit,),
        speed=np.zeros((0, 2)),
        rate=[(1.0, joint.top_rate)],
        jerk=(joint.acceleration,),
        order=(0,),
    )
    return limits, bounds(limits)
