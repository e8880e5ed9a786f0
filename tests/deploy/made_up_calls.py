"""An artifact of two functions that NumPy carries out, and drives that a black box records."""

from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.deploy.arrays import Kind, to_bytes
from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.black_box import BlackBox, Limits, recorded
from astro_jax.deploy.engine import Engine
from astro_jax.deploy.log_files import NAME
from astro_jax.deploy.manifest import Signature
from tests.deploy.made_up import written

CELLS = 1100
"""Of a map: more bytes than are told in full."""
STATE = {
    "state.count": Kind(type="i32", shape=()),
    "state.map": Kind(type="f32", shape=(CELLS,)),
    "state.x": Kind(type="f32", shape=(2, 2)),
}
THINK = Signature(
    inputs={"house": Kind(type="f32", shape=(CELLS,)), **STATE},
    outputs=STATE,
)
ACT = Signature(
    inputs={"scan": Kind(type="f32", shape=(3,)), **STATE},
    outputs={**STATE, "verdict.twist": Kind(type="f32", shape=(2,))},
)
START = {
    "state.count": np.int32(0),
    "state.map": np.zeros(CELLS, np.float32),
    "state.x": np.array([[1.0, np.nan], [-0.0, np.inf]], np.float32),
}
HOUSE = np.arange(CELLS, dtype=np.float32)


def think(given: Any) -> dict[str, Any]:
    """The map becomes another one."""
    return {
        "state.count": np.int32(given["state.count"] + 1),
        "state.map": given["state.map"] + given["house"],
        "state.x": given["state.x"].copy(),
    }


def act(given: Any) -> dict[str, Any]:
    """The state becomes another one, its map does not."""
    scan, x = given["scan"], given["state.x"]
    return {
        "state.count": given["state.count"],
        "state.map": given["state.map"].copy(),
        "state.x": x + scan[0] * np.float32(0.1),
        "verdict.twist": np.array([scan[1] + x[0, 0], scan[2]], np.float32),
    }


ENGINE = Engine(name="NumPy", calls={"act": act, "think": think}, keep=dict)


def artifact_at(path: Path) -> Artifact:
    """The artifact, written and read; its golden cycle is empty."""
    signatures = {"act": ACT, "think": THINK}
    empty = {n: np.zeros(k.shape, k.dtype) for n, k in {**THINK.inputs, **ACT.inputs}.items()}
    parts = {
        f"golden/{name}.inputs": to_bytes(both.inputs, empty) for name, both in signatures.items()
    }
    return read_artifact(written(path, parts, functions=signatures))


def drive(box: BlackBox, cycles: int) -> None:
    """A cycle is one thought and two ticks; the arrays of the scan are used again and again."""
    engine, state, scan = recorded(ENGINE, box), START, np.zeros(3, np.float32)
    for cycle in range(cycles):
        state = engine.calls["think"]({"house": HOUSE, **state})
        for tick in range(2):
            scan[:] = cycle, tick, np.sin(cycle + 0.3 * tick)
            outputs = engine.calls["act"]({"scan": scan, **state})
            state = {name: outputs[name] for name in STATE}
        scan[:] = np.nan  # whoever still looks at it sees nonsense


def drive_into(folder: Path, artifact: Artifact, cycles: int, limits: Limits) -> BlackBox:
    """A whole drive, written and closed."""
    with BlackBox(folder, artifact, ENGINE.name, limits) as box:
        drive(box, cycles)
    return box


def files_of(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
