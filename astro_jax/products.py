"""Linear operations over time as matrix products, on arrays whose last axis is candidates.

In: small matrices made on the host, and arrays of shape (…, T, K).  Why products: XLA merges
elementwise work with whatever uses it, computes it again for every use, and does not
vectorise a loop that ends in a reduction or begins with a slice of the time axis.  A matrix
product ends such a loop.  Evaluating 600 candidates became five times as fast.

That is so on a CPU.  An accelerator wishes the opposite: every product is a kernel of its own,
to and from which everything has to travel through memory, while elementwise work merges into
few kernels.  There, neighbours in time are slices and only long sums are products.
"""

import functools
import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def apply(
    matrix: Float[np.ndarray, "S T"], value: Float[Array, "*n T K"]
) -> Float[Array, "*n S K"]:
    """``matrix @ value`` in full float32 (GPUs would otherwise round to ten bits).

    A ``value`` of one axis is a single course of time.
    """
    if value.ndim == 1:
        return jnp.matmul(matrix, value, precision="highest")
    if merges():
        flat = np.asarray(matrix, np.float32)
        if len(flat) == 1:
            return jnp.sum(flat[0][:, None] * value, axis=-2, keepdims=True)
        return jnp.einsum("st,...tk->...sk", flat, value, precision="highest")
    # one matrix per leading index: a single one for all makes XLA flatten the axes, slowly.
    # Written out, or it would be broadcast anew in every call.
    shape = (*value.shape[:-2], *matrix.shape)
    matrix = np.ascontiguousarray(np.broadcast_to(np.asarray(matrix, np.float32), shape))
    return jnp.matmul(matrix, value, precision="highest")


def merges() -> bool:
    """Whether what is traced now is for a device on which elementwise work should merge.

    JAX's default device decides: what is exported on a CPU for another platform keeps the CPU's
    form, which is as right there, and slower.
    """
    return jax.default_backend() != "cpu"


def once(value: Float[Array, "*n T K"]) -> Float[Array, "*n T K"]:
    """The same value, computed once for all of its uses (a product with the identity)."""
    return value if merges() else apply(np.eye(value.shape[-2]), value)


def settled(table: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The same table, computed once for all that is looked up in it.

    A CPU's compiler would otherwise compute an entry anew wherever one is looked up: 240 000
    times for a map of 14 400 cells, which made a sixth of ``think``.  For finite entries: an
    endless one would make another one NaN (0 · ∞).
    """
    if merges():
        return table
    parts = 2 if table.size % 2 == 0 else table.shape[0]
    unit = np.eye(parts, dtype=np.float32)
    return jnp.matmul(unit, table.reshape(parts, -1), precision="highest").reshape(table.shape)


def apart(value: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The same value; an accelerator does not compute it anew wherever it is spread out."""
    return jax.lax.optimization_barrier(value) if merges() else value


def combined(
    matrix: Float[np.ndarray, "S I"], values: Sequence[Float[Array, "N"]]
) -> Float[Array, "S N"]:
    """Some sums of few long rows: ``matrix @ values``."""
    if not merges():
        return jnp.matmul(matrix.astype(np.float32), jnp.stack(values), precision="highest")
    columns = [jnp.asarray(column, jnp.float32)[:, None] for column in matrix.T]
    return sum(c * v[None] for c, v in zip(columns[1:], values[1:], strict=True)) + (
        columns[0] * values[0][None]
    )


def total(value: Float[Array, "T K"]) -> Float[Array, "K"]:
    """Sum over time."""
    return apply(np.ones((1, value.shape[0])), value)[0]


def integral(rate: Float[Array, "T K"], dt: float) -> Float[Array, "K"]:
    """∫ rate dt over the whole time, by the trapezoidal rule."""
    weights = np.full((1, rate.shape[0]), dt)
    weights[0, [0, -1]] *= 0.5
    return apply(weights, rate)[0]


def running_integral(rate: Float[Array, "*n T K"], dt: float) -> Float[Array, "*n T K"]:
    """∫₀ᵗ rate dt up to every time, by the trapezoidal rule."""
    count = rate.shape[-2]
    weights = np.tri(count) - 0.5 * np.eye(count)
    weights[:, 0] -= 0.5
    return apply(dt * weights, rate)


def smoothed(value: Float[Array, "*n T K"], dt: float, memory: float) -> Float[Array, "*n T K"]:
    """Exponential average over the past ``memory`` seconds; before the first time as then."""
    count = value.shape[-2]
    kept = np.exp(-dt / memory)
    weights = np.eye(count)
    for k in range(1, count):
        weights[k] = kept * weights[k - 1]
        weights[k, [k - 1, k]] += 0.5 * (1.0 - kept)
    return apply(weights, value)


def middle(value: Float[Array, "*n T K"]) -> Float[Array, "*n S K"]:
    """Mean of each two neighbours in time; S = T − 1."""
    if merges():
        return 0.5 * (value[..., 1:, :] + value[..., :-1, :])
    ones = np.eye(value.shape[-2])
    return apply(0.5 * (ones[1:] + ones[:-1]), value)


def loss(value: Float[Array, "*n T K"]) -> Float[Array, "*n S K"]:
    """How much is lost from each time to the next; S = T − 1."""
    if merges():
        return value[..., :-1, :] - value[..., 1:, :]
    return apply(-np.diff(np.eye(value.shape[-2]), axis=0), value)


def to_ends(value: Float[Array, "S K"]) -> Float[Array, "T K"]:
    """From steps to the times between them: half of each step counts at either end."""
    if merges():
        outer = jnp.concatenate([value[:1], value, value[-1:]])
        return 0.5 * (outer[1:] + outer[:-1])
    steps = value.shape[0]
    matrix = 0.5 * (np.eye(steps + 1, steps) + np.eye(steps + 1, steps, k=-1))
    matrix[[0, -1]] *= 2.0
    return apply(matrix, value)


def interpolated(value: Float[Array, "t K"], stride: int) -> Float[Array, "T K"]:
    """From every ``stride``-th time to all of them, linearly."""
    count = value.shape[0]
    fine = np.arange(stride * (count - 1) + 1) / stride
    return apply(np.maximum(1.0 - np.abs(fine[:, None] - np.arange(count)), 0.0), value)


def spread(value: Float[Array, "T K"], count: int) -> Float[Array, "n T K"]:
    """The same value for each of ``count`` things (bodies, discs).

    The gradient of a broadcast is a sum, and XLA would compute everything behind it anew for
    each such sum.  The product keeps it apart: gradients became twice as fast.
    """
    return once(jnp.broadcast_to(value, (count, *value.shape)))


def over_things(value: Float[Array, "n T K"]) -> Float[Array, "T K"]:
    """Sum over the first axis, slice by slice: a reduction would not be vectorised."""
    return functools.reduce(operator.add, list(value))
