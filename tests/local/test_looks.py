"""What the shortcuts of the search cost: a quick look, and the nearest bodies only."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.local import candidates
from astro_jax.local.judge import judge_of, looks
from astro_jax.local.metric import inverse_metric
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of
from astro_jax.local.refine import refine
from astro_jax.local.search import best_first, distinct, search

PEOPLE, SCENES = 16, 30


@pytest.fixture(scope="module")
def crowd(lab):
    config = dataclasses.replace(
        lab.config, people=PEOPLE, candidates=160, stages=1, finalists=8, descents=4
    )
    return dataclasses.replace(lab, config=dataclasses.replace(config, gradient_steps=5))


def scenes(lab, count):
    """A robot under way in a crowd that stands and walks about, among a few things."""
    for k in range(count):
        random = np.random.default_rng(100 + k)
        blocked = random.random((40, 40)) < 0.004
        blocked[14:27, 14:27] = False
        angle, away = random.uniform(-np.pi, np.pi, PEOPLE), random.uniform(0.7, 4.5, PEOPLE)
        pace = random.uniform(0.0, 1.2, PEOPLE) * (random.random(PEOPLE) < 0.7)
        course = random.uniform(-np.pi, np.pi, PEOPLE)
        world = lab.world(
            pose=(0.0, 0.0, random.uniform(-3, 3)),
            command=(random.uniform(0.0, 0.6), random.uniform(-0.6, 0.6)),
            blocked=blocked,
            xy=away[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1),
            velocity=pace[:, None] * np.stack([np.cos(course), np.sin(course)], axis=1),
        )
        goal = 2.0 * np.array([np.cos(k), np.sin(k)])
        yield lab.state(k), world, lab.field((*goal, random.uniform(-3, 3)))


@pytest.fixture(scope="module")
def outcomes(crowd):
    """Exact costs, per scene: of the plan found by the quick look at the nearest eight; at all
    sixteen; found by the exact look throughout; and of the full stop."""
    robot, config, params = crowd.robot, crowd.config, crowd.params
    basis = basis_of(config)

    def run(bodies, exact_throughout):
        few = dataclasses.replace(config, near_bodies=bodies)

        @jax.jit
        def release(state, world, field):
            """The planner's stages with the same seeds and budget, whatever looks."""
            _, key_seeds, key_local = jax.random.split(state.key, 3)
            quick, exact = looks(robot, config, params)
            near = nearest(robot, few, world)
            judged = judge_of(robot, config, params, basis, world, field, exact)
            if not exact_throughout:
                rough = judge_of(robot, config, params, basis, near, field, quick)
            else:
                rough = judged
            given = robot, config, params, basis, world
            seeds = candidates.seeds(*given, field, state.controls, key_seeds)
            z, cost, xy = search(config, rough, seeds, key_local)
            starts = distinct(z, cost, xy, config.descents)
            found, _ = refine(rough, starts, inverse_metric(*given, starts), config.gradient_steps)
            heard = [seeds[..., :1], best_first(z, cost, config.finalists), found]
            costs = judged(jnp.concatenate(heard, axis=-1))[0]
            return jnp.min(costs), costs[0]

        return np.array([release(*scene) for scene in scenes(crowd, SCENES)])

    eight, sixteen, exact = run(8, False), run(16, False), run(16, True)
    np.testing.assert_allclose(eight[:, 1], exact[:, 1], rtol=1e-4)
    return eight[:, 0], sixteen[:, 0], exact[:, 0], exact[:, 1]


@pytest.mark.xfail(
    reason="open: the crowd of these scenes costs .31 s, .5 is wanted",
    strict=False,
)
def test_the_crowd_matters(outcomes):
    """Costs differ between scenes, and a stop is never the best there is."""
    _, _, exact, stop = outcomes
    assert np.all(np.isfinite(outcomes))
    assert np.std(exact) > 0.2
    assert np.mean(stop - exact) > 0.5


@pytest.mark.xfail(
    reason="open: quick less exact lies within -.31 and .41 s, mean -.0003 s",
    strict=False,
)
def test_ranking_by_the_quick_look_costs_next_to_nothing(outcomes):
    """Regret below 1 % of the spread between the full stop and the best, in the mean."""
    eight, _, exact, stop = outcomes
    spread = np.mean(stop - np.minimum(exact, eight))
    assert np.mean(eight - exact) < 0.01 * spread
    # and there is no scene in which it goes badly wrong
    assert np.max(eight - exact) < 0.25 * spread


@pytest.mark.xfail(
    reason="open: |difference| is 5.6 % of the spread (signed 1.7 %), 1 % is wanted", strict=False
)
def test_the_nearest_eight_of_sixteen_are_enough(outcomes):
    eight, sixteen, exact, stop = outcomes
    spread = np.mean(stop - np.minimum(exact, sixteen))
    assert np.mean(np.abs(eight - sixteen)) < 0.01 * spread


def test_the_planner_is_what_was_compared(crowd, outcomes):
    """The released plan's exact cost is that of the stages put together by hand."""
    from astro_jax.local.planner import plan

    run = jax.jit(lambda *given: plan(crowd.robot, crowd.config, crowd.params, *given))
    costs = [float(run(*scene)[2].best_cost) for scene in scenes(crowd, 4)]
    np.testing.assert_allclose(costs, outcomes[0][:4], atol=0.02)
