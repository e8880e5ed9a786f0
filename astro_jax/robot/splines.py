"""Clamped cubic B-splines on fixed, non-uniform knots, as matrices made once on the host.

Early knots are dense (a stop must be able to begin at once), later ones sparse (few
numbers to search).  All matrices are NumPy constants of the static configuration.
"""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

DEGREE = 3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SplineBasis:
    """Everything linear that can be done with N control points, as matrices."""

    steps: NDArray[np.float32]
    """(N − 1) seconds: |P_{i+1} − P_i| ≤ a·steps_i keeps the slope within a everywhere."""
    slope_steps: NDArray[np.float32]
    """(N − 2) seconds: |D_{i+1} − D_i| ≤ j·slope_steps_i keeps the second derivative within j,
    D_i = (P_{i+1} − P_i)/steps_i."""
    restart_room: NDArray[np.float32]
    """(N) seconds: one period later value + e·slope is a mean of the control points there, each
    moved on at its last rate for e − restart_room_i if that is positive; inf for the others.
    (It is the blossom F(t, t, t + 3e).)"""
    value: NDArray[np.float32]
    """(T, N) value at the plan times."""
    slope: NDArray[np.float32]
    """(T, N) derivative at the plan times, 1/s."""
    node_value: NDArray[np.float32]
    """(2(T−1), N) value at the two Gauss points of every plan step."""
    node_integral: NDArray[np.float32]
    """(2(T−1), N) integral from 0 to those Gauss points, s."""
    node_sum: NDArray[np.float32]
    """(T, 2(T−1)) quadrature from 0 to the plan times of values at the Gauss points, s.

    As a triangular matrix because a cumulative sum is slow to run and to compile."""
    node_partial_sum: NDArray[np.float32]
    """(2(T−1), 2(T−1)) quadrature from 0 to the Gauss points of values at the Gauss points, s:
    within a step the line through its two values."""
    integral: NDArray[np.float32]
    """(T, N) integral from 0 to the plan times, s."""
    tick_value: NDArray[np.float32]
    """(S, N) value at the gate's ticks 0, gate_period, …, horizon."""
    fit_ahead: NDArray[np.float32]
    """(N, N) least-squares control points of the same curve seen one period later."""
    fit_samples: NDArray[np.float32]
    """(N, T) least-squares control points of a curve given at the plan times."""


def first_controls(value, slope, basis: SplineBasis):
    """The two control points that start a curve with this value and slope (C1 joint)."""
    return value, value + slope * float(basis.steps[0])


@functools.lru_cache(maxsize=32)
def spline_basis(
    intervals: tuple[float, ...], dt: float, gate_period: float, period: float
) -> SplineBasis:
    """Matrices for knots at the running sums of ``intervals`` (s).

    Source: C. de Boor, A Practical Guide to Splines, 1978: the derivative of a spline of
    degree p has control points p (P_{i+1} − P_i)/(t_{i+p+1} − t_{i+1}), and a spline lies
    in the convex hull of its control points; hence ``steps``, and ``slope_steps`` likewise.
    """
    breaks = np.concatenate([[0.0], np.cumsum(intervals)])
    horizon = breaks[-1]
    knots = np.concatenate([[0.0] * DEGREE, breaks, [horizon] * DEGREE])
    count = len(knots) - DEGREE - 1
    curve = BSpline(knots, np.eye(count), DEGREE)
    steps = (knots[DEGREE + 1 : DEGREE + count] - knots[1:count]) / DEGREE
    slope_steps = (knots[DEGREE + 1 : DEGREE + count - 1] - knots[2:count]) / (DEGREE - 1)
    area = curve.antiderivative()

    plan_times = np.arange(round(horizon / dt) + 1) * dt
    plan_times[-1] = horizon
    half = dt / 2
    gauss = half / np.sqrt(3.0)
    middles = plan_times[:-1] + half
    nodes = np.stack([middles - gauss, middles + gauss], axis=1).reshape(-1)
    ticks = np.minimum(np.arange(round(horizon / gate_period) + 1) * gate_period, horizon)

    later = min(period, horizon)
    room = np.where(curve(later) > 1e-9, (knots[DEGREE : DEGREE + count] - later) / DEGREE, np.inf)

    whole = half * np.kron(np.tri(len(plan_times), len(middles), -1), [1.0, 1.0])
    # ∫ of the two Lagrange lines of a step from its start to each of its Gauss points
    root = np.sqrt(3.0)
    within = half * np.array([[1 / 2, 1 / 2 - 1 / root], [1 / 2 + 1 / root, 1 / 2]])
    partial = np.repeat(whole[:-1], 2, axis=0) + np.kron(np.eye(len(middles)), within)

    dense = np.linspace(0.0, horizon, 121)
    # past its end the old curve holds its last value
    ahead = np.linalg.pinv(curve(dense)) @ curve(np.minimum(dense + period, horizon))
    # a mild pull between neighbours keeps the fit to 0.1 s samples well-conditioned
    smoothing = 1e-3 * np.diff(np.eye(count), axis=0)
    samples = np.linalg.pinv(np.vstack([curve(plan_times), smoothing]))[:, : len(plan_times)]

    def constant(matrix):
        return np.ascontiguousarray(matrix, np.float32)

    return SplineBasis(
        steps=constant(steps),
        slope_steps=constant(slope_steps),
        restart_room=constant(room),
        value=constant(curve(plan_times)),
        slope=constant(curve.derivative()(plan_times)),
        node_value=constant(curve(nodes)),
        node_integral=constant(area(nodes) - area(0.0)),
        node_sum=constant(whole),
        node_partial_sum=constant(partial),
        integral=constant(area(plan_times) - area(0.0)),
        tick_value=constant(curve(ticks)),
        fit_ahead=constant(ahead),
        fit_samples=constant(samples),
    )
