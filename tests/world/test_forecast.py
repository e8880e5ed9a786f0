"""The forecast against walkers drawn from its own stochastic model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.types import Tracks
from astro_jax.world import forecast as world
from astro_jax.world.forecast import MAX_SPEED

forecast = jax.jit(world.forecast)

TIMES = np.array([0.0, 0.4, 1.0, 2.0, 3.0])


def tracks_of(age=0.2):
    return Tracks(
        xy_map=jnp.array([[1.0, 2.0], [-3.0, 0.5], [0.0, 0.0]]),
        velocity_map=jnp.array([[0.8, -0.3], [0.0, 0.0], [-1.2, 1.0]]),
        xy_var=jnp.array([0.01, 0.04, 0.002]),
        xy_velocity_cov=jnp.array([0.01, -0.02, 0.0]),
        velocity_var=jnp.array([0.05, 0.09, 0.02]),
        radius=jnp.array([0.22, 0.25, 0.3]),
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


def test_mean_and_covariance_are_those_of_drawn_walkers():
    tracks, q, ahead, samples = tracks_of(), 0.08, 0.3, 20000
    ahead_of_people = forecast(tracks, q, ahead, jnp.asarray(TIMES, jnp.float32))
    x, v = draw_walkers(tracks, q, TIMES + ahead + 0.2, samples, 0)
    a, b, c = (
        np.asarray(k)
        for k in (
            ahead_of_people.xy_var,
            ahead_of_people.xy_velocity_cov,
            ahead_of_people.velocity_var,
        )
    )
    # Five standard errors of each estimate.
    assert np.all(np.abs(x.mean(-1) - ahead_of_people.xy_map[..., 0]) < 5 * np.sqrt(a / samples))
    assert np.all(
        np.abs(v.mean(-1) - ahead_of_people.velocity_map[..., 0]) < 5 * np.sqrt(c / samples)
    )
    assert np.all(np.abs(x.var(-1) - a) < 5 * a * np.sqrt(2 / samples))
    assert np.all(np.abs(v.var(-1) - c) < 5 * c * np.sqrt(2 / samples))
    cov = np.mean((x - x.mean(-1, keepdims=True)) * (v - v.mean(-1, keepdims=True)), axis=-1)
    assert np.all(np.abs(cov - b) < 5 * np.sqrt((a * c + b**2) / samples))
    # y moves as x does, with its own mean.
    lead = (TIMES + ahead + 0.2)[:, None]
    y = np.asarray(tracks.xy_map[:, 1]) + lead * np.asarray(tracks.velocity_map[:, 1])
    np.testing.assert_allclose(ahead_of_people.xy_map[..., 1], y, atol=1e-5)


def test_old_tracks_are_forecast_from_when_they_were_true():
    """Age and time ahead are one clock."""
    times = jnp.asarray(TIMES, jnp.float32)
    one = forecast(tracks_of(0.5), 0.02, 0.1, times)
    other = forecast(tracks_of(0.0), 0.02, 0.6, times)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one, other)


def test_forecasts_compose():
    """To 1 s and on by 2 s is to 3 s: the semigroup of the model."""
    start = tracks_of(0.0)
    half = forecast(start, 0.05, 0.0, jnp.array([1.0]))
    middle = Tracks(
        xy_map=half.xy_map[0],
        velocity_map=half.velocity_map[0],
        xy_var=half.xy_var[0],
        xy_velocity_cov=half.xy_velocity_cov[0],
        velocity_var=half.velocity_var[0],
        radius=start.radius,
        valid=start.valid,
        age=jnp.float32(0.0),
    )
    on = forecast(middle, 0.05, 0.0, jnp.array([2.0]))
    direct = forecast(start, 0.05, 0.0, jnp.array([3.0]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), on, direct)


def test_covariances_stay_covariances():
    times = jnp.linspace(0.0, 10.0, 50)
    f = forecast(tracks_of(), 0.02, 0.0, times)
    determinant = np.asarray(f.xy_var) * np.asarray(f.velocity_var) - f.xy_velocity_cov**2
    assert np.all(np.asarray(f.xy_var) > 0) and np.all(determinant > 0)
    growth = np.diff(np.asarray(f.velocity_var, float), axis=0)
    assert growth.min() > 0


@pytest.mark.parametrize("speed", [2.9, 4.0, 50.0])
def test_impossible_speeds_are_capped_and_become_doubt(speed):
    unit = np.array([0.6, -0.8])
    tracks = tracks_of(0.0)
    velocity = jnp.asarray(np.broadcast_to(speed * unit, (3, 2)), jnp.float32)
    fast = Tracks(
        xy_map=tracks.xy_map,
        velocity_map=velocity,
        xy_var=tracks.xy_var,
        xy_velocity_cov=tracks.xy_velocity_cov,
        velocity_var=tracks.velocity_var,
        radius=tracks.radius,
        valid=tracks.valid,
        age=tracks.age,
    )
    f = forecast(fast, 0.02, 0.0, jnp.array([0.0, 1.0]))
    capped = min(speed, MAX_SPEED)
    np.testing.assert_allclose(f.velocity_map, np.broadcast_to(capped * unit, (2, 3, 2)), rtol=1e-5)
    np.testing.assert_allclose(f.xy_map[1] - f.xy_map[0], [capped * unit] * 3, rtol=1e-4)
    doubt = np.asarray(f.velocity_var[0] - tracks.velocity_var)
    np.testing.assert_allclose(doubt, max(speed - MAX_SPEED, 0.0) ** 2, rtol=1e-5, atol=1e-6)


def test_gradients_are_finite_for_someone_who_stands():
    def total(velocity, noise):
        tracks = tracks_of()
        moved = Tracks(
            xy_map=tracks.xy_map,
            velocity_map=velocity,
            xy_var=tracks.xy_var,
            xy_velocity_cov=tracks.xy_velocity_cov,
            velocity_var=tracks.velocity_var,
            radius=tracks.radius,
            valid=tracks.valid,
            age=tracks.age,
        )
        f = forecast(moved, noise, 0.0, jnp.array([1.0, 2.0]))
        return jnp.sum(f.xy_map) + jnp.sum(f.xy_var)

    by_velocity, by_noise = jax.jit(jax.grad(total, (0, 1)))(jnp.zeros((3, 2)), jnp.float32(0.02))
    np.testing.assert_allclose(by_velocity, 3.4, rtol=1e-4)  # 1.2 s + 2.2 s
    np.testing.assert_allclose(by_noise, 3 * (1.2**3 + 2.2**3) / 3, rtol=1e-4)
