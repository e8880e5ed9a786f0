"""CrowdNav's own rules for a holonomic robot: a velocity every .25 s, which it has at once.

In: a case of ``suites/crowd.py``.  Out: its trace at ``FINE`` steps per decision, positions of
robot and people on the straight lines between the decisions' places, so that the least gap of a
step is that of the relative motion.  The planner is the package's, on an omnidirectional robot;
there is no gate, no latency and no noise, as the rules have none.
"""

import dataclasses
import math
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.geometry import safe_norm
from astro_jax.local.planner import initial_state, plan
from astro_jax.route.crop import crop_field
from astro_jax.route.planner import plan_route
from astro_jax.sim.contact import no_contacts
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import TickLog
from astro_jax.suites.case import Case, Drive, Setup, Trace
from astro_jax.types import RouteField, Tracks, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.grid import blank_map, occupied
from astro_jax.world.people import no_tracks

STEP = 0.25
"""s"""
FINE = 10
"""Places per step in the trace: two bodies at 1 m/s each then move .05 m from one to the next."""
EXACT_VAR, UNKNOWN_VAR = 1e-4, 0.36
"""Of a place (m²) and a velocity (m²/s²) that one is told, and of a velocity that one is not."""


def holonomic_driver(setup: Setup) -> Drive:
    """A function that drives one case; it compiles once."""
    robot, config = setup.robot, setup.config
    after = STEP / config.dt
    index, share = math.floor(after), after - math.floor(after)

    def at_step(values: Float[Array, "T D"]) -> Float[Array, "D"]:
        return (1.0 - share) * values[index] + share * values[index + 1]

    def decide(params: PlannerParams, scene: Scene, field: RouteField, carry, step: Array):
        planner, pose, command, command_dot = carry
        assert scene.recorded_map is not None
        before, now, after = (
            scene.recorded_map[:, jnp.clip(step + k, 0, scene.recorded_map.shape[1] - 1)]
            for k in (-1, 0, 1)
        )
        tracks = _told(scene, before, now, step, config.people)
        local = blank_map(config, scene.house, pose[:2])
        times = config.dt * jnp.arange(0, config.times, config.people_stride, dtype=jnp.float32)
        world = WorldAtEffect(
            pose_map=pose,
            command=command,
            command_dot=command_dot,
            clearance=clearance_field(
                occupied(local), local.grid, config.clearance_cells, local.edge
            ),
            forecast=forecast(tracks, params, 0.0, times),
        )
        way = crop_field(field, jnp.zeros(3), local.grid)
        planner, chosen, _ = plan(robot, config, params, planner, world, way)
        twist = chosen.motion.twist
        moved = at_step(chosen.motion.pose_map) - pose
        moved = moved * jnp.minimum(1.0, robot.speed * STEP / safe_norm(moved[:2]))
        slope = (twist[index + 1] - twist[index]) / config.dt
        fraction = jnp.arange(1, FINE + 1) / FINE
        poses = pose[None] + fraction[:, None] * moved[None]
        people = now[None] + fraction[:, None, None] * (after - now)[None]
        return (planner, pose + moved, at_step(twist), slope), (poses, people, moved / STEP)

    @jax.jit
    def whole(params: PlannerParams, scene: Scene, field: RouteField, key: Array, steps: Array):
        rest = jnp.zeros(3)
        first = (initial_state(config, key, robot), scene.start_map, rest, rest)
        return jax.lax.scan(partial(decide, params, scene, field), first, steps)[1]

    def drive(case: Case, seed: int, params: PlannerParams) -> Trace:
        began = time.perf_counter()
        params = jax.tree.map(jnp.float32, params)
        scene = jax.tree.map(jnp.asarray, case.scene)
        route = plan_route(case.house_map, robot, scene.start_map, scene.goal_map)
        steps = jnp.arange(round((case.seconds - 1.0) / STEP))
        field = jax.tree.map(jnp.asarray, route.field)
        poses, people, moves = jax.device_get(
            whole(params, scene, field, jax.random.key(seed), steps)
        )
        return _trace(case, poses, people, moves, time.perf_counter() - began)

    return drive


def _told(scene: Scene, before, now, step: Array, capacity: int) -> Tracks:
    """Everybody's place and velocity, exactly; at first nobody has a velocity yet."""
    known = step > 0
    return dataclasses.replace(
        no_tracks(capacity),
        xy_map=now,
        velocity_map=jnp.where(known, now - before, 0.0) / STEP,
        xy_var=jnp.full(capacity, EXACT_VAR),
        velocity_var=jnp.full(capacity, jnp.where(known, EXACT_VAR, UNKNOWN_VAR)),
        radius=scene.radius,
        kind=scene.kind,
        valid=scene.present,
    )


def _trace(case: Case, poses, people, moves, wall_seconds: float) -> Trace:
    """The trace up to arrival, which is looked for at the ends of steps."""
    ends = poses[:, -1, :2]
    goal, reached = np.asarray(case.scene.goal_map)[:2], np.asarray(case.scene.reached)[0]
    there = np.flatnonzero(np.hypot(*(ends - goal).T) < reached)
    kept = int(there[0]) + 1 if len(there) else len(ends)
    count = kept * FINE
    speed = np.repeat(np.hypot(*moves[:kept, :2].T), FINE)
    nothing = np.zeros(count, np.int32)
    still = np.zeros(count, np.float32)
    twist = np.stack([speed, still], axis=-1)
    logged: dict[str, Any] = {
        "time": STEP / FINE * np.arange(1, count + 1),
        "pose_map": poses[:kept].reshape(count, 3),
        "twist": twist,
        "command": twist,
        "scale": still + 1.0,
        "mode": nothing,
        "reason": nothing,
        "pan": still,
        "people_xy": people[:kept].reshape(count, -1, 2),
        "contacts": nothing,
    }
    return Trace(
        ticks=TickLog(**logged),
        contacts=jax.device_get(no_contacts(people.shape[2])),
        arrived_at=kept * STEP if len(there) else math.inf,
        wall_seconds=wall_seconds,
    )
