"""From limits that are rows of a table to the intervals of reachable commands.

A drive says what it can do as rows Σ_k w_k |c_k| ≤ s on its command c and
Σ_k q_k |ċ_k| ≤ a on its rate of change (robot/differential.py and its siblings).  Control
point by control point, the next command must then lie in the convex set

    { c : Σ w_k |c_k| ≤ s,  Σ q_k |c_k − c0_k| ≤ a·h }                               (1)

around the last one, c0.  Its coordinates are chosen one after the other, each from the
interval that leaves something to choose for the later ones: the projection of (1) onto the
first coordinate, the slice at that value projected onto the second, and so on.

The projections are exact, by Fourier–Motzkin elimination.  Of a coordinate y only the way
from a (the place nearest to 0) to b (nearest to y0) matters, since outside of it both |y| and
|y − y0| grow.  There |y| = m_s + θΔ and |y − y0| = m_a + (1 − θ)Δ, m_s = |a|, m_a = |b − y0|,
Δ = |b − a|, 0 ≤ θ ≤ 1: every row becomes linear in θ, and eliminating θ leaves rows of the
same kind, α|x| + β|x − x0| ≤ r, on the earlier coordinates.  That happens once, on the host;
what is left to compute per knot are minima of linear functions.

With a jerk limit each coordinate also has a box [L, U] around the last rate.  Then a is the
point of the box nearest to 0 and b the one nearest to y0; without one, a = 0 and b = y0.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

SPEED_SLACK = 2e-6
"""Share by which speeds stay below their limits: float32 rounds a control point by 6e-8 of
its size, and it is the result of about ten operations."""
RATE_SLACK = 1e-3
"""The same for accelerations.  Where a set is almost a point, rounding can leave an interval
that is empty by 3e-6 (1.6e-4 of the limit over the first step of .03 s, in 10⁶ motions of a
mecanum robot); elsewhere it is a tenth of that."""
JERK_SLACK = 3e-3
"""The same for jerk: differences of those, divided by steps from .05 s."""
FEW = 6
"""Bounds up to which they are written out one by one, as the compiler vectorises best; as a
table, more of them run and compile in half the time or less."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Limits:
    """What a drive can do, in its D command coordinates; every set contains rest."""

    low: NDArray[np.float64]
    """(D) Only the coordinate chosen first may have another limit below than above."""
    high: NDArray[np.float64]
    speed: NDArray[np.float64]
    """(S, D + 1) rows w, s of Σ w_k |c_k| ≤ s."""
    rate: NDArray[np.float64]
    """(A, D + 1) rows q, a of Σ q_k |ċ_k| ≤ a."""
    jerk: NDArray[np.float64]
    """(D) of |c̈_k|; inf where there is none."""
    order: tuple[int, ...]
    """In which the coordinates are chosen: what comes first takes more of what they share."""

    @property
    def ease_time(self) -> float:
        """Seconds in which every rate can go to zero, all in proportion; 0 without limit."""
        widest = np.array([_largest(self.rate, k) for k in range(len(self.low))])
        return float(np.max(widest / self.jerk))


def capped(low, high, speed, rate, jerk, order=(0, 1)) -> Limits:
    """Limits with the caps of the coordinates as rows, a little inside of what is asked.

    ``speed`` and ``rate`` are sequences of rows (w_1 … w_D, s); rows that the caps imply are
    dropped.
    """
    low, high = np.asarray(low, float), np.asarray(high, float)
    caps = np.maximum(-low, high)
    rows = np.asarray(speed, float).reshape(-1, len(caps) + 1)
    rows = rows[rows[:, :-1] @ caps > rows[:, -1] * (1 + 1e-9)]
    alone = np.concatenate([np.eye(len(caps)), caps[:, None]], axis=1)[list(order[1:])]
    rows, rate = np.concatenate([alone, rows]), np.asarray(rate, float)
    scale = 1.0 - SPEED_SLACK
    return Limits(
        low=low * scale,
        high=high * scale,
        speed=rows * np.append(np.ones(len(caps)), scale),
        rate=rate * np.append(np.ones(len(caps)), 1.0 - RATE_SLACK),
        jerk=np.asarray(jerk, float) * (1.0 - JERK_SLACK),
        order=order,
    )


def under_hyperbola(power: int, bound: float, top: float, cap: float) -> tuple[float, float, float]:
    """(k, 1, s): the line k·x + y ≤ s under x^power · y ≤ bound, where y ≤ cap anyway.

    y = bound·x^−p is convex, so the set below it is not; below a tangent it is.  The tangent
    at x_t, y = bound·x_t^−p (1 + p − p·x/x_t), touches at the top speed: nothing is lost there,
    and little down to where the cap takes over.  If it would cut into the cap at rest it
    touches further in, x_t^p = (1 + p)·bound/cap, and passes through (0, cap).
    """
    at = min(top, ((1 + power) * bound / cap) ** (1 / power))
    height = bound / at**power
    return power * height / at, 1.0, (1 + power) * height


def _largest(rows, k: int) -> float:
    """Largest |c_k| that the rows allow."""
    return min(row[-1] / row[k] for row in rows if row[k] > 0)


# ---- elimination, on the host --------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Σ α_k|c_k| + β_k|c_k − c0_k| + (way · (m_s, m_a, Δ))_k ≤ const + step·h."""

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    way: NDArray[np.float64]
    """(D, 3): what the eliminated coordinates use up."""
    const: float
    step: float

    def numbers(self) -> NDArray[np.float64]:
        """Everything to the left of the ≤ sign."""
        return np.concatenate([self.alpha, self.beta, self.way.ravel()])


def elimination(limits: Limits) -> dict[int, list[Row]]:
    """For each coordinate the rows that bound it once those before it are chosen."""
    count = len(limits.low)
    zero, way = np.zeros(count), np.zeros((count, 3))
    rows = [
        Row(alpha=row[:-1], beta=zero, way=way, const=row[-1], step=0.0) for row in limits.speed
    ]
    rows += [
        Row(alpha=zero, beta=row[:-1], way=way, const=0.0, step=row[-1]) for row in limits.rate
    ]
    levels = {}
    for k in reversed(limits.order):
        # a row with one number only is the coordinate's own cap: limits.high says it
        bounds = [row for row in rows if row.alpha[k] + row.beta[k] > 0]
        levels[k] = [row for row in bounds if np.count_nonzero(row.numbers()) > 1 or row.step]
        rows = _without_implied(_eliminate(rows, k), np.maximum(-limits.low, limits.high))
    return levels


def _eliminate(rows: list[Row], k: int) -> list[Row]:
    """Rows on the other coordinates that hold just when some c_k fulfils all of ``rows``."""
    out = [_combined(k, [(1.0, row)], min(row.alpha[k], row.beta[k])) for row in rows]
    upper = [(1 / (r.alpha[k] - r.beta[k]), r) for r in rows if r.alpha[k] > r.beta[k]]
    lower = [(1 / (r.beta[k] - r.alpha[k]), r) for r in rows if r.beta[k] > r.alpha[k]]
    for up in upper:
        for down in lower:
            length = 1.0 + up[0] * up[1].beta[k] + down[0] * down[1].alpha[k]
            out.append(_combined(k, [up, down], length))
    return [row for row in out if np.any(row.alpha > 0) or np.any(row.beta > 0)]


def _combined(k: int, scaled: list[tuple[float, Row]], length: float) -> Row:
    def total(part):
        return sum((factor * part(row) for factor, row in scaled), start=0.0)

    alpha, beta = np.array(total(lambda r: r.alpha)), np.array(total(lambda r: r.beta))
    way = np.array(total(lambda r: r.way))
    way[k] = alpha[k], beta[k], length
    alpha[k] = beta[k] = 0.0
    return Row(
        alpha=alpha,
        beta=beta,
        way=way,
        const=float(total(lambda r: r.const)),
        step=float(total(lambda r: r.step)),
    )


def _without_implied(rows: list[Row], caps) -> list[Row]:
    """Leave out what the caps on the coordinates and the other rows imply.

    A row is implied if a sum of others, with weights ≥ 0, is at least as tight in every number
    (Farkas).  Most are, and those that remain are further from being parallel: rounding is
    amplified less.
    """
    kept = [row for row in rows if not _idle(row, caps)]
    for row in sorted(kept, key=lambda r: -np.count_nonzero(r.numbers())):
        others = [other for other in kept if other is not row]
        if others and _implied(row, others):
            kept = others
    return kept


def _idle(row: Row, caps) -> bool:
    # the caps themselves stay: a command that is over them now may still have to come back
    free = not np.any(row.beta > 0) and not np.any(row.way > 0)
    return bool(free and np.count_nonzero(row.alpha) > 1 and row.alpha @ caps <= row.const)


def _implied(weak: Row, rows: list[Row]) -> bool:
    left = np.array([row.numbers() for row in rows]).T
    right = np.array([[row.const, row.step] for row in rows]).T
    found = linprog(
        np.zeros(len(rows)),
        A_ub=np.vstack([-left, right]),
        b_ub=np.concatenate([-weak.numbers(), [weak.const, weak.step]]) + 1e-12,
    )
    return bool(found.success)


# ---- intervals, inside jit -----------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """J bounds |c − pull·c0| ≤ const + step·h − Σ weight·amount on one coordinate c."""

    before: tuple[int, ...]
    """Coordinates that are chosen before this one, and behind it."""
    behind: tuple[int, ...]
    pull: NDArray[np.float32]
    const: NDArray[np.float32]
    step: NDArray[np.float32]
    weights: NDArray[np.float32]
    """(J, n) of |c_j| and |c_j − c0_j| for those before, of m_s, m_a and Δ for those behind."""


def bounds(limits: Limits) -> dict[int, Bounds]:
    """The limits, eliminated and solved for each coordinate."""
    rows, out = elimination(limits), {}
    for place, k in enumerate(limits.order):
        out[k] = _solved(rows[k], k, limits.order[:place], limits.order[place + 1 :])
    return out


def _solved(rows: list[Row], k: int, before: tuple[int, ...], behind: tuple[int, ...]) -> Bounds:
    """α|c| + β|c − c0| is the larger of two V-shaped functions of c.

    One has its tip at c0·β/(α + β) and slope α + β, the other one, if neither weight is 0 nor
    both the same, slope |α − β| and its tip at −c0·β/(α − β).
    """
    out = []
    for row in rows:
        alpha, beta = row.alpha[k], row.beta[k]
        tips = [(beta / (alpha + beta), alpha + beta)]
        if alpha > 0 and beta > 0 and not np.isclose(alpha, beta):
            tips.append((-beta / (alpha - beta), abs(alpha - beta)))
        chosen = [weight for j in before for weight in (row.alpha[j], row.beta[j])]
        weights = np.array([*chosen, *row.way[list(behind)].ravel()])
        for pull, slope in tips:
            out.append((pull, row.const / slope, row.step / slope, weights / slope))
    pull, const, step, weights = (np.array(x, np.float32) for x in zip(*out, strict=True))
    return Bounds(before=before, behind=behind, pull=pull, const=const, step=step, weights=weights)


def interval(limits: Limits, bounds: Bounds, k: int, chosen, last, step, box=None):
    """(low, high) of coordinate k, given those that are chosen before it and the last command.

    ``chosen`` and ``last`` hold a scalar per coordinate (or a vector over candidates);
    ``box`` holds (L, U) per coordinate.
    """
    amounts = []
    for j in bounds.before:
        amounts += [jnp.abs(chosen[j]), jnp.abs(chosen[j] - last[j])]
    for j in bounds.behind:
        amounts += _way(last[j], None if box is None else box[j])

    def ends(j, amounts, last):
        half = bounds.const[j] + bounds.step[j] * step
        for weight, amount in zip(np.moveaxis(bounds.weights[j], -1, 0), amounts, strict=True):
            if np.any(weight) and amount is not None:
                half = half - weight * amount
        tip = bounds.pull[j] * last
        return tip - half, tip + half

    low, high = float(limits.low[k]), float(limits.high[k])
    if len(bounds.pull) <= FEW:
        for j in range(len(bounds.pull)):
            left, right = ends(j, amounts, last[k])
            low, high = jnp.maximum(low, left), jnp.minimum(high, right)
    else:
        column = np.arange(len(bounds.pull)).reshape(-1, *[1] * jnp.ndim(last[k]))
        raised = [None if amount is None else jnp.asarray(amount)[None] for amount in amounts]
        left, right = ends(column, raised, jnp.asarray(last[k])[None])
        low, high = jnp.maximum(low, jnp.max(left, 0)), jnp.minimum(high, jnp.min(right, 0))
    if box is not None:
        low, high = jnp.maximum(low, box[k][0]), jnp.minimum(high, box[k][1])
    return low, high


def _way(last, box):
    """(m_s, m_a, Δ) of a coordinate that is still to be chosen; None stands for 0."""
    if box is None:
        return None, None, jnp.abs(last)
    near_zero, near_last = jnp.clip(0.0, *box), jnp.clip(last, *box)
    return jnp.abs(near_zero), jnp.abs(near_last - last), jnp.abs(near_last - near_zero)


# ---- single commands -----------------------------------------------------------------


def nearest(limits: Limits, command):
    """The command with one coordinate after the other brought within the speed limits."""
    chosen = {}
    for k in limits.order:
        low, high = float(limits.low[k]), float(limits.high[k])
        for row in limits.speed:
            if row[k] > 0 and np.count_nonzero(row[:-1]) > 1:
                room = float(row[-1])
                for j, c in chosen.items():
                    room = room - float(row[j]) * jnp.abs(c) if row[j] else room
                limit = jnp.maximum(room, 0.0) * float(1 / row[k])
                low, high = jnp.maximum(low, -limit), jnp.minimum(high, limit)
        chosen[k] = jnp.clip(command[k], low, high)
    return [chosen[k] for k in range(len(chosen))]


def effort(limits: Limits, change):
    """Seconds that the drive needs for a change of its command, at least."""
    times = []
    for row in limits.rate:
        parts = [float(w) * jnp.abs(c) for w, c in zip(row[:-1], change, strict=True) if w]
        times.append(sum(parts[1:], start=parts[0]) * float(1 / row[-1]))
    longest = times[0]
    for time in times[1:]:
        longest = jnp.maximum(longest, time)
    return longest
