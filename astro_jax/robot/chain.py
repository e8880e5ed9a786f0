"""One control point after the other, each within reach of the last: chains of reachable sets.

What moves may be a drive's command (robot/drive.py) or a joint's angle (robot/joint.py); what
limits it are rows of a table (robot/reach.py).  Which point of its interval each coordinate
takes, the caller chooses.  The rules are those that robot/drive.py explains: limits hold at all
times, the set never becomes empty, and with jerk limits what moves can always ease off.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from astro_jax.robot.reach import Bounds, Limits, effort, interval, nearest
from astro_jax.robot.splines import SplineBasis, first_controls

Choose = Callable[[Any, Any, Any, Callable], tuple[Any, Any]]

AT_ONCE = 1e6
"""Stands for no jerk limit: a time, s, or a change of acceleration, m/s² or rad/s²."""
EASING_SWEEPS = 200
"""Fixed-point sweeps: each closes a share of at least g_0/τ of what is missing."""


def chain(
    limits: Limits,
    rows: Mapping[int, Bounds],
    basis: SplineBasis,
    command: Float[Array, "D"],
    command_dot: Float[Array, "D"],
    inputs: Float[Array, "N-2 D *K"],
    choose: Choose,
) -> tuple[Float[Array, "N D *K"], Float[Array, "N-2 D *K"]]:
    """Control points, each picked within the set reachable from the last one, and their codes.

    ``rows`` are the ``bounds`` of ``limits``.  ``choose(low, high, input, aim)`` picks a value
    within each interval and says how that is coded; ``aim`` turns a wanted control point into
    the value to pick.  Commands are lists of scalars inside, or of vectors over candidates.
    """
    spans = basis.steps + easing(limits, basis)
    jerky = bool(np.any(np.isfinite(limits.jerk)))

    def reach(last, rate, step, span, change_time, inputs, choose):
        """The next control point, and the rate towards it."""
        box = _within_jerk(limits, last, rate, span, change_time) if rate is not None else None
        chosen, codes = [*last], [*last]
        for k in limits.order:
            low, high = interval(limits, rows[k], k, chosen, last, span, box)
            aim = lambda wanted, k=k: last[k] + (wanted - last[k]) * (span / step)
            value, code = choose(low, high, inputs[k], aim if jerky else lambda wanted: wanted)
            chosen[k], codes[k] = value, code
        if jerky:  # chosen is where the command would ease off to
            chosen = [c + (q - c) * (step / span) for c, q in zip(last, chosen, strict=True)]
        return chosen, codes

    def settle(last, point, step, forced, target):
        point = [jnp.where(forced, t, p) for t, p in zip(target, point, strict=True)]
        rate = [(p - c) / step for c, p in zip(last, point, strict=True)] if jerky else None
        return point, rate

    def keep(low, high, wanted, aim):
        return jnp.clip(aim(wanted), low, high), wanted

    def advance(carry, knot):
        last, rate = carry
        step, span, change_time, forced, target, inputs = knot
        point, codes = reach(last, rate, step, span, change_time, inputs, choose)
        point, rate = settle(last, point, step, forced, target)
        return (point, rate), (point, codes)

    start, wanted = (list(p) for p in first_controls(command, command_dot, basis))
    forced, target = _brake(limits, basis, start)
    step = float(basis.steps[0])
    second, _ = reach(start, None, step, float(spans[0]), None, wanted, keep)
    second, rate = settle(start, second, step, forced[0], list(target[0]))
    knots = (
        jnp.asarray(basis.steps[1:]),
        jnp.asarray(spans[1:]),
        # whoever was still braking may change the acceleration as it likes
        jnp.where(forced[:-1], AT_ONCE, jnp.asarray(basis.slope_steps)),
        forced[1:],
        list(target[1:].T),
        [inputs[:, k] for k in range(len(start))],
    )
    candidates = inputs.shape[2:]
    carried = jax.tree.map(lambda value: jnp.broadcast_to(value, candidates), (second, rate))
    _, (points, codes) = jax.lax.scan(advance, carried, knots)
    first = jnp.stack([jnp.stack(start), jnp.stack(second)])
    first = first.reshape(*first.shape, *[1] * len(candidates))
    first = jnp.broadcast_to(first, (*first.shape[:2], *candidates))
    return jnp.concatenate([first, jnp.stack(points, axis=1)]), jnp.stack(codes, axis=1)


def _within_jerk(limits: Limits, last, rate, span, change_time):
    """Per coordinate (low, high) of where easing off may end, given the last rate."""
    changes = [float(j) * change_time if np.isfinite(j) else AT_ONCE for j in limits.jerk]
    return [
        (c + span * (d - change), c + span * (d + change))
        for c, d, change in zip(last, rate, changes, strict=True)
    ]


def easing(limits: Limits, basis: SplineBasis) -> NDArray[np.float32]:
    """E (N − 1) seconds: a rate D behind control point i + 1 eases off over D·E_i.

    To shrink a rate to a share φ from one step to the next takes (1 − φ)·τ seconds of
    ``slope_steps`` g, τ the time that the largest rate needs to vanish, and φ = E_i/(h + E_{i+1})
    keeps Q where it is.  Hence E_i ≥ (1 − g_i/τ)(h_{i+1} + E_{i+1}), and E = 0 without jerk limit.
    The next plan starts one period later with a new E_0; to leave it that room E may have to
    be longer than jerk alone asks for.
    """
    length = np.zeros(len(basis.steps))
    if limits.ease_time == 0:
        return length.astype(np.float32)
    left = np.maximum(1.0 - basis.slope_steps / limits.ease_time, 0.0)
    for _ in range(EASING_SWEEPS):
        restart = basis.steps[0] + length[0] - basis.restart_room[2:]
        length[1:] = np.maximum(length[1:], restart)
        for i in reversed(range(len(left))):
            length[i] = max(length[i], left[i] * (basis.steps[i + 1] + length[i + 1]))
    return length.astype(np.float32)


def _brake(limits: Limits, basis: SplineBasis, start):
    """Where control points 1 … N − 1 must be while the limits are out of reach, and whether."""
    allowed = nearest(limits, start)
    excess = [c - a for c, a in zip(start, allowed, strict=True)]
    needed = effort(limits, excess)
    spent = jnp.asarray(np.cumsum(basis.steps))
    left = 1.0 - spent / jnp.maximum(needed, 1e-6)
    forced = left > 0.0
    target = [a + jnp.maximum(left, 0.0) * e for a, e in zip(allowed, excess, strict=True)]
    return forced, jnp.stack(target, axis=-1)
