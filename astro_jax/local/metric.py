"""How far a motion moves when z does: a first guess of the objective's curvature.

The Hessian of the objective in z has a condition number of about 10⁴, because each turn adds
up along the plan.  Nearly all of that is kinematics, whose Jacobian is cheap: no map, no
people.  With this guess quasi-Newton descents need a third of the steps.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import WorldAtEffect

PATH_WEIGHT = 3.0
"""Assumed curvature of the objective across the path, s/m² per second of plan."""
RIDGE = 0.03
"""Added to the diagonal: a coordinate at its edge moves nothing at all."""


def inverse_metric(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    world: WorldAtEffect,
    z: Float[Array, "n D S"],
) -> Float[Array, "d d S"]:
    """(JᵀJ + ridge)⁻¹ at each z, J the Jacobian of places and accelerations by weight.

    Gauss–Newton (Nocedal & Wright, Numerical Optimization, 2006, §10.3): as if the cost were
    the squares of how far the path runs from where it should, and of the comfort terms.
    """
    shape = z.shape
    size, count = shape[0] * shape[1], shape[2]

    def features(z: Float[Array, "n D dS"]) -> Float[Array, "F dS"]:
        controls = drive.decode(robot, basis, world.command, world.command_dot, z)
        motion = drive.motion(robot, basis, world.pose_map, controls)
        path = np.sqrt(2 * PATH_WEIGHT).astype(np.float32) * motion.pose_map[::2, :2]
        vx, vy, omega = (motion.twist[:, i] for i in range(3))
        rows = [
            path.reshape(-1, path.shape[-1]),
            jnp.sqrt(params.acceleration) * motion.twist_dot[:, 0],
            jnp.sqrt(params.acceleration) * motion.twist_dot[:, 1],
            jnp.sqrt(params.turning) * motion.twist_dot[:, 2],
            jnp.sqrt(params.lateral) * (vx + vy) * omega,
        ]
        return np.sqrt(2 * config.dt).astype(np.float32) * jnp.concatenate(rows)

    # one column for each start and each coordinate that is nudged
    directions = jnp.repeat(jnp.eye(size), count, axis=1).reshape(*shape[:2], -1)
    points = jnp.tile(z, (1, 1, size))
    _, columns = jax.jvp(features, (points,), (directions,))
    jacobian = columns.reshape(-1, size, count)
    normal = jnp.einsum("fik,fjk->ijk", jacobian, jacobian, precision="highest")
    return _inverse(normal + RIDGE * jnp.eye(size)[..., None])


def _inverse(matrix: Float[Array, "d d S"]) -> Float[Array, "d d S"]:
    """Of symmetric positive definite matrices, by Gauss–Jordan sweeps without pivoting.

    (LAPACK would do, but its calls cannot be exported to every robot.)
    """

    def sweep(k, matrix):
        row, column, pivot = matrix[k], matrix[:, k], matrix[k, k]
        swept = matrix - column[:, None] * row[None] / pivot[None, None]
        swept = swept.at[k].set(row / pivot[None]).at[:, k].set(-column / pivot[None])
        return swept.at[k, k].set(1.0 / pivot)

    return jax.lax.fori_loop(0, matrix.shape[0], sweep, matrix)
