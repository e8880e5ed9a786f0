"""One gate tick of the true world: wheels that answer late, people, things that appear."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.geometry import compose, heading
from astro_jax.sim.ambush.cast import Ambush, Drops
from astro_jax.sim.ambush.people import lurk
from astro_jax.sim.ambush.shapes import Boxes, separation
from astro_jax.sim.ambush.state import SENT, State
from astro_jax.sim.contact import update_contacts
from astro_jax.sim.gaps import person_gap
from astro_jax.sim.odometry import EXACT, reckon
from astro_jax.sim.physics import PHYSICS_STEP

SPAWN_ROOM = 0.03
"""Nothing appears nearer to the robot than this, m."""


def advance(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    ambush: Ambush,
    state: State,
    key: Array,
) -> State:
    """The state one gate period later; ``state.robot.sent`` ends with this tick's command."""
    tick = config.gate_period
    time = state.tick.astype(jnp.float32) * tick
    drops = _appear(robot, ambush.drops, state.drops, time, state.pose)
    gap = person_gap(
        state.pose,
        robot.length,
        robot.width,
        state.people.xy,
        ambush.roles.radius,
        state.people.there,
    )
    people = lurk(ambush.roles, state.people, time, state.pose, state.twist, gap, tick)
    things = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), ambush.boxes, drops)
    follow = 1.0 - jnp.exp(-PHYSICS_STEP / max(robot.actuator_lag, 1e-3))

    def step(carry, index):
        pose, twist, contacts = carry
        since_sent = index.astype(jnp.float32) * PHYSICS_STEP - latency.command
        # the newest command was sent at the start of this tick
        back = jnp.floor(since_sent / tick + 1e-3).astype(jnp.int32)
        command = state.robot.sent[jnp.clip(SENT - 1 + back, 0, SENT - 1)]
        twist = twist + follow * (command * state.gain - twist)
        yaw = pose[2] + 0.5 * PHYSICS_STEP * twist[1]
        move = jnp.concatenate([twist[0] * heading(yaw), twist[1:]])
        pose = pose + PHYSICS_STEP * move
        after = (index + 1).astype(jnp.float32) * PHYSICS_STEP
        # from the end backwards: who has only just come has no earlier place
        xy = people.xy - (tick - after) * people.velocity
        contacts = update_contacts(
            contacts,
            time + after,
            pose,
            twist,
            length=robot.length,
            width=robot.width,
            xy=xy,
            velocity=people.velocity,
            radius=ambush.roles.radius,
            valid=people.there,
            wall=jnp.min(separation(pose, robot.length, robot.width, things)),
        )
        return (pose, twist, contacts), None

    first = (state.pose, state.twist, state.contacts)
    steps = jnp.arange(round(tick / PHYSICS_STEP))
    (pose, twist, contacts), _ = jax.lax.scan(step, first, steps)
    errors = dataclasses.replace(EXACT, drift=ambush.trouble.drift)
    belief = reckon(errors, state.belief, state.pose, pose, tick, key)

    def newer(past: Array, now: Array) -> Array:
        return jnp.concatenate([past[1:], now[None]])

    # what the wheels' encoders say is wrong by the same share as the pose that they add up to
    measured = twist * (1.0 + belief.scale)
    return dataclasses.replace(
        state,
        tick=state.tick + 1,
        pose=pose,
        belief=belief,
        twist=twist,
        people=people,
        drops=drops,
        contacts=contacts,
        past_pose=newer(state.past_pose, pose),
        past_belief=newer(state.past_belief, belief.pose_map),
        past_twist=newer(state.past_twist, measured),
        past_people=newer(state.past_people, people.xy),
        past_there=newer(state.past_there, people.there),
    )


def _appear(robot: RobotConfig, drops: Drops, boxes: Boxes, time: Array, pose: Array) -> Boxes:
    """Put down what is due in front of the robot, and take away what has been there long."""
    place = jax.vmap(compose, (None, 0))(pose, drops.ahead)
    due = (time >= drops.at) & (time < drops.at + drops.stays)
    fresh = Boxes(xy=place[:, :2], axis=heading(place[:, 2]), half=drops.half, there=due)
    clear = separation(pose, robot.length, robot.width, fresh) > SPAWN_ROOM
    puts = due & ~boxes.there & clear
    return Boxes(
        xy=jnp.where(puts[:, None], fresh.xy, boxes.xy),
        axis=jnp.where(puts[:, None], fresh.axis, boxes.axis),
        half=drops.half,
        there=(boxes.there & due) | puts,
    )
