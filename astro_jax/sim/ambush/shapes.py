"""Exact geometry of a room of oriented boxes and discs: range rays, and who touches what.

In: poses, boxes and discs in metres.  Out: ranges along rays and separations of rectangles.
It is the referee's and the sensor's geometry, and shares nothing with the gate's.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.types import pytree

PARALLEL = 1e-7
"""A ray whose direction has less than this across a slab runs along it."""


@pytree
class Boxes:
    """Rectangles anywhere in the plane: walls, cupboards, chair legs, things just dropped."""

    xy: Float[Array, "*batch K 2"]
    axis: Float[Array, "*batch K 2"]
    """Unit vector along the first half extent."""
    half: Float[Array, "*batch K 2"]
    there: Bool[Array, "*batch K"]


def ray_boxes(
    eye: Float[Array, "2"], direction: Float[Array, "R 2"], boxes: Boxes
) -> Float[Array, "R K"]:
    """Metres along each ray to the first point of each box: 0 inside one, inf if it misses.

    The slab method (Kay & Kajiya, "Ray tracing complex scenes", 1986) in the box's own frame.
    """
    ux, uy = boxes.axis[:, 0], boxes.axis[:, 1]
    x, y = boxes.xy[:, 0] - eye[0], boxes.xy[:, 1] - eye[1]
    # the centre and the rays, along and across the box
    centres = (ux * x + uy * y, ux * y - uy * x)
    dx, dy = direction[:, :1], direction[:, 1:]
    rays = (dx * ux[None] + dy * uy[None], dy * ux[None] - dx * uy[None])
    enter, leave = jnp.float32(0.0), jnp.float32(jnp.inf)
    for k in range(2):
        rate = jnp.where(jnp.abs(rays[k]) < PARALLEL, PARALLEL, rays[k])
        near = (centres[k] - boxes.half[:, k])[None] / rate
        far = (centres[k] + boxes.half[:, k])[None] / rate
        enter = jnp.maximum(enter, jnp.minimum(near, far))
        leave = jnp.minimum(leave, jnp.maximum(near, far))
    return jnp.where((enter <= leave) & boxes.there[None], enter, jnp.inf)


def ray_discs(
    eye: Float[Array, "2"],
    direction: Float[Array, "R 2"],
    xy: Float[Array, "M 2"],
    radius: Float[Array, "M"],
    there: Bool[Array, "M"],
) -> Float[Array, "R M"]:
    """Metres along each ray to the first point of each disc: 0 inside one, inf if it misses."""
    x, y = (xy[:, 0] - eye[0])[None], (xy[:, 1] - eye[1])[None]
    along = direction[:, :1] * x + direction[:, 1:] * y
    across = direction[:, :1] * y - direction[:, 1:] * x
    inside = radius[None] ** 2 - across**2
    chord = jnp.sqrt(jnp.maximum(inside, 0.0))
    met = (inside >= 0.0) & (along + chord >= 0.0) & there[None]
    return jnp.where(met, jnp.maximum(along - chord, 0.0), jnp.inf)


def separation(
    pose: Float[Array, "3"], length: float, width: float, boxes: Boxes
) -> Float[Array, "K"]:
    """How far apart the rectangle and each box are along the best of their four axes, m.

    Not positive: they overlap, by so much (separating axis theorem; Gottschalk, Lin & Manocha,
    "OBBTree", 1996).  Positive it is never more than their distance.
    """
    c, s = jnp.cos(pose[2]), jnp.sin(pose[2])
    x, y = boxes.xy[:, 0] - pose[0], boxes.xy[:, 1] - pose[1]
    ux, uy = boxes.axis[:, 0], boxes.axis[:, 1]
    own, other = (0.5 * length, 0.5 * width), (boxes.half[:, 0], boxes.half[:, 1])
    # cosine and sine of the angle between the two frames
    turned, across = jnp.abs(c * ux + s * uy), jnp.abs(c * uy - s * ux)
    apart = jnp.stack(
        [
            jnp.abs(c * x + s * y) - own[0] - turned * other[0] - across * other[1],
            jnp.abs(c * y - s * x) - own[1] - across * other[0] - turned * other[1],
            jnp.abs(ux * x + uy * y) - other[0] - turned * own[0] - across * own[1],
            jnp.abs(ux * y - uy * x) - other[1] - across * own[0] - turned * own[1],
        ]
    )
    return jnp.where(boxes.there, jnp.max(apart, axis=0), jnp.inf)
