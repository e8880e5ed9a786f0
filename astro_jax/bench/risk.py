"""``bench risk``: is the risk that the planner believes the risk that there is?    [host]

Encounters are drawn, the planner's estimate is computed for each, and the same stochastic
process that the forecast describes is then run many times (see ``monte_carlo``).  Encounters
are chosen such that their estimates are spread log-uniformly: a choice by the regressor leaves
the slope of truth on estimate as it is.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from astro_jax.bench.encounters import HORIZON, Encounter, WallPass, draw, draw_walls
from astro_jax.bench.monte_carlo import Walkers, wall_hits
from astro_jax.bench.report import Report
from astro_jax.config import PlannerParams, RobotConfig
from astro_jax.local.encounter import exact_hazard, overlap_rate
from astro_jax.local.risk import SLOW, Discs, unharmed, wall_hazard
from astro_jax.local.screening import screening_hazard
from astro_jax.robot.footprint import outline
from astro_jax.types import Clearance

FINE, OWN = 0.1, 0.3
"""Spacings of the samples (s) for which the estimate is made; the planner's own is OWN."""
WALL_SHARE = 0.16
CHOICE = 8
"""So many encounters are drawn for each that is kept."""
LOWEST = 1e-3
"""Bottom of the scale of estimated risk over which encounters are spread."""
LEAST_HITS = 100
"""Hits, and misses, that resolve a Monte Carlo risk well enough for the slope."""
MANY_HITS = 1000
"""Hits that resolve it well enough for a relative error (± 3 %)."""
CLEAR_RISK = 0.01
"""Risk from which on its relative change with the time step is judged."""
APART = 0.01
"""Whoever is touched at first less often than this counts as apart from the robot."""

Case = dict[str, Any]


def bench_risk(
    robot: RobotConfig,
    params: PlannerParams,
    scenarios: int = 500,
    samples: int = 100_000,
    seed: int = 0,
) -> Report:
    """Estimates against Monte Carlo over ``scenarios`` encounters of ``samples`` runs each.

    ``estimate`` is 1 − f(1 − E) with E = p(0) + ∫λ and the soft floor f of ``unharmed``;
    ``planner`` is the planner's 1 − S.  It is about what the plan can still change: walls in
    contact at first do not count, and bodies within reach at first only while they stay, at
    ``overlap_rate``.  Monte Carlo counts both from the first moment on, so that the planner's
    figures are given once more, as ``_planner_apart``, over encounters with p(0) < ``APART``.

    Metrics: ``slope`` of logit(Monte Carlo) on logit(estimate) by weighted least squares
    over encounters with at least ``LEAST_HITS`` hits and misses, with ``intercept``;
    ``worst_optimistic_abs`` = max(MC − estimate); ``worst_optimistic_rel`` =
    max((MC − estimate)/MC) over those with ``MANY_HITS`` hits; ``dt_sensitivity``: the 95 %
    quantile of |E(.3 s)/E(.1 s) − 1| over moving bodies with E of at least ``CLEAR_RISK``, with
    the greatest as ``dt_sensitivity_max`` and the greatest |ΔE| as ``dt_sensitivity_abs``
    (walls are always sampled .1 s apart).  The same with ``_planner`` and
    ``_screening``.
    """
    random = np.random.default_rng(seed)
    params = jax.tree.map(jnp.float32, params)
    walls = round(WALL_SHARE * scenarios)
    bodies = scenarios - walls
    met = draw(random, outline(robot), CHOICE * bodies)
    passed = draw_walls(random, CHOICE * walls)
    chosen = spread(random, list(zip(met, estimate(met, params), strict=True)), bodies)
    beside = spread(random, list(zip(passed, estimate_walls(passed, params), strict=True)), walls)

    walkers = Walkers(samples, random)
    cases = []
    for encounter, case in chosen:
        cases.append(_case(case, *walkers.hits(encounter), samples))
    for wall, case in beside:
        clearance, sigma = wall.clearance(walkers.times), wall_error(wall, params, walkers.times)
        truth = wall_hits(wall, clearance, sigma, float(params.wall_correlation), samples, random)
        cases.append(_case(case, *truth, samples))
    cases = [{"id": k, **case} for k, case in enumerate(cases)]
    metrics, intervals = judge(cases, samples)
    return Report(
        name="risk",
        seed=seed,
        config={"robot": robot, "params": params, "scenarios": scenarios, "samples": samples},
        metrics={**metrics, "scenarios": len(cases), "samples": samples},
        intervals=intervals,
        cases=cases,
    )


# ---- estimates -----------------------------------------------------------------------


def estimate(encounters: Sequence[Encounter], params: PlannerParams) -> list[Case]:
    """What the planner believes of each encounter, at several spacings of its samples."""
    cases: list[Case] = [{} for _ in encounters]
    shapes = {encounter.outline.tobytes(): encounter.outline for encounter in encounters}
    for key, shape in shapes.items():
        of = [k for k, encounter in enumerate(encounters) if encounter.outline.tobytes() == key]
        chosen = [encounters[k] for k in of]
        for dt in (FINE, OWN):
            times = dt * np.arange(round(HORIZON / dt) + 1)
            stack = lambda items: jax.tree.map(lambda *leaves: np.stack(leaves), *items)
            motions = stack([encounter.motion(times) for encounter in chosen])
            forecasts = stack([encounter.forecast(times) for encounter in chosen])
            for name, hazard in (("exact", exact_alone), ("screening", screened_alone)):
                if name == "screening" and dt != OWN:
                    continue
                risks = _risks(functools.partial(hazard, shape), params, dt, motions, forecasts)
                for k, entries, planner, first in zip(of, *risks, strict=True):
                    label = f"{dt:g}" if name == "exact" else "screening"
                    cases[k][f"entries_{label}"] = float(entries)
                    cases[k][f"planner_{label}"] = float(planner)
                    cases[k][f"first_{label}"] = float(first)
    return [
        {
            "kind": encounter.kind,
            "vertices": len(encounter.outline),
            "estimate": soft(case["entries_0.3"]),
            "planner": case["planner_0.3"],
            "screening": soft(case["entries_screening"]),
            "entries": case["entries_0.3"],
            "fine": case["entries_0.1"],
            "first": case["first_0.3"],
        }
        for encounter, case in zip(encounters, cases, strict=True)
    ]


def exact_alone(outline, params, motion, bodies, dt: float) -> Float[Array, "T 1"]:
    """``exact_hazard`` of a single motion."""
    motion = jax.tree.map(lambda leaf: leaf[..., None], motion)
    return exact_hazard(outline, params, motion, bodies, dt)[0][..., 0].T


def screened_alone(outline, params, motion, bodies, dt: float) -> Float[Array, "T 1"]:
    """``screening_hazard`` of a single motion."""
    motion = jax.tree.map(lambda leaf: leaf[..., None], motion)
    return screening_hazard(outline, params, motion, bodies, dt)[0][..., 0].T


def _risks(hazard: Callable[..., Any], params: PlannerParams, dt: float, motions, forecasts):
    """E = p(0) + ∫λ; the planner's 1 − S; and p(0), for each encounter."""

    def one(motion, bodies, params):
        quiet = dataclasses.replace(params, overlap_rate=jnp.float32(0.0))
        full, silent = (hazard(given, motion, bodies, dt)[:, 0] for given in (params, quiet))
        # the hazard of an overlap starts in proportion to it: read p(0) off the first sample
        first = (full[0] - silent[0]) / overlap_rate(params, 1, dt)[0]
        entries = jnp.trapezoid(silent, dx=dt)
        return first + entries, 1.0 - unharmed(full[:, None], dt)[-1, 0], first

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None)))(motions, forecasts, params)


def estimate_walls(walls: Sequence[WallPass], params: PlannerParams) -> list[Case]:
    """The same for passes along walls, which the planner samples .1 s apart.

    Whoever drives along a wall closer than its error may come in and out of its reach several
    times.  E counts each time: a bound, too high by up to .2 where a wall is touched at first
    with a considerable p(0), and within .03 of Monte Carlo where p(0) < .01.  (300 passes with
    20 000 runs each.)  The others that were tried are optimistic there: entries independent of
    the start, 1 − (1 − p(0))(1 − ∫λ), by .08; a Poisson process of those outside,
    1 − (1 − p(0))exp(−∫λ/Φ(z)), by .05; its clumps thinned out after Vanmarcke (On the
    distribution of the first-passage time for normal stationary random processes, 1975) by .29.
    """
    point = Discs(centres=np.zeros((1, 2), np.float32), radii=np.zeros(1, np.float32))
    plane = np.zeros((2, 2, 4), np.float32)  # clearance = y
    plane[:, :, 0], plane[:, :, 2] = np.array([[0.0], [1.0]]), 1.0
    field = Clearance(table=jnp.asarray(plane), origin=jnp.zeros(2), resolution=jnp.float32(1.0))
    times = FINE * np.arange(round(HORIZON / FINE) + 1)

    def one(motion):
        motion = jax.tree.map(lambda leaf: leaf[..., None], motion)
        hazard = wall_hazard(params, motion, field, point, FINE)[0]
        return jnp.trapezoid(hazard[:, 0], dx=FINE), 1.0 - unharmed(hazard, FINE)[-1, 0]

    motions = jax.tree.map(
        lambda *leaves: np.stack(leaves), *[wall.motion(times) for wall in walls]
    )
    integral, planner = (np.asarray(part) for part in jax.jit(jax.vmap(one))(motions))
    start = [wall.clearance(times)[0] / wall_error(wall, params, times)[0] for wall in walls]
    first = stats.norm.cdf(-np.array(start))
    return [
        {
            "kind": wall.kind,
            "estimate": soft(at_first + later),
            "planner": float(risk),
            "screening": None,
            "entries": float(at_first + later),
            "fine": float(at_first + later),
            "first": float(at_first),
        }
        for wall, at_first, later, risk in zip(walls, first, integral, planner, strict=True)
    ]


def wall_error(wall: WallPass, params: PlannerParams, times: np.ndarray) -> np.ndarray:
    """Standard deviation of the map's error as the planner takes it to be, m."""
    moving = float(params.wall_noise) + float(params.wall_noise_speed) * wall.speed
    return moving + float(params.wall_noise_time) * times * wall.speed / (wall.speed + SLOW)


def soft(entries: float) -> float:
    """A probability from an expected number of entries, by the soft floor of ``unharmed``."""
    return float(1.0 - unharmed(jnp.array([[0.0], [entries], [0.0]]), 1.0)[-1, 0])


def spread(random: np.random.Generator, pairs: list[tuple[Any, Case]], count: int):
    """``count`` of the encounters, such that their estimates are spread log-uniformly."""
    left = [pair for pair in pairs if pair[1]["entries"] > LOWEST / 3 and pair[1]["first"] < 0.5]
    kept = []
    for k in range(min(count, len(left))):
        wanted = LOWEST ** ((k + random.random()) / count)
        distance = [abs(np.log(max(pair[1]["estimate"], 1e-9) / wanted)) for pair in left]
        kept.append(left.pop(int(np.argmin(distance))))
    return kept


# ---- judgement -----------------------------------------------------------------------


def _case(case: Case, hits: float, first: float, samples: int) -> Case:
    error = float(np.sqrt(max(hits * (1.0 - hits), 1.0 / samples) / samples))
    return {**case, "mc": hits, "mc_error": error, "mc_first": first}


def judge(cases: Sequence[Case], samples: int):
    """Metrics and confidence intervals of all cases; see ``bench_risk``."""
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    for column, suffix in (("estimate", ""), ("planner", "_planner"), ("screening", "_screening")):
        known = [case for case in cases if case[column] is not None]
        slope, intercept, interval = regression(known, column, samples)
        metrics[f"slope{suffix}"], metrics[f"intercept{suffix}"] = slope, intercept
        intervals[f"slope{suffix}"] = interval
        truth = np.array([case["mc"] for case in known])
        short = truth - np.array([case[column] for case in known])
        metrics[f"worst_optimistic_abs{suffix}"] = float(np.max(short))
        many = truth * samples >= MANY_HITS
        metrics[f"worst_optimistic_rel{suffix}"] = _most((short / truth)[many])
        if column == "planner":
            apart = np.array([case["first"] < APART for case in known])
            metrics["worst_optimistic_abs_planner_apart"] = _most(short[apart])
            metrics["worst_optimistic_rel_planner_apart"] = _most((short / truth)[many & apart])
    change = [
        abs(case["entries"] / case["fine"] - 1.0)
        for case in cases
        if case["fine"] >= CLEAR_RISK and case["screening"] is not None
    ]
    metrics["dt_sensitivity"] = float(np.quantile(change, 0.95))
    metrics["dt_sensitivity_median"] = float(np.median(change))
    metrics["dt_sensitivity_max"] = float(np.max(change))
    bodies = [case for case in cases if case["screening"] is not None]
    absolute = [abs(case["entries"] - case["fine"]) for case in bodies]
    metrics["dt_sensitivity_abs"] = float(np.max(absolute))
    for kind in sorted({case["kind"] for case in cases}):
        of = [case for case in cases if case["kind"] == kind]
        metrics[f"slope {kind}"] = regression(of, "estimate", samples)[0]
    return metrics, intervals


def _most(values: np.ndarray) -> float:
    return float(np.max(values)) if len(values) else float("nan")


def regression(cases: Sequence[Case], column: str, samples: int):
    """Slope, intercept and 95 % interval of the slope of logit(MC) on logit(estimate).

    Weights 1/(τ² + 1/(n p (1 − p))): Monte Carlo error and a model error of τ = .1.
    """
    fits = [
        case
        for case in cases
        if LEAST_HITS <= case["mc"] * samples <= samples - LEAST_HITS and 0 < case[column] < 1
    ]
    if len(fits) < 3:
        return float("nan"), float("nan"), (float("nan"), float("nan"))
    logit = lambda p: np.log(p / (1.0 - p))
    truth = np.array([case["mc"] for case in fits])
    x, y = logit(np.array([case[column] for case in fits])), logit(truth)
    weight = 1.0 / (0.01 + 1.0 / (samples * truth * (1.0 - truth)))
    design = np.stack([x, np.ones_like(x)], axis=1)
    normal = np.linalg.inv(design.T @ (weight[:, None] * design))
    slope, intercept = normal @ design.T @ (weight * y)
    residual = y - design @ [slope, intercept]
    # robust to residuals whose size varies along the scale
    meat = design.T @ ((weight * residual)[:, None] ** 2 * design)
    error = np.sqrt((normal @ meat @ normal)[0, 0])
    interval = float(slope - 1.96 * error), float(slope + 1.96 * error)
    return float(slope), float(intercept), interval
