"""Drive many cases of a suite at once, for accelerators.                              [host]

The loop of ``suites/drive.py`` with a leading axis of episodes: all of them go on until the last
one is over, and each trace ends where that of ``suites/drive.py`` would.  Their route layers look
between two segments, in processes of their own.  What the memory does not hold is halved until it
fits.  On a CPU the episodes of a segment go one after the other and are the same to the last bit.
"""

import dataclasses
import functools
import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.bench.guides import Asked, Guides
from astro_jax.config import Latency, PlannerParams, RobotConfig
from astro_jax.sim.closed_loop import Seen, look_of, seen_of
from astro_jax.sim.contact import ContactState
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.fleet import out_of_memory, stacked
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import SimState, TickLog
from astro_jax.suites.case import Case, Setup, Trace
from astro_jax.suites.drive import already_on
from astro_jax.types import RouteField, pytree

AT_ONCE = 2048
"""Most episodes in one call: an accelerator gains little beyond."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One episode that is wanted."""

    case: Case
    seed: int
    params: PlannerParams


@pytree
class Progress:
    """What is asked of the device after each segment."""

    time: Float[Array, "*batch"]
    seen: Seen
    contacts: ContactState


DriveAll = Callable[[Sequence[Run]], Iterator[tuple[int, Trace]]]
"""Episodes → (which of them, its trace), in any order."""


def together(setup: Setup, guides: Guides) -> DriveAll:
    """A function that drives many episodes; it compiles once per size of scenes and of batches.

    Raises:
      InputError: a start or a goal of a case that cannot be used.
      UnreachableError: there is no way between them.
    """
    robot, config = setup.robot, setup.config

    @jax.jit
    def start(told: Latency, scene: Scene, keys: Array) -> SimState:
        def one(told: Latency, scene: Scene, key: Array) -> SimState:
            return already_on(start_episode(robot, config, told, scene, key))

        return _over_all(one, told, scene, keys)

    @functools.partial(jax.jit, static_argnums=0)
    def advance(cycles: int, *episodes):
        def one(params, world, scene, field, state) -> tuple[SimState, TickLog, Progress]:
            state, _, ticks = run_cycles(robot, config, params, world, scene, field, state, cycles)
            after = Progress(time=state.time, seen=seen_of(state), contacts=state.contacts)
            return state, ticks, after

        return _over_all(one, *episodes)

    most = AT_ONCE  # what did not fit once is not tried again

    def drive(runs: Sequence[Run]) -> Iterator[tuple[int, Trace]]:
        nonlocal most
        for left in _alike(runs):
            while left:
                own = left[:most]
                # filled up, so that few sizes are compiled
                size = min(most, 1 << (len(own) - 1).bit_length())
                filled = [runs[k] for k in [*own, *own[-1:] * (size - len(own))]]
                try:
                    # an accelerator would round the factors of float32 products to ten bits
                    with jax.default_matmul_precision("highest"):
                        traces = _driven(setup, start, advance, guides, filled)
                except (MemoryError, jax.errors.JaxRuntimeError) as error:
                    if not out_of_memory(error) or size == 1:
                        raise
                    most = size // 2
                    continue
                left = left[len(own) :]
                yield from zip(own, traces, strict=False)

    return drive


def _driven(
    setup: Setup, start: Any, advance: Any, guides: Guides, own: Sequence[Run]
) -> list[Trace]:
    """Runs whose arrays have the same sizes."""
    began = time.perf_counter()
    cases = [run.case for run in own]
    params = stacked([run.params for run in own])
    world = stacked([jax.tree.map(np.float32, case.world) for case in cases])
    scene = stacked([case.scene for case in cases])
    fields = _stacked(guides.begin([_asked(setup.robot, case) for case in cases]))
    guiding = jax.tree.map(jnp.array, fields)
    keys = jax.vmap(jax.random.key)(np.array([run.seed for run in own], np.uint32))
    state = start(world.told, scene, keys)
    cycles = round(cases[0].look / setup.config.period)
    limits = np.array([round(case.seconds / case.look) for case in cases])
    ended = np.zeros(len(cases), int)
    logs: list[TickLog] = []
    finals: dict[int, Progress] = {}
    for segment in range(1, max(limits) + 1):
        state, ticks, progress = advance(cycles, params, world, scene, guiding, state)
        ticks, progress = jax.device_get((ticks, progress))
        logs.append(ticks)
        over = np.isfinite(progress.seen.arrived_at) | (segment >= limits)
        over |= (progress.contacts.contacts > 0) & [case.touch_ends for case in cases]
        for k in np.flatnonzero(over & (ended == 0)):
            ended[k], finals[int(k)] = segment, _taken(progress, int(k))
        going = np.flatnonzero(ended == 0)
        if not len(going):
            break
        now = float(progress.time[going[0]])
        looks = {int(k): look_of(_taken(progress.seen, int(k)), now) for k in going}
        if new := guides.look(looks):
            _change(fields, new)
            guiding = jax.tree.map(jnp.array, fields)
    searches = guides.searches(len(cases))
    wall = (time.perf_counter() - began) / len(cases)
    return [
        Trace(
            ticks=_joined(logs[: ended[k]], k),
            contacts=finals[k].contacts,
            arrived_at=float(finals[k].seen.arrived_at),
            routes=searches[k],
            wall_seconds=wall,
        )
        for k in range(len(cases))
    ]


def _alike(runs: Sequence[Run]) -> list[list[int]]:
    """The numbers of the runs, those together whose arrays have the same sizes."""
    groups: dict[Any, list[int]] = {}
    for number, run in enumerate(runs):
        case = run.case
        leaves, kind = jax.tree.flatten((case.scene, case.world))
        sizes = tuple(np.shape(leaf) for leaf in leaves)
        key = (kind, sizes, case.house_map.occupancy.shape, case.look)
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def _asked(robot: RobotConfig, case: Case) -> Asked:
    scene = case.scene
    aim = scene.goal_map if case.aim is None else case.aim
    return Asked(
        house_map=case.house_map,
        robot=robot,
        start=np.asarray(scene.start_map),
        aim=np.asarray(aim),
    )


def _over_all(one: Callable[..., Any], *episodes: Any) -> Any:
    """``one`` of every episode; see ``closed_loop._in_turn`` for why not at once on a CPU."""
    if jax.default_backend() != "cpu":
        return jax.vmap(one)(*episodes)
    return jax.lax.map(lambda own: one(*own), episodes)


def _stacked(fields: Sequence[RouteField]) -> RouteField:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *fields)


def _change(fields: RouteField, new: Mapping[int, RouteField]) -> None:
    for number, field in new.items():
        for all_of, own in zip(jax.tree.leaves(fields), jax.tree.leaves(field), strict=True):
            all_of[number] = own


def _taken(tree: Any, index: int) -> Any:
    return jax.tree.map(operator.itemgetter(index), tree)


def _joined(logs: Sequence[TickLog], index: int) -> TickLog:
    """One episode's: (cycles, ticks of a cycle) become one axis of time."""
    own = [_taken(log, index) for log in logs]
    return jax.tree.map(
        lambda *parts: np.concatenate([x.reshape(-1, *x.shape[2:]) for x in parts]), *own
    )
