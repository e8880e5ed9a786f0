"""The search and its choices, on costs that are made up: bad ones never win."""

from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import PlannerConfig
from astro_jax.local.search import SPACING, best_first, distinct, search

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CONFIG = PlannerConfig(candidates=64, stages=2, elites=4)
COUNT, CHOSEN = 24, 5
BAD = [np.nan, np.inf, -np.inf]


@pytest.fixture(scope="module")
def run():
    """(seeds, costs of a stage, key) → z, costs, paths, and what is chosen from them."""

    @jax.jit
    @chex.assert_max_traces(n=1)
    def searched(seeds, costs, key):
        def judge(z):
            pose = jnp.stack([z[:, 0], z[:, 1], 0.0 * z[:, 0]], axis=1)
            return costs, SimpleNamespace(motion=SimpleNamespace(pose_map=pose))

        z, cost, xy = search(CONFIG, judge, seeds, key)  # pyright: ignore[reportArgumentType]
        return z, cost, xy, best_first(z, cost, CHOSEN), distinct(z, cost, xy, CHOSEN)[0]

    chex.clear_trace_counter()
    return searched


def seeds_of(seed=0):
    draw = np.random.default_rng(seed).normal(size=(9, 2, COUNT))
    return jnp.asarray(draw, jnp.float32)


COSTS = st.lists(
    st.floats(-1e3, 1e3, width=32) | st.sampled_from(BAD), min_size=COUNT, max_size=COUNT
)


@given(COSTS)
def test_86_a_cost_that_is_not_finite_is_never_selected(run, costs):
    """While there is a finite one; whichever subset of the costs is bad."""
    costs = np.array(costs, np.float32)
    z, cost, xy, best, ways = run(seeds_of(), jnp.asarray(costs), jax.random.key(0))
    finite = np.isfinite(costs)
    np.testing.assert_array_equal(cost, np.where(finite, costs, np.inf).tolist() * 2)
    np.testing.assert_array_equal(z[..., :COUNT], seeds_of())
    np.testing.assert_array_equal(xy[:, 0], z[:, 0])
    assert np.all(np.isfinite(z))
    if not np.any(finite):
        return
    usable = np.asarray(z)[..., np.isfinite(cost)]
    among = lambda one: np.any(np.all(usable == np.asarray(one)[..., None], axis=(0, 1)))
    least = np.asarray(z)[..., np.asarray(cost) == np.min(cost)]
    for chosen in (best, ways):
        assert np.any(np.all(least == np.asarray(chosen)[..., :1], axis=(0, 1)))
        for k in range(min(CHOSEN, usable.shape[-1])):
            assert among(chosen[..., k])
    order = np.sort(cost)[:CHOSEN]
    cost_of = lambda one: np.min(
        np.asarray(cost)[np.all(np.asarray(z) == np.asarray(one)[..., None], axis=(0, 1))]
    )
    found = [cost_of(best[..., k]) for k in range(CHOSEN)]
    np.testing.assert_array_equal(found, order)


def test_the_next_stage_searches_around_the_best(run):
    costs = np.full(COUNT, 50.0, np.float32)
    elite = [3, 7, 11, 20]
    costs[elite] = [1.0, 2.0, 3.0, 4.0]
    costs[5] = np.nan
    z, *_ = run(seeds_of(), jnp.asarray(costs), jax.random.key(1))
    later = np.asarray(z)[..., COUNT:]
    off = np.sqrt(np.mean((later - seeds_of()[..., np.resize(elite, COUNT)]) ** 2, axis=(0, 1)))
    assert np.max(off) < 1.5 and np.min(off) < 0.1
    again, *_ = run(seeds_of(), jnp.asarray(costs), jax.random.key(2))
    assert np.all(np.any(later != np.asarray(again)[..., COUNT:], axis=(0, 1)))


def straight_ways(angles):
    """Paths of 2 m from the origin, one per angle; and a z that names each."""
    along = np.linspace(0.0, 2.0, 31)[:, None]
    xy = np.stack([along * np.cos(angles), along * np.sin(angles)], axis=1)
    z = np.broadcast_to(np.arange(len(angles), dtype=np.float32), (9, 2, len(angles)))
    return jnp.asarray(z), jnp.asarray(xy, jnp.float32)


def test_distinct_starts_go_different_ways():
    """Three bundles: the cheapest of each, then each one's next."""
    random = np.random.default_rng(0)
    bundle = np.repeat([-0.8, 0.0, 0.8], 20)
    z, xy = straight_ways(bundle + random.uniform(-0.03, 0.03, 60))
    cost = random.uniform(0.0, 1.0, 60).astype(np.float32)
    cost[:20] += 5.0  # a way that costs more is still another way
    cost[[21, 45]] = np.inf, np.inf
    chosen, its_cost = jax.jit(distinct, static_argnums=3)(z, jnp.asarray(cost), xy, 6)
    picks = np.asarray(chosen)[0, 0]
    np.testing.assert_array_equal(its_cost, np.asarray(cost, np.float32)[picks.astype(int)])
    picks = picks.astype(int)
    best = [int(np.argmin(np.where(bundle == way, cost, np.inf))) for way in (-0.8, 0.0, 0.8)]
    assert set(picks[:3]) == set(best)
    np.testing.assert_array_equal(picks[:3], np.array(best)[np.argsort(cost[best])])
    second = [np.argsort(np.where(bundle == way, cost, np.inf))[1] for way in (-0.8, 0.0, 0.8)]
    np.testing.assert_array_equal(picks[3:], np.array(second)[np.argsort(cost[second])])
    assert len(set(picks)) == 6 and not {21, 45} & set(picks)


def test_ways_that_part_somewhere_are_different():
    """It is the farthest apart that counts, not where they begin or end."""
    z, xy = straight_ways(np.zeros(3))
    bump = np.exp(-0.5 * ((np.linspace(0.0, 2.0, 31) - 1.0) / 0.2) ** 2)
    xy = xy.at[:, 1, 1].add(1.5 * SPACING * bump).at[:, 1, 2].add(0.5 * SPACING * bump)
    picks = distinct(z, jnp.array([1.0, 3.0, 2.0]), xy, 3)[0][0, 0]
    np.testing.assert_array_equal(picks, [0, 1, 2])
