"""What an artifact can do: start, think, act; nouns in, nouns out, shapes fixed.        [host]

These are ``navigator``'s three, with everything that changes while the robot drives as data: the
house, the way, the pace, whether there is a goal at all.  House and way have room for ``house``
cells (``deploy/room.py`` fills it); the sensors' messages are as ``world/inbox.py`` makes them.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax import navigator
from astro_jax.body.gaze import Gaze, ahead
from astro_jax.config import Latency, PlannerParams
from astro_jax.deploy.arrays import Flat, flat, nested
from astro_jax.deploy.settings import Settings
from astro_jax.navigator import NavigatorState
from astro_jax.reactive.senses import Orders, Verdict
from astro_jax.types import (
    CostTerms,
    Grid,
    Leash,
    Odometry,
    RouteField,
    Scan,
    SmoothGrid,
    Snapshot,
    pytree,
)
from astro_jax.world.inbox import empty_inbox, snapshot
from astro_jax.world.people import no_tracks


@pytree
class StartInputs:
    """See ``navigator.start``."""

    latency: Latency
    house: Grid
    pose_map: Float[Array, "3"]
    key: Array


@pytree
class Started:
    """What ``start`` gives."""

    state: NavigatorState


@pytree
class ThinkInputs:
    """See ``navigator.think``, ``keep_to`` and ``halt``."""

    params: PlannerParams
    latency: Latency
    state: NavigatorState
    house: Grid
    field: RouteField
    snapshot: Snapshot
    gaze: Gaze
    pace: Float[Array, ""]
    halted: Bool[Array, ""]
    """There is no goal: ``field`` does not count."""


@pytree
class Report:
    """How a cycle went."""

    cost: Float[Array, "K"]
    """Of what was considered, as ``Diagnostics`` has it …"""
    candidate_xy_map: Float[Array, "K T 2"]
    """… and where it led."""
    terms: CostTerms
    best_cost: Float[Array, ""]
    sampled_cost: Float[Array, ""]
    nonfinite_gradients: Int[Array, ""]
    finite_candidates: Int[Array, ""]


@pytree
class Thought:
    """What ``think`` gives."""

    state: NavigatorState
    report: Report


@pytree
class ActInputs:
    """See ``navigator.act``."""

    latency: Latency
    state: NavigatorState
    tick: Int[Array, ""]
    scan: Scan
    odometry: Odometry
    orders: Orders
    elapsed: Float[Array, ""]


@pytree
class Acted:
    """What ``act`` gives."""

    state: NavigatorState
    verdict: Verdict


def start(settings: Settings, given: StartInputs) -> Started:
    """At rest, knowing the house."""
    robot, config = settings.robot, settings.config
    tracks = no_tracks(config.people)
    state = navigator.start(
        robot, config, given.latency, given.house, given.pose_map, given.key, tracks
    )
    # which of these are arrays and which numbers depends on who made them
    return Started(state=jax.tree.map(jnp.asarray, state))


def think(settings: Settings, given: ThinkInputs) -> Thought:
    """One planning cycle."""
    robot, config = settings.robot, settings.config
    state, _, seen = navigator.think(
        robot,
        config,
        given.params,
        given.latency,
        given.state,
        given.house,
        given.field,
        given.snapshot,
        given.gaze,
    )
    state = navigator.halt(navigator.keep_to(state, given.pace), given.halted)
    report = {field.name: getattr(seen, field.name) for field in dataclasses.fields(Report)}
    return Thought(state=jax.tree.map(jnp.asarray, state), report=Report(**report))


def act(settings: Settings, given: ActInputs) -> Acted:
    """One tick of the gate."""
    state, verdict = navigator.act(
        settings.robot,
        settings.config,
        given.latency,
        given.state,
        given.tick,
        given.scan,
        given.odometry,
        given.orders,
        given.elapsed,
    )
    return Acted(state=jax.tree.map(jnp.asarray, state), verdict=verdict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Function:
    """One of them, on flat dictionaries."""

    call: Callable[[Flat], dict[str, Any]]
    inputs: Any
    """Its noun, without its numbers (``jax.ShapeDtypeStruct``)."""


def functions(settings: Settings, house: tuple[int, int]) -> dict[str, Function]:
    """The three of them for one robot, with room for a house of so many rows and columns."""
    inputs = examples(settings, house)
    calls: dict[str, Callable[[Settings, Any], Any]] = {"start": start, "think": think, "act": act}
    return {
        name: Function(
            call=functools.partial(_on_flat, functools.partial(call, settings), inputs[name]),
            inputs=inputs[name],
        )
        for name, call in calls.items()
    }


def _on_flat(call: Callable[[Any], Any], like: Any, arrays: Flat) -> dict[str, Any]:
    return flat(call(nested(like, arrays)))


def examples(settings: Settings, house: tuple[int, int]) -> dict[str, Any]:
    """The inputs' nouns, without their numbers."""
    inbox = empty_inbox(settings.robot)
    seen = _shapes(snapshot(inbox, 0))
    latency, number = _shapes(settings.latency), _array()
    grid = Grid(values=_array(*house), origin=_array(2), resolution=number)
    begin = StartInputs(
        latency=latency,
        house=grid,
        pose_map=_array(3),
        key=jax.eval_shape(lambda: jax.random.key(0)),
    )
    state = jax.eval_shape(functools.partial(start, settings), begin).state
    way = RouteField(
        cost_to_go=SmoothGrid(table=_array(*house, 3), origin=_array(2), resolution=number),
        goal_map=_array(3),
        leash=Leash(length=number, receding=number),
    )
    return {
        "start": begin,
        "think": ThinkInputs(
            params=_shapes(settings.params),
            latency=latency,
            state=state,
            house=grid,
            field=way,
            snapshot=seen,
            gaze=_shapes(ahead()),
            pace=number,
            halted=_array(dtype=jnp.bool_),
        ),
        "act": ActInputs(
            latency=latency,
            state=state,
            tick=_array(dtype=jnp.int32),
            scan=seen.scan,
            odometry=seen.odometry,
            orders=_shapes(Orders()),
            elapsed=number,
        ),
    }


def _array(*shape: int, dtype: Any = jnp.float32) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def _shapes(noun: Any) -> Any:
    """Python's floats become float32, its bools bool."""
    return jax.tree.map(lambda leaf: _array(*jnp.shape(leaf), dtype=jnp.result_type(leaf)), noun)
