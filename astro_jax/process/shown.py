"""What the planner tells whoever watches: its plan, whom it sees, what it considered. [host]

Nothing of it steers.  What is considered is much to send and is sent seldom.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_jax.wire import told
from astro_jax.wire.sensed import clock_offset
from astro_jax.wire.topics import CANDIDATES, PLAN, TRACKS, Wire
from astro_jax.world.messages import Frames

SELDOM = 5
"""Cycles from one set of candidates to the next: 2 Hz."""


class Shown:
    """Everything in the frame that the robot plans in."""

    def __init__(self, wire: Wire, frames: Frames) -> None:
        """To be shown on ``wire``."""
        self._wire, self._frame = wire, frames.map

    def show(
        self, cycle: int, state: Mapping[str, Any], report: Mapping[str, Any], at: int
    ) -> None:
        """After the ``cycle``-th one, which was for the moment ``at`` (monotonic, ns)."""
        offset = clock_offset()
        poses = state["next_plan.motion.pose_map"]
        self._wire.publish(PLAN, told.path(self._frame, poses, at, offset))
        names = ("xy_map", "xy_var", "radius", "kind", "valid")
        tracks = {name: state[f"tracks.{name}"] for name in names}
        message = told.tracks(
            self._frame,
            tracks["xy_map"],
            tracks["xy_var"],
            tracks["radius"],
            tracks["kind"],
            tracks["valid"],
            at,
            offset,
        )
        self._wire.publish(TRACKS, message)
        # artifacts of before there was a wire do not say what they considered
        if cycle % SELDOM == 0 and "candidate_xy_map" in report:
            ways, cost = (np.asarray(report[name]) for name in ("candidate_xy_map", "cost"))
            lines = told.candidates(self._frame, ways, cost, at, offset)
            self._wire.publish(CANDIDATES, lines)
