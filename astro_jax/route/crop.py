"""The part of the route's field that the local planner sees, in the robot's own frame."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.geometry import cell_centres, compose, from_frame, inverse
from astro_jax.products import settled
from astro_jax.types import Grid, RouteField, SmoothGrid


def crop_field(field: RouteField, house_from_map: Float[Array, "3"], local: Grid) -> RouteField:
    """``field`` (in the house) on the cells of ``local`` (in the map frame), goal included.

    Each cell takes the tangent plane of the house cell it lies in, turned: a copy as long as
    both lattices agree.  The planner's arrays have the same size in every house.
    """
    house = field.cost_to_go
    rows, columns = house.table.shape[-3:-1]
    xy = from_frame(house_from_map, cell_centres(local))
    from_corner = xy - house.origin[None, None]
    last = jnp.array([columns - 1.0, rows - 1.0])[None, None]
    cell = jnp.clip(jnp.round(from_corner / house.resolution), 0.0, last)
    off = from_corner - cell * house.resolution
    index = (cell[..., 1] * columns + cell[..., 0]).astype(jnp.int32)
    value, slope_x, slope_y = (house.table[..., k].reshape(-1)[index] for k in range(3))
    c, s = jnp.cos(house_from_map[2]), jnp.sin(house_from_map[2])
    table = [
        value + slope_x * off[..., 0] + slope_y * off[..., 1],
        c * slope_x + s * slope_y,
        c * slope_y - s * slope_x,
    ]
    return RouteField(
        cost_to_go=SmoothGrid(
            table=jnp.stack([settled(column) for column in table], axis=-1),
            origin=local.origin,
            resolution=local.resolution,
        ),
        goal_map=compose(inverse(house_from_map), field.goal_map),
        leash=field.leash,
    )
