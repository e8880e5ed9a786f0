"""What the house map says of a cell, as log-odds of an obstacle."""

import jax.numpy as jnp
from jaxtyping import Array, Float

PRIOR_FREE, PRIOR_OCCUPIED, PRIOR_UNKNOWN = -1.9, 3.0, 0.625
"""An unknown cell counts as blocked until it has been seen free twice; free by the map alone stays
above ``grid.LOW``, so that the route layer can tell it from seen free."""


def prior_from_occupancy(occupancy: Float[Array, "H W"]) -> Float[Array, "H W"]:
    """Log-odds of a map_server occupancy grid (0 free, 100 occupied, −1 unknown)."""
    known = jnp.where(occupancy > 50, PRIOR_OCCUPIED, PRIOR_FREE)
    return jnp.where(occupancy < 0, PRIOR_UNKNOWN, known).astype(jnp.float32)
