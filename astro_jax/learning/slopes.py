"""What the first seconds of a closed loop come to, as smooth numbers, and their slopes in params.

In: everything a rollout needs.  Out: (late, jerk, near) of ``learning/descent.py`` and their
derivatives in the logarithms of some params, forward through the whole robot: there are few
params and many steps, and the backward way would have to keep all of them.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import cos_sin, sample
from astro_jax.learning.features import with_weights
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances, TickLog
from astro_jax.types import RouteField

NEAR, SIGMA = 0.4, 0.1
"""Gap to people that begins to count, and how softly, m."""
LEAST_JERK, LEAST_LATE = 0.05, 0.02
"""m/s³ and a share: what hardly moves or is there at once is not better without end."""


def outcome_and_slopes(
    robot: RobotConfig,
    config: PlannerConfig,
    names: Sequence[str],
    cycles: int,
    params: PlannerParams,
    world: Circumstances,
    scene: Scene,
    field: RouteField,
    key: Array,
) -> tuple[Float[Array, "3"], Float[Array, "3 W"]]:
    """(Late, jerk, near) after so many cycles, and d/d log of each named param.

    ``robot``, ``config``, ``names`` and ``cycles`` are static, all else is data.
    """
    x = jnp.log(jnp.stack([jnp.asarray(getattr(params, name)) for name in names]))

    def outcome(x: Float[Array, "W"]) -> Float[Array, "3"]:
        own = with_weights(params, names, list(jnp.exp(x)))
        state = start_episode(robot, config, world.told, scene, key)
        _, _, ticks = run_cycles(robot, config, own, world, scene, field, state, cycles)
        return summed_up(robot, config, scene.radius, scene.present, field, ticks)

    # one way after the other: a leading axis would keep candidates from being vectorised
    values, slopes = jax.lax.map(lambda way: jax.jvp(outcome, (x,), (way,)), jnp.eye(len(names)))
    return values[0], slopes.T


def summed_up(
    robot: RobotConfig,
    config: PlannerConfig,
    radius: Float[Array, "M"],
    present: Bool[Array, "M"],
    field: RouteField,
    ticks: TickLog,
) -> Float[Array, "3"]:
    """(Late, jerk, near) of a true motion; ticks have axes (cycles, ticks of a cycle)."""
    to_go = sample(field.cost_to_go, ticks.pose_map[..., :2])
    late = jnp.mean(to_go) / to_go[0, 0] + LEAST_LATE
    c, s = cos_sin(ticks.pose_map[:, -1, 2])
    speed = ticks.twist[:, -1, 0]
    velocity = jnp.stack([speed * c, speed * s], axis=-1)
    jerk = jnp.diff(velocity, n=2, axis=0) / config.period**2
    rough = jnp.sqrt(jnp.mean(jnp.sum(jerk**2, axis=-1)) + LEAST_JERK**2)
    away = ticks.people_xy - ticks.pose_map[..., None, :2]
    own = 0.5 * robot.length
    gap = jnp.sqrt(jnp.sum(away**2, axis=-1) + 1e-6) - radius[None, None] - own
    close = SIGMA * jax.nn.softplus((NEAR - gap) / SIGMA)
    near = jnp.sum(jnp.where(present[None, None], close, 0.0), axis=-1)
    return jnp.stack([late, rough, jnp.mean(near)])
