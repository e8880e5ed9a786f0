"""Drive whole episodes: device segments of a second, the route layer in between.  [host]"""

import dataclasses
import functools
import operator
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.route.guidance import Guidance, Look, by_motion, look_again
from astro_jax.route.planner import Route
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.odometry import localise
from astro_jax.sim.physics import AFTER_ARRIVAL
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances, CycleLog, SimState, TickLog, honest
from astro_jax.types import Grid, pytree

Advance = Callable[..., tuple[SimState, CycleLog, TickLog]]
"""(circumstances, params, scene, field, state) → one segment later."""

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
    routes: tuple[tuple[float, Route], ...]
    """(Time from which it guided, route), oldest first."""
    arrived_at: float
    """Seconds until the goal was reached, inf if it was not."""
    compile_seconds: float
    """Of the whole batch, as are the next two."""
    run_seconds: float
    recompiles: int

    @property
    def route(self) -> Route:
        """The last one."""
        return self.routes[-1][1]


def drive(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    circumstances: Latency | Circumstances,
    scenes: Sequence[Scene],
    routes: Sequence[Route],
    seeds: Sequence[int],
    seconds: float,
    on_segment: Callable[[SimState], None] = lambda state: None,
    segment: float = SEGMENT,
) -> list[Episode]:
    """One episode per scene, all of them in one jitted call per segment.

    With a ``Latency`` alone the robot knows how late things are, and its odometry is as good
    as ``PoseErrors`` says.  Scenes must share their sizes; ``on_segment`` sees the batched
    state after every segment.  An episode goes on until all have arrived or ``seconds`` are
    over; its logs end one second after its own arrival.
    """
    cycles = round(segment / config.period)
    batch = len(scenes)
    world = honest(circumstances) if isinstance(circumstances, Latency) else circumstances
    params, world = jax.tree.map(jnp.float32, (params, world))

    def start(scene: Scene, key: jax.Array) -> SimState:
        return start_episode(robot, config, world.told, scene, key)

    traces = []

    def advance(world, params, scene, field, state):
        traces.append(None)  # runs once per compilation
        return run_cycles(robot, config, params, world, scene, field, state, cycles)

    if batch > 1:
        start = jax.vmap(start)
    start, advance = jax.jit(start), jax.jit(_over_batch(advance) if batch > 1 else advance)

    began = time.perf_counter()
    scene, keys = _stacked(scenes), _stacked([jax.random.key(seed) for seed in seeds])
    state = start(scene, keys)
    field = _stacked([jax.tree.map(jnp.asarray, route.field) for route in routes])
    advance.lower(world, params, scene, field, state).compile()
    compile_seconds = time.perf_counter() - began

    began = time.perf_counter()
    histories = [[(0.0, Guidance(route=route))] for route in routes]
    logs, tick_logs = [], []
    for _ in range(round(seconds / segment)):
        state, log, ticks = advance(world, params, scene, field, state)
        logs.append(jax.device_get(log))
        tick_logs.append(jax.device_get(ticks))
        on_segment(state)
        now = float(np.max(np.asarray(state.time)))
        arrived = np.atleast_1d(np.asarray(state.arrived_at))
        if np.all(now > arrived + AFTER_ARRIVAL - 1e-6):
            break
        if revise(histories, state, now):
            latest = [history[-1][1].route for history in histories]
            field = _stacked([jax.tree.map(jnp.asarray, route.field) for route in latest])
    run_seconds = time.perf_counter() - began
    timing = (compile_seconds, run_seconds, len(traces) - 1)
    return [
        _record(k if batch > 1 else None, logs, tick_logs, state, histories[k], timing)
        for k in range(batch)
    ]


def _over_batch(advance: Advance) -> Advance:
    at_once = jax.default_backend() != "cpu"
    return jax.vmap(advance, (None, None, 0, 0, 0)) if at_once else _in_turn(advance)


def _in_turn(advance: Advance) -> Advance:
    """Like ``vmap``, one episode after the other, and those that are over not at all.

    On a CPU the batch axis of ``vmap`` goes in front of the candidates, where it keeps the
    compiler from vectorising along them: ten planning cycles took 23 ms each at once, and 9 in
    turn.
    """

    def over_all(world, params, scenes, fields, states):
        def one(own):
            shapes = jax.eval_shape(functools.partial(advance, world, params), *own)

            def run(scene, field, state):
                return advance(world, params, scene, field, state)

            def idle(scene, field, state):
                _, log, ticks = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
                never = jnp.full_like(log.time, jnp.inf)
                return state, dataclasses.replace(log, time=never), ticks

            state = own[-1]
            return jax.lax.cond(state.time > state.arrived_at + AFTER_ARRIVAL, idle, run, *own)

        return jax.lax.map(one, (scenes, fields, states))

    return over_all


def _stacked(trees):
    """Leading batch axis over several trees; a single one stays as it is."""
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@pytree
class Seen:
    """What the route layer is shown of an episode."""

    local_map: Grid
    xy_map: Float[Array, "*batch M 2"]
    """Of the tracks, m."""
    velocity_map: Float[Array, "*batch M 2"]
    valid: Bool[Array, "*batch M"]
    pose: Float[Array, "*batch 3"]
    """In the house."""
    house_from_map: Float[Array, "*batch 3"]
    """As localisation has it."""
    arrived_at: Float[Array, "*batch"]
    """s, +inf until then."""


def seen_of(state: SimState) -> Seen:
    """Of one episode."""
    tracks = state.robot.tracks
    return Seen(
        local_map=state.robot.local_map.grid,
        xy_map=tracks.xy_map,
        velocity_map=tracks.velocity_map,
        valid=tracks.valid,
        pose=state.pose,
        house_from_map=localise(state.belief, state.pose),
        arrived_at=state.arrived_at,
    )


def look_of(seen: Seen, now: float) -> Look:
    """One robot's look at ``now`` (s)."""
    standing, walking = by_motion(seen.xy_map, seen.velocity_map, seen.valid)
    return Look(
        local_map=seen.local_map,
        pose=np.asarray(seen.pose),
        house_from_map=np.asarray(seen.house_from_map),
        standing_map=standing,
        walking_map=walking,
        time=now,
    )


@functools.cache
def _looking(alone: bool) -> Callable[[SimState], Seen]:
    return jax.jit(seen_of if alone else jax.vmap(seen_of))


def revise(histories: list[list[tuple[float, Guidance]]], state: SimState, now: float) -> bool:
    """Let every route see what its robot sees at ``now`` (s); whether any of them changed."""
    alone = len(histories) == 1
    seen = jax.device_get(_looking(alone)(state))
    changed = False
    for k, history in enumerate(histories):
        own = seen if alone else jax.tree.map(operator.itemgetter(k), seen)
        if np.isfinite(own.arrived_at):
            continue
        before = history[-1][1]
        after = look_again(before, look_of(own, now))
        if after.route is not before.route:
            history.append((now, after))
            changed = True
        else:
            history[-1] = (history[-1][0], after)
    return changed


def _record(which: int | None, logs, tick_logs, state: SimState, history, timing) -> Episode:
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
    per_cycle = len(ticks.time) // len(log.time)
    kept = int(np.count_nonzero(log.time < arrived_at + AFTER_ARRIVAL))
    log = jax.tree.map(lambda x: x[:kept], log)
    ticks = jax.tree.map(lambda x: x[: kept * per_cycle], ticks)
    compile_seconds, run_seconds, recompiles = timing
    return Episode(
        log=log,
        ticks=ticks,
        final=final,
        routes=tuple((since, guidance.route) for since, guidance in history),
        arrived_at=arrived_at,
        compile_seconds=compile_seconds,
        run_seconds=run_seconds,
        recompiles=recompiles,
    )
