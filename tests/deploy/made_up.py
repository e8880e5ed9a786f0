"""A small artifact of no planner: everything but its functions is as in a real one."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from astro_jax import __version__
from astro_jax.deploy.arrays import Kind, to_bytes
from astro_jax.deploy.artifact import SETTINGS, write_artifact
from astro_jax.deploy.manifest import Manifest, Signature
from astro_jax.deploy.settings import Settings, settings_to_json

SIGNATURE = Signature(
    inputs={"flag": Kind(type="bool", shape=()), "state.x": Kind(type="f32", shape=(2, 3))},
    outputs={"state.x": Kind(type="f32", shape=(2, 3))},
)
INPUTS = {"flag": np.True_, "state.x": np.array([[1, 2, 3], [np.nan, np.inf, -0.0]], np.float32)}
OUTPUTS = {"state.x": 2 * INPUTS["state.x"]}
MANIFEST = Manifest(
    package=__version__,
    jax=jax.__version__,
    platforms=("cpu",),
    targets=(),
    house=(4, 5),
    functions={"start": SIGNATURE},
    parts={},
)
PARTS = {
    SETTINGS: settings_to_json(Settings()),
    "cpu/start.stablehlo": b"no function",
    "golden/start.inputs": to_bytes(SIGNATURE.inputs, INPUTS),
    "golden/start.outputs": to_bytes(SIGNATURE.outputs, OUTPUTS),
}


def array(*value: Any) -> Any:
    """float32 in NumPy, where the nouns say JAX: either will do."""
    return np.asarray(value[0] if len(value) == 1 else value, np.float32)


def written(path: Path, parts: dict[str, bytes] | None = None, **changes) -> Path:
    """An artifact with some things otherwise."""
    write_artifact(path, dataclasses.replace(MANIFEST, **changes), {**PARTS, **(parts or {})})
    return path
