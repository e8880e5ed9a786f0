"""One planning cycle, written down: what changes here changes how the robot drives.

    python tests/golden/make.py

writes ``cycle.json`` anew, with the weights of the day; the test replays the cycle with the
weights that the file names, so that tuning them does not concern it.  Look at the
difference before committing it.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import smooth
from astro_jax.local.planner import initial_state, plan
from astro_jax.strict_yaml import build
from astro_jax.types import Grid, Kind, RouteField, Tracks, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast

FILE = Path(__file__).with_name("cycle.json")
ROBOT = RobotConfig()
CONFIG = PlannerConfig(
    candidates=80,
    stages=2,
    descents=2,
    finalists=4,
    gradient_steps=3,
    map_cells=40,
    people=2,
    recorded_stride=1,
)
SEED = 20
COMMANDS = 15
"""How many of the plan's first commands are kept, .3 s."""


def inputs(params: dict[str, Any], seed: int = SEED):
    """(params, state, world, field): a wall to the right, one who crosses, a post."""
    random = np.random.default_rng(seed)
    weights = jax.tree.map(jnp.float32, build(PlannerParams, params))
    blocked = np.zeros((CONFIG.map_cells,) * 2, bool)
    blocked[:8] = True
    blocked[22:25, 36:39] = True
    local = Grid(
        values=jnp.zeros(blocked.shape),
        origin=jnp.array([-1.0, -1.0]),
        resolution=jnp.float32(CONFIG.map_resolution),
    )
    off = 0.05 * random.normal(size=(2, 2))
    tracks = Tracks(
        xy_map=jnp.asarray(np.array([[1.6, 1.5], [-1.0, 0.8]]) + off, jnp.float32),
        velocity_map=jnp.array([[0.3, -0.3], [0.2, 0.0]]),
        xy_var=jnp.full(2, 0.003),
        xy_velocity_cov=jnp.full(2, 0.003),
        velocity_var=jnp.full(2, 0.02),
        radius=jnp.full(2, 0.22),
        kind=jnp.array([int(Kind.PERSON), int(Kind.CHILD)]),
        identity=jnp.full(2, -1),
        credit=jnp.ones(2),
        valid=jnp.array([True, True]),
        age=jnp.float32(0.2),
    )
    times = CONFIG.dt * jnp.arange(0, CONFIG.times, CONFIG.people_stride, dtype=jnp.float32)
    world = WorldAtEffect(
        pose_map=jnp.array([0.0, 0.0, 0.2]),
        command=jnp.array([0.4, 0.1]),
        command_dot=jnp.array([0.1, -0.2]),
        clearance=clearance_field(jnp.asarray(blocked), local, CONFIG.clearance_cells),
        forecast=forecast(tracks, weights, jnp.float32(0.2), times),
    )
    x, y = np.meshgrid(*2 * [np.arange(80) * 0.1 - 4.0])
    seconds = np.sqrt((x - 2.2) ** 2 + (y - 0.3) ** 2 + 0.05**2) / 0.6
    cost_to_go = Grid(
        values=jnp.asarray(seconds, jnp.float32),
        origin=jnp.array([-4.0, -4.0]),
        resolution=jnp.float32(0.1),
    )
    field = RouteField(cost_to_go=smooth(cost_to_go), goal_map=jnp.array([2.2, 0.3, 0.0]))
    return weights, initial_state(CONFIG, jax.random.key(seed)), world, field


def cycle(params: dict[str, Any], optimised: bool = True) -> dict[str, Any]:
    """What one call of the planner answers, as plain numbers.

    ``optimised`` false: every operation as it is written, neither fused nor vectorised.
    """
    level = {} if optimised else {"xla_backend_optimization_level": 0}
    run = jax.jit(lambda *given: plan(ROBOT, CONFIG, *given), compiler_options=level)
    _, answer, diagnostics = run(*inputs(params))
    terms = dataclasses.asdict(diagnostics.terms)
    first = np.sort(np.asarray(diagnostics.cost[: CONFIG.candidates]))
    return {
        "status": int(answer.status),
        "best_cost": float(diagnostics.best_cost),
        "sampled_cost": float(diagnostics.sampled_cost),
        "terms": {name: float(value) for name, value in terms.items()},
        "survival": float(answer.survival[-1]),
        "seed_costs": [round(float(cost), 4) for cost in first[::8]],
        "end": [round(float(value), 4) for value in answer.motion.pose_map[-1]],
        "commands": [
            [round(float(v), 4), round(float(omega), 4)]
            for v, omega in np.asarray(answer.commands[:COMMANDS])
        ],
    }


def main() -> None:
    params = json.loads(json.dumps(dataclasses.asdict(PlannerParams())))
    FILE.write_text(json.dumps({"params": params, "cycle": cycle(params)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
