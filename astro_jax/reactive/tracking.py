"""Back to the plan's path, gently: a bounded curvature added to the plan's own."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.types import Plan


def steer(
    robot: RobotConfig,
    config: PlannerConfig,
    plan: Plan,
    phase: Float[Array, ""],
    pose_map: Float[Array, "3"],
    last: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(Curvature to add, 1/m; rate at which the plan's time passes, about 1)."""
    return jnp.zeros_like(last), jnp.ones_like(last)
