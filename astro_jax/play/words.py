"""What the robot does, in words for people who have never heard of a gate.             [host]"""

from typing import Literal

from astro_jax.reactive.senses import Mode
from astro_jax.route.blocker import Blocker
from astro_jax.route.worker import (
    Answer,
    Cancelled,
    Failed,
    Found,
    Refused,
    TimedOut,
    Unreachable,
)
from astro_jax.types import Reason, Status

Tone = Literal["good", "slow", "stop"]

REASONS: dict[Reason, str] = {
    Reason.CLEAR: "Nothing in the way.",
    Reason.SLOWED: "Slower: something stands or walks close to the path.",
    Reason.BAD_PLAN: "Stopping: there is no valid plan.",
    Reason.BAD_SCAN: "Stopping: the range sensor says nothing useful.",
    Reason.BAD_STATE: "Stopping: the pose or the speed cannot be right.",
    Reason.PACED: "Slower: messages come too seldom to go faster.",
    Reason.BLIND: "Slower: the way leads where the sensor does not look.",
    Reason.BAD_MAP: "Stopping: the local map is missing or too old.",
    Reason.BAD_CLOCK: "Stopping: the clock stumbled.",
    Reason.WAITING: "Waiting until all has been well for a moment.",
    Reason.E_STOP: "Emergency stop.",
}
STATUSES: dict[Status, str] = {
    Status.OK: "",
    Status.NO_FINITE_CANDIDATE: "Stopping: no motion has a finite cost.",
    Status.BAD_STATE: "Stopping: the planner was told no valid state.",
    Status.NO_SAFE_TAIL: "Stopping: no plan keeps a stop in hand.",
    Status.BAD_INPUT: "Stopping: what the sensors say is not fit to drive on.",
    Status.NO_GOAL: "No goal: the robot stands.",
}
STANDING = 0.1
"""Slower than this is standing, m/s."""


def doing(
    status: Status,
    mode: Mode,
    reason: Reason,
    speed: float,
    planned: float,
    goal: bool,
    arrived: bool,
) -> tuple[Tone, str]:
    """(Tone, sentence) for a cycle.

    ``reason`` is that of the gate's strongest intervention, ``planned`` the greatest speed of the
    chosen plan, forwards or back (m/s).
    """
    if not goal:
        braking = abs(speed) > STANDING
        return "stop", "No goal: braking." if braking else STATUSES[Status.NO_GOAL]
    if status != Status.OK:
        return "stop", STATUSES[status]
    if mode in (Mode.STOPPED, Mode.E_STOPPED):
        return "stop", REASONS[reason]
    if reason != Reason.CLEAR:
        return "slow", REASONS[reason]
    if arrived:
        return "good", "There."
    if max(abs(speed), planned) <= STANDING:
        return "slow", "Waiting: going on now would cost more than it gains."
    return "good", "Backing off." if speed < 0.0 else "On its way."


def answered(answer: Answer) -> tuple[Tone, str]:
    """(Tone, sentence) for what the route layer has found; empty if there is a way to the goal."""
    match answer:
        case Found(makes_way=True):
            return "slow", "After you: it makes way where two cannot pass."
        case Found() | Cancelled():
            return "good", ""
        case Unreachable(blocker=Blocker(place=(x, y), door=door)):
            what = f"the door “{door}”" if door else f"what stands at {x:.1f}, {y:.1f}"
            return "stop", f"No way leads there: {what} is in the way. The robot stops."
        case Unreachable():
            return "stop", "No way leads there. The robot stops."
        case Refused(error=error):
            return "stop", f"Not a place for the robot: {error}. The robot stops."
        case TimedOut():
            return "stop", "The search for a way took too long. The robot stops."
        case Failed(error=error):
            return "stop", f"The search for a way failed ({error}). The robot stops."
