"""The same closed loop for planners that say a velocity: peers drive as the package's own does.

World, sensors, mapping, tracking, wheels and referee are those of ``sim/episode.py``; instead of
plan and gate there is one function from what the robot knows to the twist that it wants, ten
times a second.  The base takes it up at its own acceleration.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.navigator import remember
from astro_jax.reactive.senses import Mode
from astro_jax.route.crop import crop_field
from astro_jax.sim.observe import observe
from astro_jax.sim.odometry import reckon
from astro_jax.sim.physics import advance
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances, SimState, TickLog
from astro_jax.types import Clearance, Reason, RouteField, Tracks, pytree
from astro_jax.world.distance import clearance_field
from astro_jax.world.prior import PRIOR_UNKNOWN

UNSEEN = PRIOR_UNKNOWN + 0.05
"""Log-odds up to which a cell may be one that nobody has seen."""


@pytree
class Known:
    """What a planner of velocities goes by."""

    pose_map: Float[Array, "3"]
    """As measured; nobody has made up for its age."""
    twist: Float[Array, "2"]
    """What the wheels were told last, m/s and rad/s."""
    clearance: Clearance
    """Distance to what was seen or is known; what was never seen is free, as in most costmaps."""
    tracks: Tracks
    way: RouteField


Choose = Callable[[Known], Float[Array, "2"]]
"""What is known → the twist (v, ω) that is wanted."""


def run_steered(
    robot: RobotConfig,
    config: PlannerConfig,
    choose: Choose,
    circumstances: Circumstances,
    scene: Scene,
    field: RouteField,
    state: SimState,
    cycles: int,
) -> tuple[SimState, TickLog]:
    """``cycles`` periods of closed loop; the log has a leading axis of cycles."""

    def cycle(state: SimState, _):
        snapshot, state = observe(robot, config, circumstances, scene, state)
        brain = remember(robot, config, circumstances.told, state.robot, scene.house, snapshot)
        local = brain.local_map
        known = Known(
            pose_map=snapshot.odometry.pose_map,
            twist=state.sent[-1],
            clearance=clearance_field(
                local.grid.values > UNSEEN, local.grid, config.clearance_cells, local.edge
            ),
            tracks=brain.tracks,
            way=crop_field(field, snapshot.house_from_map, local.grid),
        )
        wanted = choose(known)
        state = dataclasses.replace(state, robot=brain)
        return jax.lax.scan(
            lambda state, _: _tick(robot, config, circumstances, scene, state, wanted),
            state,
            length=round(config.period / config.gate_period),
        )

    return jax.lax.scan(cycle, state, length=cycles)


def _tick(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    scene: Scene,
    state: SimState,
    wanted: Float[Array, "2"],
) -> tuple[SimState, TickLog]:
    key, key_drift = jax.random.split(state.key)
    most = config.gate_period * jnp.array([robot.wheel_acceleration, robot.yaw_acceleration])
    command = state.sent[-1] + jnp.clip(wanted - state.sent[-1], -most, most)
    brain = dataclasses.replace(
        state.robot, sent=jnp.concatenate([state.robot.sent[1:], command[None]])
    )
    state = dataclasses.replace(
        state, key=key, robot=brain, sent=jnp.concatenate([state.sent[1:], command[None]])
    )
    before = state.pose
    state = advance(robot, config, circumstances.latency, scene, state)
    belief = reckon(
        circumstances.errors, state.belief, before, state.pose, config.gate_period, key_drift
    )
    state = dataclasses.replace(
        state,
        belief=belief,
        past_belief=jnp.concatenate([state.past_belief[1:], belief.pose_map[None]]),
    )
    return state, TickLog(
        time=state.time,
        pose_map=state.pose,
        twist=state.twist,
        command=command,
        scale=jnp.float32(1.0),
        mode=jnp.int32(Mode.RUNNING),
        reason=jnp.int32(Reason.CLEAR),
        pan=jnp.float32(0.0),
        people_xy=state.people.xy_map,
        contacts=state.contacts.contacts,
    )
