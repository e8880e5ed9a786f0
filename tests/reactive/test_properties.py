"""The gate's safety properties on random cases: P1–P3, P7 and P8 (P4 and P6: test_watchdog).

P1 commands are finite and within the limits, whatever comes in
P2 what is sent is s times what is planned, s in [0, 1]
P3 more things, people, age or doubt never raise s
P7 the same inputs give the same bits
P8 what is carried never grows, and nothing compiles twice
"""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.reactive import tracking
from astro_jax.reactive.senses import Mode, initial_gate
from astro_jax.types import Reason

from .cases import (
    BEAMS,
    CONFIG,
    ROBOT,
    SIGHT,
    TICK,
    f32,
    path_speed,
    planned_at,
    put,
    react,
    tracks_of,
)
from .many import (
    SPECIAL,
    at_both_scales,
    batch,
    for_all,
    pick,
    random_case,
    react_all,
    stack,
    wounded,
)


def assert_within_limits(twists):
    v, omega = np.moveaxis(np.asarray(twists, float), -1, 0)
    assert np.all(np.isfinite(v) & np.isfinite(omega))
    slack = 1.0101
    assert np.all((-ROBOT.reverse_speed * slack - 1e-4 <= v) & (v <= ROBOT.speed * slack))
    assert np.all(np.abs(omega) <= ROBOT.yaw_rate * slack)
    assert np.all(np.abs(v) + ROBOT.wheel_base / 2 * np.abs(omega) <= ROBOT.wheel_speed * slack)


def assert_no_faster_than_wheels_and_brakes(before, twists):
    before, after = path_speed(before), path_speed(twists)
    assert np.all(after <= before + ROBOT.wheel_acceleration * TICK * (1 + 1e-3) + 1e-6)
    assert np.all(after >= before - ROBOT.braking * TICK * (1 + 1e-3) - 1e-6)


# ---- P1 ------------------------------------------------------------------------------


@at_both_scales
def test_p1_commands_are_finite_and_within_limits(examples, size):
    def check(cases, random):
        cases = wounded(cases, random)
        broken = np.where(random.uniform(size=size) < 0.1, random.integers(1, 100, size), 0)
        cases = put(cases, "plan.status", broken.astype(np.int32))
        states, verdicts = react_all()(cases)
        assert_within_limits(verdicts.twist)
        assert_no_faster_than_wheels_and_brakes(cases.state.twist, verdicts.twist)
        assert np.all((verdicts.scale >= 0.0) & (verdicts.scale <= 1.0))
        assert np.all(np.isin(verdicts.reason, list(Reason)))
        assert np.all(np.isin(verdicts.mode, list(Mode)))
        np.testing.assert_array_equal(states.twist, verdicts.twist)
        # nothing that came in can tear what the gate itself remembers
        for name in ("phase", "twist", "rate", "ceiling", "steer", "well_for"):
            assert np.all(np.isfinite(getattr(states, name))), name

    for_all(check, examples, size)


@at_both_scales
def test_p1_even_with_a_torn_memory_the_command_is_finite(examples, size):
    def check(cases, random):
        _, verdicts = react_all()(wounded(cases, random, spared=()))
        assert np.all(np.isfinite(verdicts.twist))
        assert np.all((verdicts.scale >= 0.0) & (verdicts.scale <= 1.0))

    for_all(check, examples, size)


wounds = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.one_of(st.just(-1), st.integers(0, 10_000)),
        st.one_of(st.sampled_from(SPECIAL), st.floats(width=32)),
    ),
    max_size=6,
)


@settings(max_examples=800, deadline=None)
@given(seed=st.integers(0, 10_000), wounds=wounds, status=st.sampled_from([0, 0, 0, 1, 2, 99]))
def test_p1_for_any_numbers_that_hypothesis_thinks_of(seed, wounds, status):
    case = put(random_case(np.random.default_rng(seed)), "plan.status", np.int32(status))
    leaves, shape = jax.tree.flatten((case.plan, case.senses))
    floats = [k for k, leaf in enumerate(leaves) if leaf.dtype == np.float32]
    leaves = [np.array(leaf) for leaf in leaves]
    for which, where, value in wounds:
        flat = leaves[floats[which % len(floats)]].reshape(-1)
        flat[slice(None) if where < 0 else where % flat.size] = value
    plan, senses = jax.tree.unflatten(shape, leaves)
    _, verdict = react(case._replace(plan=plan, senses=senses))
    assert_within_limits(verdict.twist)
    assert_no_faster_than_wheels_and_brakes(case.state.twist, verdict.twist)
    assert 0.0 <= float(verdict.scale) <= 1.0


# ---- P2 ------------------------------------------------------------------------------


@at_both_scales
def test_p2_what_is_sent_is_the_plan_scaled(examples, size):
    """But for the bounded curvature that leads back to the path."""

    def check(cases, random):
        states, verdicts = react_all()(cases)
        flows = flow_all()(cases)
        for k in range(size):
            case, scale = pick(cases, k), float(verdicts.scale[k])
            phase = float(case.state.phase)
            planned = planned_at(case.plan, phase)
            steered = planned + np.array([0.0, float(states.steer[k]) * planned[0]])
            most = min(
                ROBOT.yaw_rate, (ROBOT.wheel_speed - abs(planned[0])) / (ROBOT.wheel_base / 2)
            )
            most = max(most, abs(planned[1]))
            steered[1] = np.clip(steered[1], -most, most)
            assert abs(float(states.steer[k])) <= tracking.MOST
            if path_speed(steered) < 2e-3 or verdicts.reason[k] == Reason.BAD_PLAN:
                continue
            np.testing.assert_allclose(verdicts.twist[k], scale * steered, atol=2e-5)
            passed = scale * TICK * float(flows[k])
            assert float(states.phase[k]) == pytest.approx(phase + passed, abs=1e-5)

    for_all(check, examples, size)


@functools.cache
def flow_all():
    """How fast the plan's own time passes, for a batch of cases."""
    return jax.jit(
        jax.vmap(
            lambda c: tracking.steer(
                ROBOT, CONFIG, c.plan, c.state.phase, c.senses.pose_map, c.state.steer
            )[1]
        )
    )


# ---- P3 ------------------------------------------------------------------------------


ROUNDING = 2e-5
"""Of s, in float32."""


def more_returns(case, random):
    """Where beams saw nothing, some now see something."""
    scan = case.senses.scan
    ranges, free = scan.ranges.copy(), scan.free.copy()
    empty = np.flatnonzero(np.isinf(ranges))
    added = random.choice(empty, random.integers(0, min(40, empty.size) + 1), replace=False)
    ranges[added] = random.uniform(0.1, 1.5, added.size)
    free[added] = ranges[added]
    return put(case, "senses.scan", dataclasses.replace(scan, ranges=ranges, free=free))


def fewer_beams(case, random):
    """Some beams that saw nothing say nothing any more."""
    scan = case.senses.scan
    lost = np.isinf(scan.ranges) & (random.uniform(size=BEAMS) < random.uniform())
    return put(case, "senses.scan.valid", scan.valid & ~lost)


def less_sight(case, random):
    free = case.senses.scan.free * f32(random.uniform(0, 1, BEAMS))
    return put(case, "senses.scan.free", free)


def another_person(case, random):
    tracks = case.senses.tracks
    xy, valid = tracks.xy_map.copy(), tracks.valid.copy()
    slot = int(np.sum(valid))
    if slot < valid.size:
        xy[slot], valid[slot] = random.normal(size=2), True
    return put(case, "senses.tracks", dataclasses.replace(tracks, xy_map=xy, valid=valid))


def broader_people(case, random):
    return put(
        case, "senses.tracks.radius", case.senses.tracks.radius + f32(random.uniform(0, 0.3))
    )


def older_tracks(case, random):
    """The same walkers, last heard of earlier."""
    tracks, more = case.senses.tracks, f32(random.uniform(0, 0.3))
    tracks = dataclasses.replace(
        tracks, xy_map=tracks.xy_map - more * tracks.velocity_map, age=tracks.age + more
    )
    return put(case, "senses.tracks", tracks)


def nearer_walls(case, random):
    table = case.senses.clearance.table - f32([random.uniform(0, 0.3), 0, 0, 0])
    return put(case, "senses.clearance.table", table)


def older(path):
    return lambda case, random: put(case, path, _at(case, path) + f32(random.uniform(0, 0.4)))


def less_pace(case, random):
    return put(case, "senses.pace", case.senses.pace * f32(random.uniform(0, 1)))


def _at(tree, path):
    for name in path.split("."):
        tree = getattr(tree, name)
    return tree


def nobody(case):
    return put(case, "senses.tracks", tracks_of())


def nothing_new(case):
    memory = case.state.memory
    old = dataclasses.replace(memory.old, free=np.zeros_like(memory.old.free))
    return put(case, "state.memory.old", old)


def nothing_seen(case):
    scan = case.senses.scan
    empty = dataclasses.replace(
        scan, ranges=np.full_like(scan.ranges, np.inf), free=np.full_like(scan.free, SIGHT)
    )
    return put(case, "senses.scan", empty)


def in_motion(case):
    return put(case, "state.mode", np.int32(min(case.state.mode, Mode.SLOWED)))


def as_it_is(case):
    return case


WORSE = {
    # the nearest new return of a sector stands for all: it may hide one that matters more
    "returns": (more_returns, nothing_new),
    "first new returns": (more_returns, nothing_seen),
    "lost beams": (fewer_beams, as_it_is),
    "less sight": (less_sight, as_it_is),
    # a track that explains a new return makes a walker of what might have been a runner
    "people": (another_person, nothing_new),
    "broader people": (broader_people, nothing_new),
    "older tracks": (older_tracks, as_it_is),
    "walls": (nearer_walls, as_it_is),
    # between an older scan and the tracks lies another way: other returns are explained
    "older scan": (older("senses.scan.age"), nobody),
    "older odometry": (older("senses.odometry.age"), as_it_is),
    "older map": (older("senses.map_age"), as_it_is),
    # in a stop, a plan that is too old trades the brakes for the planned stop
    "older plan": (older("senses.plan_age"), in_motion),
    "later motion": (older("senses.delay"), nobody),
    "pace": (less_pace, as_it_is),
}
"""What makes matters worse, and what is left out of the case before."""


@pytest.mark.parametrize("what", WORSE)
@at_both_scales
def test_p3_worse_never_raises_the_scale(examples, size, what):
    worsen, prepare = WORSE[what]

    def check(cases, random):
        cases = [prepare(pick(cases, k)) for k in range(size)]
        worse = stack([worsen(case, random) for case in cases])
        scale = react_all()(stack(cases))[1].scale
        lower = react_all()(worse)[1].scale
        raised = lower > scale + ROUNDING
        assert not np.any(raised), (lower[raised], scale[raised])

    for_all(check, examples // 5 if size < 9 else examples, size)


# ---- P7, P8 ----------------------------------------------------------------------------


@at_both_scales
def test_p7_the_same_inputs_give_the_same_bits(examples, size):
    """Again, and from a gate that was compiled anew."""

    def check(cases, random):
        cases = wounded(cases, random)
        first = react_all()(cases)
        for again in (react_all(), react_anew()):
            for one, other in zip(
                jax.tree.leaves(first), jax.tree.leaves(again(cases)), strict=True
            ):
                assert one.tobytes() == other.tobytes()

    for_all(check, examples // 2 if size < 9 else examples, size)


@functools.cache
def react_anew():
    return react_all.__wrapped__()


def test_p8_what_is_carried_has_the_shape_it_began_with():
    """Hundreds of ticks of anything at all need no byte more, and no compilation more."""
    start = initial_gate(BEAMS)
    shape = [(x.shape, x.dtype) for x in jax.tree.leaves(start)]
    random = np.random.default_rng(0)
    cases = wounded(batch(random, 50), random)
    state = start
    for k in range(400):
        case = pick(cases, k % 50)._replace(state=state)
        state, _ = react(case)
        assert [(x.shape, x.dtype) for x in jax.tree.leaves(state)] == shape
        assert not any(x.weak_type for x in jax.tree.leaves(state))


def test_the_properties_above_meet_every_reason():
    """Random cases that were always clear, or never, would prove little."""
    _, verdicts = react_all()(batch(np.random.default_rng(0), 256))
    _, broken = react_all()(wounded(batch(np.random.default_rng(1), 256), np.random.default_rng(1)))
    count = lambda reason: np.sum(verdicts.reason == reason)
    assert count(Reason.CLEAR) > 30 and count(Reason.SLOWED) > 30
    assert np.sum(verdicts.scale > 0.95) > 30 and np.sum(verdicts.scale < 0.5) > 30
    met = set(verdicts.reason.tolist()) | set(broken.reason.tolist())
    assert met == {int(reason) for reason in Reason}
