"""The gate alone against the world: a blind driver, a real tracker, wheels and a referee.

An episode is a scan over planning cycles of .1 s, in each a scan over gate ticks, in each of
those physics steps of 5 ms.  The gate is called as ``navigator.act`` calls it: with its own
scan, the tracks, and a map of what is near.  Everything is per episode; ``vmap`` gives a batch.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.reactive import gate as reactive
from astro_jax.reactive.path import planned_twist, upcoming_twists
from astro_jax.reactive.senses import GateState, Orders, Senses, Verdict, initial_gate
from astro_jax.sim.ambush.cast import Ambush
from astro_jax.sim.ambush.driver import blind_plan, drive_blindly, spoiled, waiting_driver
from astro_jax.sim.ambush.envelope import unnoticed
from astro_jax.sim.ambush.near_map import clearance_of, see, start_map
from astro_jax.sim.ambush.oath import sworn
from astro_jax.sim.ambush.people import nobody_yet
from astro_jax.sim.ambush.physics import advance
from astro_jax.sim.ambush.referee import judge, no_tally
from astro_jax.sim.ambush.senses import Past, blind_half, detect, in_sight, sweep
from astro_jax.sim.ambush.shapes import Boxes
from astro_jax.sim.ambush.state import MEMORY, SENT, Held, Robot, State, Tick
from astro_jax.sim.ambush.trouble import Fault, active, rearming
from astro_jax.sim.contact import no_contacts
from astro_jax.sim.observe import GATE_SIGHT, POSE_NOISE, TWIST_NOISE
from astro_jax.sim.odometry import initial_belief
from astro_jax.sim.sensors import eye_of
from astro_jax.types import Odometry, Plan, Scan
from astro_jax.world.actuation import Actuation, configured
from astro_jax.world.latency import allowance, fast_forward
from astro_jax.world.people import follow, no_tracks
from astro_jax.world.sight import looked_at

React = Callable[[RobotConfig, PlannerConfig, GateState, Plan, Senses], tuple[GateState, Verdict]]
STALE_SCAN, STALE_PLAN = 0.15, 0.35
"""Older messages are wrong to drive on, s: what the gate promises, written down anew."""
STILL = 0.05
"""A robot that has moved by more than this (m, or a third of a radian's tenth) since its frozen
scan was new must have noticed."""


def start_ambush(robot: RobotConfig, config: PlannerConfig, ambush: Ambush, key: Array) -> State:
    """Everything at rest."""
    key, key_gain = jax.random.split(key)
    count = ambush.roles.at.shape[0]
    drops = ambush.drops.at.shape[0]
    things = ambush.boxes.there.shape[0] + drops
    start, beams = ambush.start, robot.sensor.beams
    plan = blind_plan(robot, config, jnp.zeros(2), jnp.zeros(2), start)
    gain = 1.0 + 0.02 * jax.random.truncated_normal(key_gain, -2.0, 2.0, (2,))
    held = Held(
        ranges=jnp.full(beams, jnp.inf),
        valid=jnp.zeros(beams, bool),
        eye_map=eye_of(robot.sensor, start),
        taken=jnp.float32(-1.0),
        looked=jnp.float32(-1.0),
        looked_from=start,
        half_blind=jnp.asarray(True),
    )
    near = start_map(config, start)
    body = Robot(
        gate=initial_gate(beams),
        plan=plan,
        next_plan=plan,
        plan_age=jnp.float32(0.0),
        plan_spoiled=jnp.asarray(False),
        next_spoiled=jnp.asarray(False),
        sent=jnp.zeros((SENT, 2)),
        tracks=no_tracks(config.people),
        near_map=near,
        clearance=clearance_of(config, near),
        held=held,
        driver=waiting_driver(ambush.first_target),
    )
    return State(
        tick=jnp.int32(0),
        pose=start,
        belief=initial_belief(start),
        twist=jnp.zeros(2),
        gain=gain,
        people=nobody_yet(count),
        drops=Boxes(
            xy=jnp.zeros((drops, 2)),
            axis=jnp.broadcast_to(jnp.array([1.0, 0.0]), (drops, 2)),
            half=ambush.drops.half,
            there=jnp.zeros(drops, bool),
        ),
        contacts=no_contacts(count),
        robot=body,
        past_pose=jnp.broadcast_to(start[None], (MEMORY, 3)),
        past_belief=jnp.broadcast_to(start[None], (MEMORY, 3)),
        past_twist=jnp.zeros((MEMORY, 2)),
        past_people=jnp.zeros((MEMORY, count, 2)),
        past_there=jnp.zeros((MEMORY, count), bool),
        notice=unnoticed(count + things),
        oath=sworn(),
        tally=no_tally(),
        key=key,
    )


def run_ambush(
    robot: RobotConfig,
    config: PlannerConfig,
    ambush: Ambush,
    state: State,
    cycles: int,
    react: React = reactive.react,
    replay: bool = False,
) -> tuple[State, Tick | None]:
    """``cycles`` planning cycles; with ``replay`` a line for every tick."""
    latency = dataclasses.replace(Latency(), command=ambush.trouble.command_latency)
    known = configured(robot, latency)

    def cycle(state: State, _):
        state, frame = _think(robot, config, latency, known, ambush, state)

        def tick(state: State, index):
            # only the first tick of a cycle has a frame that is new
            fresh = frame & (index == 0)
            return _tick(robot, config, latency, known, ambush, state, index, fresh, react, replay)

        return jax.lax.scan(tick, state, jnp.arange(round(config.period / config.gate_period)))

    state, lines = jax.lax.scan(cycle, state, length=cycles)
    if not replay:
        return state, None
    return state, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), lines)


def _think(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    known: Actuation,
    ambush: Ambush,
    state: State,
) -> tuple[State, Bool[Array, "M"]]:
    """Tracker and driver, at 10 Hz; whom the frame that has come now could show."""
    key, key_frame, key_whim, key_pose, key_scan = jax.random.split(state.key, 5)
    trouble, body, tick = ambush.trouble, state.robot, config.gate_period
    time = state.tick.astype(jnp.float32) * tick
    faults = active(trouble, time)
    past = _recall(config, state, latency.sensor)
    seen = in_sight(robot.sensor, past, _things(ambush, state), ambush.roles.radius)
    frame = detect(robot, past, seen, ambush.roles.radius, trouble.noise, latency.sensor, key_frame)
    odometry = _measure(past, latency.sensor, trouble.noise, key_pose)
    far = sweep(
        robot.sensor,
        past,
        _things(ambush, state),
        ambush.roles.radius,
        robot.sensor.range_max,
        trouble.noise,
        trouble.lost_beams,
        trouble.ghost_beams,
        key_scan,
    )
    scan = Scan(
        ranges=far.ranges,
        valid=far.valid,
        pose_map=eye_of(robot.sensor, past.belief),
        age=latency.sensor,
    )
    watched = looked_at(robot, scan, body.tracks)
    tracks = follow(body.tracks, frame, past.belief[:2], config.period, watched)
    near = see(robot, config, body.near_map, scan, tracks, past.belief[:2])

    ahead = allowance(latency, config)
    upcoming = upcoming_twists(robot, config, body.gate, body.plan)
    pose, _ = fast_forward(
        odometry.pose_map, body.sent, upcoming, odometry.age, known, ahead * tick, tick
    )
    wished = planned_twist(config, body.plan, body.gate.phase)
    driver = drive_blindly(robot, body.driver, body.gate.twist, wished, config.period, key_whim)
    plan = blind_plan(robot, config, driver.target, upcoming[ahead], pose)
    bad, nan = faults[int(Fault.PLAN_BAD)], faults[int(Fault.PLAN_NAN)]
    body = dataclasses.replace(
        body,
        tracks=tracks,
        near_map=near,
        clearance=clearance_of(config, near),
        driver=driver,
        next_plan=spoiled(plan, bad, nan),
        next_spoiled=bad | nan,
    )
    return dataclasses.replace(state, robot=body, key=key), seen


def _tick(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    known: Actuation,
    ambush: Ambush,
    state: State,
    index: Array,
    frame: Bool[Array, "M"],
    react: React,
    replay: bool,
) -> tuple[State, Tick | None]:
    """One gate tick: look, react, drive, judge."""
    key, key_scan, key_pose, key_drift = jax.random.split(state.key, 4)
    trouble, tick = ambush.trouble, config.gate_period
    time = state.tick.astype(jnp.float32) * tick
    faults = active(trouble, time)
    body = _take_over(state.robot, (index == allowance(latency, config)) & ~faults[Fault.PLAN_LOST])
    held, shows, comes = _look(robot, config, latency, ambush, state, faults, key_scan)
    past = _recall(config, state, latency.reactive_sensor)
    odometry = _measure(past, latency.reactive_sensor, trouble.noise, key_pose)
    nowhere = faults[int(Fault.POSE_NAN)]
    odometry = dataclasses.replace(
        odometry, pose_map=jnp.where(nowhere, jnp.nan, odometry.pose_map)
    )
    pose, _ = fast_forward(
        odometry.pose_map, body.sent, body.sent[:0], odometry.age, known, 0.0, tick
    )
    since_cycle = index.astype(jnp.float32) * tick
    button, rearm = faults[int(Fault.STOP_BUTTON)], rearming(trouble, time)
    senses = Senses(
        pose_map=pose,
        delay=known.delay,
        odometry=odometry,
        scan=Scan(
            ranges=held.ranges,
            valid=held.valid,
            pose_map=held.eye_map,
            age=time - held.taken,
            free=jnp.minimum(held.ranges, min(robot.sensor.range_max, GATE_SIGHT)),
        ),
        tracks=dataclasses.replace(body.tracks, age=body.tracks.age + since_cycle),
        clearance=body.clearance,
        map_age=since_cycle,
        plan_age=body.plan_age,
        elapsed=jnp.where(faults[int(Fault.CLOCK)], 10.0 * tick, tick),
        orders=Orders(stop=button, rearm=rearm),
    )
    wished = planned_twist(config, body.plan, body.gate.phase)
    after, verdict = react(robot, config, body.gate, body.plan, senses)
    wrong = _wrong(state, held, faults, time)
    late = (body.plan_age > STALE_PLAN + tick) | body.plan_spoiled
    body = dataclasses.replace(
        body,
        gate=after,
        held=held,
        plan_age=body.plan_age + tick,
        sent=jnp.concatenate([body.sent[1:], verdict.twist[None]]),
    )
    before, state = state, dataclasses.replace(state, robot=body, key=key)
    # what is late may be wrong already, and what may be wrong need not be stopped for: the
    # promise is checked where there is no doubt
    moved = advance(robot, config, latency, ambush, state, key_drift)
    state, struck, gaps = judge(
        robot,
        config,
        latency,
        ambush,
        before,
        moved,
        verdict,
        wished=wished,
        shows=shows & comes,
        frame=frame,
        wrong=wrong,
        plan_wrong=late,
        button=button,
        rearm=rearm,
        things=_things(ambush, moved),
    )
    if not replay:
        return state, None
    things = _things(ambush, state)
    line = Tick(
        time=time,
        pose=state.pose,
        belief=state.belief.pose_map,
        twist=state.twist,
        wished=wished,
        command=verdict.twist,
        mode=verdict.mode,
        reason=verdict.reason,
        ceiling=after.ceiling,
        scan_age=time - held.taken,
        faults=faults,
        gaps=gaps,
        xy=jnp.concatenate([state.people.xy, things.xy]),
        velocity=state.people.velocity,
        seen=time + tick - state.notice.seen_at < 0.1,
        fair=state.notice.fair,
        tracks_xy=body.tracks.xy_map,
        tracks_velocity=body.tracks.velocity_map,
        tracks_valid=body.tracks.valid,
        struck=struck,
        broken=state.oath.broken - before.oath.broken,
    )
    return state, line


def _look(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    ambush: Ambush,
    state: State,
    faults: Bool[Array, "F"],
    key: Array,
) -> tuple[Held, Bool[Array, "P"], Bool[Array, ""]]:
    """The scan that the gate has now, whom a new one shows, and whether one has come."""
    trouble, held = ambush.trouble, state.robot.held
    time = state.tick.astype(jnp.float32) * config.gate_period
    past = _recall(config, state, latency.reactive_sensor)
    swept = sweep(
        robot.sensor,
        past,
        _things(ambush, state),
        ambush.roles.radius,
        min(robot.sensor.range_max, GATE_SIGHT),
        trouble.noise,
        trouble.lost_beams,
        trouble.ghost_beams,
        key,
    )
    half = faults[int(Fault.HALF_BLIND)]
    swept = blind_half(swept, half)
    comes = (state.tick % trouble.scan_every == 0) & ~faults[int(Fault.SCAN_LOST)]
    frozen = faults[int(Fault.SCAN_FROZEN)] & (held.taken > 0.0)
    new = comes & ~frozen
    taken = time - latency.reactive_sensor
    eye = eye_of(robot.sensor, past.belief)
    after = Held(
        ranges=jnp.where(new, swept.ranges, held.ranges),
        valid=jnp.where(new, swept.valid, held.valid),
        eye_map=jnp.where(comes, eye, held.eye_map),
        taken=jnp.where(comes, taken, held.taken),
        looked=jnp.where(new, taken, held.looked),
        looked_from=jnp.where(new, past.pose, held.looked_from),
        half_blind=jnp.where(new, half, held.half_blind),
    )
    return after, swept.shows, new


def _wrong(
    state: State, held: Held, faults: Bool[Array, "F"], time: Float[Array, ""]
) -> Bool[Array, ""]:
    """Whether something other than the plan is wrong, beyond doubt."""
    moved = state.pose - held.looked_from
    apart = (jnp.hypot(moved[0], moved[1]) > STILL) | (jnp.abs(moved[2]) > STILL)
    # an empty scan once more may be an empty room
    shows = jnp.any(held.valid & jnp.isfinite(held.ranges))
    lies = faults[int(Fault.SCAN_FROZEN)] & (held.looked < held.taken - 1e-3) & apart & shows
    return (
        (time - held.taken > STALE_SCAN + 1e-3)
        | held.half_blind
        | lies
        | faults[int(Fault.POSE_NAN)]
        | faults[int(Fault.CLOCK)]
    )


def _take_over(body: Robot, now: Bool[Array, ""]) -> Robot:
    """Switch to the plan of this cycle, as ``navigator.act`` does."""
    return dataclasses.replace(
        body,
        plan=jax.tree.map(lambda new, old: jnp.where(now, new, old), body.next_plan, body.plan),
        plan_age=jnp.where(now, 0.0, body.plan_age),
        plan_spoiled=jnp.where(now, body.next_spoiled, body.plan_spoiled),
        gate=dataclasses.replace(body.gate, phase=jnp.where(now, 0.0, body.gate.phase)),
    )


def _things(ambush: Ambush, state: State) -> Boxes:
    """All that stands there now."""
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), ambush.boxes, state.drops)


def _recall(config: PlannerConfig, state: State, age) -> Past:
    back = jnp.round(age / config.gate_period).astype(jnp.int32)
    index = jnp.clip(MEMORY - 1 - back, 0, MEMORY - 1)
    return Past(
        pose=state.past_pose[index],
        belief=state.past_belief[index],
        twist=state.past_twist[index],
        people=state.past_people[index],
        there=state.past_there[index],
    )


def _measure(past: Past, age, noise: Float[Array, ""], key: Array) -> Odometry:
    drawn = noise * jnp.array([*POSE_NOISE, *TWIST_NOISE]) * jax.random.normal(key, (5,))
    return Odometry(pose_map=past.belief + drawn[:3], twist=past.twist + drawn[3:], age=age)
