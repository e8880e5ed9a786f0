"""Honest clocks: every call blocked on, cases taken in turn, cores and load known.  [host]

JAX returns before the work is done, so a call that is not blocked on measures nothing.
Cases are run in turn, so that a busy machine slows all of them alike.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

import jax
import numpy as np

_T = TypeVar("_T")

WARM_UP = 10
"""Calls of each case before the clock starts: caches, branch predictors, thread pools."""


def timed(calls: Sequence[Callable[[], Any]], runs: int) -> tuple[np.ndarray, float]:
    """Wall seconds of ``runs`` blocked calls, the cases in turn, and mean CPU s per call."""
    for _ in range(WARM_UP):
        for call in calls:
            jax.block_until_ready(call())
    wall = np.empty(runs)
    cpu = time.process_time()
    for k in range(runs):
        start = time.perf_counter()
        jax.block_until_ready(calls[k % len(calls)]())
        wall[k] = time.perf_counter() - start
    return wall, (time.process_time() - cpu) / runs


def interleaved(
    calls: Mapping[str, Callable[[], Any]], runs: int, warm_up: int = WARM_UP
) -> dict[str, np.ndarray]:
    """Wall seconds of ``runs`` blocked calls of every case, one of each in turn."""
    for _ in range(warm_up):
        for call in calls.values():
            jax.block_until_ready(call())
    wall = {name: np.empty(runs) for name in calls}
    for k in range(runs):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            wall[name][k] = time.perf_counter() - start
    return wall


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 if sys.platform != "darwin" else 1024.0**2)


def resident_mb() -> float:
    """Resident size of this process now, MB; NaN where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return float("nan")
    return pages * resource.getpagesize() / 2.0**20


def load() -> float:
    """Mean number of runnable processes over the last minute; idle is 0."""
    return os.getloadavg()[0]


def cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def on_accelerator() -> bool:
    """Whether JAX drives something else than a CPU here."""
    return jax.default_backend() != "cpu"


def in_fresh_process(
    function: Callable[..., _T],
    *arguments: Any,
    threads: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> _T:
    """The answer of ``function`` in a new process, on the last ``threads`` cores we may use.

    XLA makes as many threads as it may use cores when it starts, so the affinity has to be
    set before its first use: that takes a process of its own.  Not possible on every system
    (then all cores are used: compare CPU time with wall time).
    """
    chosen = cores()[-threads:] if threads else None
    with (
        _environment(environment or {}),
        ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=pin, initargs=(chosen,)
        ) as pool,
    ):
        return pool.submit(function, *arguments).result()


def pin(chosen: list[int] | None) -> None:
    """Keep this process to some cores, where the system can; None: all."""
    if chosen and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """What a child that is started meanwhile inherits."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
