"""Does any number make machine code crash?  Every input of every function, in turn, in a child.

Each array of the golden inputs is filled with one value at a time: NaN, infinity, beyond the range
of an integer.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from rich.console import Console

from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.cache import own_cache, use_cache
from astro_jax.deploy.check import differences
from astro_jax.deploy.engine import Engine, numpy_of, xla_engine
from astro_jax.deploy.native import native_engine

VALUES = {
    "f32": (np.nan, np.inf, -np.inf, -1e30, 3e9),
    "i32": (2**31 - 1, -(2**31), 100_000, -1),
    "u32": (0, 2**32 - 1),
    "bool": (False, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    options = parser.parse_args()
    artifact = read_artifact(options.artifact)
    engine, console = native_engine(artifact), Console()
    for function, signature in artifact.manifest.functions.items():
        inputs, _ = artifact.golden(function)
        tried, died = 0, []
        for name, kind in signature.inputs.items():
            for value in VALUES[kind.type]:
                given = {**inputs, name: np.full(kind.shape, value, kind.dtype)}
                tried += 1
                child = os.fork()
                if not child:
                    engine.calls[function](given)
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                if status:
                    died.append(f"{name} = {value} ({os.waitstatus_to_exitcode(status)})")
        console.print(f"{function}: {tried} tried, {len(died)} died: {', '.join(died) or 'none'}")
    use_cache(own_cache())
    console.print(f"verdicts that XLA does not share: {different_verdicts(artifact, engine)}")


def different_verdicts(artifact: Artifact, engine: Engine) -> list[str]:
    """What the gate says to inputs out of range, where the two do not agree (2 mm/s, 2 mrad/s)."""
    inputs, _ = artifact.golden("act")
    other, found = xla_engine(artifact), []
    for name, kind in artifact.manifest.functions["act"].inputs.items():
        for value in VALUES[kind.type]:
            given = {**inputs, name: np.full(kind.shape, value, kind.dtype)}
            one, two = (numpy_of(each.calls["act"](given)) for each in (engine, other))
            off = differences(one["verdict.twist"], two["verdict.twist"]).max()
            if off > 2e-3 or one["verdict.mode"] != two["verdict.mode"]:
                shown = [f"{a['verdict.twist']} in mode {a['verdict.mode']}" for a in (one, two)]
                found.append(f"{name} = {value}: {' and '.join(shown)}")
    return found


if __name__ == "__main__":
    main()
