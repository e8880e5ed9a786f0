"""The forecast against walkers drawn from its own stochastic model."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import PlannerParams
from astro_jax.types import Kind, Tracks
from astro_jax.world import forecast as world
from astro_jax.world.forecast import COMPONENTS, MAX_SPEED, moments

forecast = jax.jit(world.forecast)

TIMES = np.array([0.0, 0.4, 1.0, 2.0, 3.0])


def beliefs(narrow=0.02, wide=0.08, share=0.25) -> PlannerParams:
    """Diffusions of the two components, m²/s³, and the share of the wide one."""
    return jax.tree.map(
        jnp.float32,
        PlannerParams(walker_noise=narrow, walker_noise_wide=wide, walker_wide_share=share),
    )


def tracks_of(age=0.2):
    return Tracks(
        xy_map=jnp.array([[1.0, 2.0], [-3.0, 0.5], [0.0, 0.0]]),
        velocity_map=jnp.array([[0.8, -0.3], [0.0, 0.0], [-1.2, 1.0]]),
        xy_var=jnp.array([0.01, 0.04, 0.002]),
        xy_velocity_cov=jnp.array([0.01, -0.02, 0.0]),
        velocity_var=jnp.array([0.05, 0.09, 0.02]),
        radius=jnp.array([0.22, 0.25, 0.3]),
        kind=jnp.array([int(Kind.PERSON), int(Kind.PET), int(Kind.UNKNOWN)]),
        identity=jnp.full(3, -1),
        credit=jnp.ones(3),
        valid=jnp.array([True, False, True]),
        age=jnp.float32(age),
    )


def draw_walkers(tracks, q, leads, samples, seed):
    """Positions and velocities along x at the lead times: exact Brownian steps in between."""
    rng = np.random.default_rng(seed)
    xy, velocity = np.asarray(tracks.xy_map[:, 0], float), np.asarray(tracks.velocity_map[:, 0])
    out_x, out_v = [], []
    for m in range(3):
        a, b, c = (
            float(k[m]) for k in (tracks.xy_var, tracks.xy_velocity_cov, tracks.velocity_var)
        )
        state = rng.multivariate_normal([xy[m], velocity[m]], [[a, b], [b, c]], samples)
        x, v, clock, rows = state[:, 0], state[:, 1], 0.0, []
        for lead in leads:
            # small Euler-Maruyama steps: knows nothing of the closed form
            steps = 50
            dt = (lead - clock) / steps
            for _ in range(steps):
                kick = np.sqrt(q * dt) * rng.normal(size=samples)
                x = x + dt * (v + 0.5 * kick)
                v = v + kick
            clock = lead
            rows.append((x.copy(), v.copy()))
        out_x.append([r[0] for r in rows])
        out_v.append([r[1] for r in rows])
    return np.moveaxis(np.array(out_x), 0, 1), np.moveaxis(np.array(out_v), 0, 1)  # T M S


@pytest.mark.parametrize("component", range(COMPONENTS))
def test_mean_and_covariance_are_those_of_drawn_walkers(component):
    tracks, ahead, samples = tracks_of(), 0.3, 20000
    params = beliefs()
    q = (params.walker_noise, params.walker_noise_wide)[component]
    ahead_of_people = forecast(tracks, params, ahead, jnp.asarray(TIMES, jnp.float32))
    x, v = draw_walkers(tracks, float(q), TIMES + ahead + 0.2, samples, component)
    a, b, c = (
        np.asarray(k)[:, :, component, 0]
        for k in (
            ahead_of_people.xy_var,
            ahead_of_people.xy_velocity_cov,
            ahead_of_people.velocity_var,
        )
    )
    xy, velocity = ahead_of_people.xy_map, ahead_of_people.velocity_map
    # Five standard errors of each estimate.
    assert np.all(np.abs(x.mean(-1) - xy[:, :, component, 0]) < 5 * np.sqrt(a / samples))
    assert np.all(np.abs(v.mean(-1) - velocity[:, :, component, 0]) < 5 * np.sqrt(c / samples))
    assert np.all(np.abs(x.var(-1) - a) < 5 * a * np.sqrt(2 / samples))
    assert np.all(np.abs(v.var(-1) - c) < 5 * c * np.sqrt(2 / samples))
    cov = np.mean((x - x.mean(-1, keepdims=True)) * (v - v.mean(-1, keepdims=True)), axis=-1)
    assert np.all(np.abs(cov - b) < 5 * np.sqrt((a * c + b**2) / samples))
    # y moves as x does, with its own mean, and is as uncertain in every direction
    lead = (TIMES + ahead + 0.2)[:, None]
    y = np.asarray(tracks.xy_map[:, 1]) + lead * np.asarray(tracks.velocity_map[:, 1])
    np.testing.assert_allclose(xy[:, :, component, 1], y, atol=1e-5)
    for k in (ahead_of_people.xy_var, ahead_of_people.xy_velocity_cov):
        np.testing.assert_array_equal(k[..., 0], k[..., 1])


def test_components_share_the_mean_and_differ_in_width():
    params = beliefs(narrow=0.003, wide=0.07, share=0.25)
    f = forecast(tracks_of(), params, 0.3, jnp.asarray(TIMES, jnp.float32))
    shape = (len(TIMES), 3, COMPONENTS, 2)
    for name in ("xy_map", "velocity_map", "axis_map"):
        leaf = np.asarray(getattr(f, name))
        assert leaf.shape == shape
        np.testing.assert_array_equal(leaf[:, :, 0], leaf[:, :, 1])
    np.testing.assert_allclose(f.weight, np.tile([0.75, 0.25], (3, 1)), atol=1e-6)
    np.testing.assert_allclose(np.sum(f.weight, axis=-1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(f.kind, tracks_of().kind)
    lead = np.asarray(TIMES + 0.5)[:, None]
    wider = np.asarray(f.xy_var[:, :, 1] - f.xy_var[:, :, 0])
    expected = np.broadcast_to(0.067 * lead**3 / 3, (len(TIMES), 3))
    np.testing.assert_allclose(wider[..., 0], expected, rtol=1e-3, atol=1e-6)


def test_the_axis_is_a_unit_vector_along_the_velocity():
    f = forecast(tracks_of(), beliefs(), 0.0, jnp.asarray(TIMES, jnp.float32))
    np.testing.assert_allclose(np.linalg.norm(f.axis_map, axis=-1), 1.0, atol=1e-5)
    cross = (
        f.axis_map[..., 0] * f.velocity_map[..., 1] - f.axis_map[..., 1] * f.velocity_map[..., 0]
    )
    np.testing.assert_allclose(cross, 0.0, atol=1e-5)
    along = np.sum(f.axis_map * f.velocity_map, axis=-1)
    speed = np.linalg.norm(f.velocity_map, axis=-1)
    np.testing.assert_allclose(along, speed, atol=1e-4)


def test_moments_are_those_of_the_mixture():
    """Against samples of a mixture whose components differ in everything."""
    random = np.random.default_rng(0)
    tracks = tracks_of()
    f = forecast(tracks, beliefs(), 0.0, jnp.asarray(TIMES, jnp.float32))
    shape = f.xy_map.shape
    angle = random.uniform(-3, 3, shape[:-1])
    share = random.uniform(0.2, 0.8, (3, 1))
    odd = dataclasses.replace(
        f,
        xy_map=jnp.asarray(random.normal(size=shape), jnp.float32),
        axis_map=jnp.asarray(np.stack([np.cos(angle), np.sin(angle)], -1), jnp.float32),
        xy_var=jnp.asarray(random.uniform(0.01, 0.5, shape), jnp.float32),
        weight=jnp.asarray(np.concatenate([share, 1 - share], axis=1), jnp.float32),
    )
    mean, covariance = jax.jit(moments)(odd)
    on_host = moments(jax.tree.map(np.asarray, odd))
    np.testing.assert_allclose(on_host[0], mean, atol=1e-6)
    np.testing.assert_allclose(on_host[1], covariance, atol=1e-6)
    count = 40000
    for t, body in ((0, 0), (2, 1), (4, 2)):
        pick = (random.random(count) > float(odd.weight[body, 0])).astype(int)
        at = lambda leaf: np.asarray(leaf)[t, body][pick]  # noqa: B023
        axis = at(odd.axis_map)
        across = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
        size = np.sqrt(at(odd.xy_var)) * random.normal(size=(count, 2))
        drawn = at(odd.xy_map) + size[:, :1] * axis + size[:, 1:] * across
        error = 5 * np.sqrt(np.max(drawn.var(0)) / count)
        np.testing.assert_allclose(mean[t, body], drawn.mean(0), atol=error)
        np.testing.assert_allclose(
            covariance[t, body], np.cov(drawn.T), atol=8 * np.max(drawn.var(0)) / np.sqrt(count)
        )


def test_old_tracks_are_forecast_from_when_they_were_true():
    """Age and time ahead are one clock."""
    times = jnp.asarray(TIMES, jnp.float32)
    one = forecast(tracks_of(0.5), beliefs(), 0.1, times)
    other = forecast(tracks_of(0.0), beliefs(), 0.6, times)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one, other)


@pytest.mark.parametrize("component", range(COMPONENTS))
def test_forecasts_compose(component):
    """To 1 s and on by 2 s is to 3 s: the semigroup of the model."""
    start, params = tracks_of(0.0), beliefs()
    half = forecast(start, params, 0.0, jnp.array([1.0]))
    middle = dataclasses.replace(
        start,
        xy_map=half.xy_map[0, :, component],
        velocity_map=half.velocity_map[0, :, component],
        xy_var=half.xy_var[0, :, component, 0],
        xy_velocity_cov=half.xy_velocity_cov[0, :, component, 0],
        velocity_var=half.velocity_var[0, :, component, 0],
    )
    on = forecast(middle, params, 0.0, jnp.array([2.0]))
    direct = forecast(start, params, 0.0, jnp.array([3.0]))
    for name in ("xy_map", "velocity_map", "xy_var", "xy_velocity_cov", "velocity_var"):
        again, once = (getattr(f, name)[:, :, component] for f in (on, direct))
        np.testing.assert_allclose(again, once, rtol=1e-5, atol=1e-6)


def test_covariances_stay_covariances():
    times = jnp.linspace(0.0, 10.0, 50)
    f = forecast(tracks_of(), beliefs(), 0.0, times)
    determinant = np.asarray(f.xy_var) * np.asarray(f.velocity_var) - f.xy_velocity_cov**2
    assert np.all(np.asarray(f.xy_var) > 0) and np.all(determinant > 0)
    growth = np.diff(np.asarray(f.velocity_var, float), axis=0)
    assert growth.min() > 0


@pytest.mark.parametrize("speed", [2.9, 4.0, 50.0])
def test_impossible_speeds_are_capped_and_become_doubt(speed):
    unit = np.array([0.6, -0.8])
    tracks = tracks_of(0.0)
    velocity = jnp.asarray(np.broadcast_to(speed * unit, (3, 2)), jnp.float32)
    fast = dataclasses.replace(tracks, velocity_map=velocity)
    f = forecast(fast, beliefs(), 0.0, jnp.array([0.0, 1.0]))
    capped = min(speed, MAX_SPEED)
    np.testing.assert_allclose(
        f.velocity_map, np.broadcast_to(capped * unit, f.xy_map.shape), rtol=1e-5
    )
    moved = np.asarray(f.xy_map[1] - f.xy_map[0])
    np.testing.assert_allclose(moved, np.broadcast_to(capped * unit, moved.shape), rtol=1e-4)
    doubt = np.asarray(f.velocity_var[0] - tracks.velocity_var[:, None, None])
    np.testing.assert_allclose(doubt, max(speed - MAX_SPEED, 0.0) ** 2, rtol=1e-5, atol=1e-6)


def test_gradients_are_finite_for_someone_who_stands():
    def total(velocity, noise):
        moved = dataclasses.replace(tracks_of(), velocity_map=velocity)
        params = dataclasses.replace(beliefs(), walker_noise=noise)
        f = forecast(moved, params, 0.0, jnp.array([1.0, 2.0]))
        return jnp.sum(f.xy_map) + jnp.sum(f.xy_var)

    by_velocity, by_noise = jax.jit(jax.grad(total, (0, 1)))(jnp.zeros((3, 2)), jnp.float32(0.02))
    np.testing.assert_allclose(by_velocity, 2 * 3.4, rtol=1e-4)  # 1.2 s + 2.2 s, two components
    np.testing.assert_allclose(by_noise, 2 * 3 * (1.2**3 + 2.2**3) / 3, rtol=1e-4)  # two axes
