"""The descent on functions whose minimum is known, on bad ones, and in the planner."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.local.refine import LONGEST, REACH, refine

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SHAPE = (3, 2)


def descend(cost_of, steps=12, lengths=(1.5, 0.4)):
    """Jitted: starts (S, 3, 2) → (cost, where, bad trials); ``cost_of`` takes one z."""
    judge = lambda z: (jax.vmap(cost_of, in_axes=-1)(z), z)

    @jax.jit
    def run(starts):
        z = jnp.moveaxis(starts, 0, -1)
        guess = jnp.broadcast_to(jnp.eye(6)[..., None], (6, 6, z.shape[-1]))
        z, bad = refine(judge, z, judge(z)[0], guess, steps, lengths)  # pyright: ignore[reportArgumentType]
        return judge(z)[0], jnp.moveaxis(z, -1, 0), bad

    return run


def starts(count, spread=2.0, seed=0):
    draw = np.random.default_rng(seed).normal(size=(count, *SHAPE))
    return (spread * draw).clip(-4.5, 4.5).astype(np.float32)


def bowl_of(seed=1, condition=30.0):
    random = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(random.normal(size=(6, 6)))
    sizes = 0.2 * np.geomspace(1.0, condition, 6)
    matrix = jnp.asarray(rotation * sizes @ rotation.T, jnp.float32)
    centre = jnp.asarray(random.uniform(-1, 1, 6), jnp.float32)

    def bowl(z):
        off = z.reshape(-1) - centre
        return off @ matrix @ off

    return bowl, matrix, centre


@pytest.mark.parametrize(("lengths", "steps"), [((1.5, 0.4), 12), ((1.0,), 18)])
def test_a_quadratic_is_solved(lengths, steps):
    """Condition number 30, six dimensions: a dozen quasi-Newton steps or two are plenty."""
    bowl, _, centre = bowl_of()
    z = starts(30)
    before = np.array([bowl(start) for start in z])
    cost, where, bad = descend(bowl, steps, lengths)(z)
    assert np.max(cost) < 0.01 and np.median(cost) < 1e-4
    assert np.min(before) > 1.0
    np.testing.assert_allclose(where.reshape(-1, 6), np.tile(centre, (30, 1)), atol=0.25)
    assert int(bad) == 0


def test_a_true_guess_of_the_curvature_is_one_step():
    """With the inverse Hessian handed in the first full step is Newton's."""
    bowl, matrix, centre = bowl_of(condition=1e4)
    judge = lambda z: (jax.vmap(bowl, in_axes=-1)(z), z)
    # so near that no coordinate moves by more than its longest step
    z = np.asarray(centre).reshape(SHAPE)[None] + 0.2 * starts(20)
    z = jnp.asarray(np.moveaxis(z, 0, -1), jnp.float32)
    guess = jnp.broadcast_to(jnp.linalg.inv(2.0 * matrix)[..., None], (6, 6, 20))
    run = jax.jit(lambda z: refine(judge, z, judge(z)[0], guess, 1, (1.0,)))  # pyright: ignore[reportArgumentType]
    found, _ = run(z)
    off = np.abs(np.asarray(found).reshape(6, 20) - np.asarray(centre)[:, None])
    assert np.max(np.abs(np.asarray(z).reshape(6, 20) - np.asarray(centre)[:, None])) < LONGEST
    assert np.max(off) < 5e-3


def test_more_steps_are_never_worse():
    """On a curved valley (Rosenbrock's), where single steps go wrong."""
    valley = lambda z: jnp.sum(
        20.0 * (z.reshape(-1)[1:] - z.reshape(-1)[:-1] ** 2) ** 2 + (1 - z.reshape(-1)[:-1]) ** 2
    )
    z = starts(30, 1.0)
    costs = [np.array([valley(start) for start in z])]
    costs += [np.asarray(descend(valley, steps)(z)[0]) for steps in (1, 4, 16)]
    for fewer, more in itertools.pairwise(costs):
        assert np.all(more <= fewer * (1 + 1e-6))
    assert np.median(costs[-1]) < 0.03 * np.median(costs[0])


def test_no_start_does_without_its_own_value():
    """A wavy function on which every step overshoots: not one start becomes worse."""
    wavy = lambda z: jnp.sum(jnp.sin(40.0 * z) + 0.1 * z**2)
    z = starts(40)
    before = jax.vmap(wavy)(jnp.asarray(z))
    cost, where, _ = descend(wavy, 4)(z)
    assert np.all(cost <= before + 1e-5)
    np.testing.assert_allclose(cost, jax.vmap(wavy)(where), rtol=1e-5, atol=1e-5)


def test_steps_stay_within_reach():
    """Where σ(z) has no slope left there is nothing to gain."""
    _, where, _ = descend(lambda z: -jnp.sum(z))(starts(5))
    assert np.max(np.abs(where)) <= REACH
    assert np.max(where) == REACH and np.median(where) > 4.0


@pytest.mark.parametrize("steps", [1, 5])
def test_a_gradient_that_is_not_finite_is_counted_and_steers_nothing(steps):
    z = starts(4)
    # a finite cost whose slope at the start is that of √0
    kink = lambda w: jnp.sum(jnp.sqrt(jnp.sum((w - w) ** 2))) + jnp.sum(w**2)
    cost, where, bad = descend(kink, steps)(z)
    np.testing.assert_array_equal(where, z)
    np.testing.assert_allclose(cost, np.sum(z**2, axis=(1, 2)), rtol=1e-5)
    # the starts themselves, and two lengths per step
    assert int(bad) == 2 * 4 * (steps + 1)


def test_a_bad_gradient_ends_its_own_descent_only():
    """One of the starts lies where the slope is NaN; the others arrive."""
    inner = lambda w: jnp.where(w[0, 0] > 3.0, jnp.sum((w - w) ** 2), 1.0)
    kink = lambda w: jnp.sqrt(inner(w)) + jnp.sum(w**2)
    z = starts(4, 0.5)
    z[2, 0, 0] = 4.0
    cost, where, bad = descend(kink, 5)(z)
    assert int(bad) == 2 * 6
    np.testing.assert_array_equal(where[2], z[2])
    assert np.max(np.delete(cost, 2)) < 1.0 + 1e-3


def test_places_without_a_cost_are_never_chosen():
    """The bowl's bottom lies where the cost is NaN: the descent stops at the rim."""
    pit = lambda z: jnp.where(jnp.sum(z**2) < 1.0, jnp.nan, jnp.sum(z**2))
    z = starts(20)
    assert np.min(np.sum(z**2, axis=(1, 2))) > 1.0
    cost, where, _ = descend(pit)(z)
    assert np.all(np.isfinite(cost)) and np.all(np.isfinite(where))
    assert np.min(cost) >= 1.0
    # a start without a cost stays where it is, and is no NaN itself
    _, where, _ = descend(pit)(starts(5, 0.01))
    assert np.all(np.isfinite(where))


def test_refinement_helps_in_the_planner(lab, run_plan):
    """Never worse than the best sample; on average clearly better."""
    gains = []
    for state, world, field in lab.scenarios(24):
        _, plan, diagnostics = run_plan(lab.params, state, world, field)
        assert int(plan.status) == 0 and int(diagnostics.nonfinite_gradients) == 0
        gains.append(float(diagnostics.sampled_cost - diagnostics.best_cost))
    assert np.min(gains) >= -1e-6
    assert np.mean(np.array(gains) > 1e-3) > 0.8
    assert np.mean(gains) > 0.02
