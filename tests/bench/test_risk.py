"""The bench itself: its Monte Carlo against closed forms, its regression, a small run."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from astro_jax.bench.encounters import HORIZON, Encounter, draw
from astro_jax.bench.monte_carlo import Walkers
from astro_jax.bench.report import write_json
from astro_jax.bench.risk import APART, FINE, OWN, bench_risk, regression
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.robot.footprint import outline
from astro_jax.viz.reliability import reliability_figure

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SAMPLES = 20_000


@pytest.fixture(scope="module")
def walkers():
    return Walkers(SAMPLES, np.random.default_rng(0))


def standing(xy, velocity=(0.0, 0.0), variances=(0.01, 0.0, 1e-8), diffusion=0.0) -> Encounter:
    bare = draw(np.random.default_rng(0), outline(DEFAULT_ROBOT), 1)[0]
    pair = lambda value: np.full((2, 2), value)
    return dataclasses.replace(
        bare, outline=outline(DEFAULT_ROBOT), speed=0.0, acceleration=0.0, yaw_rate=0.0,
        radius=0.2, weight=np.array([1.0, 0.0]), xy=np.tile(xy, (2, 1)).astype(float),
        velocity=np.tile(velocity, (2, 1)).astype(float), xy_var=pair(variances[0]),
        xy_velocity_cov=pair(variances[1]), velocity_var=pair(variances[2]),
        diffusion=pair(diffusion),
    )  # fmt: skip


def test_a_passer_by_is_met_as_often_as_the_normal_distribution_says(walkers):
    """He walks past the front in a straight line: 1-D, lateral error only."""
    front = outline(DEFAULT_ROBOT)[:, 0].max() + 0.2
    ever, first = walkers.hits(standing((front + 0.1, -2.0), (0.0, 1.5)))
    assert first == 0.0
    assert ever == pytest.approx(stats.norm.cdf(-1.0), abs=4 * np.sqrt(0.13 / SAMPLES))


def test_the_process_has_the_forecasts_marginals(walkers):
    """A wall-like robot in the distance is passed by everybody beyond it at the end."""
    a, b, c, q = 0.01, 0.004, 0.04, 0.02
    far = np.array([(9.0, -9.0), (9.0, 9.0), (1.0, 9.0), (1.0, -9.0)])
    ahead = dataclasses.replace(
        standing((0.0, 0.0), (0.0, 0.0), (a, b, c), q), outline=far, radius=0.0
    )
    ever, first = walkers.hits(ahead)
    t = HORIZON
    spread = np.sqrt(a + 2 * b * t + c * t**2 + q * t**3 / 3)
    assert first == pytest.approx(stats.norm.sf(1.0 / np.sqrt(a)), abs=1e-3)
    # who is beyond at the end has entered; few have come back
    beyond = stats.norm.sf(1.0 / spread)
    assert beyond - 0.01 < ever < 1.1 * beyond


def test_a_crossing_between_two_looks_is_seen(walkers):
    """10 cm of contact at 6 m/s take half a step."""
    front = outline(DEFAULT_ROBOT)[:, 0].max() + 0.2
    quick = standing((front - 0.004, -2.6), (0.0, 6.0), (1e-6, 0.0, 1e-8))
    assert walkers.hits(quick)[0] > 0.95


def test_regression_recovers_a_known_line():
    random = np.random.default_rng(0)
    x = random.uniform(-5.0, 5.0, 400)
    truth = 1.0 / (1.0 + np.exp(-(0.3 + 0.8 * x)))
    found = random.binomial(100_000, truth) / 100_000
    cases = [
        {"mc": mc, "estimate": 1.0 / (1.0 + np.exp(-place))}
        for mc, place in zip(found, x, strict=True)
    ]
    slope, intercept, interval = regression(cases, "estimate", 100_000)
    assert slope == pytest.approx(0.8, abs=0.01)
    assert intercept == pytest.approx(0.3, abs=0.02)
    assert interval[0] < 0.8 < interval[1] and interval[1] - interval[0] < 0.02


@pytest.fixture(scope="module")
def report():
    return bench_risk(DEFAULT_ROBOT, PlannerParams(), scenarios=50, samples=SAMPLES, seed=1)


def test_a_small_run_says_that_the_risk_is_right(report):
    metrics = report.metrics
    assert metrics["scenarios"] == 50 and metrics["samples"] == SAMPLES
    assert 0.93 < metrics["slope"] < 1.07
    assert report.intervals["slope"][0] < metrics["slope"] < report.intervals["slope"][1]
    assert metrics["worst_optimistic_rel"] < 0.2
    assert 0.0 < metrics["dt_sensitivity"] < 0.12
    # the quick look only ranks
    assert 0.7 < metrics["slope_screening"] < 1.3


@pytest.mark.xfail(
    reason="open: .042 on a fresh seed (.044–.083 in small runs). Samples .1 s apart agree with a "
    "fine integral; .3 s apart are as far as a quick pass lasts, and too far for its shape",
    strict=False,
)
def test_risk_does_not_depend_on_the_time_step(report):
    assert report.metrics["dt_sensitivity"] < 0.02


SHARP = """open: .021 seen beyond Monte Carlo's noise (.033 on a fresh seed): passes that last
about one spacing of the samples, .3 s, anywhere in the horizon. Samples .1 s apart see them"""


@pytest.mark.xfail(reason=SHARP, strict=False)
def test_a_small_run_finds_no_encounter_optimistic(report):
    """By more than .02, or 20 %, beyond four standard errors of its Monte Carlo."""
    for case in report.cases:
        short = case["mc"] - 4.0 * case["mc_error"] - case["estimate"]
        assert short < 0.02, case
        assert short < 0.2 * case["mc"], case


@pytest.mark.xfail(reason=SHARP, strict=False)
def test_the_planners_own_estimate_is_not_optimistic_of_what_is_apart(report):
    """1 − S leaves out what touches at first; apart from that it is the same estimate."""
    for case in report.cases:
        if case["first"] < APART:
            short = case["mc"] - 4.0 * case["mc_error"] - case["planner"]
            assert short < 0.02 + case["first"], case


def test_the_bench_samples_bodies_as_the_planner_does():
    assert pytest.approx(DEFAULT_PLANNER.dt) == FINE
    assert pytest.approx(DEFAULT_PLANNER.dt * DEFAULT_PLANNER.people_stride) == OWN


def test_every_case_can_be_looked_up(report, tmp_path):
    write_json(tmp_path / "risk.json", report.as_dict())
    cases = json.loads((tmp_path / "risk.json").read_text())["cases"]
    assert [case["id"] for case in cases] == list(range(50))
    assert {case["kind"] for case in cases} >= {"crossing", "spinning", "mixture", "wall"}
    for case in cases:
        assert 0.0 <= case["mc"] <= 1.0 and 0.0 < case["mc_error"] < 0.01
        assert 0.0 <= case["estimate"] <= 1.0
    risks = np.array([case["estimate"] for case in cases])
    assert np.sum(risks < 0.05) > 8 and np.sum(risks > 0.3) > 5


def test_the_picture_shows_every_case(report):
    figure = reliability_figure(report)
    left, right = figure.axes
    count = lambda axes: sum(len(line.get_xdata()) for line in axes.lines[1:])
    assert count(left) == 50
    assert count(right) == sum(case["screening"] is not None for case in report.cases)
