"""The spline matrices against SciPy's B-splines and dense sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.interpolate import BSpline

from astro_jax.config import PlannerConfig
from astro_jax.robot.splines import DEGREE, first_controls, spline_basis

CONFIG = PlannerConfig()
CASES = [
    (CONFIG.intervals, CONFIG.dt, CONFIG.gate_period, CONFIG.period),
    ((0.2, 0.2, 0.4, 0.8), 0.1, 0.02, 0.1),
    ((0.5,), 0.1, 0.05, 0.2),
    ((0.1, 0.7, 0.1, 0.7), 0.2, 0.01, 0.3),
]


def slow_curve(intervals, coefficients):
    breaks = np.concatenate([[0.0], np.cumsum(intervals)])
    knots = np.concatenate([np.repeat(0.0, DEGREE), breaks, np.repeat(breaks[-1], DEGREE)])
    return BSpline(knots, coefficients, DEGREE)


def controls_of(basis, seed=0):
    return np.random.default_rng(seed).normal(size=basis.value.shape[1])


@pytest.mark.parametrize("case", CASES)
def test_matrices_are_those_of_scipy(case):
    intervals, dt, gate_period, _ = case
    basis, horizon = spline_basis(*case), sum(case[0])
    coefficients = controls_of(basis)
    curve = slow_curve(intervals, coefficients)
    times = np.linspace(0, horizon, round(horizon / dt) + 1)
    ticks = np.linspace(0, horizon, round(horizon / gate_period) + 1)
    np.testing.assert_allclose(basis.value @ coefficients, curve(times), atol=1e-6)
    np.testing.assert_allclose(basis.slope @ coefficients, curve(times, 1), atol=2e-5)
    np.testing.assert_allclose(basis.tick_value @ coefficients, curve(ticks), atol=1e-6)
    area = [quad(curve, 0, t, points=np.cumsum(intervals), limit=200)[0] for t in times]
    np.testing.assert_allclose(basis.integral @ coefficients, area, atol=1e-6)

    offset = dt / 2 / np.sqrt(3)
    nodes = np.sort(np.concatenate([times[:-1] + dt / 2 + s * offset for s in (-1, 1)]))
    np.testing.assert_allclose(basis.node_value @ coefficients, curve(nodes), atol=1e-6)
    area = curve.antiderivative()
    np.testing.assert_allclose(
        basis.node_integral @ coefficients, area(nodes) - area(0.0), atol=1e-6
    )


@pytest.mark.parametrize("case", CASES)
def test_the_quadrature_is_exact_for_cubics(case):
    basis, horizon, dt = spline_basis(*case), sum(case[0]), case[1]
    times = np.linspace(0, horizon, round(horizon / dt) + 1)
    offset = dt / 2 / np.sqrt(3)
    nodes = np.sort(np.concatenate([times[:-1] + dt / 2 + s * offset for s in (-1, 1)]))
    for power in range(4):
        exact = times ** (power + 1) / (power + 1)
        got = basis.node_sum @ nodes**power
        np.testing.assert_allclose(got, exact, atol=1e-5 * max(1.0, exact[-1]))
    assert np.abs(basis.node_sum @ nodes**4 - times**5 / 5).max() > 1e-7


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), case=st.sampled_from(CASES))
def test_the_curve_stays_in_the_hull_and_steps_bound_its_slope(seed, case):
    basis = spline_basis(*case)
    rng = np.random.default_rng(seed)
    # P_{i+1} − P_i of at most a·steps_i, as often as not right at the bound
    a = rng.uniform(0.1, 3.0)
    share = np.clip(rng.uniform(-2, 2, len(basis.steps)), -1, 1)
    coefficients = rng.normal() + np.concatenate([[0], np.cumsum(share * a * basis.steps)])
    curve = slow_curve(case[0], coefficients)
    dense = np.linspace(0, sum(case[0]), 2001)
    values, slopes = curve(dense), curve(dense, 1)
    assert coefficients.min() - 1e-9 <= values.min() and values.max() <= coefficients.max() + 1e-9
    assert np.abs(slopes).max() <= a * (1 + 1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_bound_on_the_slope_is_reached_by_a_straight_line(case):
    basis = spline_basis(*case)
    coefficients = np.concatenate([[0.0], np.cumsum(basis.steps)])
    np.testing.assert_allclose(basis.slope @ coefficients, 1.0, atol=1e-4)
    np.testing.assert_allclose(
        basis.value @ coefficients, np.arange(len(basis.value)) * case[1], atol=1e-6
    )


@pytest.mark.parametrize("case", CASES)
def test_first_controls_set_value_and_slope_at_the_start(case):
    basis = spline_basis(*case)
    coefficients = controls_of(basis, 1)
    coefficients[:2] = first_controls(0.37, -1.1, basis)
    curve = slow_curve(case[0], coefficients)
    assert curve(0.0) == pytest.approx(0.37)
    assert curve(0.0, 1) == pytest.approx(-1.1, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_fit_ahead_is_the_curve_one_period_later(case):
    """Exact for what lies in the space before and after: a cubic that comes to a hold."""
    intervals, _, _, period = case
    basis, horizon = spline_basis(*case), sum(intervals)
    hold = np.full(basis.value.shape[1], 0.7)
    np.testing.assert_allclose(basis.fit_ahead @ hold, hold, atol=1e-5)

    coefficients = controls_of(basis, 2)
    old = slow_curve(intervals, coefficients)
    ahead = slow_curve(intervals, basis.fit_ahead @ coefficients)
    dense = np.linspace(0, horizon, 121)
    wanted = old(np.minimum(dense + period, horizon))
    # the best in the sense of least squares: no other fit of the samples is nearer
    design = slow_curve(intervals, np.eye(len(coefficients)))(dense)
    best, *_ = np.linalg.lstsq(design, wanted, rcond=None)
    np.testing.assert_allclose(ahead(dense), design @ best, atol=2e-5)


def test_fit_ahead_reproduces_a_shifted_curve_that_stays_in_the_space():
    # A polynomial of degree 3 that has come to rest at the last break before the shift's end:
    # (t − h)³ before h and 0 after it is C2, and its shift is one, too, on even knots.
    case = ((0.1,) * 8, 0.1, 0.02, 0.1)
    basis = spline_basis(*case)
    times = np.arange(len(basis.value)) * 0.1
    for rest in (0.3, 0.5, 0.7):
        cubic = np.minimum(times - rest, 0.0) ** 3
        dense = np.linspace(0, 0.8, 400)
        design = slow_curve(case[0], np.eye(basis.value.shape[1]))
        old, *_ = np.linalg.lstsq(design(dense), np.minimum(dense - rest, 0.0) ** 3, rcond=None)
        np.testing.assert_allclose(basis.value @ old, cubic, atol=1e-6)
        later = np.minimum(times + 0.1 - rest, 0.0) ** 3
        np.testing.assert_allclose(basis.value @ (basis.fit_ahead @ old), later, atol=1e-5)


def test_fit_samples_comes_back_to_smooth_curves():
    case = CASES[0]
    basis = spline_basis(*case)
    wanted = slow_curve(case[0], controls_of(basis, 3))
    times = np.arange(len(basis.value)) * case[1]
    for curve in (np.sin(times), 0.5 * times, np.full_like(times, -0.2)):
        np.testing.assert_allclose(basis.value @ basis.fit_samples @ curve, curve, atol=2e-3)
    # Curves of the space itself come back, up to the mild pull between neighbours.
    got = basis.value @ basis.fit_samples @ wanted(times)
    assert np.abs(got - wanted(times)).max() < 0.01 * np.ptp(wanted(times))


def test_a_basis_is_made_once():
    assert spline_basis(*CASES[0]) is spline_basis(*CASES[0])
