"""What can be true of a frame of detections; the rest counts as not seen."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.types import Detections

LEAST_VAR, MOST_VAR = 0.01**2, 10.0**2
"""No detector is better than the first, m²; one that is worse than the second says nothing."""
FARTHEST = 1000.0
"""A detection farther from the robot than this is a mistake, m."""
RADIUS = np.array([0.25, 0.20, 0.20, 0.25, 0.30], np.float32)
"""Per ``Kind`` (person, child, pet, robot, unknown), where the detector does not say, m."""


def believed(detections: Detections, robot_xy_map: Float[Array, "2"]) -> Detections:
    """The frame; infinitely old if the detector says something and nothing of it can be true.

    Such a detector has failed.  Taken for one that sees nobody, it would make the tracker forget
    everybody, while a silent one only lets them grow old.
    """
    usable = jnp.any(sound(detections, robot_xy_map)[0].seen) | ~jnp.any(detections.seen)
    return dataclasses.replace(detections, age=jnp.where(usable, detections.age, jnp.inf))


def sound(
    detections: Detections, robot_xy_map: Float[Array, "2"]
) -> tuple[Detections, Float[Array, "D"]]:
    """Only what can be true is left ``seen``; and the variance of each per axis, m².

    That variance is the larger eigenvalue of the covariance.  A covariance that is none
    (not finite, not symmetric, negative) makes the detection unseen.
    """
    xy, cov = detections.xy_map, detections.xy_cov
    p, q, r = cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]
    # a round one would have an endless slope
    square = 0.25 * (p - r) ** 2 + q**2
    slender = jnp.sqrt(jnp.where(square > 0.0, square, 1.0))
    largest = 0.5 * (p + r) + jnp.where(square > 0.0, slender, 0.0)
    slack = 1e-3 * largest
    proper = (jnp.abs(q - cov[:, 1, 0]) <= slack) & (p >= 0.0) & (r >= 0.0)
    proper = proper & (q**2 <= p * r + slack**2) & (largest < MOST_VAR)
    here = jnp.where(jnp.isfinite(robot_xy_map), robot_xy_map, 0.0)[None]
    near = jnp.all(jnp.abs(xy - here) < FARTHEST, axis=-1)
    seen = detections.seen & near & proper
    kind = jnp.clip(detections.kind, 0, len(RADIUS) - 1)
    sized = (detections.radius > 0.0) & (detections.radius < jnp.inf)
    cleaned = dataclasses.replace(
        detections,
        xy_map=jnp.where(seen[:, None], xy, 0.0),
        kind=kind,
        radius=jnp.where(sized, detections.radius, jnp.asarray(RADIUS)[kind]),
        seen=seen,
    )
    return cleaned, jnp.where(seen, jnp.maximum(largest, LEAST_VAR), 1.0)
