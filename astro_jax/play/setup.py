"""From a map to a loop that is ready to run.                                            [host]"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.deploy.cache import use_cache
from astro_jax.home import Home, home_of_map, packaged_home
from astro_jax.play.director import Start
from astro_jax.play.engine import (
    Compiled,
    Engine,
    Given,
    compile_engine,
    first_state,
    traced_planner,
)
from astro_jax.play.moment import as_arrays
from astro_jax.play.sliders import STARTS, settings
from astro_jax.play.stage import stage_of
from astro_jax.route.house import Door
from astro_jax.scenes import flat_scene

LEAST = 10
"""How far what runs in the background steps back (nice)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
    """What to play with."""

    robot: RobotConfig
    planner: PlannerConfig
    """Its ``candidates`` are those to begin with."""
    params: PlannerParams
    sizes: tuple[int, ...]
    """Numbers of candidates to choose from."""
    map: Path | None = None
    """Without one the packaged flat."""
    people: int = 3
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ready:
    """What a loop is made of."""

    engine: Engine
    start: Start
    others: dict[int, Callable[[], tuple[Compiled, Compiled]]]
    """The planners of other sizes, by their number of candidates, still to be compiled."""


def prepare(wish: Wish, say: Callable[[str], None] = lambda text: None) -> Ready:
    """Everything but the planners of other sizes; up to a minute passes.

    Raises:
      InputError: the map, or the number of people, is unusable.
    """
    say("reading the map, looking for doors and a way")
    start, given = _beginning(wish)
    say(f"compiling the planner with {wish.planner.candidates} candidates")
    engine = compile_engine(wish.robot, wish.planner, given, start.state)
    others = {
        size: _traced(wish, size, given, start)
        for size in wish.sizes
        if size not in engine.planners
    }
    return Ready(engine=engine, start=start, others=others)


def fill_cache(wish: Wish, size: int, cache: Path | None) -> None:
    """A process of its own, behind all others: afterwards a planner is compiled in no time."""
    os.nice(LEAST)
    if cache:
        use_cache(cache)
    start, given = _beginning(wish)
    _traced(wish, size, given, start)()


def _beginning(wish: Wish) -> tuple[Start, Given]:
    home, named = _home(wish)
    stage = stage_of(home, wish.robot, named)
    stage = dataclasses.replace(stage, scene=as_arrays(stage.scene))
    field = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float32)), home.route.field)
    world, params = settings(wish.params, STARTS)
    given = Given(world=world, params=params, scene=stage.scene, field=field)
    state = first_state(wish.planner, wish.robot, given, wish.seed)
    x, y, yaw = (float(v) for v in np.asarray(home.scene.goal_map))
    start = Start(stage=stage, field=field, goal=(x, y, yaw), state=state, params=wish.params)
    return start, given


def _traced(
    wish: Wish, size: int, given: Given, start: Start
) -> Callable[[], tuple[Compiled, Compiled]]:
    config = dataclasses.replace(wish.planner, candidates=size)
    return traced_planner(wish.robot, config, given, start.state)


def _home(wish: Wish) -> tuple[Home, tuple[Door, ...]]:
    robot, planner, people, seed = wish.robot, wish.planner, wish.people, wish.seed
    if wish.map is not None:
        return home_of_map(wish.map, robot, planner, people=people, seed=seed), ()
    return packaged_home(robot, planner, people=people, seed=seed), _named_doors()


def _named_doors() -> tuple[Door, ...]:
    """Those of the packaged flat, across the middle of their openings."""
    found = []
    for door in flat_scene().doors:
        left, low, right, high = door.rectangle
        x, y = 0.5 * (left + right), 0.5 * (low + high)
        across = right - left > high - low
        jambs = [(left, y), (right, y)] if across else [(x, low), (x, high)]
        found.append(Door(name=door.name, jambs=np.array(jambs)))
    return tuple(found)
