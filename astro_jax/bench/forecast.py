"""``bench forecast``: are people where the planner's forecast says, as often as it says?  [host]

The forecast that is scored is the planner's own (``world.forecast``), started from tracks of
the eight observed samples (``bench.observed``).  Its parameters are fitted by maximum likelihood
on all scenes but the one that is scored, each scene weighing the same.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import optimize

from astro_jax.bench.density import log_density, rank
from astro_jax.bench.observed import annotation_noise, tracks_of
from astro_jax.bench.report import Report
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.suites.eth_ucy import OBSERVED, PREDICTED, STEP, Scene
from astro_jax.types import Forecast, Tracks
from astro_jax.world.forecast import forecast

AHEAD = 7
"""Steps that are scored by likelihood and coverage: 2.8 s, about the planner's horizon."""
FLOOR = 0.05
"""m per axis: likelihoods are those of a detection with this error, or whoever stands to the
millimetre in a recording would decide everything."""
LEVELS = (0.5, 0.9, 0.99)
CURVE = (*(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
STANDING, WALKING = 0.15, 0.5
"""Speeds of a track (m/s) below which somebody counts as standing, above which as walking."""
SHOWN = ("walker_noise", "walker_noise_wide", "walker_wide_share", "walker_slowing")
"""What is fitted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """The windows of one scene, ready to be scored."""

    name: str
    tracks: Tracks
    future: Float[np.ndarray, "T N 2"]
    """At ``STEP``, 2·``STEP`` … after the last observed sample, m."""
    last_step: Float[np.ndarray, "N 2"]
    """The last two observed positions: their difference, m."""
    last: Float[np.ndarray, "N 2"]
    noise: float
    """Of a recorded position, m per axis."""


def bench_forecast(scenes: Sequence[Scene], params: PlannerParams, seed: int = 0) -> Report:
    """Errors in the standard protocol; likelihood and coverage with each scene held out.

    Metrics, and the same with the name of a scene behind (else the mean over scenes):
    ``ade``, ``fde``: error (m) of the mixture's mean on average over and at the end of 12 steps,
    beside ``ade_constant_velocity`` and ``fde_…``, which go on as the last two samples did;
    ``nll``: nats per step up to 2.8 s; ``nll_standing``, ``nll_walking``: by the track's speed;
    ``nll_gauss``: of one isotropic Gaussian around constant velocity, σ linear in time, fitted
    the same way; ``nll_gauss_tracked``: that around the forecast's own tracks; ``gain`` and
    ``gain_tracked``: how much lower ``nll`` is; ``coverage_50`` …: percentage of detections, that
    is of recorded positions with noise up to ``FLOOR``, within highest-density regions;
    ``coverage_50_recorded``: of the recorded positions themselves; ``coverage_50_gauss``: of
    ``nll_gauss``.  ``walker_…`` are the parameters fitted to all scenes together.

    Raises:
      InputError: fewer than two scenes, or one without anybody seen for 20 samples on end.
    """
    if len(scenes) < 2:
        names = ", ".join(scene.name for scene in scenes)
        raise InputError("data", names, "at least two places: each is scored by the others")
    near = [sample(scene, AHEAD) for scene in scenes]
    keys = jax.random.split(jax.random.key(seed), len(scenes))
    metrics: dict[str, float] = {}
    each: list[dict[str, float]] = []
    cases: list[dict[str, Any]] = []
    for k, (scene, held) in enumerate(zip(scenes, near, strict=True)):
        others = [other for other in near if other is not held]
        fitted = fit(others, params)
        gauss, tracked = (fit_gauss(others, around) for around in (last_step_on, track_on))
        figures, rows = score(keys[k], held, fitted, gauss, tracked)
        figures.update(errors(sample(scene, PREDICTED), fitted))
        figures["windows"], figures["noise"] = len(held.last), held.noise
        figures.update({name: float(getattr(fitted, name)) for name in SHOWN})
        metrics.update({f"{name} {held.name}": value for name, value in figures.items()})
        cases += rows
        each.append(figures)
    own = ("windows", "noise", *SHOWN)
    shared = [name for name in each[0] if name not in own]
    means = {name: float(np.mean([figures[name] for figures in each])) for name in shared}
    everywhere = fit(near, params)
    means.update({name: float(getattr(everywhere, name)) for name in SHOWN})
    return Report(
        name="forecast",
        seed=seed,
        config={"files": [scene.file for scene in scenes], "curve": CURVE, "step": STEP},
        metrics={**means, **metrics},
        cases=cases,
    )


def sample(scene: Scene, ahead: int) -> Sample:
    """All windows of ``OBSERVED`` + ``ahead`` samples.

    Raises:
      InputError: there are none.
    """
    windows = scene.windows(OBSERVED + ahead)
    if not len(windows):
        expected = f"somebody seen for {OBSERVED + ahead} samples on end"
        raise InputError("file", "too short", expected, scene.file)
    observed, future = windows[:, :OBSERVED], windows[:, OBSERVED:]
    noise = annotation_noise(observed)
    return Sample(
        name=scene.name,
        tracks=tracks_of(observed, noise),
        future=np.moveaxis(future, 1, 0).astype(np.float32),
        last_step=(observed[:, -1] - observed[:, -2]).astype(np.float32),
        last=observed[:, -1].astype(np.float32),
        noise=noise,
    )


def predicted(held: Sample, params: PlannerParams) -> Forecast:
    """The planner's forecast at the times of the future samples."""
    times = STEP * jnp.arange(1, len(held.future) + 1, dtype=jnp.float32)
    # op by op each of its steps would be compiled anew for every recording's number of windows
    return jax.jit(forecast)(held.tracks, params, jnp.float32(0.0), times)


# ---- fits ----------------------------------------------------------------------------


def fit(samples: Sequence[Sample], params: PlannerParams) -> PlannerParams:
    """``params`` with the walkers' diffusions, share and slowing of maximum likelihood.

    Of recorded positions under a density that has the floor's noise on top: recordings that are
    more precise make diffusions a little small (.0064 where detections with all of the noise
    give .0086; the likelihood is the same to .003, the coverage of half 53 against 55 %).
    """

    def beliefs(z: Float[Array, "4"]) -> PlannerParams:
        values = (jnp.exp(z[0]), jnp.exp(z[1]), jax.nn.sigmoid(z[2]), jnp.exp(z[3]))
        return dataclasses.replace(params, **dict(zip(SHOWN, values, strict=True)))

    def loss(z: Float[Array, "4"]) -> Float[Array, ""]:
        each = [
            -jnp.mean(log_density(predicted(held, beliefs(z)), jnp.asarray(held.future), FLOOR))
            for held in samples
        ]
        return jnp.mean(jnp.stack(each))

    found = beliefs(jnp.asarray(_minimum(loss, [-5.0, -2.5, -1.5, -4.0]), jnp.float32))
    return dataclasses.replace(found, **{name: float(getattr(found, name)) for name in SHOWN})


Around = Callable[[Sample], Float[np.ndarray, "T N 2"]]


def last_step_on(held: Sample) -> Float[np.ndarray, "T N 2"]:
    """Constant velocity of the standard protocol: the last step again and again."""
    steps = np.arange(1, len(held.future) + 1, dtype=np.float32)[:, None, None]
    return held.last + steps * held.last_step


def track_on(held: Sample) -> Float[np.ndarray, "T N 2"]:
    """Constant velocity of the track."""
    steps = STEP * np.arange(1, len(held.future) + 1, dtype=np.float32)[:, None, None]
    return np.asarray(held.tracks.xy_map) + steps * np.asarray(held.tracks.velocity_map)


def fit_gauss(samples: Sequence[Sample], around: Around) -> Float[np.ndarray, "2"]:
    """(σ₀, σ̇) of σ(t) = σ₀ + σ̇ t, m and m/s, of maximum likelihood."""
    offs = [jnp.asarray(held.future - around(held)) for held in samples]

    def loss(z: Float[Array, "2"]) -> Float[Array, ""]:
        var = gauss_var(jnp.exp(z), AHEAD)[:, None]
        each = [
            jnp.mean(jnp.sum(off**2, -1) / (2 * var) + jnp.log(2 * jnp.pi * var)) for off in offs
        ]
        return jnp.mean(jnp.stack(each))

    return np.exp(_minimum(loss, [-3.0, -2.0]))


def gauss_var(sigma: Any, ahead: int) -> Float[Array, "T"]:
    """Variance per axis of a detection, m²."""
    times = STEP * jnp.arange(1, ahead + 1, dtype=jnp.float32)
    return (sigma[0] + sigma[1] * times) ** 2 + FLOOR**2


def _minimum(loss: Callable[[Array], Array], start: list[float]) -> np.ndarray:
    slope = jax.jit(jax.value_and_grad(loss))

    def both(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = slope(jnp.asarray(z, jnp.float32))
        return float(value), np.asarray(gradient, float)

    # single precision: no line search can see differences below 1e-7
    bounds = [(-12.0, 4.0)] * len(start)
    options = {"ftol": 1e-7, "gtol": 1e-5}
    return optimize.minimize(
        both, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x


# ---- scores --------------------------------------------------------------------------


def score(
    key: Array, held: Sample, params: PlannerParams, gauss: np.ndarray, tracked: np.ndarray
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Figures of one scene, and one case per step."""
    recorded = jnp.asarray(held.future)
    blur, draw_seen, draw_recorded = jax.random.split(key, 3)
    # what the density describes is a detection: the recording lacks the rest of its noise
    rest = np.sqrt(max(FLOOR**2 - held.noise**2, 0.0))
    seen = recorded + rest * jax.random.normal(blur, recorded.shape)
    bodies = predicted(held, params)
    ranked = jax.jit(rank)
    nll = -np.asarray(jax.jit(log_density)(bodies, recorded, FLOOR))
    ranks = np.asarray(ranked(draw_seen, bodies, seen, FLOOR))
    ranks_recorded = np.asarray(ranked(draw_recorded, bodies, recorded, FLOOR))
    nll_gauss, _ = _gauss_scores(held.future - last_step_on(held), gauss)
    _, ranks_gauss = _gauss_scores(np.asarray(seen) - last_step_on(held), gauss)
    nll_tracked, _ = _gauss_scores(held.future - track_on(held), tracked)
    speed = np.linalg.norm(held.tracks.velocity_map, axis=-1)
    groups = {"standing": speed < STANDING, "walking": speed >= WALKING}

    figures = {
        "nll": float(nll.mean()),
        "nll_gauss": float(nll_gauss.mean()),
        "nll_gauss_tracked": float(nll_tracked.mean()),
        "gain": float(nll_gauss.mean() - nll.mean()),
        "gain_tracked": float(nll_tracked.mean() - nll.mean()),
    }
    for name, group in groups.items():
        figures[f"nll_{name}"] = _mean(nll[:, group])
        figures[f"nll_gauss_{name}"] = _mean(nll_gauss[:, group])
    for level in LEVELS:
        name = f"coverage_{100 * level:.0f}"
        figures[name] = 100 * _mean(ranks <= level)
        for of, group in groups.items():
            figures[f"{name}_{of}"] = 100 * _mean(ranks[:, group] <= level)
        figures[f"{name}_recorded"] = 100 * _mean(ranks_recorded <= level)
        figures[f"{name}_gauss"] = 100 * _mean(ranks_gauss <= level)
    rows = [
        {
            "id": f"{held.name} {STEP * (k + 1):.1f} s",
            "scene": held.name,
            "time": STEP * (k + 1),
            "nll": nll[k].mean(),
            "nll_gauss": nll_gauss[k].mean(),
            "nll_gauss_tracked": nll_tracked[k].mean(),
            "covered": [float(np.mean(ranks[k] <= level)) for level in CURVE],
            "covered_gauss": [float(np.mean(ranks_gauss[k] <= level)) for level in CURVE],
        }
        for k in range(len(nll))
    ]
    return figures, rows


def _gauss_scores(off: Float[np.ndarray, "T N 2"], sigma: np.ndarray):
    """Negative log densities and ranks of a single isotropic Gaussian."""
    var = np.asarray(gauss_var(sigma, len(off)))[:, None]
    half = np.sum(off**2, axis=-1) / (2.0 * var)
    return half + np.log(2.0 * np.pi * var), 1.0 - np.exp(-half)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")


def errors(held: Sample, params: PlannerParams) -> dict[str, float]:
    """Average and final distances of the forecast's mean, and of constant velocity, m."""
    bodies = predicted(held, params)
    mean = np.sum(np.asarray(bodies.weight)[None, ..., None] * np.asarray(bodies.xy_map), axis=2)
    figures = {}
    for name, places in (("", mean), ("_constant_velocity", last_step_on(held))):
        distance = np.linalg.norm(places - held.future, axis=-1)
        figures[f"ade{name}"] = float(distance.mean())
        figures[f"fde{name}"] = float(distance[-1].mean())
    return figures
