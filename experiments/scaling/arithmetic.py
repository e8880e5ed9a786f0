"""How much arithmetic a function is, and how much of it one core can do."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.bench.clock import timed

TRANSCENDENTAL = {
    *("exp", "exp2", "log", "log1p", "expm1", "sin", "cos", "tan", "tanh", "logistic", "erf"),
    *("erf_inv", "atan2", "pow", "sqrt", "rsqrt", "cbrt", "asin", "acos", "atan"),
}
FREE = {
    *("reshape", "broadcast_in_dim", "transpose", "squeeze", "slice", "concatenate", "pad"),
    *("convert_element_type", "copy", "iota", "stop_gradient", "dynamic_slice", "gather"),
    *("dynamic_update_slice", "scatter", "rev", "expand_dims", "bitcast_convert_type"),
}


def count(function, *arguments) -> dict[str, float]:
    """Operations of ``function`` as written, loops taken as often as they run.

    XLA's own cost analysis counts the body of a loop once.  ``flops``: one per element of an
    elementwise result, 2 m n k of a product; ``special``: exp, log, sin, √ and the like;
    ``fetched``: numbers looked up by index.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    return dict(zip(("flops", "special", "fetched"), _count(closed.jaxpr), strict=True))


def _count(jaxpr) -> np.ndarray:
    total = np.zeros(3)
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        size = sum(math.prod(getattr(v.aval, "shape", ())) for v in equation.outvars)
        if name == "scan":
            total += params["length"] * _count(params["jaxpr"].jaxpr)
        elif name == "while":
            total += _count(params["body_jaxpr"].jaxpr)  # trip count unknown: once
        elif name == "cond":
            total += np.max([_count(branch.jaxpr) for branch in params["branches"]], axis=0)
        elif name == "dot_general":
            (left, _), _ = params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total[0] += 2 * size * math.prod(shape[axis] for axis in left)
        elif inner := [p for p in params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")]:
            for jaxpr_inner in inner:
                total += _count(getattr(jaxpr_inner, "jaxpr", jaxpr_inner))
        elif name == "gather":
            total[2] += size
        elif name in TRANSCENDENTAL:
            total[1] += size
        elif name.startswith(("reduce_", "cum", "arg")):
            total[0] += math.prod(equation.invars[0].aval.shape)
        elif name not in FREE:
            total[0] += size
    return total


def peaks(runs: int = 400) -> dict[str, float]:
    """What one core reaches in jitted loops whose data stay in its nearest cache, per s."""
    size, chain, rounds = 4096, 64, 10
    x = jnp.linspace(0.1, 0.9, size)

    def repeated(step, length):
        def body(_, y):
            for _ in range(length):
                y = step(y)
            return y

        return jax.jit(lambda x: jax.lax.fori_loop(0, rounds, body, x))

    multiply_add = repeated(lambda y: y * 0.999 + 1e-4, chain)
    exponential = repeated(lambda y: jnp.exp(-y), 16)
    table = jnp.arange(14_400, dtype=jnp.float32)
    index = jnp.asarray(np.random.default_rng(0).integers(0, 14_400, 32_768), jnp.int32)
    fetch = jax.jit(lambda t, i: t.at[i].get(mode="promise_in_bounds") + 1.0)
    flops = 2 * size * chain * rounds / timed([lambda: multiply_add(x)], runs)[0].min()
    exps = size * 16 * rounds / timed([lambda: exponential(x)], runs)[0].min()
    fetches = index.size / timed([lambda: fetch(table, index)], runs)[0].min()
    return {"flops": flops, "special": exps, "fetched": fetches}
