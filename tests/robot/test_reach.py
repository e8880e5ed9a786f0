"""Reachable intervals against a linear program; lines under hyperbolas against the hyperbola."""

import jax
import numpy as np
import pytest
from scipy.optimize import linprog

from astro_jax.robot import drive
from astro_jax.robot.reach import interval, under_hyperbola

NAMES = ["differential", "weak wheels", "mecanum", "disc", "ackermann"]


def program(limits, last, step, box):
    """A, b of A x ≤ b, x = (c, s, t) with s ≥ |c| and t ≥ |c − c0|."""
    count = len(last)
    eye, zero = np.eye(count), np.zeros((count, count))
    rows = [
        np.pad(limits.speed[:, :-1], ((0, 0), (count, count))),
        np.pad(limits.rate[:, :-1], ((0, 0), (2 * count, 0))),
        *(np.hstack([a * eye, -eye, zero]) for a in (1, -1)),
        *(np.hstack([a * eye, zero, -eye]) for a in (1, -1)),
    ]  # fmt: skip
    right = [limits.speed[:, -1], limits.rate[:, -1] * step]
    right += [np.zeros(2 * count), last, -last]
    low, high = np.maximum(limits.low, box[0]), np.minimum(limits.high, box[1])
    bounds = [*zip(low, high, strict=True), *[(0, None)] * (2 * count)]
    return np.vstack(rows), np.concatenate(right), bounds


def slow_interval(limits, last, step, box, chosen):
    """Least and greatest next coordinate in order, by linear programming."""
    left, right, bounds = program(limits, last, step, box)
    place = len(chosen)
    k, fixed = limits.order[place], np.eye(left.shape[1])[list(limits.order[:place])]
    out = []
    for sign in (1, -1):
        cost = sign * np.eye(left.shape[1])[k]
        found = linprog(
            cost,
            A_ub=left,
            b_ub=right,
            A_eq=fixed if place else None,
            b_eq=chosen if place else None,
            bounds=bounds,
        )
        assert found.success, found.message
        out.append(sign * found.fun)
    return out


@pytest.mark.parametrize("boxed", [False, True], ids=["rates", "jerk"])
@pytest.mark.parametrize("variant", ["plain", "tight"])
@pytest.mark.parametrize("name", NAMES)
def test_intervals_are_the_exact_projections(lab, name, variant, boxed):
    robot = lab.robot(name, variant)
    limits, bounds = drive._rules(robot)
    count = len(limits.low)
    rng = np.random.default_rng(NAMES.index(name))
    commands, _ = lab.starts(robot, 25, 3)

    @jax.jit
    def all_coordinates(last, chosen, step, box):
        pairs = [(box[0][k], box[1][k]) for k in range(count)] if boxed else None
        return [
            interval(limits, bounds[k], k, list(chosen), list(last), step, pairs)
            for k in limits.order
        ]

    with jax.enable_x64():
        for last in commands.astype(float):
            step = rng.choice([0.03, 0.2, 0.5])
            box = np.array([[-np.inf], [np.inf]]) * np.ones(count)
            if boxed:  # it holds a command within reach, or there would be nothing to find
                way = -last * rng.random(count)
                needed = max(limits.rate[:, :-1] @ abs(way) / limits.rate[:, -1])
                inside = last + way * min(1.0, step / max(needed, 1e-9))
                width = rng.uniform(0, 0.3, (2, count)) * limits.high
                box = inside + np.array([[-1], [1]]) * width
            chosen = np.zeros(count)
            for place, k in enumerate(limits.order):
                known = chosen[list(limits.order[:place])]
                expected = slow_interval(limits, last, step, box, known)
                got = all_coordinates(last, chosen, step, box)[place]
                np.testing.assert_allclose(got, expected, atol=2e-6, err_msg=str((last, step, k)))
                # right at an edge the solver's tolerance would decide about the next coordinate
                share = rng.choice([1e-4, 1 - 1e-4, rng.random()])
                chosen[k] = expected[0] + share * (expected[1] - expected[0])


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize(("bound", "top", "cap"), [(1.0, 0.75, 1.8), (0.6, 1.0, 2.0), (2, 1, 1)])
def test_a_line_under_the_hyperbola(power, bound, top, cap):
    slope, one, offset = under_hyperbola(power, bound, top, cap)
    x = np.linspace(1e-3, top, 20001)
    y = (offset - slope * x) / one
    assert np.all(x**power * np.minimum(y, cap) <= bound * (1 + 1e-12))
    assert offset >= cap * (1 - 1e-12)  # nothing is lost at rest
    assert np.min(bound / x**power - y) < 1e-6 * bound / top**power  # and it touches
    if (1 + power) * bound / top**power >= cap:  # then at the top speed
        assert y[-1] == pytest.approx(bound / top**power)


def test_what_the_line_costs_at_full_speed():
    """The share of the yaw rate that is lost to convexity, for caps that bind more and more."""
    lost = []
    for bound in (1.35, 1.0, 0.675, 0.5):
        slope, _, offset = under_hyperbola(1, bound, 0.75, 1.8)
        lost.append(1 - (offset - slope * 0.75) / min(bound / 0.75, 1.8))
    assert lost[:3] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    assert 0.0 < lost[3] < 0.15
