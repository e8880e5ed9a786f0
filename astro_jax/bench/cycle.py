"""``bench cycle``: how long one planning cycle takes, honestly.                  [host]

The cycle is what happens between fresh tracks and a plan: fast-forward, forecasts,
candidates, evaluation, refinement, stopping tail (``navigator.predict``, then
``local.planner.plan``), compiled as one function.  Its inputs lie on the device and are
kept, not donated: the robot still needs them.  Several moments are run in turn.
``think_ms`` adds mapping and tracking.  Compile times are those of fresh processes, first
with an empty and then with the filled persistent cache.
"""

import dataclasses
import functools
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax import navigator
from astro_jax.bench.clock import (
    cores,
    in_fresh_process,
    interleaved,
    load,
    peak_memory_mb,
    resident_mb,
    timed,
)
from astro_jax.bench.moments import Cycle, Moment, carried_out, moments, shapes
from astro_jax.bench.report import Report
from astro_jax.bench.stages import stages_of
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.local.planner import plan
from astro_jax.route.crop import crop_field
from astro_jax.world.actuation import identify

MOMENTS = 6
STAGE_RUNS = 40


def with_sizes(config: PlannerConfig, candidates: int | None, people: int | None) -> PlannerConfig:
    """The configuration with ``candidates`` judged per cycle and room for ``people``.

    Raises:
      InputError: a number is out of range, or does not divide into the stages of sampling.
    """
    changes = {}
    if candidates is not None:
        low = config.guided_candidates + 48
        if candidates % config.stages or not low <= candidates // config.stages <= 1_000_000:
            expected = f"a multiple of {config.stages} from {config.stages * low}"
            raise InputError("candidates", candidates, expected)
        changes["candidates"] = candidates // config.stages
    if people is not None:
        if not 0 <= people <= 256:
            raise InputError("people", people, "a number from 0 to 256")
        changes["people"] = max(people, 1)
    return dataclasses.replace(config, **changes)


def cycle_of(robot: RobotConfig, config: PlannerConfig) -> Cycle:
    """The function to measure, not yet compiled."""

    def cycle(params: PlannerParams, latency: Latency, moment: Moment):
        state, odometry = moment.state, moment.snapshot.odometry
        known = identify(robot, latency, state.actuation, state.sent, odometry, config.gate_period)
        state = dataclasses.replace(state, actuation=known)
        world = navigator.predict(robot, config, params, state, odometry)
        way = crop_field(moment.field, moment.snapshot.house_from_map, state.local_map.grid)
        return plan(robot, config, params, state.planner, world, way)

    return cycle


def bench_cycle(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    people: int = 16,
    runs: int = 300,
    soak: int = 300,
    seed: int = 0,
) -> Report:
    """Measure the cycle: milliseconds, CPU time, compile time, memory, recompiles, stages.

    ``soak`` more cycles are run on, each from the plan of the last, to see memory grow.
    """
    busy = load()
    params, latency = jax.tree.map(jnp.float32, (params, Latency()))
    traces = []
    cycle_at = cycle_of(robot, config)

    @functools.wraps(cycle_at)  # by another name the compiler would not know it again
    def traced(*arguments):
        traces.append(None)  # runs once per compilation
        return cycle_at(*arguments)

    cycle = jax.jit(traced)
    found = moments(robot, config, params, latency, people, MOMENTS, seed, cycle)
    wall, cpu = timed([lambda m=m: cycle(params, latency, m) for m in found], runs)

    def think(params, latency, moment: Moment):
        state, house, snapshot = moment.state, moment.house, moment.snapshot
        return navigator.think(robot, config, params, latency, state, house, moment.field, snapshot)

    thinking = jax.jit(think)
    whole, _ = timed([lambda m=m: thinking(params, latency, m) for m in found], min(runs, 100))
    stages = interleaved(stages_of(robot, config, params, latency, found[0]), STAGE_RUNS)
    peak = peak_memory_mb()
    growth, soaked = _soak(config, cycle, params, latency, found, soak)

    trajectories = config.candidates * config.stages
    steps = trajectories * (config.times - 1)
    median = float(np.median(wall))
    return Report(
        name="cycle",
        seed=seed,
        config={"robot": robot, "planner": config, "runs": runs, "moments": MOMENTS},
        metrics={
            "median_ms": 1e3 * median,
            "p99_ms": 1e3 * float(np.percentile(wall, 99)),
            "min_ms": 1e3 * float(np.min(wall)),
            "cpu_ms": 1e3 * cpu,
            "think_ms": 1e3 * float(np.median(whole)),
            **compile_times(robot, config),
            "recompiles": len(traces) - 1,
            "ns_per_step": 1e9 * median / steps,
            "steps_per_s": steps / median,
            "peak_mb": peak,
            "soak_cycles": soak,
            "soak_growth_mb": growth,
            "soak_median_ms": 1e3 * soaked,
            "candidates": trajectories,
            "people": people,
            "threads": len(cores()),
            "load_before": busy,
            "load_after": load(),
            **{f"stage_{name}_ms": 1e3 * float(np.median(s)) for name, s in stages.items()},
        },
        cases=[
            {"id": k, "median_ms": 1e3 * float(np.median(wall[k::MOMENTS]))}
            for k in range(min(MOMENTS, runs))
        ],
    )


def _soak(config, cycle, params, latency, found, count) -> tuple[float, float]:
    """MB of growth over ``count`` cycles, each from the last one's plan, and their median s."""
    after_warm_up, seconds = resident_mb(), []
    for k in range(count):
        index = k % len(found)
        start = time.perf_counter()
        out = jax.block_until_ready(cycle(params, latency, found[index]))
        seconds.append(time.perf_counter() - start)
        found[index] = carried_out(config, found[index], *out[:2])
        # the first cycles still fill allocators and the interpreter's own caches
        if k == min(count // 10, 1000):
            after_warm_up = resident_mb()
    return resident_mb() - after_warm_up, float(np.median(seconds)) if seconds else float("nan")


def compile_times(robot: RobotConfig, config: PlannerConfig) -> dict[str, float]:
    """Seconds to trace and compile the cycle in fresh processes: cache empty, cache filled."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        cold, warm = (
            in_fresh_process(compile_seconds, robot, config, environment=environment)
            for _ in range(2)
        )
    return {"compile_s": cold, "compile_warm_s": warm}


def compile_seconds(robot: RobotConfig, config: PlannerConfig) -> float:
    """Trace and compile the cycle once, here and now; of its inputs only shapes matter."""
    params, latency = jax.tree.map(jnp.float32, (PlannerParams(), Latency()))
    moment = shapes(robot, config, latency)
    start = time.perf_counter()
    jax.jit(cycle_of(robot, config)).lower(params, latency, moment).compile()
    return time.perf_counter() - start
