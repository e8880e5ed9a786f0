"""From a file to a robot that plans.                                                 [host]"""

import importlib.util
from pathlib import Path

from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.engine import Engine, this_target, xla_engine
from astro_jax.deploy.runtime import Runtime
from astro_jax.errors import InputError

ENGINES = ("auto", "native", "cpu", "cuda")


def load(path: Path, engine: str = "auto") -> Runtime:
    """The robot of an artifact, ready: see ``engine_of``."""
    artifact = read_artifact(path)
    return Runtime(artifact, engine_of(artifact, engine))


def engine_of(artifact: Artifact, choice: str = "auto") -> Engine:
    """What carries out its functions.

    Args:
      artifact: as it was read.
      choice: native: machine code, which starts in a fraction of a second; cpu or cuda: XLA, which
        compiles for half a minute unless JAX's persistent cache has it; auto: native if the
        artifact has it for this machine and IREE's runtime is installed, otherwise cpu.

    Raises:
      InputError: that cannot be here.
    """
    if choice not in ENGINES:
        raise InputError("engine", choice, f"one of {', '.join(ENGINES)}")
    here = this_target() in artifact.manifest.targets
    if choice == "auto":
        choice = "native" if here and importlib.util.find_spec("iree") else "cpu"
    if choice != "native":
        return xla_engine(artifact, choice)
    from astro_jax.deploy.native import native_engine

    return native_engine(artifact)
