"""Whole drives through a home, one after the other; of each the true ticks are kept.    [host]"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.home import Home
from astro_jax.route.guidance import Guidance
from astro_jax.sim.closed_loop import SEGMENT, revise
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.physics import AFTER_ARRIVAL
from astro_jax.sim.state import Circumstances, SimState, TickLog

Run = Callable[[Home, Circumstances, int, float], tuple[TickLog, SimState]]
"""(home, circumstances, seed, seconds) → the ticks, NumPy, and the end."""


def driver(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    until_arrival: bool = False,
) -> Run:
    """A function that drives one episode; it compiles once.

    ``until_arrival``: end the episode a second after the goal was reached.
    """
    cycles = round(SEGMENT / config.period)
    params = jax.tree.map(jnp.float32, params)

    def start(told: Latency, scene, key) -> SimState:
        return start_episode(robot, config, told, scene, key)

    def advance(params, world: Circumstances, scene, field, state) -> tuple[SimState, TickLog]:
        # without the log of the cycles, which is most of the memory
        state, _, ticks = run_cycles(robot, config, params, world, scene, field, state, cycles)
        return state, ticks

    start, advance = jax.jit(start), jax.jit(advance)

    def run(
        home: Home, world: Circumstances, seed: int, seconds: float
    ) -> tuple[TickLog, SimState]:
        world = jax.tree.map(jnp.float32, world)
        state = start(world.told, home.scene, jax.random.key(seed))
        history, logs = [(0.0, Guidance(route=home.route))], []
        for second in range(round(seconds / SEGMENT)):
            field = jax.tree.map(jnp.asarray, history[-1][1].route.field)
            state, ticks = advance(params, world, home.scene, field, state)
            logs.append(jax.device_get(ticks))
            if until_arrival and float(state.time) > float(state.arrived_at) + AFTER_ARRIVAL:
                break
            revise([history], state, (second + 1) * SEGMENT)
        joined = jax.tree.map(
            lambda *leaves: np.concatenate([x.reshape(-1, *x.shape[2:]) for x in leaves]), *logs
        )
        return joined, state

    return run
