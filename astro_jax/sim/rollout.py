"""One closed loop from start to end as a single pure function, with little left behind.

Scene, cost-to-go, parameters and a key come in; the true motion and what the referee counted go
out.  It is ``sim/episode.py`` without a host in between: the route's field stays what it was, so
what is shut in truth should be shut in the field as well.  ``jit`` it, batch it (``sim/fleet.py``)
or differentiate it: everything is smooth in the parameters but for the choice of a candidate,
the gate's limits and the random draws, which a small step does not change.
"""

import jax
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.sim.contact import ContactState
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances
from astro_jax.types import RouteField, pytree


@pytree
class Rollout:
    """What is left of an episode; N gate ticks."""

    time: Float[Array, "*batch N"]
    pose_map: Float[Array, "*batch N 3"]
    """The truth."""
    twist: Float[Array, "*batch N 2"]
    scale: Float[Array, "*batch N"]
    """How far the gate let the plan have its way, 0 … 1."""
    contacts: ContactState
    arrived_at: Float[Array, "*batch"]
    """s, +inf if it did not arrive."""


def rollout(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    world: Circumstances,
    scene: Scene,
    field: RouteField,
    key: Array,
    cycles: int,
) -> Rollout:
    """``cycles`` planning cycles from the scene's start, with the whole robot inside.

    ``robot``, ``config`` and ``cycles`` are static, all else is data.  It goes on after the
    arrival, but the referee stops a second later.
    """
    state = start_episode(robot, config, world.told, scene, key)
    state, _, ticks = run_cycles(robot, config, params, world, scene, field, state, cycles)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), ticks)
    return Rollout(
        time=flat.time,
        pose_map=flat.pose_map,
        twist=flat.twist,
        scale=flat.scale,
        contacts=state.contacts,
        arrived_at=state.arrived_at,
    )
