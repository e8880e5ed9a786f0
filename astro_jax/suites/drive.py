"""Drive cases of a suite with the whole robot, one after the other.                  [host]"""

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import Latency, PlannerParams
from astro_jax.reactive.modes import WELL
from astro_jax.route.guidance import Guidance
from astro_jax.route.planner import plan_route
from astro_jax.sim.closed_loop import revise
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import SimState, TickLog
from astro_jax.sim.steered import Choose, run_steered
from astro_jax.suites.case import Case, Drive, Setup, Trace


def already_on(state: SimState) -> SimState:
    """A robot that has been well for long enough when the clock begins.

    Right after it is switched on the gate would let it stand for .2 s; peers have no such gate.
    """
    gate = dataclasses.replace(state.robot.gate, well_for=jnp.float32(WELL))
    return dataclasses.replace(state, robot=dataclasses.replace(state.robot, gate=gate))


@dataclasses.dataclass(frozen=True)
class WholeStack:
    """The package's own robot drives a case; ``together.py`` can drive many of them at once."""

    one: Drive

    def __call__(self, case: Case, seed: int, params: PlannerParams) -> Trace:
        """One episode."""
        return self.one(case, seed, params)


def driver(setup: Setup, choose: Choose | None = None) -> Drive:
    """A function that drives one case; it compiles once per size of the scene.

    With ``choose`` a planner of velocities drives instead of the package's own.
    """
    drive = _one_by_one(setup, choose)
    return drive if choose is not None else WholeStack(drive)


def _one_by_one(setup: Setup, choose: Choose | None) -> Drive:
    robot, config = setup.robot, setup.config

    @jax.jit
    def start(told: Latency, scene: Scene, key: jax.Array) -> SimState:
        return already_on(start_episode(robot, config, told, scene, key))

    def segment(cycles, params, world, scene, field, state) -> tuple[SimState, TickLog]:
        if choose is not None:
            return run_steered(robot, config, choose, world, scene, field, state, cycles)
        state, _, ticks = run_cycles(robot, config, params, world, scene, field, state, cycles)
        return state, ticks

    advance = jax.jit(segment, static_argnums=0)

    def drive(case: Case, seed: int, params: PlannerParams) -> Trace:
        began = time.perf_counter()
        params = jax.tree.map(jnp.float32, params)
        world = jax.tree.map(jnp.float32, case.world)
        scene = jax.tree.map(jnp.asarray, case.scene)
        aim = scene.goal_map if case.aim is None else case.aim
        route = plan_route(case.house_map, robot, np.asarray(scene.start_map), np.asarray(aim))
        history = [(0.0, Guidance(route=route))]
        state = start(world.told, scene, jax.random.key(seed))
        logs: list[TickLog] = []
        cycles = round(case.look / config.period)
        for _ in range(round(case.seconds / case.look)):
            field = jax.tree.map(jnp.asarray, history[-1][1].route.field)
            state, ticks = advance(cycles, params, world, scene, field, state)
            logs.append(jax.device_get(ticks))
            if np.isfinite(state.arrived_at) or (case.touch_ends and state.contacts.contacts > 0):
                break
            revise([history], state, float(state.time))
        return Trace(
            ticks=jax.tree.map(
                lambda *parts: np.concatenate([x.reshape(-1, *x.shape[2:]) for x in parts]), *logs
            ),
            contacts=jax.device_get(state.contacts),
            arrived_at=float(state.arrived_at),
            routes=history[-1][1].route.searches,
            wall_seconds=time.perf_counter() - began,
        )

    return drive
