"""What the shortcuts of the search cost: a quick look, and the nearest bodies only.

Regret is measured among the same candidates and from the same starts, so that nothing but
the looks differs; it is compared with what there is to win, from the full stop to the best.
"""

import dataclasses

import jax
import numpy as np
import pytest

from astro_jax.config import PlannerConfig
from astro_jax.local import candidates
from astro_jax.local.judge import judge_of, looks
from astro_jax.local.metric import inverse_metric
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of, plan
from astro_jax.local.refine import refine
from astro_jax.local.search import best_first, distinct, search

# measurements over many scenes, of targets some of which are missed
pytestmark = pytest.mark.soak

PEOPLE, SCENES = 16, 60


@pytest.fixture(scope="module")
def crowd(lab):
    """The planner as it is shipped, but for its map (a small one compiles faster)."""
    config = dataclasses.replace(
        PlannerConfig(), people=PEOPLE, map_cells=lab.config.map_cells, recorded_stride=1
    )
    assert config.near_bodies < PEOPLE
    return dataclasses.replace(lab, config=config)


def scenes(lab, count, people=PEOPLE):
    """A robot under way in a crowd that stands and walks about, among a few things."""
    for k in range(count):
        random = np.random.default_rng(1000 + k)
        blocked = random.random((40, 40)) < 0.004
        blocked[14:27, 14:27] = False
        angle, away = random.uniform(-np.pi, np.pi, PEOPLE), random.uniform(0.7, 4.5, PEOPLE)
        pace = random.uniform(0.0, 1.2, PEOPLE) * (random.random(PEOPLE) < 0.7)
        course = random.uniform(-np.pi, np.pi, PEOPLE)
        xy = away[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        velocity = pace[:, None] * np.stack([np.cos(course), np.sin(course)], axis=1)
        world = lab.world(
            pose=(0.0, 0.0, random.uniform(-3, 3)),
            command=(random.uniform(0.0, 0.6), random.uniform(-0.6, 0.6)),
            blocked=blocked,
            xy=xy[:people],
            velocity=velocity[:people],
        )
        goal = 2.0 * np.array([np.cos(k), np.sin(k)])
        yield lab.state(k), world, lab.field((*goal, random.uniform(-3, 3)))


@pytest.fixture(scope="module")
def costs(crowd):
    """Exact costs of each scene, (SCENES,) by name."""
    robot, config, params = crowd.robot, crowd.config, crowd.params
    basis = basis_of(config)

    @jax.jit
    def outcome(state, world, field):
        """The planner's stages; then again with the exact look at all bodies throughout."""
        _, key_seeds, key_local = jax.random.split(state.key, 3)
        quick, exact = looks(robot, config, params)
        near = nearest(robot, config, world)
        roughly = judge_of(robot, config, params, basis, near, field, quick)
        exactly = judge_of(robot, config, params, basis, world, field, exact)
        given = robot, config, params, basis, world
        seeds = candidates.seeds(*given, field, state.controls, key_seeds)
        z, cost, xy = search(config, roughly, seeds, key_local)
        true_cost = exactly(z)[0]
        finalists = exactly(best_first(z, cost, config.finalists))[0]
        starts, _ = distinct(z, cost, xy, config.descents)
        metric = inverse_metric(*given, starts)
        descent = metric, config.gradient_steps, config.step_lengths
        ends = [
            exactly(refine(look, starts, look(starts)[0], *descent)[0])[0]
            for look in (roughly, exactly)
        ]
        return {
            "stop": true_cost[0],
            "best candidate": true_cost.min(),
            "best finalist": finalists.min(),
            "shipped": jax.numpy.minimum(finalists.min(), ends[0].min()),
            "exact throughout": jax.numpy.minimum(true_cost.min(), ends[1].min()),
        }

    found = [outcome(*scene) for scene in scenes(crowd, SCENES)]
    alone = [outcome(*scene)["exact throughout"] for scene in scenes(crowd, SCENES, people=0)]
    return {name: np.array([f[name] for f in found]) for name in found[0]} | {
        "without people": np.array(alone)
    }


@pytest.fixture(scope="module")
def to_win(costs):
    """Mean seconds between the full stop and the best plan."""
    return np.mean(costs["stop"] - np.minimum(costs["exact throughout"], costs["shipped"]))


def test_the_crowd_matters(costs, to_win):
    """Without it the best plan would be better by far more than the regret that is allowed."""
    assert all(np.all(np.isfinite(cost)) for cost in costs.values())
    crowd = costs["exact throughout"] - costs["without people"]
    assert np.mean(crowd) > 0.1 * to_win
    assert np.mean(crowd > 0.01 * to_win) > 0.5


def test_the_best_candidate_is_among_the_finalists(costs, to_win):
    regret = costs["best finalist"] - costs["best candidate"]
    assert np.min(regret) > -1e-3
    assert np.mean(regret) < 0.01 * to_win


@pytest.mark.xfail(
    reason="open: 3.7 % of what there is to win (.058 of 1.54 s) is lost in the median since a "
    "touch at rest costs 5 s; before 3.3 % of .67 s, and .3 % before forecasts of people who "
    "stand were sharp",
    strict=False,
)
def test_descents_by_the_quick_look_end_as_well_more_often_than_not(costs, to_win):
    """Both ways end in better valleys now and then: single scenes differ either way."""
    regret = costs["shipped"] - costs["exact throughout"]
    assert abs(np.median(regret)) < 0.01 * to_win


@pytest.mark.xfail(
    reason="open: 7.1 % of what there is to win (.11 of 1.54 s) is lost in the mean", strict=False
)
def test_descents_by_the_quick_look_lose_nothing_in_the_mean(costs, to_win):
    assert np.mean(costs["shipped"] - costs["exact throughout"]) < 0.01 * to_win


@pytest.mark.xfail(reason="open: .91 s lost in one of 60 scenes, to win are 1.54 s", strict=False)
def test_descents_by_the_quick_look_go_badly_wrong_nowhere(costs, to_win):
    assert np.max(costs["shipped"] - costs["exact throughout"]) < 0.25 * to_win


def test_the_planner_is_what_was_compared(crowd, costs):
    """The released plan's exact cost is that of the stages put together by hand."""
    run = jax.jit(lambda *given: plan(crowd.robot, crowd.config, crowd.params, *given))
    found = [float(run(*scene)[2].best_cost) for scene in scenes(crowd, 4)]
    np.testing.assert_allclose(found, costs["shipped"][:4], atol=0.02)
