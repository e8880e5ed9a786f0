"""Many rollouts: parameters x places x seeds on all devices, cut to what they hold.   [host]

Parameters and places are handed over once; an episode is three numbers, which of either and a
seed.  One compilation serves every chunk: the last one is filled up with its own last episode.
An accelerator takes a chunk at once, a CPU one episode after the other (see
``closed_loop._in_turn`` for why).  No operation mixes episodes, so none depends on the others of
its chunk.  On an accelerator the size of a chunk can change the order of sums, and with it the
last bit, and with that a close decision.
"""

import dataclasses
import itertools
import math
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Int

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.sim.rollout import Rollout, rollout
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances
from astro_jax.types import RouteField, pytree

EPISODES = "episodes"
"""The axis that is spread over devices."""
SPARE = 0.9
"""Share of a device's memory that a chunk may take."""

_Tree = TypeVar("_Tree")
Runs = Int[np.ndarray, "N 3"]
"""Which parameters, which place, and the seed of each episode."""


@pytree
class Place:
    """Where an episode happens, and how well the robot sees there; all of a fleet share sizes."""

    world: Circumstances
    scene: Scene
    field: RouteField


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chunking:
    """How the episodes were cut up."""

    batch: int
    """Episodes per call."""
    halvings: int
    """How often the memory did not suffice."""


def every(params: int, places: int, seeds: Sequence[int]) -> Runs:
    """All combinations; the seeds change fastest."""
    return np.array(list(itertools.product(range(params), range(places), seeds)), np.int32)


def rollouts(
    robot: RobotConfig,
    config: PlannerConfig,
    params: Sequence[PlannerParams],
    places: Sequence[Place],
    runs: Runs,
    cycles: int,
    batch: int | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Rollout, Chunking]:
    """All episodes, as NumPy arrays with a leading axis in the order of ``runs``.

    ``batch`` is the most that are driven in one call, by default all of them; what exceeds the
    memory is halved until it fits.  ``on_chunk`` hears how many are done, of how many.

    Raises:
      InputError: nothing to drive, numbers that name nothing, places of different sizes, or a
        batch below one.
    """
    _check(params, places, runs, batch)

    def one(params: PlannerParams, place: Place, seed: Int[Array, ""]) -> Rollout:
        key = jax.random.key(seed)
        return rollout(robot, config, params, place.world, place.scene, place.field, key, cycles)

    return in_chunks(one, stacked(params), stacked(places), runs, batch, on_chunk)


def in_chunks(
    one: Callable[[Any, Any, Int[Array, ""]], Any],
    params: Any,
    places: Any,
    runs: Runs,
    batch: int | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Any, Chunking]:
    """``one`` of every run, with its own of the stacked ``params`` and ``places``."""
    count, devices = len(runs), jax.local_device_count()
    size, halvings = _whole(min(batch or count, count), devices), 0
    while True:
        try:
            call = compiled(one, params, places, size)
            if size > devices and not _fits(call):
                raise MemoryError
            parts = []
            for first in range(0, count, size):
                own = runs[first : first + size]
                kept = len(own)
                filled = np.concatenate([own, np.repeat(own[-1:], size - kept, axis=0)])
                result = jax.device_get(call(params, places, *filled.T))
                parts.append(jax.tree.map(operator.itemgetter(slice(kept)), result))
                on_chunk(first + kept, count)
            joined = jax.tree.map(lambda *x: np.concatenate(x), *parts)
            return joined, Chunking(batch=size, halvings=halvings)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not out_of_memory(error) or size <= devices:
                raise
            size, halvings = _whole(size // 2, devices), halvings + 1


def compiled(
    one: Callable[[Any, Any, Int[Array, ""]], Any], params: Any, places: Any, size: int
) -> Any:
    """``one`` over ``size`` episodes, spread over all local devices and compiled.

    To be called with all parameters, all places, which of either (``size`` numbers each), and
    the seeds.
    """
    at_once = jax.default_backend() != "cpu"

    def chunk(params, places, which, where, seeds):
        def episode(numbers):
            which, where, seed = numbers
            own, place = _taken(params, which), _taken(places, where)
            return one(own, place, seed)

        numbers = (which, where, seeds)
        return jax.vmap(episode)(numbers) if at_once else jax.lax.map(episode, numbers)

    all_of, each = PartitionSpec(), PartitionSpec(EPISODES)
    spread = jax.shard_map(
        chunk,
        mesh=Mesh(np.array(jax.local_devices()), (EPISODES,)),
        in_specs=(all_of, all_of, each, each, each),
        out_specs=each,
        check_vma=False,
    )
    numbers = [jax.ShapeDtypeStruct((size,), jnp.int32)] * 3
    # an accelerator would round the factors of float32 products to ten bits
    with jax.default_matmul_precision("highest"):
        return jax.jit(spread).lower(params, places, *numbers).compile()


def stacked(trees: Sequence[_Tree]) -> _Tree:
    """A leading axis over all; numbers become float32."""
    return jax.tree.map(
        lambda *leaves: jnp.asarray(np.stack([_single(leaf) for leaf in leaves])), *trees
    )


def _single(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _taken(tree: _Tree, index: Int[Array, ""]) -> _Tree:
    return jax.tree.map(lambda x: x[index], tree)


def _whole(size: int, devices: int) -> int:
    """Up to a multiple of the number of devices."""
    return max(math.ceil(size / devices), 1) * devices


def _fits(call: Any) -> bool:
    """Whether what the compiler has reserved is there."""
    needed = call.memory_analysis()
    if needed is None:
        return True
    wanted = needed.temp_size_in_bytes + needed.argument_size_in_bytes
    return wanted + needed.output_size_in_bytes <= SPARE * _memory()


def _memory() -> float:
    """Bytes that a device has in all."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return float(stats["bytes_limit"])
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def out_of_memory(error: Exception) -> bool:
    """Whether it says that the device, or the host, has none left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _check(
    params: Sequence[PlannerParams], places: Sequence[Place], runs: Runs, batch: int | None
) -> None:
    if runs.ndim != 2 or runs.shape[1:] != (3,) or not len(runs):
        raise InputError("runs", runs.shape, "at least one row of three numbers")
    for name, column, given in (("params", 0, params), ("places", 1, places)):
        low, high = int(runs[:, column].min()), int(runs[:, column].max())
        if low < 0 or high >= len(given):
            raise InputError("runs", f"{low} to {high}", f"numbers of {len(given)} {name}")
    if batch is not None and batch < 1:
        raise InputError("batch", batch, "at least one")
    shapes = [jax.tree.map(np.shape, place) for place in places]
    for k, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError("places", k, "the same sizes as the first one")
