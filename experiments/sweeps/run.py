"""Real closed loops, swept undisturbed, with a worker that dies, and killed and resumed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tyro

from astro_jax.sweep.store import read_rows

SPEC = Path(__file__).parent / "spec.yaml"
ADDRESS = "tcp://127.0.0.1:18786"
DIFFERS = ("wall_s", "tries", "device")
"""What a row may differ in."""
CLI = [sys.executable, "-m", "astro_jax.cli", "sweep", str(SPEC)]


def sweep(store: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([*CLI, "--store", str(store), *arguments])


def count(store: Path) -> int:
    return len(read_rows(store)[1]) if (store / "manifest.json").exists() else 0


def wait_for(store: Path, rows: int, process: subprocess.Popen) -> None:
    while count(store) < rows and process.poll() is None:
        time.sleep(0.5)


def finished(process: subprocess.Popen) -> None:
    if process.wait():
        raise SystemExit(f"the sweep ended with {process.returncode}")


def dask(*arguments: str) -> subprocess.Popen:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "dask", *arguments, "--no-dashboard"], **quiet)


def worker() -> subprocess.Popen:
    return dask("worker", ADDRESS, "--nthreads", "1", "--no-nanny")


@contextmanager
def cluster(workers: int) -> Iterator[list[subprocess.Popen]]:
    """A scheduler and its workers, as on several machines."""
    scheduler = dask("scheduler", "--port", "18786")
    time.sleep(8.0)
    running = [worker() for _ in range(workers)]
    try:
        yield running
    finally:
        for process in [*running, scheduler]:
            process.kill()
            process.wait()


def values(store: Path) -> list[str]:
    return [repr({k: v for k, v in row.items() if k not in DIFFERS}) for row in read_rows(store)[1]]


def main(out: Path = Path("out/sweeps")) -> None:
    """Every way, and whether the stores agree."""
    # who takes a dead worker's place need not compile what it had compiled
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(out.resolve() / "cache")
    began = time.monotonic()
    told = lambda what: print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    finished(sweep(out / "whole", "--jobs", "2"))
    told(f"undisturbed: {count(out / 'whole')} episodes")

    with cluster(2) as workers:
        process = sweep(out / "cluster", "--scheduler", ADDRESS)
        wait_for(out / "cluster", 4, process)
        workers[0].kill()
        told(f"cluster: one of two workers killed at {count(out / 'cluster')} episodes")
        wait_for(out / "cluster", 10, process)
        workers.append(worker())
        told(f"cluster: another one joins at {count(out / 'cluster')} episodes")
        finished(process)
        told(f"cluster: {count(out / 'cluster')} episodes")

    for rows in (3, 9, 15):
        process = sweep(out / "killed", "--jobs", "2")
        wait_for(out / "killed", rows, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        told(f"kill -9 of the sweep at {count(out / 'killed')} episodes")
    finished(sweep(out / "killed", "--jobs", "2"))
    told(f"resumed: {count(out / 'killed')} episodes")

    for name in ("cluster", "killed"):
        print(f"{name}: the same as undisturbed: {values(out / name) == values(out / 'whole')}")


if __name__ == "__main__":
    tyro.cli(main)
