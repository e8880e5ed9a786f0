"""A picture of one call of the planner, without an episode around it.              [host]"""

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from astro_jax.body.target import Looking
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive.senses import Mode
from astro_jax.route.house import HouseMap
from astro_jax.sim.state import CycleLog, TickLog
from astro_jax.types import Diagnostics, Plan, Reason, RouteField, WorldAtEffect
from astro_jax.viz.plots import cycle_figure
from astro_jax.viz.record import EpisodeRecord
from astro_jax.world.forecast import moments


def plan_figure(
    robot: RobotConfig,
    config: PlannerConfig,
    house_map: HouseMap,
    field: RouteField,
    world: WorldAtEffect,
    plan: Plan,
    diagnostics: Diagnostics,
) -> Figure:
    """What the planner knew, weighed and chose; save it with ``figure.savefig``."""
    field, world, plan, diagnostics = jax.device_get((field, world, plan, diagnostics))
    people = moments(world.forecast)[0][0]

    def single(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: np.asarray(leaf)[None], tree)

    record = EpisodeRecord(
        robot=robot,
        planner=config,
        occupancy=house_map.occupancy,
        blocked=house_map.blocked,
        origin=house_map.origin,
        resolution=house_map.resolution,
        start=np.asarray(world.pose_map),
        goal=np.asarray(field.goal_map),
        radius=np.asarray(world.forecast.radius),
        present=np.asarray(world.forecast.valid),
        log=CycleLog(
            time=single(np.float32(0.0)),
            pose_map=single(world.pose_map),
            house_from_map=single(np.zeros(3, np.float32)),
            pan=single(np.float32(0.0)),
            people_xy=single(people),
            tracked=single(world.forecast.valid),
            world=single(world),
            plan_pose=single(plan.motion.pose_map),
            plan_twist=single(plan.motion.twist),
            survival=single(plan.survival),
            status=single(plan.status),
            looking=single(np.int32(Looking.AT_NOTHING)),
            seen=single(np.zeros(world.forecast.valid.shape, np.float32)),
            diagnostics=single(diagnostics),
        ),
        ticks=TickLog(
            time=single(np.float32(0.0)),
            pose_map=single(world.pose_map),
            # whatever the drive's own coordinates are
            twist=single(plan.motion.twist[0, ::2]),
            command=single(plan.motion.twist[0, ::2]),
            scale=single(np.float32(1.0)),
            mode=single(np.int32(Mode.RUNNING)),
            reason=single(np.int32(Reason.CLEAR)),
            pan=single(np.float32(0.0)),
            people_xy=single(people),
            contacts=single(np.int32(0)),
        ),
        routes=((0.0, field),),
    )
    return cycle_figure(record, 0)
