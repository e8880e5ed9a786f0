"""The planner's own search within a budget: seeds, then descents from several of the best."""

import dataclasses

import jax
import jax.numpy as jnp
import methods
import numpy as np
from jaxtyping import Array, Float, Int
from problem import (
    BASIS,
    CONFIG,
    DIMENSION,
    PARAMS,
    ROBOT,
    Costs,
    Moment,
    costs_of,
    folded,
    judge_at,
    seeds_of,
    warm_start,
)

from astro_jax.local.refine import REACH
from astro_jax.robot import drive

LENGTHS = (2.0, 1.0, 0.4, 0.1, 0.02)
"""Tried along each search direction, in units of the quasi-Newton step."""
METRIC_COST = 6
"""What the start's metric (a Jacobian of the kinematics alone) is charged, evaluations."""
PATH_WEIGHT = 3.0
"""Assumed curvature of the objective across the path, s/m² per second of plan."""
RIDGE = 0.03
LONGEST = 3.0
"""Longest step of a coordinate of z."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """How a budget is spent."""

    seeds: int
    starts: int
    """Descents that are begun, from seeds whose paths differ by SPACING."""
    trial: int
    """Steps that each of them gets, before only the best go on."""
    lanes: int
    """Descents that advance side by side."""
    steps: int
    """Of all lanes."""
    spacing: float = 0.2

    @property
    def budget(self) -> int:
        per_step = self.lanes * (methods.GRADIENT_COST + len(LENGTHS))
        return self.seeds + METRIC_COST * self.starts + per_step * self.steps


SPLITS = {
    64: Split(seeds=53, starts=1, trial=1, lanes=1, steps=0),
    128: Split(seeds=60, starts=2, trial=1, lanes=1, steps=7),
    256: Split(seeds=64, starts=3, trial=2, lanes=1, steps=21),
    600: Split(seeds=128, starts=6, trial=4, lanes=2, steps=27),
    1024: Split(seeds=192, starts=10, trial=4, lanes=2, steps=48),
    2048: Split(seeds=320, starts=16, trial=5, lanes=4, steps=51),
}


def search(moment: Moment, key, split: Split, *, sobol: bool = False) -> methods.Trace:
    """Seeds, then quasi-Newton descents; ``sobol``: from Sobol points instead of seeds."""
    if sobol:
        seeds = methods.around(jnp.zeros(DIMENSION), key, 2.0, split.seeds)
        # it may know the previous plan, like everybody
        seeds = seeds.at[1].set(warm_start(moment))
    else:
        seeds = seeds_of(moment, key, split.seeds)
    costs, paths = paths_and_costs(moment, seeds)
    sampled = methods.Trace(
        spent=1 + jnp.arange(split.seeds), cost=costs, z=seeds[jnp.argmin(costs)]
    )
    if split.steps == 0:
        return sampled
    best = distinct(costs, paths, split.starts, split.spacing)
    inverse = jnp.linalg.inv(jax.vmap(lambda z: metric(moment, z))(seeds[best]))
    z, values, found = descend(
        costs_of(moment), seeds[best], costs[best], inverse, split.trial, split.lanes, split.steps
    )
    per_step = split.lanes * (methods.GRADIENT_COST + len(LENGTHS))
    refined = methods.Trace(
        spent=METRIC_COST * split.starts + per_step * (1 + jnp.arange(split.steps)),
        cost=found,
        z=z[jnp.argmin(values)],
    )
    return methods.joined(sampled, refined)


def paths_and_costs(
    moment: Moment, z: Float[Array, "K d"]
) -> tuple[Float[Array, "K"], Float[Array, "K T 2"]]:
    values, judged = judge_at(moment)(folded(z))
    values = jnp.where(jnp.isfinite(values), values, jnp.inf)
    return values, jnp.moveaxis(judged.motion.pose_map[::3, :2], -1, 0)


def distinct(
    costs: Float[Array, "K"], paths: Float[Array, "K T 2"], count: int, spacing: float
) -> Int[Array, "S"]:
    """The best, then again and again the best whose path leaves all chosen ones by ``spacing`` m.

    Should there be too few of them, the best of those that are too near follow.
    """

    def choose(costs, _):
        pick = jnp.argmin(costs)
        apart = jnp.max(jnp.sum((paths - paths[pick]) ** 2, axis=-1), axis=-1)
        costs = jnp.where(apart < spacing**2, costs + 1e4, costs)
        return costs.at[pick].set(jnp.inf), pick

    return jax.lax.scan(choose, jnp.minimum(costs, 1e8), length=count)[1]


def metric(moment: Moment, z: Float[Array, "d"]) -> Float[Array, "d d"]:
    """Gauss–Newton estimate of the objective's Hessian, from the kinematics alone.

    M = Jᵀ J + ridge with J the Jacobian of what the motion does: where the path runs (as if
    every metre aside cost PATH_WEIGHT/2 seconds per second), acceleration, turning and lateral
    acceleration with the objective's own weights.
    """
    world = moment.world

    def features(z):
        column = folded(z[None])
        controls = drive.decode(ROBOT, BASIS, world.command, world.command_dot, column)
        motion = drive.motion(ROBOT, BASIS, world.pose_map, controls)
        pose, twist, rate = (
            part[..., 0].T for part in (motion.pose_map, motion.twist, motion.twist_dot)
        )
        rows = [
            np.sqrt(2 * PATH_WEIGHT) * pose[:2, ::2],
            jnp.sqrt(PARAMS.acceleration) * rate[:2],
            jnp.sqrt(PARAMS.turning) * rate[2:],
            jnp.sqrt(PARAMS.lateral) * twist[:2] * twist[2:],
        ]
        return np.sqrt(2 * CONFIG.dt) * jnp.concatenate([row.reshape(-1) for row in rows])

    jacobian = jax.jacfwd(features)(z)
    return jacobian.T @ jacobian + RIDGE * jnp.eye(DIMENSION)


def descend(
    costs_at: Costs,
    starts: Float[Array, "S d"],
    costs: Float[Array, "S"],
    inverse: Float[Array, "S d d"],
    trial: int,
    lanes: int,
    steps: int,
) -> tuple[Float[Array, "S d"], Float[Array, "S"], Float[Array, "steps"]]:
    """BFGS from all starts; ``lanes`` advance at a time: (ends, their costs, best so far).

    First every start gets ``trial`` steps, then those with the lowest cost go on.
    """
    lengths = jnp.asarray(np.array(LENGTHS, np.float32))

    def advance(state, first):
        x, last_x, last_gradient, inverse = state
        value, gradient = methods.with_gradient(costs_at, x)
        finite = jnp.all(jnp.isfinite(gradient), axis=-1, keepdims=True)
        gradient = jnp.where(finite, gradient, 0.0)
        step, change = x - last_x, gradient - last_gradient
        moved = ~first & finite[:, 0]
        updated = jax.vmap(_bfgs)(inverse, step, change)
        inverse = jnp.where(moved[:, None, None], updated, inverse)
        direction = jnp.einsum("lij,lj->li", inverse, gradient)
        longest = jnp.max(jnp.abs(direction), axis=-1, keepdims=True)
        direction = direction * jnp.minimum(1.0, LONGEST / jnp.maximum(longest, 1e-9))
        tried = x[:, None] - lengths[:, None] * direction[:, None]
        tried = jnp.clip(tried, -REACH, REACH)
        values = costs_at(tried.reshape(-1, DIMENSION)).reshape(tried.shape[:2])
        pick = jnp.argmin(values, axis=1)
        line = jnp.arange(x.shape[0])
        better = values[line, pick] < value
        x_next = jnp.where(better[:, None], tried[line, pick], x)
        return (x_next, x, gradient, inverse), jnp.where(better, values[line, pick], value)

    def turn(carry, _):
        states, costs, taken = carry
        young = taken < trial
        rank = jnp.where(young, -1e6 + 1e4 * taken, 0.0) + costs
        _, who = jax.lax.top_k(-rank, lanes)
        own = jax.tree.map(lambda leaf: leaf[who], states)
        own, found = advance(own, taken[who] == 0)
        states = jax.tree.map(lambda leaf, new: leaf.at[who].set(new), states, own)
        costs = costs.at[who].set(found)
        return (states, costs, taken.at[who].add(1)), jnp.min(costs)

    count = starts.shape[0]
    states = (starts, starts, jnp.zeros_like(starts), inverse)
    carry = (states, jnp.minimum(costs, 1e5), jnp.zeros(count, jnp.int32))
    (states, costs, _), found = jax.lax.scan(turn, carry, length=steps)
    return states[0], costs, found


def _bfgs(inverse: Float[Array, "d d"], step, change) -> Float[Array, "d d"]:
    """Inverse Hessian after one more pair (Nocedal & Wright, 2006, eq. 6.17)."""
    product = step @ change
    # only pairs of positive curvature keep it positive definite
    kept = product > 1e-10
    rho = 1.0 / jnp.where(kept, product, 1.0)
    image = inverse @ change
    cross = step[:, None] * image[None]
    outer = step[:, None] * step[None]
    new = inverse + (1.0 + rho * (change @ image)) * rho * outer - rho * (cross + cross.T)
    return jnp.where(kept, new, inverse)


def descend_all(
    moment: Moment, starts: Float[Array, "S d"], steps: int
) -> tuple[Float[Array, "S"], Float[Array, "S d"]]:
    """Every start to its end, for the reference."""
    costs = costs_of(moment)
    inverse = jnp.linalg.inv(jax.vmap(lambda z: metric(moment, z))(starts))
    ends, values, _ = descend(costs, starts, costs(starts), inverse, 0, starts.shape[0], steps)
    return values, ends
