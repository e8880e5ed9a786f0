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
import functools
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.errors import InputError
from astro_jax.reactive.briefing import (
    Briefing,
    Contents,
    no_briefing,
    seconds,
)
from astro_jax.reactive.forms import check_form, form_of
from astro_jax.reactive.gate import react
from astro_jax.reactive.record import Transition
from astro_jax.reactive.senses import GateState, Mode, Orders, Senses, Verdict, initial_gate
from astro_jax.types import Odometry, Reason, Scan, pytree
from astro_jax.world.health import pace_within
from astro_jax.world.inbox import SECOND, Inbox, empty_inbox, nearby
from astro_jax.world.latency import fast_forward

HISTORY = 1.28
"""For so long commands are remembered, s: more than any latency we accept."""
KEPT = 1000
"""Transitions that are kept; older ones are only in the log."""

_log = logging.getLogger(__name__)


@pytree
class ArmedState:
    """What goes from tick to tick on the device."""

    gate: GateState
    sent: Float[Array, "C 2"]
    """Twists sent to the wheels, oldest first."""


@pytree
class Nearby:
    """What the inbox has for the gate."""

    scan: Scan
    odometry: Odometry


@pytree
class Ages:
    """By the host's clock, s."""

    cycle: float | Float[Array, ""]
    """Since the cycle began of which the last briefing is: of its map and its tracks."""
    plan: float | Float[Array, ""]
    """Since the plan in force was due."""
    elapsed: float | Float[Array, ""]
    """Since the last tick."""


def tick(
    robot: RobotConfig,
    config: PlannerConfig,
    state: ArmedState,
    contents: Contents,
    near: Nearby,
    orders: Orders,
    ages: Ages,
    takes_over: Bool[Array, ""],
) -> tuple[ArmedState, Verdict]:
    """One tick as it is compiled; ``takes_over``: the plan in ``contents`` is a new one."""
    period, known = config.gate_period, contents.actuation
    odometry = near.odometry
    pose, _ = fast_forward(
        odometry.pose_map, state.sent, state.sent[:0], odometry.age, known, 0.0, period
    )
    # a plan that comes a little late is joined where it is by now
    phase = jnp.where(takes_over, ages.plan, state.gate.phase)
    senses = Senses(
        pose_map=pose,
        delay=known.delay,
        odometry=odometry,
        scan=near.scan,
        tracks=dataclasses.replace(contents.tracks, age=contents.tracks.age + ages.cycle),
        clearance=contents.clearance,
        map_age=ages.cycle,
        plan_age=ages.plan,
        pace=pace_within(contents.pace, (ages.cycle + period) / config.period),
        elapsed=ages.elapsed,
        orders=orders,
    )
    gate = dataclasses.replace(state.gate, phase=phase)
    gate, verdict = react(robot, config, gate, contents.plan, senses)
    sent = jnp.concatenate([state.sent[1:], verdict.twist[None]])
    return ArmedState(gate=gate, sent=sent), verdict


class ArmedGate:
    """One robot's gate.  One thread ticks; any thread may brief."""

    def __init__(
        self,
        robot: RobotConfig,
        config: PlannerConfig,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Compile; seconds pass.  ``clock`` must be the one that messages are stamped with."""
        self._config, self._clock = config, clock
        nothing = no_briefing(robot, config)
        near = _near(empty_inbox(robot), 0)
        self._told, self._seen = form_of(nothing.contents), form_of(near)
        count = round(HISTORY / config.gate_period)
        self.state = ArmedState(gate=initial_gate(robot.sensor.beams), sent=jnp.zeros((count, 2)))
        self._briefing = self._in_force = nothing
        self._last: int | None = None
        self._mode = Mode.STOPPED
        self._kept: deque[Transition] = deque(maxlen=KEPT)
        self.overruns = self.dropped = 0
        """Ticks that came more than half a period late; briefings that had been overtaken."""
        whole = jax.jit(functools.partial(tick, robot, config))
        arguments = self._arguments(nothing, near, Orders(), 0, False)
        self._tick = whole.lower(*arguments).compile()
        # what is slow only the first time happens before the robot moves
        jax.block_until_ready(self._tick(*arguments))

    def hear(self, briefing: Briefing) -> None:
        """Take in what a planning cycle has found out; its plan takes over when it is due.

        Raises:
          ShapeError: an array in it is not as it was when the gate was armed.  The gate goes on
            with the last briefing, until that is too old.
        """
        check_form(briefing.contents, self._told)
        if briefing.began <= self._briefing.began:
            self.dropped += 1
            return
        # a copy: whoever sent it may write over theirs
        own = jax.device_put(briefing.contents, may_alias=False)
        self._briefing = dataclasses.replace(briefing, contents=jax.block_until_ready(own))

    def tick(self, inbox: Inbox, orders: Orders | None = None) -> Verdict:
        """What to send to the wheels now, in NumPy.

        Raises:
          ShapeError: the inbox is that of another sensor.  No tick has passed.
        """
        now, newest = self._clock(), self._briefing
        near = _near(inbox, now)
        check_form(near, self._seen)
        takes_over = now >= newest.starts > self._in_force.starts
        if takes_over:
            self._in_force = newest
        arguments = self._arguments(newest, near, orders or Orders(), now, takes_over)
        self.state, verdict = self._tick(*arguments)
        verdict = jax.device_get(verdict)
        if self._last is not None:
            self.overruns += now - self._last > 1.5 * SECOND * self._config.gate_period
        self._last = now
        self._record(now, verdict)
        return verdict

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """The last changes of mode, oldest first."""
        return tuple(self._kept)

    def _arguments(
        self,
        newest: Briefing,
        near: Nearby,
        orders: Orders,
        now: int,
        takes_over: bool,
    ) -> tuple:
        contents, in_force = newest.contents, self._in_force
        if newest is not in_force:
            contents = dataclasses.replace(contents, plan=in_force.contents.plan)
        ages = Ages(
            cycle=seconds(newest.began, now),
            plan=seconds(in_force.starts, now),
            # no time has passed before the first tick: the gate begins by stopping
            elapsed=seconds(now if self._last is None else self._last, now),
        )
        given = Orders(stop=_flag(orders.stop), rearm=_flag(orders.rearm))
        return self.state, contents, near, given, ages, _flag(takes_over)

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


def _near(inbox: Inbox, now: int) -> Nearby:
    scan, odometry = nearby(inbox, now)
    return Nearby(scan=scan, odometry=odometry)


def _flag(value: Any) -> Any:
    """One spelling of true: Python's and NumPy's are different types to a compiler."""
    return np.bool_(value)


def arm(
    robot: RobotConfig, config: PlannerConfig, clock: Callable[[], int] = time.monotonic_ns
) -> ArmedGate:
    """A gate that is ready: compiled, at rest, and stopped until all has been well for a while.

    Raises:
      InputError: robot and configuration contradict each other or themselves.
    """
    for field, value, expected in [*robot.problems(), *config.problems(robot)]:
        raise InputError(field, value, expected)
    return ArmedGate(robot, config, clock)
