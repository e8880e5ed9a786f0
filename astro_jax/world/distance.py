"""Occupancy in, signed clearance out: the exact Euclidean distance up to a cap."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.geometry import smooth
from astro_jax.products import merges, settled
from astro_jax.types import Clearance, Grid

INSIDE_CELLS = 4
"""How deep into an obstacle the distance stays exact; beyond that it is flat."""


def clearance_field(
    blocked: Bool[Array, "H W"],
    grid: Grid,
    reach: int,
    edges: Bool[Array, "H W"] | None = None,
) -> Clearance:
    """Signed distance (m) to the nearest obstacle's surface, flat beyond ``reach`` cells.

    Positive outside, negative inside, zero half-way between a blocked and a free cell.
    Cells beyond the grid count as free, so that the edge of the local map is no obstacle.
    ``edges`` marks those of the blocked cells that are an edge to fall over.
    """
    outside = _distance(blocked, reach)
    inside = _distance(~blocked, INSIDE_CELLS)
    cells = settled(jnp.where(blocked, 0.5 - inside, outside - 0.5))
    field = smooth(
        Grid(values=cells * grid.resolution, origin=grid.origin, resolution=grid.resolution)
    )
    if edges is None:
        nearest_is_edge = jnp.zeros(blocked.shape)
    else:
        to_edge = _distance(edges & blocked, reach)
        nearest_is_edge = ((to_edge <= outside) & (outside < reach)).astype(jnp.float32)
    columns = [*jnp.moveaxis(field.table, -1, 0), nearest_is_edge]
    return Clearance(
        table=jnp.stack([settled(column) for column in columns], axis=-1),
        origin=grid.origin,
        resolution=grid.resolution,
    )


def _distance(source: Bool[Array, "H W"], reach: int) -> Float[Array, "H W"]:
    """Cells from each cell's centre to the nearest source cell's centre, at most ``reach``.

    Two separable passes of min-plus with k² (Felzenszwalb & Huttenlocher, Distance
    Transforms of Sampled Functions, 2012, §2), each over 2·reach + 1 row shifts.  A loop
    over whole-row shifts ran in .14 ms for 120² and reach 20; gathers took 3.6 ms.
    """
    far = float(reach) ** 2
    square = jnp.where(source, 0.0, far)
    if merges():
        square = _min_plus_written_out(_min_plus_written_out(square, reach, far, 0), reach, far, 1)
    else:
        for _ in ("columns", "rows"):
            square = _min_plus_rows(square, reach, far).T
    return jnp.sqrt(jnp.minimum(square, far))


def _min_plus_rows(square: Float[Array, "H W"], reach: int, far: float) -> Float[Array, "H W"]:
    rows = square.shape[0]
    padded = jnp.pad(square, [(reach, reach), (0, 0)], constant_values=far)

    def shift(k, best):
        offset = (k - reach).astype(jnp.float32)
        shifted = jax.lax.dynamic_slice_in_dim(padded, k, rows, axis=0)
        return jnp.minimum(best, shifted + offset * offset)

    return jax.lax.fori_loop(0, 2 * reach + 1, shift, jnp.full_like(square, far))


def _min_plus_written_out(
    square: Float[Array, "H W"], reach: int, far: float, axis: int
) -> Float[Array, "H W"]:
    """One kernel that reads the map from its cache, where a loop reads it from memory per shift."""
    beyond = [(0, 0), (0, 0)]
    beyond[axis] = (reach, reach)
    padded = jnp.pad(square, beyond, constant_values=far)
    size = square.shape[axis]
    shifted = (
        jax.lax.slice_in_dim(padded, k, k + size, axis=axis) + float((k - reach) ** 2)
        for k in range(2 * reach + 1)
    )
    return functools.reduce(jnp.minimum, shifted)
