"""``bench cycle``: how long one planning cycle takes, honestly.                  [host]

The full local cycle (``navigator.think``: mapping, tracking, fast-forward, forecasts,
search, refinement) on a fixed moment of the packaged flat, compiled ahead of time, warmed
up, every call blocked on.  Compile times are those of fresh processes, first with an empty
and then with the filled persistent cache.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax import navigator
from astro_jax.bench.report import Report
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.home import Home, packaged_home
from astro_jax.sim.episode import observe, start_episode

WARM_UP = 20


def bench_cycle(
    robot: RobotConfig, config: PlannerConfig, params: PlannerParams, runs: int, seed: int
) -> Report:
    """Measure the cycle: milliseconds, CPU time, compile time, memory, recompiles."""
    cycle, arguments = _cycle(robot, config, params, seed)
    traces = []

    def traced(*arguments):
        traces.append(None)  # runs once per compilation
        return cycle(*arguments)

    jitted = jax.jit(traced)
    jax.block_until_ready(jitted(*arguments))
    calls, cpu = timed(lambda: jitted(*arguments), runs)
    steps = config.candidates * config.stages * (config.times - 1)
    median = float(np.median(calls))
    return Report(
        name="cycle",
        seed=seed,
        config={"robot": robot, "planner": config, "runs": runs},
        metrics={
            "median_ms": 1e3 * median,
            "p99_ms": 1e3 * float(np.percentile(calls, 99)),
            "cpu_ms": 1e3 * cpu,
            **_compile_times(),
            "recompiles": len(traces) - 1,
            "ns_per_step": 1e9 * median / steps,
            "peak_mb": peak_memory_mb(),
        },
    )


def timed(call: Callable[[], Any], runs: int) -> tuple[np.ndarray, float]:
    """Wall seconds of each of ``runs`` blocked calls, and mean CPU seconds per call."""
    for _ in range(WARM_UP):
        jax.block_until_ready(call())
    wall = np.empty(runs)
    cpu = time.process_time()
    for k in range(runs):
        start = time.perf_counter()
        jax.block_until_ready(call())
        wall[k] = time.perf_counter() - start
    return wall, (time.process_time() - cpu) / runs


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 if sys.platform != "darwin" else 1024.0**2)


def compile_seconds() -> float:
    """Trace and compile the default cycle once, here and now."""
    cycle, arguments = _cycle(RobotConfig(), PlannerConfig(), PlannerParams(), seed=0)
    start = time.perf_counter()
    jax.jit(cycle).lower(*arguments).compile()
    return time.perf_counter() - start


def _cycle(robot: RobotConfig, config: PlannerConfig, params: PlannerParams, seed: int):
    """The function to measure and its arguments: the demo's first moment."""
    home: Home = packaged_home(robot, config, people=3, seed=seed)
    params, latency = jax.tree.map(jnp.float32, (params, Latency()))
    state = start_episode(robot, config, home.scene, jax.random.key(seed))
    snapshot, _ = jax.jit(observe, static_argnums=(0, 1))(robot, config, latency, home.scene, state)

    def cycle(params, latency, state, house, field, snapshot):
        return navigator.think(robot, config, params, latency, state, house, field, snapshot)

    field = jax.tree.map(jnp.asarray, home.route.field)
    return cycle, (params, latency, state.robot, home.scene.house, field, snapshot)


def _compile_times() -> dict[str, float]:
    """Cold and warm compile time, each in a process of its own."""
    program = "from astro_jax.bench.cycle import compile_seconds; print(compile_seconds())"
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        seconds = [
            float(
                subprocess.run(
                    [sys.executable, "-c", program],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for _ in range(2)
        ]
    return {"compile_s": seconds[0], "compile_warm_s": seconds[1]}
