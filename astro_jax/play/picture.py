"""What a page shows of one cycle, made small on the device.

A cycle's log comes in, in the house; places go out as millimetres from the robot, costs as an
order, the local map as one byte a cell, progress as it was promised and as it counted.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int16, UInt8

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.objective import remaining
from astro_jax.products import loss, middle
from astro_jax.sim.state import CycleLog
from astro_jax.types import LocalMap, RouteField, pytree
from astro_jax.world.grid import occupied

STRIDE = 2
"""Every so many samples of a candidate are drawn."""
AHEAD = (1.0, 2.0, 3.0)
"""When the uncertainty of people is drawn, s after the plan takes effect."""
FREE, UNSEEN, OCCUPIED = 0, 1, 2
"""Of a cell of the local map; unseen: no scan has said anything about it lately, whatever the
house map says of it."""
SEEN = 0.2
"""Log-odds of evidence below which nothing has been seen."""


@pytree
class Picture:
    """One cycle, small."""

    candidates: Int16[Array, "K t 2"]
    """Places (mm) relative to ``pose``; the last ``usable`` count, the worst of them first."""
    usable: Int[Array, ""]
    """Candidates with finite costs and places."""
    pose: Float[Array, "3"]
    plan: Float[Array, "T 3"]
    survival: Float[Array, "T"]
    speed: Float[Array, "T"]
    """Of the plan, signed, m/s."""
    promised: Float[Array, "T"]
    """Seconds of progress up to each time, if nothing is touched; later ones count less."""
    counted: Float[Array, "T"]
    """The same, each as far as the robot is likely to get there untouched."""
    people: Float[Array, "a M C 6"]
    """Forecast at ``AHEAD``: x, y, σ along, σ across (m), direction of "along" (rad), weight."""
    forecast_valid: Array
    cells: UInt8[Array, "H W"]
    """Of the local map: FREE, UNSEEN or OCCUPIED."""
    cells_pose: Float[Array, "3"]
    """Where the map frame lies in the house."""
    cells_origin: Float[Array, "2"]
    """Centre of cell [0, 0] in the map frame, m."""


def picture_of(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    field: RouteField,
    log: CycleLog,
    local_map: LocalMap,
) -> Picture:
    """The picture of a cycle that was guided by ``field``."""
    seen = log.diagnostics
    xy = seen.candidate_xy_map[:, ::STRIDE]
    fine = jnp.isfinite(seen.cost) & jnp.all(jnp.isfinite(xy), axis=(1, 2))
    # what is not finite comes first, then the worst
    order = jnp.argsort(jnp.where(fine, -seen.cost, -jnp.inf))
    offset = jnp.where(fine[:, None, None], xy - log.pose_map[:2][None, None], 0.0)
    bodies, (who, turned) = log.world.forecast, _spread(log)
    chosen = _ahead(config)
    components = jnp.concatenate(
        [
            bodies.xy_map[chosen],
            jnp.sqrt(jnp.maximum(bodies.xy_var[chosen], 0.0)),
            turned[chosen][..., None],
            jnp.broadcast_to(bodies.weight[None, ..., None], (len(chosen), *who, 1)),
        ],
        axis=-1,
    )
    promised, counted = progress_of(robot, config, params, field, log)
    unseen = jnp.abs(local_map.evidence) < SEEN
    cells = jnp.where(unseen, UNSEEN, jnp.where(occupied(local_map), OCCUPIED, FREE))
    return Picture(
        candidates=jnp.clip(jnp.round(1e3 * offset[order]), -32767, 32767).astype(jnp.int16),
        usable=jnp.sum(fine),
        pose=log.pose_map,
        plan=log.plan_pose,
        survival=log.survival,
        speed=log.plan_twist[:, 0],
        promised=promised,
        counted=counted,
        people=components,
        forecast_valid=bodies.valid,
        cells=cells.astype(jnp.uint8),
        cells_pose=log.house_from_map,
        cells_origin=local_map.grid.origin,
    )


def progress_of(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    field: RouteField,
    log: CycleLog,
) -> tuple[Float[Array, "T"], Float[Array, "T"]]:
    """∫₀ᵗ γ (−Ṗ) dt and ∫₀ᵗ S γ (−Ṗ) dt of the plan, s (see ``local.objective``).

    ``robot``: as the planner has it, with the limits that plans keep (``reactive.sight.backing``).
    """
    time = config.dt * jnp.arange(config.times, dtype=jnp.float32)[:, None]
    liked = jnp.exp(-time / params.patience)
    nearer = loss(remaining(robot, params, field, log.plan_pose[..., None], time))
    steps = jnp.concatenate(
        [middle(worth) * nearer for worth in (liked, log.survival[:, None] * liked)], axis=1
    )
    gained = jnp.pad(jnp.cumsum(steps, axis=0), ((1, 0), (0, 0)))
    return gained[:, 0], gained[:, 1]


def _spread(log: CycleLog) -> tuple[tuple[int, ...], Float[Array, "t M C"]]:
    axis = log.world.forecast.axis_map
    return axis.shape[1:-1], jnp.arctan2(axis[..., 1], axis[..., 0])


def _ahead(config: PlannerConfig) -> Int[np.ndarray, "a"]:
    times = config.dt * np.arange(0, config.times, config.people_stride)
    return np.unique([int(np.argmin(np.abs(times - t))) for t in AHEAD])


def on_host(picture: Picture) -> Picture:
    """NumPy arrays."""
    return jax.device_get(picture)
