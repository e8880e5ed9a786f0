"""How an episode of a suite ended, in words.                                         [host]"""

import numpy as np
from jaxtyping import Float

from astro_jax.suites.case import Case, Row, Trace
from astro_jax.types import Kind
from astro_jax.viz.episode import FAR
from astro_jax.viz.happened import Happened, Touch


def ending(case: Case, trace: Trace, row: Row, seen: Happened) -> str:
    """How an episode ended that failed, in words."""
    parts = []
    if row.get("void"):
        parts.append("void, as somebody overlapped the robot when they appeared")
    if seen.telling is not None:
        parts.append(_touched(case, row, seen, seen.telling))
    elif row.get("collision") or row.get("at_fault"):
        parts.append("touched something")
    left = float(np.hypot(*(seen.ticks.pose_map[-1, :2] - np.asarray(case.scene.goal_map)[:2])))
    if np.isfinite(trace.arrived_at):
        parts.append(f"arrived after {seen.end:.1f} s")
    elif row.get("timeout"):
        parts.append(f"out of time after {seen.end:.1f} s, {left:.1f} m from the goal")
    return "; ".join(parts) or f"no success after {seen.end:.1f} s"


def summary(
    row: Row, seen: Happened, people: Float[np.ndarray, "N"], walls: Float[np.ndarray, "N"]
) -> str:
    """The figures of an episode in one line; distances (m) are those to the nearest."""
    ticks = seen.ticks
    driven = float(np.nansum(np.hypot(*np.diff(ticks.pose_map[:, :2], axis=0).T)))
    held = 100.0 * float(np.mean(np.asarray(ticks.scale) < 0.995))
    parts = [f"planner {row['planner']}" if row.get("planner") else ""]
    parts.append(f"variant {row['variant']}" if row.get("variant") else "")
    parts.append(f"{driven:.1f} m driven in {seen.end:.1f} s")
    if np.isfinite(people).any():
        parts.append(f"nearest body {max(float(people.min()), 0.0):.2f} m")
    wall = float(walls.min())
    far = f"at least {FAR:g} m away" if wall >= FAR else f"{wall:.2f} m"
    parts.append(f"nearest obstacle {far}")
    parts.append(f"held back by the gate {held:.0f} % of the time")
    return "   ·   ".join(part for part in parts if part)


def _touched(case: Case, row: Row, seen: Happened, touch: Touch) -> str:
    if touch.who is None:
        whom = "something that stands"
    else:
        person = int(np.asarray(case.scene.kind)[touch.who]) == int(Kind.PERSON)
        whom = "somebody" if person else "something that moves"
    fault = {None: "", True: " at fault", False: ", not at fault,"}[row.get("at_fault")]
    number = seen.touches.index(touch) + 1
    order = f" (touch {number} of {len(seen.touches)})" if len(seen.touches) > 1 else ""
    return f"touched {whom}{fault} after {touch.time:.1f} s{order}"
