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


def beliefs(narrow=0.02, wide=0.08, share=0.25, slowing=0.0) -> PlannerParams:
    """Diffusions of the two components, m²/s³, and the share of the wide one."""
    params = PlannerParams(
        walker_noise=narrow, walker_noise_wide=wide, walker_wide_share=share, walker_slowing=slowing
    )
    return jax.tree.map(jnp.float32, params)


def kept(tracks, component) -> np.ndarray:
    """The share of its velocity that each body keeps, in double precision."""
    if component == 1:
        return np.ones(3)
    s, c = (np.asarray(k, float) for k in (tracks.velocity_map, tracks.velocity_var))
    s = np.minimum(np.linalg.norm(s, axis=1), MAX_SPEED)
    return 1 - 1 / (1 + (s**2 / (2 * c)) ** 2) / (1 + (c / 0.09) ** 2)


OF_KIND = np.array([1.0, 3.0, 1.0])
"""The bodies' factors of diffusion: a person, a pet, somebody unknown."""


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


def draw_walkers(tracks, q, share, leads, samples, seed):
    """Positions and velocities along x at the lead times: exact Brownian steps in between."""
    rng = np.random.default_rng(seed)
    xy, velocity = np.asarray(tracks.xy_map[:, 0], float), np.asarray(tracks.velocity_map[:, 0])
    out_x, out_v = [], []
    for m in range(3):
        a, b, c = (
            float(k[m]) for k in (tracks.xy_var, tracks.xy_velocity_cov, tracks.velocity_var)
        )
        # whoever keeps a share of the velocity keeps that share of its error
        b, c = share[m] * b, share[m] ** 2 * c
        start = [xy[m], share[m] * velocity[m]]
        state = rng.multivariate_normal(start, [[a, b], [b, c]], samples)
        x, v, clock, rows = state[:, 0], state[:, 1], 0.0, []
        for lead in leads:
            # small Euler-Maruyama steps: knows nothing of the closed form
            steps = 50
            dt = (lead - clock) / steps
            for _ in range(steps):
                kick = np.sqrt(q[m] * dt) * rng.normal(size=samples)
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
    share = kept(tracks, component)
    q = float((params.walker_noise, params.walker_noise_wide)[component]) * share * OF_KIND
    ahead_of_people = forecast(tracks, params, ahead, jnp.asarray(TIMES, jnp.float32))
    x, v = draw_walkers(tracks, q, share, TIMES + ahead + 0.2, samples, component)
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
    y = np.asarray(tracks.xy_map[:, 1]) + lead * share * np.asarray(tracks.velocity_map[:, 1])
    np.testing.assert_allclose(xy[:, :, component, 1], y, atol=1e-5)
    for k in (ahead_of_people.xy_var, ahead_of_people.xy_velocity_cov):
        np.testing.assert_array_equal(k[..., 0], k[..., 1])


def test_components_share_the_way_and_differ_in_width():
    params, tracks = beliefs(narrow=0.003, wide=0.07, share=0.25), sure(tracks_of())
    f = forecast(tracks, params, 0.3, jnp.asarray(TIMES, jnp.float32))
    shape = (len(TIMES), 3, COMPONENTS, 2)
    for name in ("xy_map", "velocity_map", "axis_map"):
        leaf = np.asarray(getattr(f, name))
        assert leaf.shape == shape
        np.testing.assert_allclose(leaf[:, :, 0], leaf[:, :, 1], atol=1e-4)
    np.testing.assert_allclose(f.weight, np.tile([0.75, 0.25], (3, 1)), atol=1e-6)
    np.testing.assert_allclose(np.sum(f.weight, axis=-1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(f.kind, tracks_of().kind)
    lead = np.asarray(TIMES + 0.5)[:, None]
    wider = np.asarray(f.xy_var[:, :, 1] - f.xy_var[:, :, 0])
    narrow = np.where(np.arange(3) == 1, 0.0, 0.003)  # the one in the middle stands
    expected = (0.07 - narrow) * OF_KIND * lead**3 / 3
    np.testing.assert_allclose(wider[..., 0], expected, rtol=2e-3, atol=1e-5)


def sure(tracks) -> Tracks:
    """The same bodies, their velocities known to ± 1 cm/s."""
    small = jnp.full(3, 1e-4)
    return dataclasses.replace(tracks, velocity_var=small, xy_velocity_cov=0.0 * small)


def at_speed(speed, sigma=0.15) -> Tracks:
    """Three bodies of a speed that is known to ± ``sigma`` per axis, m/s."""
    velocity = jnp.asarray(np.broadcast_to(speed * np.array([0.6, -0.8]), (3, 2)), jnp.float32)
    var = jnp.full(3, sigma**2, jnp.float32)
    cov = jnp.full(3, 0.003, jnp.float32)
    alike = dataclasses.replace(tracks_of(0.0), velocity_map=velocity, velocity_var=var)
    return dataclasses.replace(alike, xy_var=cov, xy_velocity_cov=cov)


def spread_after(tracks, component, time=2.0) -> float:
    f = forecast(tracks, beliefs(), 0.0, jnp.array([time]))
    return float(jnp.sqrt(f.xy_var[0, 0, component, 0]))


def test_whoever_stands_spreads_like_somebody_who_stands():
    """A measured speed within its own noise (± .15 m/s) carries nobody away."""
    for speed in (0.0, 0.1):
        f = forecast(at_speed(speed), beliefs(), 0.0, jnp.array([2.0]))
        moved = np.linalg.norm(f.xy_map[0, 0, 0] - tracks_of().xy_map[0])
        assert moved < 0.05
        assert spread_after(at_speed(speed), 0) < 0.14
        # but some set out
        assert spread_after(at_speed(speed), 1) > 0.5
    f = forecast(at_speed(0.8), beliefs(), 0.0, jnp.array([2.0]))
    assert np.linalg.norm(f.xy_map[0, 0, 0] - tracks_of().xy_map[0]) > 1.55
    assert spread_after(at_speed(0.8), 0) > 0.37


def test_a_velocity_that_is_not_known_may_be_any():
    """Somebody seen for the first time is not taken for somebody who stands."""
    assert spread_after(at_speed(0.0, 0.6), 0) > 1.0
    assert np.all(kept(at_speed(0.0, 0.6), 0) > 0.9)


def test_standing_has_no_threshold():
    speeds = np.linspace(0.0, 1.0, 401)
    ends = [forecast(at_speed(v), beliefs(), 0.0, jnp.array([2.0])) for v in speeds]
    way = np.array([np.linalg.norm(f.xy_map[0, 0, 0] - tracks_of().xy_map[0]) for f in ends])
    sigma = np.sqrt([float(f.xy_var[0, 0, 0, 0]) for f in ends])
    assert np.all(np.diff(way) > -1e-5) and np.max(np.diff(way)) < 0.012
    assert np.all(np.diff(sigma) > -1e-5) and np.max(np.diff(sigma)) < 0.005


def test_walkers_get_slower_by_the_rate_they_do():
    tracks, rate = sure(tracks_of(0.0)), 0.2
    f = forecast(tracks, beliefs(slowing=rate), 0.0, jnp.asarray(TIMES, jnp.float32))
    v = np.asarray(tracks.velocity_map)
    gone = (1 - np.exp(-rate * TIMES)) / rate
    way = np.asarray(f.xy_map[:, :, 1]) - np.asarray(tracks.xy_map)
    np.testing.assert_allclose(way, gone[:, None, None] * v, atol=1e-5)
    fading = np.exp(-rate * TIMES)[:, None, None]
    np.testing.assert_allclose(f.velocity_map[:, :, 1], fading * v, atol=1e-5)


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
    start, params = tracks_of(0.0), beliefs(slowing=0.1)
    # whoever clearly walks, whatever is forgotten of the others' velocity: see kept_share
    start = dataclasses.replace(start, velocity_map=3.4 * start.velocity_map.at[1].set(0.6))
    start = sure(start)
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
        np.testing.assert_allclose(again, once, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("speed", [None, 0.0, 0.05, 0.2, 1.0, 9.0])
def test_covariances_stay_covariances(speed):
    times = jnp.linspace(0.0, 10.0, 50)
    f = forecast(tracks_of() if speed is None else at_speed(speed), beliefs(), 0.0, times)
    determinant = np.asarray(f.xy_var) * np.asarray(f.velocity_var) - f.xy_velocity_cov**2
    assert np.all(np.asarray(f.xy_var) > 0) and np.all(determinant > 0)
    growth = np.diff(np.asarray(f.velocity_var, float), axis=0)
    assert growth.min() >= 0 and growth[:, :, 1].min() > 0


@pytest.mark.parametrize("speed", [2.9, 4.0, 50.0])
def test_impossible_speeds_are_capped_and_become_doubt(speed):
    unit = np.array([0.6, -0.8])
    tracks = tracks_of(0.0)
    velocity = jnp.asarray(np.broadcast_to(speed * unit, (3, 2)), jnp.float32)
    fast = dataclasses.replace(tracks, velocity_map=velocity)
    f = forecast(fast, beliefs(), 0.0, jnp.array([0.0, 1.0]))
    capped = min(speed, MAX_SPEED)
    wide = lambda leaf: np.asarray(leaf[..., 1, :])
    np.testing.assert_allclose(
        wide(f.velocity_map), np.broadcast_to(capped * unit, (2, 3, 2)), rtol=1e-5
    )
    moved = wide(f.xy_map[1] - f.xy_map[0])
    np.testing.assert_allclose(moved, np.broadcast_to(capped * unit, moved.shape), rtol=1e-4)
    doubt = wide(f.velocity_var[0]) - np.asarray(tracks.velocity_var)[:, None]
    np.testing.assert_allclose(doubt, max(speed - MAX_SPEED, 0.0) ** 2, rtol=1e-5, atol=1e-6)
    # whoever is that fast walks
    np.testing.assert_allclose(f.velocity_map[..., 0, :], f.velocity_map[..., 1, :], rtol=1e-3)


@pytest.mark.parametrize("speed", [0.0, 1e-3, 0.1, 0.6, 4.0])
@pytest.mark.parametrize("sigma", [0.0, 1e-4, 0.1, 1.0, 1e3])
def test_nothing_is_ever_not_a_number(speed, sigma):
    def total(velocity, var):
        tracks = dataclasses.replace(at_speed(0.0), velocity_map=velocity, velocity_var=var)
        f = forecast(tracks, beliefs(slowing=0.01), 0.0, jnp.array([0.0, 2.0]))
        return jnp.sum(f.xy_map) + jnp.sum(f.xy_var) + jnp.sum(f.velocity_var)

    velocity = at_speed(speed).velocity_map
    value, slopes = jax.value_and_grad(total, (0, 1))(velocity, jnp.full(3, sigma**2))
    assert np.isfinite(value) and all(np.all(np.isfinite(slope)) for slope in slopes)


def test_the_slope_of_the_kept_share_is_that_of_differences():
    share = lambda speed: world.kept_share(jnp.array([speed**2]), jnp.array([0.0225]))[0]
    for speed in (0.05, 0.15, 0.3, 0.8):
        apart = 5e-3
        slope = (share(speed + apart) - share(speed - apart)) / (2 * apart)
        assert jax.grad(share)(speed) == pytest.approx(float(slope), rel=0.01, abs=1e-3)


def test_gradients_are_finite_for_someone_who_stands():
    def total(velocity, noise):
        moved = dataclasses.replace(tracks_of(), velocity_map=velocity)
        params = dataclasses.replace(beliefs(), walker_noise_wide=noise)
        f = forecast(moved, params, 0.0, jnp.array([1.0, 2.0]))
        return jnp.sum(f.xy_map) + jnp.sum(f.xy_var)

    by_velocity, by_noise = jax.jit(jax.grad(total, (0, 1)))(jnp.zeros((3, 2)), jnp.float32(0.02))
    # 1.2 s + 2.2 s, of both components as far as they keep their velocity
    share = kept(dataclasses.replace(tracks_of(), velocity_map=jnp.zeros((3, 2))), 0)
    np.testing.assert_allclose(by_velocity, np.tile(3.4 * (1 + share)[:, None], 2), rtol=1e-4)
    spreading = 2 * np.sum(OF_KIND) * (1.2**3 + 2.2**3) / 3  # two axes
    np.testing.assert_allclose(by_noise, spreading, rtol=1e-4)
