"""Methods against moments: who is there, how they are run, and the optimum they aim at."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import methods
import numpy as np
from jaxtyping import Array, Float
from ours import long_descents, search
from problem import Moment, costs_of, seeds_of, warm_start

from astro_jax.config import PlannerConfig

TOGETHER = 8
"""Moments evaluated side by side: more of them no longer fit the cache."""
CACHE = Path(__file__).resolve().parents[2] / "out" / "search_quality" / "compiled"
jax.config.update("jax_compilation_cache_dir", str(CACHE))
SEEDS_FOR_OTHERS = 128
"""How many of our seeds the ablations pay for."""
CONDITIONS = ("cold", "warm")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """A published search with what may be tuned."""

    name: str
    run: Callable[..., methods.Trace]
    variants: tuple[Mapping[str, int], ...] = ({},)
    """Static settings; each is compiled once."""
    ranges: Mapping[str, tuple[float, float, bool]] = dataclasses.field(default_factory=dict)
    """(low, high, logarithmic) of the settings that are data."""

    def draw(self, random: np.random.Generator) -> dict[str, float]:
        """Random settings within the ranges."""
        drawn = {}
        for name, (low, high, logarithmic) in self.ranges.items():
            if logarithmic:
                drawn[name] = float(np.exp(random.uniform(np.log(low), np.log(high))))
            else:
                drawn[name] = float(random.uniform(low, high))
        return drawn


def populations(*sizes: int) -> tuple[dict[str, int], ...]:
    return tuple({"population": size} for size in sizes)


SIGMA = (0.15, 2.5, True)
STARTS = ({"starts": 1}, {"starts": 4})
PUBLISHED = (
    Method(name="Sobol", run=methods.sobol, ranges={"sigma": (0.15, 3.0, True)}),
    Method(
        name="MPPI",
        run=methods.mppi,
        variants=populations(30, 100),
        ranges={"sigma": SIGMA, "temperature": (0.003, 1.0, True), "shrink": (0.6, 1.0, False)},
    ),
    Method(
        name="CEM",
        run=methods.cem,
        variants=populations(30, 100),
        ranges={"sigma": SIGMA, "elites": (0.05, 0.4, True), "smoothing": (0.0, 0.5, False)},
    ),
    Method(
        name="iCEM",
        run=methods.icem,
        variants=populations(32, 100),
        ranges={
            "sigma": SIGMA,
            "elites": (0.05, 0.4, True),
            "smoothing": (0.0, 0.5, False),
            "beta": (0.0, 3.0, False),
            "kept": (0.1, 0.6, False),
            "decay": (1.0, 1.5, False),
        },
    ),
    Method(
        name="CMA-ES",
        run=methods.cma_es,
        variants=populations(12, 24),
        ranges={"sigma": (0.1, 2.5, True)},
    ),
    Method(
        name="top-k Adam",
        run=methods.topk_adam,
        variants=STARTS,
        ranges={
            "sigma": (0.3, 3.0, True),
            "share": (0.1, 0.7, False),
            "rate": (0.02, 0.6, True),
        },
    ),
    Method(
        name="top-k L-BFGS",
        run=methods.topk_lbfgs,
        variants=STARTS,
        ranges={"sigma": (0.3, 3.0, True), "share": (0.1, 0.7, False)},
    ),
)


def known_before(moment: Moment, condition: str) -> Moment:
    """Without a previous plan the robot's state holds the rest, as at its start."""
    if condition == "warm":
        return moment
    return dataclasses.replace(moment, previous=jnp.zeros_like(moment.previous))


def keys_of(moments: Moment, repeat: int) -> Array:
    count = moments.previous.shape[0]
    return jax.random.split(jax.random.key(1000 + repeat), count)


def run_published(
    method: Method,
    variant: Mapping[str, int],
    settings: Mapping[str, float],
    moments: Moment,
    condition: str,
    budget: int,
    repeat: int = 0,
    seeded: bool = False,
) -> methods.Trace:
    """Traces of all moments; one compilation per method and variant."""
    compiled = _compiled(method.run, tuple(variant.items()), seeded)
    data = {name: jnp.float32(value) for name, value in settings.items()}
    warm, moments = jnp.bool_(condition == "warm"), known_before(moments, condition)
    return compiled(moments, keys_of(moments, repeat), data, jnp.int32(budget), warm)


@functools.lru_cache(maxsize=64)
def _compiled(run: Callable, variant: tuple, seeded: bool):
    def one(moment: Moment, key, settings, budget, warm) -> methods.Trace:
        costs = costs_of(moment)
        if not seeded:
            centre = jnp.where(warm, warm_start(moment), 0.0)
            return run(costs, centre, key, settings, budget, **dict(variant))
        # the ablation: pay for our seeds, then start from the best of them
        seeds = seeds_of(moment, key, SEEDS_FOR_OTHERS)
        first = methods.listed(costs, seeds, SEEDS_FOR_OTHERS)
        rest = run(costs, first.z, key, settings, budget - SEEDS_FOR_OTHERS, **dict(variant))
        return methods.joined(first, rest)

    return _mapped(one)


def run_ours(
    config: PlannerConfig, moments: Moment, condition: str, repeat: int = 0, *, sobol: bool = False
) -> methods.Trace:
    """The package's own search; ``sobol``: the same descents from Sobol points."""
    compiled = _ours(config, sobol)
    return compiled(known_before(moments, condition), keys_of(moments, repeat))


@functools.lru_cache(maxsize=64)
def _ours(config: PlannerConfig, sobol: bool):
    return _mapped(lambda moment, key: search(moment, key, config, sobol=sobol))


def _mapped(one: Callable):
    """jit of a few moments side by side, called again and again: one shape, one compilation."""

    def few(moments, keys, *shared):
        return jax.vmap(lambda *own: one(*own, *shared))(moments, keys)

    compiled = jax.jit(few)

    def part(tree, at: int):
        return jax.tree.map(lambda leaf: leaf[at : at + TOGETHER], tree)

    def run(moments, keys, *shared):
        starts = range(0, keys.shape[0], TOGETHER)
        parts = [compiled(part(moments, at), part(keys, at), *shared) for at in starts]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *jax.device_get(parts))

    return run


# ---- the optimum ---------------------------------------------------------------------


def multistart(
    moments: Moment, extra: Float[Array, "B e d"], descents: int = 48
) -> tuple[Float[Array, "B k"], Float[Array, "B k d"]]:
    """Long descents from ``descents`` + 1 + e starts of each moment: (costs, ends).

    ``extra`` is what the methods found.
    """

    def one(pair, key):
        moment, extra = pair
        return long_descents(moment, key, descents, extra)

    return _mapped(one)((moments, extra), keys_of(moments, 77))
