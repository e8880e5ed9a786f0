"""Turns of the base and when the screen showed them, read off a log of what truly happened. [host]

Nothing here knows of plans: in come headings and pan angles over time, out come turns.

A *turn* is a change of heading of more than ``LEAST`` within ``WITHIN`` seconds.  It begins at the
last moment before that at which the heading was extreme on the other side, and ends where the
heading stops getting on.  A turn is *shown* when the screen, as a bystander sees it (heading +
pan), faces ``SHOWN`` to that side of where the base headed when the turn began, and stays so until
the base itself has turned by as much.  The lead is the time from the one to the other: how much
earlier than from the base itself one could tell from the screen.  In the house's frame, because
that is what a bystander sees: a pan that only makes up for the base's own turning shows nothing.
``SHOWN`` is half of the least turn: what can be told for sure and is not the turn itself yet.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

LEAST = math.radians(30.0)
WITHIN = 2.0
"""s"""
SHOWN = math.radians(15.0)
LOOKED_BACK = 4.0
"""A screen that has faced there for longer than this before the base did leads by this, s."""
SLOW = 0.08
"""A turn whose mean speed is below this is one on the spot, m/s."""
OVER = math.radians(3.0)
"""A turn is over when the heading gets on by less than this in ``PAUSE`` s, or comes back by it."""
PAUSE = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of the base; times in s of the log, angles in rad."""

    begins: float
    ends: float
    angle: float
    """Signed, left positive."""
    speed: float
    """Mean forward speed until the base had turned by ``LEAST``, m/s; backwards is negative."""
    lead: float
    """s; negative: the base turned first."""

    @property
    def kind(self) -> str:
        """On the spot, in motion or reversing."""
        if self.speed < -0.5 * SLOW:
            return "reversing"
        return "on the spot" if self.speed < SLOW else "in motion"


def turns_of(
    time: npt.ArrayLike, yaw: npt.ArrayLike, pan: npt.ArrayLike, speed: npt.ArrayLike
) -> list[Turn]:
    """All turns of an evenly sampled log, in order; a turn cut off by its end counts too."""
    time, pan, speed = (np.asarray(x, float) for x in (time, pan, speed))
    heading = np.unwrap(np.asarray(yaw, float))
    rate = (len(time) - 1) / max(time[-1] - time[0], 1e-9)
    window, pause = round(WITHIN * rate), round(PAUSE * rate)
    found, begin = [], 0
    for now in range(len(time)):
        first = max(begin, now - window)
        past = heading[first : now + 1]
        if now <= begin or np.ptp(past) <= LEAST:
            continue
        left = past[-1] - past.min() > past.max() - past[-1]
        side = 1.0 if left else -1.0
        turned = side * heading
        # the last of the extreme samples: a rest before the turn is no part of it
        start = first + len(past) - 1 - int(np.argmin((side * past)[::-1]))
        end = _end(turned, now, pause)
        base = start + int(np.argmax(turned[start:] - turned[start] >= SHOWN))
        found.append(
            Turn(
                begins=float(time[start]),
                ends=float(time[end]),
                angle=float(heading[end] - heading[start]),
                speed=float(np.mean(speed[start : now + 1])),
                lead=_lead(turned + side * pan, turned[start] + SHOWN, base, rate),
            )
        )
        begin = end
    return found


def _end(turned: np.ndarray, now: int, pause: int) -> int:
    """Where the heading stops getting on."""
    best = now
    for k in range(now, len(turned)):
        if turned[k] > turned[best] + OVER:
            best = k
        elif k - best >= pause or turned[k] < turned[best] - OVER:
            break
    return best


def _lead(facing: np.ndarray, level: float, base: int, rate: float) -> float:
    """Seconds by which the screen passes ``level`` before sample ``base``, or behind it."""
    if facing[base] >= level:
        before = facing[: base + 1][::-1] < level
        held = int(np.argmax(before)) - 1 if np.any(before) else base
        return min(held / rate, LOOKED_BACK)
    behind = facing[base:] >= level
    return -(int(np.argmax(behind)) if np.any(behind) else len(behind)) / rate
