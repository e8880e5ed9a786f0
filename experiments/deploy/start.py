"""How long from the start of a process to its first plan?  Measured from outside, each in turn."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.bench.clock import cores, load

PLANNER = """
import sys
from pathlib import Path
from astro_jax.deploy.artifact import read_artifact
from astro_jax.deploy.load import engine_of
artifact = read_artifact(Path(sys.argv[1]))
if sys.argv[2] == "cpu":
    from astro_jax.deploy.cache import own_cache, use_cache
    use_cache(own_cache(Path(sys.argv[3])))
engine = engine_of(artifact, sys.argv[2])
inputs, _ = artifact.golden("think")
found = engine.calls["think"](inputs)
print(float(found["state.next_plan.commands"][0, 0]), flush=True)
sys.stdin.read()
"""


def seconds(artifact: Path, engine: str, cache: Path) -> tuple[float, float]:
    """(Wall, CPU) until the first plan is there."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", PLANNER, str(artifact), engine, str(cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    float(process.stdout.readline())
    wall = time.perf_counter() - begin
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    process.communicate()
    return wall, worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--cold", type=int, default=1, help="runs with an empty cache")
    options = parser.parse_args()
    busy, found = load(), {}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        for _ in range(options.cold):
            shutil.rmtree(cache, ignore_errors=True)
            found.setdefault("XLA, cache empty", []).append(seconds(options.artifact, "cpu", cache))
        for _ in range(options.runs):
            for name, engine in (("machine code", "native"), ("XLA, cache filled", "cpu")):
                if options.cold or engine == "native":
                    found.setdefault(name, []).append(seconds(options.artifact, engine, cache))
    table = Table("", "runs", "median", "least", "most", "CPU", title="first plan after (s)")
    for name, runs in found.items():
        wall, cpu = np.array(runs).T
        shown = [f"{value:.2f}" for value in (np.median(wall), wall.min(), wall.max(), cpu.min())]
        table.add_row(name, str(len(runs)), *shown)
    Console().print(table)
    print(f"{len(cores())} cores, load {busy:.1f} before and {load():.1f} after")


if __name__ == "__main__":
    main()
