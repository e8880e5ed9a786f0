"""How the planning cycle scales with candidates, people and cores, and what limits it."""

import argparse
import dataclasses
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import arithmetic
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.bench.clock import cores, in_fresh_process, interleaved, load, timed
from astro_jax.bench.cycle import cycle_of, with_sizes
from astro_jax.bench.moments import moments
from astro_jax.bench.report import device
from astro_jax.bench.stages import stages_of
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency, PlannerParams

CANDIDATES = (100, 300, 600, 1200, 2500, 5000, 10_000, 20_000)
ON_ACCELERATOR = (*CANDIDATES, 50_000, 100_000, 300_000, 1_000_000)
PEOPLE = (0, 4, 16, 64)
TYPICAL = (600, 16)
FEW = 128
"""Cycles of fewer candidates sample in one stage: two would not hold the fixed seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, nargs="+")
    parser.add_argument("--people", type=int, nargs="+", default=PEOPLE)
    parser.add_argument("--threads", type=int, nargs="+")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--cross", action="store_true", help="only rows with 600 or 16")
    parser.add_argument("--out", type=Path, default=Path("out/scaling"))
    options = parser.parse_args()
    accelerator = jax.devices()[0].platform != "cpu"
    wanted = options.candidates or (ON_ACCELERATOR if accelerator else CANDIDATES)
    grid = [
        pair
        for pair in itertools.product(wanted, options.people)
        if not options.cross or pair[0] == TYPICAL[0] or pair[1] == TYPICAL[1]
    ]
    threads = options.threads or (
        [len(cores())] if accelerator else sorted({len(cores()), 1}, reverse=True)
    )

    content = {"device": device(), "load": [load()], "rows": [], "peaks": None}
    with tempfile.TemporaryDirectory() as cache:
        environment = {"JAX_COMPILATION_CACHE_DIR": cache}  # every row compiles once only
        for count in threads:
            rows, peaks = in_fresh_process(
                measure, grid, options.runs, count, threads=count, environment=environment
            )
            content["rows"] += rows
            content["peaks"] = content["peaks"] or peaks
    content["load"].append(load())
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "scaling.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    show(content)
    print(path)


def measure(grid, runs: int, threads: int):
    """Rows of the table, and what a core can do; in this process on its own cores."""
    peaks = arithmetic.peaks()
    return [
        measure_one(candidates, people, runs, threads, peaks) for candidates, people in grid
    ], peaks


def measure_one(candidates: int, people: int, runs: int, threads: int, peaks) -> dict:
    config = DEFAULT_PLANNER
    if candidates < FEW:
        config = dataclasses.replace(config, stages=1)
    config = with_sizes(config, candidates, people)
    params, latency = jax.tree.map(jnp.float32, (PlannerParams(), Latency()))
    cycle = jax.jit(cycle_of(DEFAULT_ROBOT, config))
    found = moments(DEFAULT_ROBOT, config, params, latency, people, 3, 0, cycle)
    start = time.perf_counter()
    compiled = cycle.lower(params, latency, found[0]).compile()
    seconds = time.perf_counter() - start
    runs = max(12, min(runs, 600 * runs // candidates))
    wall, cpu = timed([lambda m=m: cycle(params, latency, m) for m in found], runs)
    work = arithmetic.count(cycle_of(DEFAULT_ROBOT, config), params, latency, found[0])
    steps = candidates * (config.times - 1)
    # the least time one core needs for the arithmetic, were each unit at its peak in turn
    least = sum(work[unit] / peaks[unit] for unit in work)
    row = {
        "candidates": candidates,
        "people": people,
        "threads": threads,
        "median_ms": 1e3 * float(np.median(wall)),
        "fastest_ms": 1e3 * float(np.min(wall)),
        "cpu_ms": 1e3 * cpu,
        "cpu_ns_per_step": 1e9 * cpu / steps,
        **work,
        "xla_flops": float((compiled.cost_analysis() or {}).get("flops", float("nan"))),
        "least_ms": 1e3 * least,
        "share": least / cpu,
        "compile_s": seconds,
    }
    if (candidates, people) == TYPICAL:
        stages = interleaved(stages_of(DEFAULT_ROBOT, config, params, latency, found[0]), 30)
        row["stages_ms"] = {name: 1e3 * float(s.min()) for name, s in stages.items()}
        row["loops"] = loops(compiled.as_text())
    print(f"K {candidates} M {people} cores {threads}: {row['median_ms']:.1f} ms", flush=True)
    jax.clear_caches()
    return row


def loops(text: str) -> dict[str, int]:
    """How many pieces the compiled program has, by kind."""
    kinds = ("fusion", "dot", "while", "call", "custom-call", "sort", "copy", "gather", "scatter")
    return {kind: text.count(f" {kind}(") for kind in kinds}


def show(content) -> None:
    table = Table(
        *("K", "M", "cores", "median ms", "fastest", "CPU ms", "CPU ns/step"),
        *("Mflop", "k special", "k fetched", "least ms", "share"),
    )
    for row in content["rows"]:
        table.add_row(
            *(str(row[name]) for name in ("candidates", "people", "threads")),
            *(f"{row[name]:.2f}" for name in ("median_ms", "fastest_ms", "cpu_ms")),
            *(f"{row['cpu_ns_per_step']:.0f}", f"{row['flops'] / 1e6:.1f}"),
            *(f"{row['special'] / 1e3:.0f}", f"{row['fetched'] / 1e3:.0f}"),
            *(f"{row['least_ms']:.2f}", f"{100 * row['share']:.0f} %"),
        )
        for name in ("stages_ms", "loops"):
            if name in row:
                print(row["threads"], "cores", name, json.dumps(row[name]))
    Console(width=120).print(table)
    peaks = content["peaks"]
    print(
        f"one core: {peaks['flops'] / 1e9:.1f} Gflop/s, {peaks['special'] / 1e9:.2f} G exp/s, "
        f"{peaks['fetched'] / 1e9:.2f} G lookups/s; load {content['load']}; "
        f"cores {os.cpu_count()}"
    )


if __name__ == "__main__":
    main()
