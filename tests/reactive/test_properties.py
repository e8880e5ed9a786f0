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
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.reactive import sight, tracking
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
    put,
    react,
)
from .many import (
    QUICK,
    SPECIAL,
    at_both_scales,
    batch,
    for_all,
    pick,
    random_case,
    react_all,
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


def assert_wheels_can_follow(before, twists):
    """To another curvature by as much as the brakes, and to another speed by as much again."""
    change = np.abs(np.asarray(twists, float) - before) @ [1.0, ROBOT.wheel_base / 2]
    assert np.all(change <= 2.0 * ROBOT.braking * TICK * (1 + 1e-3) + 1e-5)


# ---- P1 ------------------------------------------------------------------------------


@at_both_scales
def test_p1_commands_are_finite_and_within_limits(examples, size):
    def check(cases, random):
        cases = wounded(cases, random)
        broken = np.where(random.uniform(size=size) < 0.1, random.integers(1, 100, size), 0)
        cases = put(cases, "plan.status", broken.astype(np.int32))
        # some do something else than what is planned
        other = random.uniform([-0.25, -1.5], [0.7, 1.5], (size, 2))
        odd = random.uniform(size=(size, 1)) < 0.3
        cases = put(cases, "state.twist", f32(np.where(odd, other, cases.state.twist)))
        states, verdicts = react_all()(cases)
        assert_within_limits(verdicts.twist)
        assert_no_faster_than_wheels_and_brakes(cases.state.twist, verdicts.twist)
        assert_wheels_can_follow(cases.state.twist, verdicts.twist)
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
    assert_wheels_can_follow(case.state.twist, verdict.twist)
    assert 0.0 <= float(verdict.scale) <= 1.0


# ---- P2 ------------------------------------------------------------------------------


@at_both_scales
def test_p2_what_is_sent_is_the_plan_scaled(examples, size):
    """But for the bounded curvature that leads back to the path."""

    def check(cases, random):
        states, verdicts = react_all()(cases)
        planned = planned_all(cases)
        v, omega = planned.T
        assert np.all(np.abs(states.steer) <= tracking.MOST)
        most = np.minimum(ROBOT.yaw_rate, (ROBOT.wheel_speed - np.abs(v)) / (ROBOT.wheel_base / 2))
        most = np.maximum(most, np.abs(omega))
        turning = np.clip(omega + states.steer.astype(float) * v, -most, most)
        steered = np.stack([v, turning], axis=1)
        moves = (path_speed(steered) > 2e-3) & (verdicts.reason != Reason.BAD_PLAN)
        # a bad plan may be hidden by a graver reason
        moves &= joined(cases, steered)
        scale = verdicts.scale.astype(float)
        np.testing.assert_allclose(
            verdicts.twist[moves], scale[moves, None] * steered[moves], atol=2e-5
        )
        passed = states.phase.astype(float) - cases.state.phase
        flows = flow_all()(cases)
        np.testing.assert_allclose(passed[moves], (scale * TICK * flows)[moves], atol=1e-5)

    for_all(check, examples, size)


def planned_all(cases):
    """(v, ω) of each plan at the case's phase, float64."""
    phase = cases.state.phase
    late = phase >= np.float32(CONFIG.tail_after)
    rows = np.where(late[:, None, None], cases.plan.tail, cases.plan.commands).astype(float)
    position = (phase - late * CONFIG.tail_after) / TICK
    lower = np.minimum(np.floor(position).astype(int), rows.shape[1] - 2)
    share, each = (position - lower)[:, None], np.arange(len(rows))
    return (1.0 - share) * rows[each, lower] + share * rows[each, lower + 1]


def joined(cases, planned):
    """Whether wheels can go on from what was sent to what is planned, as fast as it was driven."""
    driven = np.asarray(cases.state.twist, float)
    last, wanted = path_speed(driven), path_speed(planned)
    share = np.minimum(last / np.maximum(wanted, 1e-9), 1.0)
    wheels = np.abs(share[:, None] * planned - driven) @ [1.0, ROBOT.wheel_base / 2]
    most = ROBOT.braking * TICK * (1.0 - 1e-3)
    return (wanted >= last - most) & (wheels <= most)


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


def more_returns(cases, random):
    """Where beams saw nothing, some now see something: runs of neighbours see one thing."""
    scan = cases.senses.scan
    size, run = len(scan.ranges), 5
    share = random.uniform(size=(size, 1)) * 0.15
    starts = random.uniform(size=(size, BEAMS // run)) < share
    added = np.isinf(scan.ranges) & np.repeat(starts, run, axis=1)
    shown = f32(np.repeat(random.uniform(0.1, 1.5, starts.shape), run, axis=1))
    ranges, free = np.where(added, shown, scan.ranges), np.where(added, shown, scan.free)
    return put(cases, "senses.scan", dataclasses.replace(scan, ranges=ranges, free=free))


def fewer_beams(cases, random):
    """Some beams that saw nothing say nothing any more."""
    scan = cases.senses.scan
    share = random.uniform(size=(len(scan.ranges), 1))
    lost = np.isinf(scan.ranges) & (random.uniform(size=scan.ranges.shape) < share)
    return put(cases, "senses.scan.valid", scan.valid & ~lost)


def less_sight(cases, random):
    free = cases.senses.scan.free
    return put(cases, "senses.scan.free", free * f32(random.uniform(0, 1, free.shape)))


def another_person(cases, random):
    tracks = cases.senses.tracks
    slot = np.sum(tracks.valid, axis=1, keepdims=True)
    added = np.arange(tracks.valid.shape[1]) == slot
    xy = np.where(added[..., None], f32(random.normal(size=tracks.xy_map.shape)), tracks.xy_map)
    tracks = dataclasses.replace(tracks, xy_map=xy, valid=tracks.valid | added)
    return put(cases, "senses.tracks", tracks)


def broader_people(cases, random):
    radius = cases.senses.tracks.radius
    more = f32(random.uniform(0, 0.3, (len(radius), 1)))
    return put(cases, "senses.tracks.radius", radius + more)


def older_tracks(cases, random):
    """The same walkers, last heard of earlier."""
    tracks = cases.senses.tracks
    more = f32(random.uniform(0, 0.3, len(tracks.age)))
    tracks = dataclasses.replace(
        tracks,
        xy_map=tracks.xy_map - more[:, None, None] * tracks.velocity_map,
        age=tracks.age + more,
    )
    return put(cases, "senses.tracks", tracks)


def nearer_walls(cases, random):
    table = cases.senses.clearance.table
    nearer = f32(random.uniform(0, 0.3, (len(table), 1, 1))) * f32([1.0, 0, 0, 0])
    return put(cases, "senses.clearance.table", table - nearer[..., None, :])


def older(path):
    def worsen(cases, random):
        age = _at(cases, path)
        return put(cases, path, age + f32(random.uniform(0, 0.4, age.shape)))

    return worsen


def less_pace(cases, random):
    pace = cases.senses.pace
    return put(cases, "senses.pace", pace * f32(random.uniform(0, 1, pace.shape)))


def _at(tree, path):
    for name in path.split("."):
        tree = getattr(tree, name)
    return tree


def nobody(cases):
    return put(cases, "senses.tracks.valid", np.zeros_like(cases.senses.tracks.valid))


def nothing_new(cases):
    old = cases.state.memory.old
    return put(cases, "state.memory.old.free", np.zeros_like(old.free))


def nothing_seen(cases):
    scan = cases.senses.scan
    empty = dataclasses.replace(
        scan, ranges=np.full_like(scan.ranges, np.inf), free=np.full_like(scan.free, SIGHT)
    )
    return put(cases, "senses.scan", empty)


def in_motion(cases):
    return put(cases, "state.mode", np.minimum(cases.state.mode, np.int32(Mode.SLOWED)))


def as_it_is(cases):
    return cases


WORSE = {
    "returns": (more_returns, as_it_is),
    "first new returns": (more_returns, nothing_seen),
    "lost beams": (fewer_beams, as_it_is),
    "less sight": (less_sight, as_it_is),
    # a track that explains a new return makes a walker of what might have been a runner
    "people": (another_person, nothing_new),
    # the returns of somebody broader lie deeper within them: their front stays where it is shown,
    # and who could be here anyway is left, or passed, by where the middle of them is
    "broader people": (broader_people, nothing_seen),
    "older tracks": (older_tracks, as_it_is),
    "walls": (nearer_walls, as_it_is),
    # between an older scan and the tracks lies another way: other returns are explained
    "older scan": (older("senses.scan.age"), nobody),
    "older odometry": (older("senses.odometry.age"), as_it_is),
    # in a stop, a planner that is late trades the brakes for the planned stop
    "older map": (older("senses.map_age"), in_motion),
    "older plan": (older("senses.plan_age"), in_motion),
    "later motion": (older("senses.delay"), nobody),
    "pace": (less_pace, as_it_is),
}
"""What makes matters worse, and what is left out of the case before."""


@functools.cache
def shown_all():
    """Which tracks the scan shows, for a batch of cases."""

    def shown(case):
        points, returned, _ = sight.nearby(ROBOT, case.senses)
        mine = sight.claims(case.senses.tracks, points, returned, case.senses.scan.age)[1]
        return jnp.any(mine, axis=1)

    compiled = jax.jit(jax.vmap(shown))
    return lambda cases: np.asarray(compiled(cases))


def raised(what, cases, random):
    """Which cases are faster when they are worse, and the scales before and after.

    Somebody whom the scan shows for the first time is not worse: where they are is known anew,
    and so is less of where they may have got to since the track.
    """
    worsen, prepare = WORSE[what]
    cases = prepare(cases)
    scale = react_all()(cases)[1].scale
    worse = worsen(cases, random)
    lower = react_all()(worse)[1].scale
    anew = np.any(shown_all()(worse) & ~shown_all()(cases), axis=1)
    return (lower > scale + ROUNDING) & ~anew, scale, lower


@pytest.mark.parametrize("what", WORSE)
def test_p3_worse_never_raises_the_scale(what):
    def check(cases, random):
        found, scale, lower = raised(what, cases, random)
        assert not np.any(found), (lower[found], scale[found])

    for_all(check, 10, QUICK)


@pytest.mark.soak
def test_p3_worse_never_raises_the_scale_in_100_000_cases():
    def check(cases, random):
        for what in WORSE:
            found, scale, lower = raised(what, cases, random)
            assert not np.any(found), (what, lower[found], scale[found])

    for_all(check, 400, 256)


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

    for_all(check, examples // 2 if size == QUICK else examples, size)


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
    random, clear, hurt = np.random.default_rng(0), [], []
    for _ in range(30):
        clear.append(react_all()(batch(random, QUICK))[1])
        hurt.append(react_all()(wounded(batch(random, QUICK), random))[1])
    reason = np.concatenate([verdicts.reason for verdicts in clear])
    scale = np.concatenate([verdicts.scale for verdicts in clear])
    count = lambda reason_of: np.sum(reason == reason_of)
    assert count(Reason.CLEAR) > 30 and count(Reason.SLOWED) > 30
    assert np.sum(scale > 0.95) > 30 and np.sum(scale < 0.5) > 30
    met = set(reason.tolist()).union(*(verdicts.reason.tolist() for verdicts in hurt))
    assert met == {int(reason) for reason in Reason}
