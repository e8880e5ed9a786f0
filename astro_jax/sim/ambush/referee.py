"""What is counted in one gate tick: contacts by kind, metres, slow-downs, broken promises."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.reactive.path import path_speed
from astro_jax.reactive.senses import Mode, Verdict
from astro_jax.sim.ambush.cast import Ambush
from astro_jax.sim.ambush.envelope import AT_FAULT, Kind, kind_of_contact, take_notice
from astro_jax.sim.ambush.oath import check
from astro_jax.sim.ambush.shapes import Boxes, separation
from astro_jax.sim.ambush.state import State, Tally
from astro_jax.sim.contact import SEPARATION_TIME, ContactState
from astro_jax.sim.gaps import person_gap
from astro_jax.types import Reason

WANTS = 0.05
"""A plan with a greater path speed wants to move, m/s."""
RESTS = 0.02
"""A command with a smaller one rests, m/s."""
FREEZE_TIME = 10.0
"""Shorter rests are waiting, not freezing, s."""
DEEPER = 1e-5
"""In a tick, m: less is rounding."""
IN_FLIGHT = 10
"""Commands that may still be on their way to the wheels."""


def no_tally() -> Tally:
    """Nothing counted yet."""
    none = jnp.int32(0)
    return Tally(
        kinds=jnp.zeros(len(Kind), jnp.int32),
        first=jnp.float32(jnp.inf),
        first_body=jnp.int32(-1),
        driven=jnp.float32(0.0),
        wanting=none,
        slowed=none,
        blind=none,
        stopped=none,
        rest=none,
        frozen=none,
    )


def judge(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    ambush: Ambush,
    before: State,
    state: State,
    verdict: Verdict,
    *,
    wished: Float[Array, "2"],
    shows: Bool[Array, "P"],
    frame: Bool[Array, "M"],
    wrong: Bool[Array, ""],
    plan_wrong: Bool[Array, ""],
    button: Bool[Array, ""],
    rearm: Bool[Array, ""],
    things: Boxes,
) -> tuple[State, Int[Array, "P"], Float[Array, "P"]]:
    """(State with everything counted, the ``Kind`` of each contact or −1, gaps in m)."""
    tick = config.gate_period
    time = state.tick.astype(jnp.float32) * tick
    people, count = state.people, state.people.there.shape[0]
    gaps = jnp.concatenate(
        [
            person_gap(
                state.pose,
                robot.length,
                robot.width,
                people.xy,
                ambush.roles.radius,
                people.there,
            ),
            separation(state.pose, robot.length, robot.width, things),
        ]
    )
    stood = separation(before.pose, robot.length, robot.width, things)
    struck = _struck(before.contacts, state.contacts, time, tick, gaps, stood)
    # judged by what was known before this tick
    excused = jnp.concatenate([~state.contacts.faulted[:-1], jnp.zeros_like(things.there)])
    persons = jnp.arange(gaps.shape[0]) < count
    kinds = kind_of_contact(before.notice, time, persons, excused)
    kinds = jnp.where(struck, kinds, -1)

    told = jnp.max(path_speed(robot, state.robot.sent[-IN_FLIGHT:]))
    still = jnp.zeros(things.there.shape[0])
    pace = jnp.sqrt(jnp.sum(people.velocity**2, axis=-1))
    change = jnp.sqrt(jnp.sum((people.velocity - before.people.velocity) ** 2, axis=-1)) / tick
    # who touches goes around the robot: what they do then is not held against them
    change = jnp.where((gaps[:count] <= 0.0) | ~before.people.there, 0.0, change)
    known = jnp.concatenate([before.people.there, ambush.boxes.there, before.drops.there])
    notice = take_notice(
        robot,
        state.notice,
        time,
        gap=gaps,
        speed=jnp.maximum(told, path_speed(robot, state.twist)),
        pace=jnp.concatenate([pace, still]),
        change=jnp.concatenate([change, still]),
        in_scan=shows,
        in_frame=jnp.concatenate([frame, jnp.zeros_like(things.there)]),
        appeared=jnp.isfinite(gaps) & ~known,
        answer=latency.command + robot.actuator_lag + tick,
        frame=config.period,
    )
    oath = check(
        robot,
        state.oath,
        time,
        verdict.twist,
        wrong=wrong,
        plan_wrong=plan_wrong,
        button=button,
        rearm=rearm,
        tick=tick,
    )
    tally = _counted(robot, config, state, verdict, wished, kinds, time)
    return dataclasses.replace(state, notice=notice, oath=oath, tally=tally), kinds, gaps


def _struck(
    before: ContactState,
    after: ContactState,
    time: Float[Array, ""],
    tick: float,
    gaps: Float[Array, "P"],
    stood: Float[Array, "K"],
) -> Bool[Array, "P"]:
    """Bodies with a new contact of the moving robot in this tick; of the things, the nearest.

    The referee does not know where things are touched and takes every motion along them for
    pressing on.  Here ``stood`` is known, how far apart they were a tick before: who was
    touched already and is left is not struck.
    """
    touches = after.touched_at > time - tick - 1e-4
    # a slot that was violated before has a new event only after a time apart
    apart = time - before.touched_at >= SEPARATION_TIME
    fresh = touches & after.violated & (~before.violated | apart)
    fresh = fresh & (after.passive_violations > before.passive_violations)
    count = fresh.shape[0] - 1
    nearest = jnp.arange(gaps.shape[0] - count) == jnp.argmin(gaps[count:])
    nearer = (stood > 0.0) | (gaps[count:] < stood - DEEPER)
    return jnp.concatenate([fresh[:-1], nearest & nearer & fresh[-1]])


def _counted(
    robot: RobotConfig,
    config: PlannerConfig,
    state: State,
    verdict: Verdict,
    wished: Float[Array, "2"],
    kinds: Int[Array, "P"],
    time: Float[Array, ""],
) -> Tally:
    tally, tick = state.tally, config.gate_period
    by_kind = jnp.sum(kinds[:, None] == jnp.arange(len(Kind))[None], axis=0, dtype=jnp.int32)
    fault = (kinds >= 0) & (kinds <= int(AT_FAULT[-1]))
    first = jnp.any(fault) & jnp.isinf(tally.first)
    wants = path_speed(robot, wished) > WANTS
    moves = path_speed(robot, verdict.twist) > RESTS
    slowed = wants & (verdict.mode == int(Mode.SLOWED))
    blind = verdict.reason == int(Reason.BLIND)
    rest = jnp.where(moves, 0, tally.rest + 1)
    freeze = round(FREEZE_TIME / tick)
    thawed = jnp.where(rest == freeze, freeze, (rest > freeze).astype(jnp.int32))

    def plus(count: Int[Array, ""], condition: Bool[Array, ""]) -> Int[Array, ""]:
        return count + condition.astype(jnp.int32)

    return Tally(
        kinds=tally.kinds + by_kind,
        first=jnp.where(first, time, tally.first),
        first_body=jnp.where(first, jnp.argmax(fault).astype(jnp.int32), tally.first_body),
        driven=tally.driven + tick * jnp.abs(state.twist[0]),
        wanting=plus(tally.wanting, wants),
        slowed=plus(tally.slowed, slowed & ~blind),
        blind=plus(tally.blind, slowed & blind),
        stopped=plus(tally.stopped, wants & ~moves),
        rest=rest,
        frozen=tally.frozen + thawed,
    )
