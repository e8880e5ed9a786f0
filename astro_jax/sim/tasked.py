"""Episodes with tasks: short device segments, the task layer in between.             [host]

The robot's task layer gets what the robot believes, not what is true: its own pose, tracks and
local map.  Between two of its steps everything runs on the device, as in ``closed_loop``.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import compose
from astro_jax.reactive.senses import Mode, Orders
from astro_jax.route.house import HouseMap
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.odometry import localise
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances, SimState, TickLog, Told, honest
from astro_jax.tasks.nouns import Belief, Directive, Result, Setting, Task
from astro_jax.tasks.runner import TaskRunner
from astro_jax.tasks.ways import leashed
from astro_jax.types import RouteField, SmoothGrid, pytree

STEP = 0.2
"""Time between two steps of the task layer, s."""
AFTER = 1.5
"""An episode goes on for so long after its last task has ended, s: the screen comes to rest."""

Event = tuple[float, Callable[[TaskRunner, SimState], Orders | None]]
"""At a time (s): something to tell the runner, and perhaps the gate itself."""


@pytree
class Glimpse:
    """What of a cycle is kept when not all is."""

    time: Any
    pose_map: Any
    pan: Any
    people_xy: Any
    status: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskEpisode:
    """What one episode left behind; all arrays are NumPy."""

    log: Any
    """A ``CycleLog``, or a ``Glimpse`` with fewer fields; a leading axis of cycles."""
    ticks: TickLog
    final: SimState
    directives: tuple[tuple[float, Directive], ...]
    """(Time from which it counted, directive)."""
    results: tuple[tuple[float, int, Result], ...]
    """(Time, ticket, result)."""
    step_seconds: np.ndarray
    """How long each step of the task layer took on the host."""
    segment_seconds: np.ndarray
    """How long each segment took on the device; the first of a size with its compilation."""
    compilations: int
    """Of the driver's segments so far: one per size of the house."""


def task_driver(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    whole: bool = False,
) -> Callable[..., TaskEpisode]:
    """A function that drives episodes; it compiles once per size of the house.

    With ``whole`` the log is a ``CycleLog``, which pictures need and which takes 3 MB per second.
    """
    cycles = round(STEP / config.period)

    @jax.jit
    def start(told: Latency, scene: Scene, key: jax.Array) -> SimState:
        return start_episode(robot, config, told, scene, key)

    traces = []

    @jax.jit
    def advance(world, values, scene, field, state) -> tuple[SimState, Any, TickLog]:
        traces.append(None)  # runs once per compilation
        state, log, ticks = run_cycles(robot, config, values, world, scene, field, state, cycles)
        kept = {f.name for f in dataclasses.fields(Glimpse)}
        shown = log if whole else Glimpse(**{name: getattr(log, name) for name in kept})
        return state, shown, ticks

    @jax.jit
    def believed(state: SimState):
        home = localise(state.belief, state.pose)
        brain = state.robot
        pose = compose(home, state.belief.pose_map)
        stopped = brain.gate.mode == int(Mode.E_STOPPED)
        turned = (pose, home, state.twist, brain.screen.pan.angle, stopped)
        return *turned, brain.tracks, brain.local_map.grid

    def drive(
        scene: Scene,
        house_map: HouseMap,
        tasks: Sequence[Task],
        seconds: float,
        seed: int = 0,
        circumstances: Latency | Circumstances | None = None,
        events: Sequence[Event] = (),
        wait: float = 0.0,
        on_segment: Callable[[SimState], None] = lambda state: None,
    ) -> TaskEpisode:
        """``tasks`` one after the other, until the last has ended or ``seconds`` are over.

        The first one is given after ``wait`` s: whom it means may have to be seen before.
        ``on_segment`` sees the state after every segment.
        """
        given = circumstances or Latency()
        world = honest(given) if isinstance(given, Latency) else given
        scene, (world, usual) = (
            jax.tree.map(np.asarray, scene),
            jax.tree.map(np.float32, (world, params)),
        )
        latency = world.told
        ahead = float(latency.planning) + float(latency.command) + 0.5 * STEP
        setting = Setting(
            robot=robot,
            params=params,
            house_map=house_map,
            people=config.people,
            ahead=ahead,
        )
        runner = TaskRunner(setting)
        state = start(latency, scene, jax.random.key(seed))
        field = nowhere(house_map)
        waiting, due = list(tasks), sorted(events, key=lambda event: event[0])
        logs, tick_logs, directives, results, took, ran = [], [], [], [], [], []
        ended = np.inf
        for index in range(round(seconds / STEP)):
            now = index * STEP
            began = time.perf_counter()
            orders = Orders()
            while due and due[0][0] <= now + 1e-6:
                orders = due.pop(0)[1](runner, state) or orders
            if not runner.busy and waiting and now >= wait - 1e-6:
                runner.give(waiting.pop(0), now)
            directive = runner.tick(belief_of(believed(state), now))
            took.append(time.perf_counter() - began)
            directives.append((now, directive))
            results += [(now, ticket, result) for ticket, result in runner.results()]
            ended = np.inf if runner.busy or waiting or due else min(ended, now)
            if now - ended > AFTER:
                break
            field = field if directive.field is None else directive.field
            # a number of Python's own is of another type to the compiler than an array
            told = jax.tree.map(np.asarray, (field, directive.gaze, told_by(directive, orders)))
            state = dataclasses.replace(state, gaze=told[1], told=told[2])
            values = jax.tree.map(np.float32, directive.params or usual)
            began = time.perf_counter()
            state, log, ticks = advance(world, values, scene, told[0], state)
            logs.append(jax.device_get(log))
            tick_logs.append(jax.device_get(ticks))
            ran.append(time.perf_counter() - began)
            on_segment(state)
        flat = jax.tree.map(lambda *x: np.concatenate(x), *tick_logs)
        key_free = dataclasses.replace(
            state,
            key=jnp.int32(0),
            robot=dataclasses.replace(
                state.robot,
                planner=dataclasses.replace(state.robot.planner, key=jnp.int32(0)),
            ),
        )
        return TaskEpisode(
            log=jax.tree.map(lambda *x: np.concatenate(x), *logs),
            ticks=jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), flat),
            final=jax.device_get(key_free),
            directives=tuple(directives),
            results=tuple(results),
            step_seconds=np.array(took),
            segment_seconds=np.array(ran),
            compilations=len(traces),
        )

    return drive


def belief_of(seen: Any, now: float) -> Belief:
    """The moment as the robot's task layer is told it."""
    pose, home, twist, pan, stopped, tracks, grid = jax.device_get(seen)
    return Belief(
        time=now,
        pose=np.asarray(pose, np.float64),
        twist=np.asarray(twist, np.float64),
        pan=float(pan),
        house_from_map=np.asarray(home, np.float64),
        tracks=tracks,
        local_map=grid,
        e_stopped=bool(stopped),
    )


def told_by(directive: Directive, orders: Orders | None = None) -> Told:
    """A directive, as the simulated robot is told it."""
    orders = orders or Orders()
    return Told(
        halted=jnp.asarray(directive.field is None),
        pace=jnp.float32(directive.pace),
        orders=jax.tree.map(jnp.asarray, orders),
    )


def nowhere(house_map: HouseMap) -> RouteField:
    """A field of the house's size before there is one: flat."""
    rows, columns = house_map.occupancy.shape
    flat = RouteField(
        cost_to_go=SmoothGrid(
            table=jnp.zeros((rows, columns, 3)),
            origin=jnp.asarray(house_map.origin, jnp.float32),
            resolution=jnp.float32(house_map.resolution),
        ),
        goal_map=jnp.zeros(3),
    )
    return leashed(flat)
