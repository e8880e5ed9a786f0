"""A robot whose planner drives straight on: everything else is real, and compiles quickly."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerConfig, RobotConfig, SensorConfig
from astro_jax.deploy.settings import Settings
from astro_jax.reactive.briefing import resting_plan
from astro_jax.types import CostTerms, Diagnostics, Status
from astro_jax.world.inbox import empty_inbox, snapshot

SMALL = Settings(
    robot=RobotConfig(sensor=SensorConfig(beams=40)),
    config=PlannerConfig(map_cells=40, people=2),
)
HOUSE = (80, 100)
SPEED = 0.3
"""m/s."""


def straight_on(robot, config, params, state, world, way, proposal=None):
    """In place of ``local.planner.plan``; costs what is left of the way, times patience."""
    plan = resting_plan(robot, config, world.pose_map, Status.OK)
    x, y, yaw = world.pose_map
    ahead = SPEED * config.dt * jnp.arange(config.times, dtype=jnp.float32)
    poses = [x + ahead * jnp.cos(yaw), y + ahead * jnp.sin(yaw), jnp.full_like(ahead, yaw)]
    motion = dataclasses.replace(
        plan.motion,
        pose_map=jnp.stack(poses, axis=-1),
        twist=plan.motion.twist.at[:, 0].set(SPEED),
    )
    commands = plan.commands.at[:, 0].set(SPEED)
    none = jnp.float32(0.0)
    cells = way.cost_to_go.table[..., 0]
    left = params.patience * cells[cells.shape[0] // 2, cells.shape[1] // 2]
    seen = Diagnostics(
        cost=jnp.zeros(1),
        candidate_xy_map=jnp.zeros((1, 1, 2)),
        terms=CostTerms(**{field.name: none for field in dataclasses.fields(CostTerms)}),
        best_cost=left,
        sampled_cost=left,
        nonfinite_gradients=jnp.int32(0),
        finite_candidates=jnp.int32(1),
    )
    return state, dataclasses.replace(plan, motion=motion, commands=commands), seen


def seen(pose, twist=(0.0, 0.0), age=0.05):
    """A snapshot of a robot in the open, with messages as the inbox makes them."""
    found = snapshot(empty_inbox(SMALL.robot), 0)
    pose, age = np.asarray(pose, np.float32), np.float32(age)
    beams = SMALL.robot.sensor.beams
    scan = dataclasses.replace(
        found.scan,
        valid=np.ones(beams, bool),
        pose_map=pose,
        age=age,
        free=np.full(beams, 8.0, np.float32),
    )
    odometry = dataclasses.replace(
        found.odometry, pose_map=pose, twist=np.asarray(twist, np.float32), age=age
    )
    detections = dataclasses.replace(found.detections, age=age)
    return dataclasses.replace(
        found,
        scan=scan,
        odometry=odometry,
        detections=detections,
        house_from_map=np.zeros(3, np.float32),
    )
