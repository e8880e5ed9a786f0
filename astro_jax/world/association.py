"""Which detection belongs to which track: one frame's global nearest neighbours.

In: tracks predicted to the moment of the detections, and the detections.  Out: for each
track the index of its detection, or ``NOBODY``.  No track and no detection is used twice.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

GATE = 6.0**2
"""A detection belongs to a track only within this squared Mahalanobis distance.  In theory
3.7 standard deviations hold 99.9 % (χ² with two degrees of freedom); but people turn more
sharply than the filter, which is kept calm, expects (experiments/tracking)."""
SAME_IDENTITY = 9.2
"""By how much an equal identity lowers that distance: 2 ln 99, an identity that is right 99
times in 100.  So identities decide between neighbours, but a wrong one cannot draw a track
farther than √(GATE + SAME_IDENTITY) = 6.7 standard deviations."""
NOBODY = -1


def association_cost(
    xy_map: Float[Array, "M 2"],
    xy_var: Float[Array, "M"],
    identity: Int[Array, "M"],
    valid: Bool[Array, "M"],
    seen_xy_map: Float[Array, "D 2"],
    seen_var: Float[Array, "D"],
    seen_identity: Int[Array, "D"],
    seen: Bool[Array, "D"],
) -> Float[Array, "M D"]:
    """−2 ln of the likelihood that the detection is of that track, inf outside the gate.

    With isotropic variances s = a + r:  |ν|²/s + 2 ln s − (bonus of an equal identity)
    (Blackman & Popoli, Design and Analysis of Modern Tracking Systems, 1999, §6.4).  The
    logarithm keeps a track that has not been seen for long, which would explain anything,
    from taking the detections of its neighbours.
    """
    spread = xy_var[:, None] + seen_var[None, :]
    offset = seen_xy_map[None, :, :] - xy_map[:, None, :]
    same = (identity[:, None] == seen_identity[None, :]) & (identity[:, None] >= 0)
    distance = jnp.sum(offset**2, axis=-1) / spread - jnp.where(same, SAME_IDENTITY, 0.0)
    possible = valid[:, None] & seen[None, :] & (distance < GATE)
    return jnp.where(possible, distance + 2.0 * jnp.log(spread), jnp.inf)


def associate(cost: Float[Array, "M D"]) -> Int[Array, "M"]:
    """The cheapest pair first, then the cheapest of those that are left, and so on.

    Greedy, not the assignment of least total cost.  The two differ only where several people
    stand within one another's gates: with eight people in 4 x 4 m in 7 % of the frames, where
    2.9 % of the tracks get a neighbour's detection instead of 2.0 % (experiments/tracking).
    """
    rows, columns = (jnp.arange(size, dtype=jnp.int32) for size in cost.shape)

    def pick(_, carry):
        cost, owned = carry
        best = jnp.argmin(cost).astype(jnp.int32)
        row, column = best // cost.shape[1], best % cost.shape[1]
        mine = (rows == row) & (cost[row, column] < jnp.inf)
        taken = mine[:, None] | (columns == column)[None, :]
        return jnp.where(taken, jnp.inf, cost), jnp.where(mine, column, owned)

    nobody = jnp.full(cost.shape[0], NOBODY, jnp.int32)
    return jax.lax.fori_loop(0, min(cost.shape), pick, (cost, nobody))[1]
