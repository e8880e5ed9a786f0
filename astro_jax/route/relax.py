"""The route's cost-to-go on the device: it lives, and changes, inside jitted rollouts.

Costs of the cells, the values of seeds and the last field come in; a field some sweeps better
goes out.  It is the scheme of ``route/march.py`` and has the same one solution; here it is come
by iteration instead of order, since a queue cannot live in a jitted scan.

One sweep passes four times over the map, down, up, right and left.  A cell's value by an edge
neighbour depends on that neighbour's row only, so each pass takes whole rows at once, and
carries a wave across all of the map within a quarter of the directions.  A sweep costs the
same whatever happens; a field started from nothing needs about as many as a way has turns.

Values above the solution fall to it and values below rise to it.  They fall at once along
straight lines of sight, but rise by a few cells' costs per sweep: what a shut door makes
worthless is filled up like a lock.  Source of sweeping: H. Zhao, A fast sweeping method for
eikonal equations (2005); of the scheme see ``route/march.py``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

FAR = 1e6
"""Stands for "not reached", in cells: infinity would make NaN of differences."""
_HALF, _ROOT2 = 0.5**0.5, 2.0**0.5


def relax(
    values: Float[Array, "H W"],
    slowness: Float[Array, "H W"],
    seeds: Float[Array, "H W"],
    sweeps: int,
) -> Float[Array, "H W"]:
    """``values`` after some sweeps towards the cost-to-go, in cells at cruising speed.

    Args:
      values: where to start: the last field, or ``unknown``.  What is no number, or below 0,
        counts as not reached.
      slowness: cost of each cell, at least 1 or so; infinite (or NaN) where shut.
      seeds: cost of the cells around the goal, which stay; infinite elsewhere.
      sweeps: how many; static or not.

    Returns:
      Costs, ``FAR`` where the goal cannot be reached or was not yet.
    """
    shut = ~(slowness < FAR)
    fixed = (seeds < FAR) & ~shut
    cost = jnp.where(shut, FAR, slowness)
    hold = lambda v: jnp.where(fixed, seeds, jnp.where(shut, FAR, jnp.minimum(v, FAR)))
    start = hold(jnp.where(values >= 0.0, values, FAR))

    def sweep(_: int, v: Float[Array, "H W"]) -> Float[Array, "H W"]:
        for turned, backwards in ((False, False), (False, True), (True, False), (True, True)):
            v = _pass(v, cost, shut, fixed, turned, backwards)
        return v

    return jax.lax.fori_loop(0, sweeps, sweep, start)


def unknown(slowness: Float[Array, "H W"]) -> Float[Array, "H W"]:
    """Nothing reached yet."""
    return jnp.full_like(slowness, FAR)


def _pass(
    v: Float[Array, "H W"],
    cost: Float[Array, "H W"],
    shut: Bool[Array, "H W"],
    fixed: Bool[Array, "H W"],
    turned: bool,
    backwards: bool,
) -> Float[Array, "H W"]:
    """One way over the rows (or, turned, the columns)."""
    grids = (v, cost, shut | fixed)
    if turned:
        grids = tuple(grid.T for grid in grids)
    v, cost, stays = grids
    # by the three other edge neighbours, as they are now
    beside = jnp.minimum(_by_sides(v, cost), _by_row(_next(v, not backwards), cost))

    def step(
        before: Float[Array, "W"], row: tuple[Array, Array, Array, Array]
    ) -> tuple[Float[Array, "W"], Float[Array, "W"]]:
        old, s, others, stay = row
        new = jnp.minimum(_by_row(before[None], s[None])[0], others)
        new = jnp.where(stay, old, jnp.minimum(new, FAR))
        return new, new

    outside = jnp.full_like(v[0], FAR)
    _, v = jax.lax.scan(step, outside, (v, cost, beside, stays), reverse=backwards)
    return v.T if turned else v


def _next(v: Float[Array, "H W"], down: bool) -> Float[Array, "H W"]:
    """The row after (or before) each, and nothing beyond the last."""
    edge = jnp.full_like(v[:1], FAR)
    return jnp.concatenate([v[1:], edge] if down else [edge, v[:-1]])


def _by_row(a: Float[Array, "H W"], s: Float[Array, "H W"]) -> Float[Array, "H W"]:
    """Values by the cells of one neighbouring row: straight and aslant."""
    edge = jnp.full_like(a[:, :1], FAR)
    right = jnp.concatenate([a[:, 1:], edge], axis=1)
    left = jnp.concatenate([edge, a[:, :-1]], axis=1)
    return _through(a, jnp.minimum(left, right), s)


def _by_sides(v: Float[Array, "H W"], s: Float[Array, "H W"]) -> Float[Array, "H W"]:
    """Values by the cells to the left and right and their neighbours above and below."""
    aslant = jnp.minimum(_next(v, True), _next(v, False))
    edge = jnp.full_like(v[:, :1], FAR)
    to_left = lambda grid: jnp.concatenate([grid[:, 1:], edge], axis=1)
    to_right = lambda grid: jnp.concatenate([edge, grid[:, :-1]], axis=1)
    from_right = _through(to_left(v), to_left(aslant), s)
    return jnp.minimum(from_right, _through(to_right(v), to_right(aslant), s))


def _through(a: Array, d: Array, s: Array) -> Array:
    """By an edge neighbour's value and a corner neighbour's (see ``route/march.py``)."""
    lean = jnp.clip(a - d, 0.0, s * _HALF)
    between = a + jnp.sqrt(s * s - lean * lean)
    beyond = jnp.maximum(a, d + s * _ROOT2)
    # a shut edge neighbour lets nobody past its corner
    return jnp.where(a >= FAR, FAR, jnp.where(a - d > s * _HALF, beyond, between))
