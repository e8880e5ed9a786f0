"""What the ablations (``experiments/ablations``) put in the place of the planner's own ideas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ncx2

from astro_jax.local.judge import looks
from astro_jax.local.objective import evaluate, run_into_at_rest
from astro_jax.robot.footprint import outline
from astro_jax.types import Motion
from experiments.ablations.product import disc_overlap, independent
from experiments.ablations.run import ABLATIONS, replaced
from experiments.ablations.weighted_sum import weighted_sum

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def test_the_chance_that_two_discs_overlap_is_that_of_a_noncentral_chi_square():
    away, sigma, angle = np.meshgrid(
        [0.0, 0.3, 0.55, 0.7, 1.0], [0.05, 0.2, 0.6], [0.0, 0.7, np.pi / 2]
    )
    given = (away * np.cos(angle), away * np.sin(angle), sigma, sigma, np.full_like(away, 0.6))
    found = disc_overlap(*(jnp.asarray(x, jnp.float32) for x in given))
    true = ncx2.cdf((0.6 / sigma) ** 2, 2, np.maximum((away / sigma) ** 2, 1e-12))
    np.testing.assert_allclose(found, true, atol=4e-3)


def test_it_is_right_for_noise_that_is_not_round():
    noise = np.random.default_rng(0).normal(size=(200_000, 2)) * [0.4, 0.15]
    for along, across in ((0.5, 0.3), (-0.2, 0.7), (0.9, -0.1)):
        true = np.mean(np.hypot(along + noise[:, 0], across + noise[:, 1]) < 0.6)
        found = disc_overlap(*(jnp.float32(x) for x in (along, across, 0.4, 0.15, 0.6)))
        np.testing.assert_allclose(found, true, atol=6e-3)


def test_independent_steps_multiply_and_finer_ones_count_more():
    chance = np.array([0.1, 0.5, 0.0, 0.2])
    left = independent(jnp.float32(chance[:, None] / 0.3), 0.3)[:, 0]
    np.testing.assert_allclose(left, np.cumprod(1.0 - chance), rtol=1e-5)
    finer = independent(jnp.full((9, 1), 0.1 / 0.15), 0.15)[-1, 0]
    np.testing.assert_allclose(finer, 0.9**9, rtol=1e-5)


def straight(lab, speed):
    """Ahead at a constant speed, one candidate."""
    still = np.zeros((lab.config.times, 3, 1), np.float32)
    pose, twist = still.copy(), still.copy()
    pose[:, 0, 0], twist[:, 0] = speed * lab.times, speed
    pose, twist, still = (jnp.asarray(part) for part in (pose, twist, still))
    return Motion(pose_map=pose, twist=twist, twist_dot=still)


def coarsely(lab, motion):
    return jax.tree.map(lambda leaf: leaf[:: lab.config.people_stride], motion)


def hazards(lab, motion, world):
    """Of the quick look and of the exact one, per body and time."""
    return [
        jax.jit(look.encounters)(coarsely(lab, motion), world.forecast)[0][..., 0]
        for look in looks(lab.robot, lab.config, lab.params)
    ]


def test_product_counts_the_overlap_of_discs_at_each_sample(lab):
    world, motion = lab.world(xy=[(0.45, 0.0)], velocity=[(0.0, 0.0)]), straight(lab, 0.0)
    dt = lab.config.dt * lab.config.people_stride
    with replaced(ABLATIONS["product of steps"].instead):
        found = hazards(lab, motion, world)
    vertices = outline(lab.robot)
    x, y = vertices.T
    reach = np.sqrt(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / np.pi) + 0.22
    square = np.sum((np.array([0.45, 0.0]) - vertices.mean(axis=0)) ** 2)
    bodies = jax.tree.map(np.asarray, world.forecast)
    # at first no component has a direction yet
    var = bodies.xy_var[0, 0].mean(axis=-1)
    np.testing.assert_allclose(bodies.xy_var[0, 0, :, 0], var, rtol=1e-3)
    true = np.sum(bodies.weight[0] * ncx2.cdf(reach**2 / var, 2, square / var))
    assert 0.1 < true < 0.5
    for overlap in found:
        np.testing.assert_allclose(overlap[0, 0] * dt, true, atol=4e-3)
        np.testing.assert_array_equal(overlap[1], 0.0)  # nobody is there


def test_in_a_weighted_sum_somebody_ahead_makes_progress_worth_no_less(lab):
    """Progress is as on an empty floor; harm is ∫λ, whatever was touched before."""
    motion = straight(lab, 0.5)
    look = looks(lab.robot, lab.config, lab.params)[0]
    alone, met = lab.world(), lab.world(xy=[(0.8, 0.0)], velocity=[(-0.5, 0.0)])

    def terms(way, world):
        anyway = run_into_at_rest(lab.config, world, look)
        given = (lab.robot, lab.config, lab.params)
        return way(*given, world, lab.field(), look, anyway, motion)[0]

    usual_alone, usual_met = (jax.jit(terms, static_argnums=0)(evaluate, w) for w in (alone, met))
    with replaced(ABLATIONS["weighted sum"].instead):
        plain = jax.jit(terms, static_argnums=0)(weighted_sum, met)
    assert usual_met.progress < 0.9 * usual_alone.progress
    np.testing.assert_allclose(plain.progress, usual_alone.progress, rtol=2e-3)
    dt = lab.config.dt * lab.config.people_stride
    expected = np.trapezoid(hazards(lab, motion, met)[0][0], dx=dt)
    np.testing.assert_allclose(plain.touched, expected, rtol=2e-3)


def test_nothing_stays_replaced():
    for ablation in ABLATIONS.values():
        before = [getattr(module, name) for module, name, _ in ablation.instead]
        with replaced(ablation.instead):
            for module, name, function in ablation.instead:
                assert getattr(module, name) is function
        assert [getattr(module, name) for module, name, _ in ablation.instead] == before
