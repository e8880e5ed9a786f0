"""Which process keeps which part of the robot's state, and what is handed over.     [host]

``navigator.act`` carries on what it drives by: plan in force, gate, screen, commands sent.
``navigator.think`` carries on the rest, and reads all.  Each part has one owner:

    planner → gate   the next plan, tracks, clearance, actuation, pace        10 Hz
    gate → planner   what is being driven                                     50 Hz

so that neither ever waits for the other, and whatever one hands over is of one moment.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from astro_jax.deploy.arrays import Form, Kind
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.manifest import Signature
from astro_jax.process.mailbox import Layout

DRIVEN = ("plan.", "screen_plan.", "gate.", "screen.", "plan_age", "sent")
"""What ``act`` carries from tick to tick: the gate's."""
BRIEFED = (
    *("next_plan.", "next_screen_plan.", "allowance"),
    *("tracks.", "clearance.", "actuation.", "health.pace"),
)
"""What ``act`` reads of what ``think`` carries."""
LOOKED = ("local_map.grid.",)
"""What the route worker holds against the house map."""

GATE_NUMBERS = (
    *("tick", "due", "mode", "reason", "since", "twist_v", "twist_omega", "missed", "skipped"),
)
"""``due``: when that tick was, ns; ``since``: the letter with which the mode became what it is;
twist in µm/s and µrad/s, for whoever only watches."""
PLANNER_NUMBERS = ("tick", "halted", "cycles", "microseconds")
"""``tick``: the one with which the cycle begins."""
LOOK_NUMBERS = ("time",)
WAY_NUMBERS = ("ticket", "there")
"""``there``: whether there is a way at all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layouts:
    """Of the four mailboxes."""

    gate: Layout
    planner: Layout
    look: Layout
    way: Layout


def part(prefixes: tuple[str, ...], state: Mapping[str, Any]) -> dict[str, Any]:
    """What of a flat state begins with one of these."""
    return {name: value for name, value in state.items() if name.startswith(prefixes)}


def layouts(artifact: Artifact) -> Layouts:
    """Of an artifact's own shapes."""
    functions = artifact.manifest.functions
    prefix = "state."
    state = {
        name.removeprefix(prefix): kind
        for name, kind in functions["act"].inputs.items()
        if name.startswith(prefix)
    }
    bodies = artifact.settings.config.people
    pose = Kind(type="f32", shape=(3,))
    look: Form = {
        **part(LOOKED, state),
        "pose_house": pose,
        "house_from_map": pose,
        "valid": Kind(type="bool", shape=(bodies,)),
        "velocity_map": Kind(type="f32", shape=(bodies, 2)),
        "xy_map": Kind(type="f32", shape=(bodies, 2)),
    }
    think: Signature = functions["think"]
    way = {name: kind for name, kind in think.inputs.items() if name.startswith("field.")}
    return Layouts(
        gate=Layout(numbers=GATE_NUMBERS, form=part(DRIVEN, state)),
        planner=Layout(numbers=PLANNER_NUMBERS, form=part(BRIEFED, state)),
        look=Layout(numbers=LOOK_NUMBERS, form=look),
        way=Layout(numbers=WAY_NUMBERS, form=way),
    )
