"""Traces that nobody drove: what a judge is to say of them is known."""

import dataclasses
from typing import Any

import numpy as np

from astro_jax.sim.contact import no_contacts
from astro_jax.sim.state import TickLog
from astro_jax.suites.case import Trace

TICK = 0.02


def trace_of(
    xy: np.ndarray, people: np.ndarray | None = None, arrived_at: float = np.inf, **counted: Any
) -> Trace:
    """The base's centre, a place every tick; people likewise; what the referee has counted."""
    count = len(xy)
    time = TICK * np.arange(1, count + 1)
    still = np.zeros(count, np.float32)
    moved = np.hypot(*np.diff(xy, axis=0, prepend=xy[:1]).T) / TICK
    logged: dict[str, Any] = {
        "time": time,
        "pose_map": np.column_stack([xy, still]),
        "twist": np.column_stack([moved, still]),
        "command": np.column_stack([moved, still]),
        "scale": still + 1.0,
        "mode": still.astype(int),
        "reason": still.astype(int),
        "pan": still,
        "people_xy": np.full((count, 1, 2), 1e3) if people is None else people,
        "contacts": still.astype(int),
    }
    contacts = dataclasses.replace(no_contacts(1), **counted)
    return Trace(ticks=TickLog(**logged), contacts=contacts, arrived_at=arrived_at)
