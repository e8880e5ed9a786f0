"""The closed loop in its parts, each compiled ahead: what it takes to run in real time. [host]

The parts are the simulator's and the robot's own (``sim/episode.py``); only the clock between them
is somebody else's.  A planner of another size is compiled without stopping the one at work.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.play.picture import Picture, picture_of
from astro_jax.reactive.sight import backing
from astro_jax.sim.episode import carry_out, decide, sense_nearby, start_episode, think
from astro_jax.sim.observe import observe
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances, CycleLog, SimState, TickLog
from astro_jax.types import RouteField, pytree

Compiled = Callable[..., Any]


@pytree
class Given:
    """All that a cycle depends on besides the state it begins with."""

    world: Circumstances
    params: PlannerParams
    scene: Scene
    field: RouteField


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """Compiled parts for one robot, one planner and one size of the house."""

    robot: RobotConfig
    config: PlannerConfig
    """With the number of candidates that ``planners`` began with."""
    see: Compiled
    sense: Compiled
    gate: Compiled
    move: Compiled
    planners: dict[int, tuple[Compiled, Compiled]]
    """By the number of candidates: (think, picture); another thread may add some."""

    @property
    def ticks(self) -> int:
        """Of the gate, in a cycle."""
        return round(self.config.period / self.config.gate_period)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cycle:
    """What one cycle left behind, on the device."""

    log: CycleLog
    ticks: tuple[TickLog, ...]
    picture: Picture
    seconds: dict[str, float]
    """What each part took: see, plan, gate, world."""


def first_state(engine_config: PlannerConfig, robot: RobotConfig, given: Given, seed: int):
    """The state in which everything begins."""

    def begin(given: Given, key: jax.Array) -> SimState:
        return start_episode(robot, engine_config, given.world.told, given.scene, key)

    return jax.jit(begin)(given, jax.random.key(seed))


def compile_engine(
    robot: RobotConfig, config: PlannerConfig, given: Given, state: SimState
) -> Engine:
    """All parts, with a planner of ``config.candidates``; a minute may pass."""

    def see(given: Given, state: SimState):
        return observe(robot, config, given.world, given.scene, state)

    def sense(given: Given, state: SimState):
        return sense_nearby(robot, config, given.world, given.scene, state)

    def gate(given: Given, state: SimState, index, nearby):
        return decide(robot, config, given.world, state, index, nearby)

    def move(given: Given, state: SimState, nearby, brain, verdict):
        return carry_out(robot, config, given.world, given.scene, state, nearby, brain, verdict)

    _, nearby = jax.eval_shape(sense, given, state)
    brain, verdict = jax.eval_shape(gate, given, state, jnp.int32(0), nearby)
    return Engine(
        robot=robot,
        config=config,
        see=_compiled(see, given, state),
        sense=_compiled(sense, given, state),
        gate=_compiled(gate, given, state, jnp.int32(0), nearby),
        move=_compiled(move, given, state, nearby, brain, verdict),
        planners={config.candidates: traced_planner(robot, config, given, state)()},
    )


def traced_planner(
    robot: RobotConfig, config: PlannerConfig, given: Given, state: SimState
) -> Callable[[], tuple[Compiled, Compiled]]:
    """What compiles (think, picture) for ``config.candidates``; it leaves the interpreter alone.

    Tracing, which does not, is over when this returns.  Every candidate is kept for the picture.
    """
    config = dataclasses.replace(config, recorded_stride=1)
    within = backing(robot)

    def plan(given: Given, state: SimState, snapshot):
        world, scene = given.world, given.scene
        return think(robot, config, given.params, world, scene, given.field, state, snapshot)

    def draw(given: Given, log: CycleLog, state: SimState) -> Picture:
        return picture_of(within, config, given.params, given.field, log, state.robot.local_map)

    def see(given: Given, state: SimState):
        return observe(robot, config, given.world, given.scene, state)

    snapshot, _ = jax.eval_shape(see, given, state)
    after, log = jax.eval_shape(plan, given, state, snapshot)
    lowered = jax.jit(plan).lower(given, state, snapshot), jax.jit(draw).lower(given, log, after)
    return lambda: (lowered[0].compile(), lowered[1].compile())


def _compiled(function: Callable[..., Any], *arguments: Any) -> Compiled:
    return jax.jit(function).lower(*arguments).compile()


def run_cycle(
    engine: Engine,
    candidates: int,
    given: Given,
    state: SimState,
    wait: Callable[[int], None] = lambda tick: None,
) -> tuple[SimState, Cycle]:
    """One planning cycle with its gate ticks; ``wait`` is called before each of those.

    What it computes depends on its arguments alone, to the last bit: when it waits changes nothing.
    """
    think_of, draw = engine.planners[candidates]
    clock = _Stopwatch()
    snapshot, state = clock.timed("see", engine.see, given, state)
    state, log = clock.timed("plan", think_of, given, state, snapshot)
    picture = draw(given, log, state)
    ticks = []
    for index in range(engine.ticks):
        wait(index)
        state, nearby = clock.timed("world", engine.sense, given, state)
        brain, verdict = clock.timed("gate", engine.gate, given, state, jnp.int32(index), nearby)
        state, tick = clock.timed("world", engine.move, given, state, nearby, brain, verdict)
        ticks.append(tick)
    return state, Cycle(log=log, ticks=tuple(ticks), picture=picture, seconds=clock.seconds)


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Compiled, *arguments: Any) -> Any:
        began = time.perf_counter()
        result = jax.block_until_ready(function(*arguments))
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        return result
