"""One tick of the gate on a robot, as it is compiled ahead of time.                  [host]

In: what the inbox has, the contents of the last briefing, the person's orders, ages by the host's
clock.  Out: the verdict.  ``compiled`` makes a ``Program`` of it for one robot and configuration;
from then on shapes and types are frozen (``reactive/forms.py``).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive.briefing import Briefing, Contents, no_briefing, seconds
from astro_jax.reactive.forms import Form, form_of
from astro_jax.reactive.gate import react
from astro_jax.reactive.senses import GateState, Orders, Senses, Verdict, initial_gate
from astro_jax.types import Odometry, Scan, pytree
from astro_jax.world.health import pace_within
from astro_jax.world.inbox import Inbox, empty_inbox, nearby
from astro_jax.world.latency import fast_forward

HISTORY = 1.28
"""For so long commands are remembered, s: more than any latency we accept."""


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
    takes_over: bool | Bool[Array, ""],
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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A compiled ``tick``, and what it takes."""

    config: PlannerConfig
    call: Callable[..., tuple[ArmedState, Verdict]]
    begin: ArmedState
    nothing: Briefing
    told: Form
    """Of a briefing's contents."""
    seen: Form
    """Of what comes from the inbox."""


def compiled(robot: RobotConfig, config: PlannerConfig) -> Program:
    """The tick of one robot, compiled; seconds pass."""
    nothing, near = no_briefing(robot, config), near_of(empty_inbox(robot), 0)
    begin = ArmedState(
        gate=initial_gate(robot.sensor.beams),
        sent=jnp.zeros((round(HISTORY / config.gate_period), 2)),
    )
    ages = Ages(cycle=seconds(0, 0), plan=seconds(0, 0), elapsed=seconds(0, 0))
    arguments = begin, nothing.contents, near, flags_of(Orders()), ages, np.bool_(False)
    call = jax.jit(functools.partial(tick, robot, config)).lower(*arguments).compile()
    # what is slow only the first time happens before the robot moves
    jax.block_until_ready(call(*arguments))
    return Program(
        config=config,
        call=call,
        begin=begin,
        nothing=nothing,
        told=form_of(nothing.contents),
        seen=form_of(near),
    )


def near_of(inbox: Inbox, now: int) -> Nearby:
    """What the inbox has for the gate at ``now`` (monotonic, ns)."""
    scan, odometry = nearby(inbox, now)
    return Nearby(scan=scan, odometry=odometry)


def flags_of(orders: Orders) -> Orders:
    """One spelling of true: Python's and NumPy's are different types to a compiler."""
    stop: Any = np.bool_(orders.stop)
    rearm: Any = np.bool_(orders.rearm)
    return Orders(stop=stop, rearm=rearm)
