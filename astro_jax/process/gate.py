"""The artifact's gate, tick by tick, with briefings from another process.            [host]

    gate = Gate(runtime)
    gate.hear(letter)                       # whenever the planner has put down a new one
    verdict = gate.tick(number, now, scan, odometry)

Ticks are numbered by the clock, so that one that was skipped counts as time passed.  A plan takes
over at the tick it was made for, or the one after; later it is void and the one before goes on into
its verified stop.  Without a sign of life from the planner there is no plan: the gate brakes along
the way that it is on, and nothing but a plan made after that lets it move again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_jax.deploy.runtime import Runtime, State
from astro_jax.process.mailbox import Letter
from astro_jax.process.split import DRIVEN, part
from astro_jax.types import Grid, Odometry, Scan, Status
from astro_jax.world.inbox import SECOND
from astro_jax.world.prior import PRIOR_UNKNOWN

LATE = 1
"""Ticks after its own at which a plan may still take over: it lies 1 cm behind by then."""
LONG_AGO = -1_000_000
"""The tick of a briefing that never was."""
_NEVER = np.int32(-1)


class Gate:
    """The last word before the wheels.  One thread."""

    def __init__(self, runtime: Runtime) -> None:
        """At rest, stopped, and without a plan."""
        self._runtime = runtime
        self._period = runtime.settings.config.gate_period
        cell: Any = np.float32(1.0)
        nowhere: Any = np.full((1, 1), PRIOR_UNKNOWN, np.float32)
        corner: Any = np.zeros(2, np.float32)
        # what a gate reads of the house it has from the planner
        house = Grid(values=nowhere, origin=corner, resolution=cell)
        self._state: State = runtime.start(house, np.zeros(3))
        self._state["plan_age"] = np.float32(np.inf)
        self._cycle, self._allowance = LONG_AGO, 0
        self._waits = False
        self._last: tuple[int, int] | None = None
        self.missed = 0
        """Plans that came too late, or were for a tick that never came."""
        self.skipped = 0
        """Ticks that did not happen in time."""
        self.heard = 0
        """Letters."""

    def hear(self, letter: Letter) -> None:
        """Take in what a planning cycle has found out; its plan waits for its tick."""
        self.missed += self._waits
        self._state.update(letter.arrays)
        self._cycle, self._waits = letter.numbers["tick"], True
        self._allowance = int(letter.arrays["allowance"])
        self.heard += 1
        if letter.numbers["halted"]:
            self._state["plan.status"] = np.int32(Status.NO_GOAL)

    def void(self) -> None:
        """There is no plan: the planner is dead, or the robot is to stop for good."""
        self._state["plan_age"] = np.float32(np.inf)
        self._waits = False

    def tick(
        self,
        number: int,
        now: int,
        scan: Scan,
        odometry: Odometry,
        stop: bool = False,
        rearm: bool = False,
    ) -> dict[str, np.ndarray]:
        """The ``number``-th tick, at ``now`` (monotonic, ns): what to send to the wheels.

        ``stop``: the emergency stop is pressed; ``rearm``: that is over (``process/buttons.py``).
        """
        elapsed = self._passed(number, now)
        since = number - self._cycle
        due = self._waits and since >= self._allowance
        if due and since > self._allowance + LATE:
            self.missed, due, self._waits = self.missed + 1, False, False
        # the artifact takes over when the tick is the one that the state names
        self._state["allowance"] = np.int32(since) if due else _NEVER
        self._waits = self._waits and not due
        self._state, verdict = self._runtime.act(
            self._state, since, scan, odometry, stop=stop, rearm=rearm, elapsed=elapsed
        )
        return verdict

    @property
    def driven(self) -> Mapping[str, Any]:
        """What the next planning cycle starts from."""
        return part(DRIVEN, self._state)

    def _passed(self, number: int, now: int) -> float:
        """Seconds since the last tick; those that were skipped count as driven through."""
        if self._last is None:
            self._last = number, now
            return 0.0  # no time has passed: the gate begins by stopping
        (before, then), self._last = self._last, (number, now)
        skipped = number - before - 1
        if skipped > 0:
            self.skipped += skipped
            sent = np.asarray(self._state["sent"])
            held = np.repeat(sent[-1:], min(skipped, len(sent)), axis=0)
            self._state["sent"] = np.concatenate([sent, held])[-len(sent) :]
            age = np.asarray(self._state["plan_age"]) + np.float32(skipped * self._period)
            self._state["plan_age"] = np.asarray(age, np.float32)
        return (now - then) / SECOND
