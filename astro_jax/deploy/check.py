"""Does an artifact answer here as it did where it was made, and how fast?           [host]

Rounding differs between machines, and with it the last steps of a descent or, between two that are
as good as each other, the choice.  What is computed straight from the inputs (map, tracks, ages,
the gate's word) therefore has to be the same, and the plan has to be as good and nearly the same.
"""

import dataclasses
import time
from typing import Any

import numpy as np
from jaxtyping import Float

from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.engine import Engine, numpy_of
from astro_jax.errors import InputError

TOLERANCE = 1e-3
"""Of an element, relative to its size and absolute."""
ON_EDGE = 0.01
"""Share of an array's elements that may fall on the other side of a cell's edge."""
SAME_PLAN = 0.03
"""m/s, rad/s, s of cost."""
CHOSEN = ("state.planner.", "state.next_plan.", "state.next_screen_plan.", "report.")
"""What depends on the choice among plans …"""
DECISION = ("state.next_plan.commands", "report.best_cost")
"""… of which this has to be nearly the same, and …"""
STATUS = "state.next_plan.status"
"""… this just the same."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """Of one function to its golden inputs."""

    function: str
    worst: float
    """Largest difference of an array, in its median element."""
    first_ms: float
    """Of the first call."""
    median_ms: float
    p99_ms: float


def check_artifact(artifact: Artifact, engine: Engine, runs: int = 30) -> list[Answer]:
    """Call every function with its golden inputs.

    Raises:
      InputError: one of them answers otherwise than on the machine that made the artifact.
    """
    return [_checked(artifact, engine, function, runs) for function in artifact.manifest.functions]


def _checked(artifact: Artifact, engine: Engine, function: str, runs: int) -> Answer:
    inputs, wanted = artifact.golden(function)
    call = engine.calls[function]
    times: list[float] = []
    found: dict[str, Any] = {}
    for _ in range(max(runs, 1) + 1):
        start = time.perf_counter()
        found = numpy_of(call(inputs))
        times.append(1e3 * (time.perf_counter() - start))
    worst = _compare(found, wanted, f"golden cycle, {function}", artifact.where)
    return Answer(
        function=function,
        worst=worst,
        first_ms=times[0],
        median_ms=float(np.median(times[1:])),
        p99_ms=float(np.percentile(times[1:], 99)),
    )


def _compare(found: dict[str, Any], wanted: dict[str, Any], what: str, where: str) -> float:
    worst = 0.0
    for name, value in wanted.items():
        if name == STATUS and found[name] != value:
            raise InputError(f"{what}, {name}", int(found[name]), f"{int(value)}", where)
        if name.startswith(CHOSEN) and name not in DECISION:
            continue
        off = differences(found[name], value)
        if name in DECISION:
            wrong, bound = bool(np.any(off > SAME_PLAN)), SAME_PLAN
        else:
            size = np.abs(np.nan_to_num(np.asarray(value, np.float64), posinf=0.0, neginf=0.0))
            wrong, bound = np.mean(off > TOLERANCE * (1.0 + size)) > ON_EDGE, TOLERANCE
        if wrong:
            shown = f"off by {float(np.max(off)):.3g}"
            expected = f"what it was when the artifact was made, within {bound:g}"
            raise InputError(f"{what}, {name}", shown, expected, where)
        worst = max(worst, float(np.median(off)))
    return worst


def differences(found: Any, wanted: Any) -> Float[np.ndarray, "*n"]:
    """Absolute, element by element; NaN is like NaN, and unlike anything else."""
    a, b = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf))
