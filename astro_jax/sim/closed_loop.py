"""Drive whole episodes: device segments of a second, the route layer in between.  [host]"""

import dataclasses
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.route.planner import Route, revise
from astro_jax.sim.episode import (
    AFTER_ARRIVAL,
    CycleLog,
    SimState,
    TickLog,
    run_cycles,
    start_episode,
)
from astro_jax.sim.scene import Scene

SEGMENT = 1.0
"""Seconds between two looks of the route layer at the local map."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """What one closed loop left behind; all arrays are NumPy."""

    log: CycleLog
    """A leading axis of planning cycles."""
    ticks: TickLog
    """A leading axis of gate ticks."""
    final: SimState
    route: Route
    arrived_at: float
    """Seconds until the goal was reached, inf if it was not."""


def drive(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: Latency,
    scenes: Sequence[Scene],
    routes: Sequence[Route],
    seeds: Sequence[int],
    seconds: float,
    on_segment: Callable[[SimState], None] = lambda state: None,
) -> list[Episode]:
    """One episode per scene, all at once in one jitted, vmapped call per segment.

    Scenes must share their sizes; ``on_segment`` sees the batched state after every
    segment.  An episode goes on until all have arrived or ``seconds`` are over; its logs
    end one second after its own arrival.
    """
    cycles = round(SEGMENT / config.period)
    batch = len(scenes)
    params, latency = (jax.tree.map(jnp.float32, data) for data in (params, latency))

    def start(scene: Scene, key: jax.Array) -> SimState:
        return start_episode(robot, config, scene, key)

    def advance(latency, params, scene, field, state):
        return run_cycles(robot, config, params, latency, scene, field, state, cycles)

    if batch > 1:
        start = jax.vmap(start)
        advance = jax.vmap(advance, (None, None, 0, 0, 0))
    start, advance = jax.jit(start), jax.jit(advance)

    scene, keys = _stacked(scenes), _stacked([jax.random.key(seed) for seed in seeds])
    state = start(scene, keys)
    routes = list(routes)
    field = _stacked([route.field for route in routes])
    logs, tick_logs = [], []
    for _ in range(round(seconds / SEGMENT)):
        state, log, ticks = advance(latency, params, scene, field, state)
        logs.append(jax.device_get(log))
        tick_logs.append(jax.device_get(ticks))
        on_segment(state)
        arrived = np.atleast_1d(np.asarray(state.arrived_at))
        if np.all(np.asarray(state.time) > arrived + AFTER_ARRIVAL - 1e-6):
            break
        revised = _revise_all(routes, state, batch)
        if any(new is not old for new, old in zip(revised, routes, strict=True)):
            routes = revised
            field = _stacked([route.field for route in routes])
    return [
        _record(k if batch > 1 else None, logs, tick_logs, state, routes[k]) for k in range(batch)
    ]


def _stacked(trees):
    """Leading batch axis over several trees; a single one stays as it is."""
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _revise_all(routes: list[Route], state: SimState, batch: int) -> list[Route]:
    local_map, pose = jax.device_get((state.robot.local_map, state.pose))
    if batch == 1:
        return [revise(routes[0], local_map, pose)]
    arrived = np.isfinite(np.asarray(state.arrived_at))
    own_maps = [jax.tree.map(operator.itemgetter(k), local_map) for k in range(batch)]
    return [
        route if done else revise(route, own, at)
        for route, done, own, at in zip(routes, arrived, own_maps, pose, strict=True)
    ]


def _record(which: int | None, logs, tick_logs, state: SimState, route: Route) -> Episode:
    def join(parts, axes):
        own = parts if which is None else [jax.tree.map(lambda x: x[which], p) for p in parts]
        joined = jax.tree.map(lambda *x: np.concatenate(x), *own)
        # ticks come as (cycles, ticks of a cycle): one axis of time is what a reader wants
        return joined if axes == 1 else jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), joined)

    key_free = dataclasses.replace(state, key=jnp.int32(0))
    key_free = dataclasses.replace(
        key_free,
        robot=dataclasses.replace(
            state.robot, planner=dataclasses.replace(state.robot.planner, key=jnp.int32(0))
        ),
    )
    final = jax.device_get(key_free)
    if which is not None:
        final = jax.tree.map(lambda x: x[which] if np.ndim(x) else x, final)
    log, ticks = join(logs, 1), join(tick_logs, 2)
    arrived_at = float(final.arrived_at)
    log = jax.tree.map(lambda x: x[log.time <= arrived_at + AFTER_ARRIVAL], log)
    ticks = jax.tree.map(lambda x: x[ticks.time <= arrived_at + AFTER_ARRIVAL], ticks)
    return Episode(log=log, ticks=ticks, final=final, route=route, arrived_at=arrived_at)
