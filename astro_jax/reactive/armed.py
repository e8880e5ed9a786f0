"""The gate on a robot: compiled before it moves, fed by its clock, never compiled again.  [host]

``arm`` compiles one tick ahead of time, for one robot and one configuration.  From then on the
shapes and types of everything that comes in are frozen: what does not fit is refused with a typed
error and changes nothing, so that its source grows old and the robot stops.  All ages are counted
by one clock that nobody sets; a process that slept finds out from the length of its own tick.

    gate = arm(robot, config)
    gate.hear(briefing)                  # whenever a planning cycle is done, from any thread
    verdict = gate.tick(inbox)           # at the gate's rate: what to send to the wheels
"""

import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.errors import InputError
from astro_jax.reactive.briefing import Briefing, seconds
from astro_jax.reactive.forms import check_form
from astro_jax.reactive.program import Ages, ArmedState, Program, compiled, flags_of, near_of
from astro_jax.reactive.record import Transition
from astro_jax.reactive.senses import Mode, Orders, Verdict
from astro_jax.reactive.watch import LONGEST_GAP
from astro_jax.types import Reason
from astro_jax.world.inbox import SECOND, Inbox

KEPT = 1000
"""Transitions that are kept; older ones are only in the log."""

_log = logging.getLogger(__name__)


class ArmedGate:
    """One robot's gate.  One thread ticks; any thread may brief."""

    def __init__(self, program: Program, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """At rest and stopped; ``clock`` must be the one that messages are stamped with."""
        self._program, self._clock = program, clock
        self._state = program.begin
        self._briefing = self._in_force = program.nothing
        self._last: int | None = None
        self._mode = Mode.STOPPED
        self._kept: deque[Transition] = deque(maxlen=KEPT)
        self.overruns = 0
        """Ticks that came more than half a period late."""
        self.dropped = 0
        """Briefings that came twice, or had been overtaken."""

    def hear(self, briefing: Briefing) -> None:
        """Take in what a planning cycle has found out; its plan takes over when it is due.

        Raises:
          ShapeError: an array in it is not as it was when the gate was armed.  The gate goes on
            with the last briefing, until that is too old.
        """
        check_form(briefing.contents, self._program.told)
        if briefing.began <= self._briefing.began:
            self.dropped += 1
            return
        own = jax.block_until_ready(jax.device_put(jax.tree.map(_copied, briefing.contents)))
        self._briefing = dataclasses.replace(briefing, contents=own)

    def tick(self, inbox: Inbox, orders: Orders | None = None) -> Verdict:
        """What to send to the wheels now, in NumPy.

        Raises:
          ShapeError: the inbox is that of another sensor.  No tick has passed.
        """
        orders = flags_of(orders or Orders())
        began = self._clock()
        verdict = self._tick(inbox, orders, began)
        now = self._clock()
        if now - began > LONGEST_GAP * SECOND:
            # the process slept over its own answer, which is of a world that is gone
            verdict = self._tick(inbox, orders, now)
        return verdict

    @property
    def state(self) -> ArmedState:
        """What the next planning cycle starts from."""
        return self._state

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """The last changes of mode, oldest first."""
        return tuple(self._kept)

    def _tick(self, inbox: Inbox, orders: Orders, now: int) -> Verdict:
        newest, near = self._briefing, near_of(inbox, now)
        check_form(near, self._program.seen)
        takes_over = now >= newest.starts > self._in_force.starts
        in_force = newest if takes_over else self._in_force
        contents = newest.contents
        if newest is not in_force:
            contents = dataclasses.replace(contents, plan=in_force.contents.plan)
        ages = Ages(
            cycle=seconds(newest.began, now),
            plan=seconds(in_force.starts, now),
            # before the first tick no time has passed: the gate begins by stopping
            elapsed=seconds(now if self._last is None else self._last, now),
        )
        self._state, verdict = self._program.call(
            self._state, contents, near, orders, ages, np.bool_(takes_over)
        )
        # one by one: a seventh of the time of jax.device_get
        verdict = jax.tree.map(np.asarray, verdict)
        if self._last is not None:
            late = now - self._last > 1.5 * SECOND * self._program.config.gate_period
            self.overruns += late
        self._last, self._in_force = now, in_force
        self._record(now, verdict)
        return verdict

    def _record(self, now: int, verdict: Verdict) -> None:
        mode = Mode(int(verdict.mode))
        if mode == self._mode:
            return
        v, omega = verdict.twist
        change = Transition(
            time=now / SECOND,
            before=self._mode,
            after=mode,
            reason=Reason(int(verdict.reason)),
            scale=float(verdict.scale),
            twist=(float(v), float(omega)),
        )
        self._mode = mode
        self._kept.append(change)
        stops = mode in (Mode.STOPPED, Mode.E_STOPPED)
        _log.log(logging.WARNING if stops else logging.INFO, "%s", change)


def _copied(array: Any) -> Any:
    """A NumPy array may be written over by whoever sent it, also once it is on the device."""
    return array if isinstance(array, jax.Array) else np.array(array)


def arm(
    robot: RobotConfig, config: PlannerConfig, clock: Callable[[], int] = time.monotonic_ns
) -> ArmedGate:
    """A gate that is ready: compiled, at rest, and stopped until all has been well for a while.

    Raises:
      InputError: robot and configuration contradict each other or themselves.
    """
    for field, value, expected in [*robot.problems(), *config.problems(robot)]:
        raise InputError(field, value, expected)
    return ArmedGate(compiled(robot, config), clock)
