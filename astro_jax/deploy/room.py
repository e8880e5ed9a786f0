"""House and way on as many cells as an artifact has room for.                       [host]

Beyond the house nothing is known, as ``world/grid.py`` has it, and the way goes on as the last
cell says, as ``route/crop.py`` has it: the planner finds the same as without the room.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from astro_jax.errors import InputError
from astro_jax.types import Grid, Leash, RouteField, SmoothGrid
from astro_jax.world.prior import PRIOR_UNKNOWN

Size = tuple[int, int]
"""Rows and columns."""


def roomy_house(house: Grid, room: Size) -> Grid:
    """The house's log-odds, and unknown cells up to ``room``.

    Raises:
      InputError: the house is larger than that.
    """
    values = np.full(room, PRIOR_UNKNOWN, np.float32)
    inner = np.asarray(house.values, np.float32)
    _check_size(inner.shape, room)
    values[: inner.shape[0], : inner.shape[1]] = inner
    return Grid(
        values=_float32(values),
        origin=_float32(house.origin),
        resolution=_float32(house.resolution),
    )


def roomy_field(field: RouteField, room: Size) -> RouteField:
    """The way's cost-to-go, its outermost cells continued as planes; a leash that does not count.

    Raises:
      InputError: the field is larger than that.
    """
    grid, leash = field.cost_to_go, field.leash
    inner: Float[np.ndarray, "H W 3"] = np.asarray(grid.table, np.float32)
    _check_size(inner.shape[:2], room)
    full = inner.shape[:2] == tuple(room)
    table = inner if full else _continued(inner, room, float(grid.resolution))
    return RouteField(
        cost_to_go=SmoothGrid(
            table=_float32(table),
            origin=_float32(grid.origin),
            resolution=_float32(grid.resolution),
        ),
        goal_map=_float32(field.goal_map),
        leash=Leash(
            length=_float32(-1.0 if leash is None else leash.length),
            receding=_float32(0.0 if leash is None else leash.receding),
        ),
    )


def _continued(inner: Float[np.ndarray, "H W 3"], room: Size, resolution: float) -> Any:
    """The table on as many cells as there are."""
    cells = [np.arange(size) for size in room]
    row, column = (
        np.minimum(cell, size - 1) for cell, size in zip(cells, inner.shape, strict=False)
    )
    table = inner[row[:, None], column[None, :]]
    beyond = [(cell - last) * resolution for cell, last in zip(cells, (row, column), strict=True)]
    # where it does not go on there is nothing to add, and 0 · ∞ would be no number
    for off, slope in ((beyond[1][None, :], table[..., 1]), (beyond[0][:, None], table[..., 2])):
        with np.errstate(invalid="ignore"):
            table[..., 0] += np.where(off > 0.0, off * slope, 0.0)
    return table


def no_way(room: Size) -> RouteField:
    """In place of a field while there is no goal."""
    flat = SmoothGrid(
        table=_float32(np.zeros((*room, 3))),
        origin=_float32(np.zeros(2)),
        resolution=_float32(1.0),
    )
    return roomy_field(RouteField(cost_to_go=flat, goal_map=_float32(np.zeros(3))), room)


def _check_size(shape: tuple[int, ...], room: Size) -> None:
    if any(size > most for size, most in zip(shape, room, strict=True)):
        expected = f"at most {list(room)} cells; make the artifact with a larger --house"
        raise InputError("house", list(shape), expected)


def _float32(value: object) -> Any:
    """NumPy, as it is: whoever runs the artifact takes it over."""
    return np.asarray(value, np.float32)
