"""The bench of forecasts: on walkers drawn from the model, and on the recordings if present."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from astro_jax.bench.density import log_density, rank
from astro_jax.bench.forecast import AHEAD, FLOOR, bench_forecast, fit, fit_gauss, gauss_var, sample
from astro_jax.bench.observed import annotation_noise, tracks_of
from astro_jax.bench.report import write_json
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.suites.eth_ucy import OBSERVED, PREDICTED, STEP, Scene, load_scenes
from astro_jax.viz.calibration import calibration_figure
from astro_jax.world.forecast import forecast

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TRUE = PlannerParams(
    walker_noise=0.01, walker_noise_wide=0.25, walker_wide_share=0.25, walker_slowing=0.0
)


def drawn(name: str, people: int, seed: int, noise: float = FLOOR) -> Scene:
    """Straight until now, thereafter as the model has it; always seen with ``noise``.

    The future starts from the track's own covariance.  All but a few are seen for one window
    only: later windows would begin when the person may have turned already.
    """
    random = np.random.default_rng(seed)
    angle, speed = random.uniform(-np.pi, np.pi, people), random.uniform(0.7, 1.6, people)
    velocity = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    past = STEP * np.arange(OBSERVED)[None, :, None] * velocity[:, None]
    past = past + noise * random.normal(size=past.shape)
    tracks = tracks_of(past, annotation_noise(past))
    q = np.where(random.random(people) < TRUE.walker_wide_share, TRUE.walker_noise_wide, 0.0)
    q = np.where(q > 0.0, q, TRUE.walker_noise)[:, None]
    a, b, c = (float(k[0]) for k in (tracks.xy_var, tracks.xy_velocity_cov, tracks.velocity_var))
    z = random.multivariate_normal([0.0, 0.0], [[a, b], [b, c]], (people, 2))
    xy, v = tracks.xy_map + z[..., 0], tracks.velocity_map + z[..., 1]
    future, parts = [], 20
    for k in range(PREDICTED * parts):
        dt = STEP / parts
        kick = np.sqrt(q * dt) * random.normal(size=(people, 2))
        xy, v = xy + dt * (v + kick / 2), v + kick
        if (k + 1) % parts == 0:
            future.append(xy + noise * random.normal(size=(people, 2)))
    whole = np.concatenate([past, np.moveaxis(np.array(future), 0, 1)], axis=1)
    once = [track[: OBSERVED + AHEAD] for track in whole[5:]]
    return Scene(name=name, file=f"{name}.txt", pieces=(*whole[:5], *once))


@pytest.fixture(scope="module")
def synthetic():
    return bench_forecast([drawn(n, 1500, k) for k, n in enumerate("ABC")], PlannerParams(), 1)


# ---- tracks --------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_the_noise_of_a_recording_is_found(noise):
    random = np.random.default_rng(0)
    diffusing = np.sqrt(0.02 * STEP) * np.cumsum(random.normal(size=(4000, 8, 2)), axis=1)
    truth = np.cumsum(STEP * diffusing, axis=1)
    seen = truth + noise * random.normal(size=truth.shape)
    assert annotation_noise(seen) == pytest.approx(noise, rel=0.1)


def test_no_noise_leaves_the_last_step():
    observed = np.random.default_rng(0).normal(size=(50, 8, 2))
    tracks = tracks_of(observed, 1e-6)
    np.testing.assert_allclose(tracks.xy_map, observed[:, -1], atol=1e-5)
    # a straight line has one velocity
    line = observed[:, :1] + np.arange(8)[None, :, None] * np.array([0.4, -0.2])
    np.testing.assert_allclose(
        tracks_of(line, 1e-3).velocity_map, np.tile([1.0, -0.5], (50, 1)), atol=1e-3
    )


def test_tracks_are_as_uncertain_as_they_say():
    random = np.random.default_rng(1)
    going = np.sqrt(0.02 * STEP) * np.cumsum(random.normal(size=(6000, 9, 2)), axis=1)
    truth = np.cumsum(STEP * going, axis=1)[:, 1:]
    tracks = tracks_of(truth + 0.04 * random.normal(size=truth.shape), 0.04)
    off = np.asarray(tracks.xy_map) - truth[:, -1]
    assert np.var(off) == pytest.approx(float(tracks.xy_var[0]), rel=0.1)


# ---- density -------------------------------------------------------------------------


def mixture():
    tracks = tracks_of(np.cumsum(np.ones((3, 8, 2)) * [0.4, 0.1], axis=1), 0.03)
    return jax.jit(forecast)(tracks, TRUE, 0.0, jnp.array([0.8, 2.0]))


def test_the_density_is_that_of_scipy():
    bodies = mixture()
    places = np.asarray(bodies.xy_map[:, :, 0]) + np.array([0.3, -0.2])
    found = log_density(bodies, jnp.asarray(places, jnp.float32), FLOOR)
    for t in range(2):
        parts = [
            float(bodies.weight[0, k])
            * stats.multivariate_normal.pdf(
                places[t, 0],
                np.asarray(bodies.xy_map[t, 0, k]),
                float(bodies.xy_var[t, 0, k, 0]) + FLOOR**2,  # pyright: ignore[reportArgumentType]
            )
            for k in range(2)
        ]
        assert float(found[t, 0]) == pytest.approx(np.log(sum(parts)), abs=2e-3)


def test_the_rank_is_the_mass_of_what_is_denser():
    """Both components are round and share a centre: their common mass within a circle."""
    bodies = mixture()
    bodies = dataclasses.replace(bodies, xy_map=bodies.xy_map.at[:].set(bodies.xy_map[:, :, 1:]))
    ranked = jax.jit(rank)
    for radius in (0.1, 0.3, 0.8):
        places = bodies.xy_map[:, :, 0] + jnp.array([[[radius, 0.0]]])
        found = np.mean(
            [ranked(jax.random.key(k), bodies, places, 0.0) for k in range(6)], axis=(0, 2)
        )
        for t in range(2):
            weight, var = np.asarray(bodies.weight[0]), np.asarray(bodies.xy_var[t, 0, :, 0])
            within, _ = integrate.quad(
                lambda r: np.sum(weight * r / var * np.exp(-(r**2) / 2 / var)),  # noqa: B023
                0.0,
                radius,
            )
            assert found[t] == pytest.approx(within, abs=0.03)


# ---- walkers drawn from the model ----------------------------------------------------


def test_parameters_are_recovered(synthetic):
    assert synthetic.metrics["walker_noise"] == pytest.approx(TRUE.walker_noise, rel=0.2)
    assert synthetic.metrics["walker_noise_wide"] == pytest.approx(TRUE.walker_noise_wide, rel=0.2)
    assert synthetic.metrics["walker_wide_share"] == pytest.approx(TRUE.walker_wide_share, abs=0.04)
    assert synthetic.metrics["noise A"] == pytest.approx(FLOOR, abs=0.005)


def test_coverage_of_the_models_own_walkers_is_nominal(synthetic):
    for level in (50, 90, 99):
        for place in ("", " A", " B", " C"):
            assert synthetic.metrics[f"coverage_{level}{place}"] == pytest.approx(level, abs=3.0)
    assert synthetic.metrics["coverage_50_gauss"] > 52.0


def test_the_model_beats_one_gaussian_on_its_own_walkers(synthetic):
    assert synthetic.metrics["gain_tracked"] > 0.05
    assert synthetic.metrics["ade"] < synthetic.metrics["ade_constant_velocity"]


def test_the_gaussian_is_that_of_maximum_likelihood():
    held = sample(drawn("A", 400, 5), AHEAD)
    centre = lambda s: s.future * 0.0
    random = np.random.default_rng(0)
    var = np.asarray(gauss_var((0.05, 0.3), AHEAD))[:, None, None]
    noise = np.sqrt(var) * random.normal(size=held.future.shape)
    found = fit_gauss([dataclasses.replace(held, future=noise.astype(np.float32))], centre)
    np.testing.assert_allclose(found, (0.05, 0.3), rtol=0.15)


def test_every_step_can_be_looked_up_and_is_drawn(synthetic, tmp_path):
    write_json(tmp_path / "forecast.json", synthetic.as_dict())
    cases = json.loads((tmp_path / "forecast.json").read_text())["cases"]
    assert len(cases) == 3 * AHEAD and {case["scene"] for case in cases} == set("ABC")
    figure = calibration_figure(synthetic)
    by_scene, by_time, surprise = figure.axes
    assert len(by_scene.lines) == 2 + 3 and len(by_time.lines) == 1 + 4
    assert all(np.shape(line.get_xdata()) == (AHEAD,) for line in surprise.lines)


def test_one_place_alone_cannot_be_held_out():
    with pytest.raises(InputError, match="at least two places"):
        bench_forecast([drawn("A", 5, 0)], PlannerParams())


def test_a_scene_of_short_visits_is_refused():
    short = Scene(name="B", file="b.txt", pieces=(np.zeros((14, 2)),))
    with pytest.raises(InputError, match=r"b\.txt.*15 samples"):
        bench_forecast([drawn("A", 5, 0), short], PlannerParams())


# ---- recordings ----------------------------------------------------------------------


PLACES = ("eth", "hotel", "zara01")


@pytest.fixture(scope="module")
def recorded(data_dir):
    if not (data_dir / "eth_ucy").is_dir():
        pytest.skip(f"no ETH/UCY recordings in {data_dir}")
    return bench_forecast(load_scenes(data_dir), PlannerParams()).metrics


def test_the_mean_is_nowhere_worse_than_constant_velocity(recorded):
    for place in PLACES:
        for name in ("ade", "fde"):
            ours = recorded[f"{name} {place}"]
            assert ours <= recorded[f"{name}_constant_velocity {place}"]
    assert recorded["ade_constant_velocity eth"] == pytest.approx(0.678, abs=0.01)
    assert recorded["fde_constant_velocity zara01"] == pytest.approx(0.952, abs=0.01)


def test_likelihood_is_far_above_one_gaussian(recorded):
    """.21 nats per step for one Gaussian, of five scenes, are known; here are three."""
    assert recorded["nll_gauss"] == pytest.approx(0.21, abs=0.05)
    assert recorded["gain"] >= 0.7
    assert recorded["nll"] < -0.8
    assert recorded["nll_standing"] < -1.9


@pytest.mark.xfail(
    reason=".57: most of the gap to one Gaussian around constant velocity (1.10) is better "
    "tracks, from which one Gaussian gains .53 as well",
    strict=False,
)
def test_likelihood_is_far_above_one_gaussian_on_the_same_tracks(recorded):
    assert recorded["gain_tracked"] >= 0.7


@pytest.mark.parametrize("level", [50, 90, 99])
def test_coverage_is_nominal_over_all_scenes(recorded, level):
    assert recorded[f"coverage_{level}"] == pytest.approx(level, abs=3.0)


STILL = pytest.mark.xfail(
    reason="60 at 50 %: whoever stands still to the millimetre, or walks along a spline, lies "
    "within the floor's noise at first",
    strict=False,
)


@pytest.mark.parametrize("level", [pytest.param(50, marks=STILL), 90, 99])
def test_coverage_of_recorded_positions_is_nominal_as_well(recorded, level):
    assert recorded[f"coverage_{level}_recorded"] == pytest.approx(level, abs=3.0)


OWN = {("eth", 90): "83", ("zara01", 50): "56"}
"""Each place has its own diffusion, and two places are little to learn from."""


@pytest.mark.parametrize(
    ("place", "level"),
    [
        pytest.param(
            place,
            level,
            marks=[pytest.mark.xfail(reason=f"{OWN[place, level]} %", strict=False)]
            if (place, level) in OWN
            else [],
        )
        for place in PLACES
        for level in (50, 90, 99)
    ],
)
def test_coverage_is_nominal_in_every_scene(recorded, place, level):
    assert recorded[f"coverage_{level} {place}"] == pytest.approx(level, abs=3.0)


def test_the_defaults_are_those_of_all_scenes(recorded):
    default = PlannerParams()
    for name in ("walker_noise", "walker_noise_wide", "walker_wide_share", "walker_slowing"):
        assert recorded[name] == pytest.approx(getattr(default, name), rel=0.05)


def test_fits_do_not_depend_on_where_they_start_from(data_dir):
    """Whatever the planner's file says about walkers, the fit says what the data say."""
    hotel = sample(next(s for s in load_scenes(data_dir) if s.name == "hotel"), AHEAD)
    one, other = (fit([hotel], given) for given in (PlannerParams(), TRUE))
    assert one.walker_noise == pytest.approx(other.walker_noise, rel=1e-3)
