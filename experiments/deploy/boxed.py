"""What does a black box cost the loop, and is what it wrote the same again?  Paced to 50 Hz."""

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.bench.clock import cores, load
from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.black_box import BlackBox, recorded
from astro_jax.deploy.engine import Call, Engine
from astro_jax.deploy.golden import drive
from astro_jax.deploy.load import engine_of
from astro_jax.deploy.replay import read_log_file, replay

KEPT = ("house.", "field.", "params.", "latency.")
"""What a ``Runtime`` hands over once."""


def timed(artifact: Artifact, calls: Mapping[str, Call], keep, cycles: int) -> dict[str, list]:
    """ms of every call of a drive in the golden room."""
    times, kept, due = {name: [] for name in calls}, {}, [time.monotonic()]

    def of(name: str) -> Call:
        def call(given):
            told = {key: value for key, value in given.items() if key.startswith(KEPT)}
            new = {key: value for key, value in told.items() if key not in kept}
            kept.update(keep(new))
            given = {**given, **{key: kept[key] for key in told}}
            begin = time.perf_counter()
            outputs = calls[name](given)
            jax.block_until_ready(outputs)
            times[name].append(1e3 * (time.perf_counter() - begin))
            if name == "act":
                due[0] = max(due[0] + artifact.settings.config.gate_period, time.monotonic())
                time.sleep(max(0.0, due[0] - time.monotonic()))
            return outputs

        return call

    for _ in drive(artifact.settings, {n: of(n) for n in calls}, artifact.manifest.house, cycles):
        pass
    return times


def row(times: dict[str, list], name: str) -> str:
    return " / ".join(f"{ms:.2f}" for ms in np.percentile(times[name], [50, 99, 100]))


def main(path: Path, cycles: int, rounds: int, choice: str) -> None:
    artifact = read_artifact(path)
    engine: Engine = engine_of(artifact, choice)
    title = f"{engine.name}; {len(cores())} cores, load {load():.1f}; ms: median / 99 % / worst"
    table = Table("", "think", "act", "lost", "MB", "again", title=title)
    for _ in range(rounds):
        times = timed(artifact, engine.calls, engine.keep, cycles)
        table.add_row("without", row(times, "think"), row(times, "act"))
        with tempfile.TemporaryDirectory() as folder:
            with BlackBox(Path(folder), artifact, engine.name) as box:
                times = timed(artifact, recorded(engine, box).calls, engine.keep, cycles)
            files = sorted(Path(folder).glob("*.mcap"))
            found = [replay(read_log_file(file), artifact, engine) for file in files]
            size = sum(file.stat().st_size for file in files) / 2**20
        same = sum(sum(one.calls.values()) for one in found if one.difference is None)
        again = f"{same} of {box.written} the same"
        shown = row(times, "think"), row(times, "act")
        table.add_row("with", *shown, str(box.lost), f"{size:.1f}", again)
    Console(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="native")
    given = parser.parse_args()
    main(given.artifact, given.cycles, given.rounds, given.engine)
