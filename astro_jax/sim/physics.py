"""One gate tick of the true world: wheels, people and the referee."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.geometry import wrap_angle
from astro_jax.sim.contact import update_contacts
from astro_jax.sim.gaps import touches_wall, wall_gap, window_for
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import MEMORY_TICKS, SimState
from astro_jax.sim.walkers import walk

PHYSICS_STEP = 0.005
AFTER_ARRIVAL = 1.0
"""An episode ends this long after the goal was reached, s."""
ARRIVAL_YAW_RATE = 0.2
"""A robot that has to be at rest at its goal turns no faster, rad/s."""


def advance(
    robot: RobotConfig, config: PlannerConfig, latency: Latency, scene: Scene, state: SimState
) -> SimState:
    """The state one gate period later; commands act ``latency.command`` after they were sent."""
    steps = round(config.gate_period / PHYSICS_STEP)
    people = walk(scene, state.people, state.pose[:2], robot.length / 2, config.gate_period)
    # people are stepped per tick and move linearly within it
    velocity = (people.xy_map - state.people.xy_map) / config.gate_period
    follow = 1.0 - jnp.exp(-PHYSICS_STEP / jnp.maximum(robot.actuator_lag, 1e-3))
    touch_cells = window_for(robot.length, robot.width, scene.cell, 0.0)
    gap_cells = window_for(robot.length, robot.width, scene.cell, 0.4)
    gap = wall_gap(
        state.pose,
        robot.length,
        robot.width,
        scene.blocked,
        scene.origin,
        scene.resolution,
        gap_cells,
    )

    def step(carry, index):
        pose, twist, contacts = carry
        since_sent = index.astype(jnp.float32) * PHYSICS_STEP - latency.command
        # the newest command was sent at the start of this tick
        back = jnp.floor(since_sent / config.gate_period + 1e-3).astype(jnp.int32)
        command = state.sent[jnp.clip(MEMORY_TICKS - 1 + back, 0, MEMORY_TICKS - 1)]
        twist = twist + follow * (command * state.wheel_gain - twist)
        yaw = pose[2] + 0.5 * PHYSICS_STEP * twist[1]
        move = jnp.stack([twist[0] * jnp.cos(yaw), twist[0] * jnp.sin(yaw), twist[1]])
        pose = pose + PHYSICS_STEP * move
        after = (index + 1).astype(jnp.float32) * PHYSICS_STEP
        touched = touches_wall(
            pose,
            robot.length,
            robot.width,
            scene.blocked,
            scene.origin,
            scene.resolution,
            touch_cells,
        )
        # the exact gap is measured once per tick; between, contact is what counts
        wall = jnp.where(touched, 0.0, jnp.where(index == 0, jnp.maximum(gap, 1e-3), jnp.inf))
        judged = update_contacts(
            contacts,
            state.time + after,
            pose,
            twist,
            length=robot.length,
            width=robot.width,
            xy=state.people.xy_map + after * velocity,
            velocity=velocity,
            radius=scene.radius,
            valid=scene.present,
            wall=wall,
        )
        # a batch runs on until all have arrived; an episode that is over is judged no more
        over = state.time > state.arrived_at + AFTER_ARRIVAL
        contacts = jax.tree.map(lambda new, old: jnp.where(over, old, new), judged, contacts)
        return (pose, twist, contacts), None

    first = (state.pose, state.twist, state.contacts)
    (pose, twist, contacts), _ = jax.lax.scan(step, first, jnp.arange(steps))
    count = state.tick + 1
    time = count.astype(jnp.float32) * config.gate_period
    return dataclasses.replace(
        state,
        time=time,
        tick=count,
        pose=pose,
        twist=twist,
        people=people,
        contacts=contacts,
        past_pose=jnp.concatenate([state.past_pose[1:], pose[None]]),
        past_twist=jnp.concatenate([state.past_twist[1:], twist[None]]),
        past_people=jnp.concatenate([state.past_people[1:], people.xy_map[None]]),
        arrived_at=jnp.where(
            _arrived(scene, pose, twist), jnp.minimum(state.arrived_at, time), state.arrived_at
        ),
    )


def _arrived(scene: Scene, pose, twist) -> Bool[Array, ""]:
    distance, angle, speed = jnp.asarray(scene.reached)
    near = jnp.sum((pose[:2] - scene.goal_map[:2]) ** 2) <= distance**2
    facing = jnp.abs(wrap_angle(pose[2] - scene.goal_map[2])) <= angle
    calm = (jnp.abs(twist[0]) <= speed) & (
        (jnp.abs(twist[1]) <= ARRIVAL_YAW_RATE) | ~jnp.isfinite(speed)
    )
    return near & facing & calm
