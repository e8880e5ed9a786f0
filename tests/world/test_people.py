"""The tracker against a textbook Kalman filter, and through births, crowds and occlusions."""

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from astro_jax.types import Detections, Kind
from astro_jax.world import people
from astro_jax.world.association import GATE, associate
from astro_jax.world.detections import RADIUS, sound
from astro_jax.world.people import BODY, follow, no_tracks, update_tracks

DT = 0.1
DIFFUSION = float(people.DIFFUSION[Kind.PERSON])
FIRST_VELOCITY_VAR = float(people.FIRST_VELOCITY_VAR[Kind.PERSON])
HERE = np.zeros(2, np.float32)


class Textbook:
    """x, y, ẋ, ẏ with full matrices in float64 (Bar-Shalom et al. 2001, §5.2, §6.2.2)."""

    def __init__(self, xy):
        self.x = np.array([*xy, 0.0, 0.0])
        self.P = np.diag([people.DETECTION_VAR] * 2 + [FIRST_VELOCITY_VAR] * 2)

    def predict(self, dt):
        F = np.eye(4)
        F[0, 2] = F[1, 3] = dt
        one = DIFFUSION * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        self.x = F @ self.x
        self.P = F @ self.P @ F.T + np.kron(one, np.eye(2))

    def correct(self, z):
        H = np.eye(2, 4)
        S = H @ self.P @ H.T + people.DETECTION_VAR * np.eye(2)
        K = self.P @ H.T @ np.linalg.inv(S)
        self.x = self.x + K @ (z - H @ self.x)
        I_KH = np.eye(4) - K @ H
        self.P = I_KH @ self.P @ I_KH.T + people.DETECTION_VAR * K @ K.T  # Joseph's form


SIZES = 8
"""Different numbers of tracks and detections in this file."""


@jax.jit
@chex.assert_max_traces(n=SIZES)
def step(tracks, detections, dt, here=HERE):
    return update_tracks(tracks, detections, jnp.asarray(here), dt)


def frame(xy, seen=None, *, sd=0.05, kind=Kind.PERSON, identity=None, radius=0.25, capacity=None):
    """Detections at ``xy``, padded to ``capacity``."""
    xy = np.asarray(xy, np.float32).reshape(-1, 2)
    count = len(xy) if capacity is None else capacity
    at = np.zeros((count, 2), np.float32)
    at[: len(xy)] = xy
    valid = np.arange(count) < len(xy)
    if seen is not None:
        valid[: len(xy)] &= seen
    who = np.full(count, -1, np.int32)
    if identity is not None:
        who[: len(xy)] = identity
    fields: dict[str, Any] = {
        "xy_map": at,
        "xy_cov": np.tile(np.float32(sd) ** 2 * np.eye(2, dtype=np.float32), (count, 1, 1)),
        "radius": np.full(count, radius, np.float32),
        "kind": np.full(count, int(kind), np.int32),
        "identity": who,
        "seen": valid,
        "age": np.float32(0.0),
    }
    return Detections(**fields)


def after(tracks, detections, dt=DT, here=HERE):
    return jax.device_get(step(tracks, detections, np.float32(dt), here))


def places(tracks):
    """Of the valid tracks, (n, 2)."""
    return np.asarray(tracks.xy_map)[np.asarray(tracks.valid)]


def gaps(truth, tracks):
    """From each true place to the nearest track, m."""
    at = places(tracks)
    if not len(at):
        return np.full(len(truth), np.inf)
    return np.linalg.norm(np.asarray(truth)[:, None] - at[None], axis=-1).min(axis=1)


def walk(count, steps, seed, room=5.0):
    """Noisy detections of people who change their velocity now and then."""
    rng = np.random.default_rng(seed)
    velocity = np.cumsum(rng.normal(0, 0.1, (steps, count, 2)), axis=0) + rng.normal(
        0, 0.4, (count, 2)
    )
    # each in a room of their own
    first = rng.uniform(-5, 5, (count, 2)) + 8 * room * np.arange(count)[:, None]
    xy = np.cumsum(DT * velocity, axis=0) + first
    return (xy + rng.normal(0, 0.05, xy.shape)).astype(np.float32), xy, velocity


def slots_of(tracks, xy):
    """The slot nearest to each place; every one another."""
    found = np.linalg.norm(np.asarray(tracks.xy_map)[None] - xy[:, None], axis=-1).argmin(axis=1)
    assert len(set(found)) == len(xy)
    return found


# ---- the filter ----------------------------------------------------------------------


def test_tracks_are_those_of_the_textbook():
    detections, *_ = walk(5, 60, 0)
    rng = np.random.default_rng(1)
    seen = rng.random((60, 5)) < 0.8
    seen[0] = True
    tracks, slots = no_tracks(5), np.arange(5)
    slow = [Textbook(xy) for xy in detections[0].astype(float)]
    for k in range(60):
        order = rng.permutation(5)
        tracks = after(tracks, frame(detections[k][order], seen[k][order]))
        assert np.all(tracks.valid)
        if k == 0:
            slots = slots_of(tracks, detections[0])
        for m, filter in enumerate(slow):
            slot = slots[m]
            if k > 0:
                filter.predict(DT)
                if seen[k, m]:
                    filter.correct(detections[k, m].astype(float))
            np.testing.assert_allclose(tracks.xy_map[slot], filter.x[:2], atol=2e-4)
            np.testing.assert_allclose(tracks.velocity_map[slot], filter.x[2:], atol=5e-4)
            P = filter.P
            np.testing.assert_allclose(tracks.xy_var[slot], P[0, 0], rtol=2e-3)
            np.testing.assert_allclose(tracks.xy_velocity_cov[slot], P[0, 2], rtol=2e-3, atol=1e-6)
            np.testing.assert_allclose(tracks.velocity_var[slot], P[2, 2], rtol=2e-3)
    # The noise settles where the file says it does.
    assert 0.1 < np.sqrt(float(tracks.velocity_var[slots[0]])) < 0.2


def test_errors_are_as_large_as_the_filter_thinks():
    """Normalised error squared over many walkers of the filter's own model: 50 halls of 8."""
    halls, each, steps = 50, 8, 40
    count = halls * each
    rng = np.random.default_rng(5)
    velocity = rng.normal(0, 0.6, (count, 2))
    xy = rng.uniform(-5, 5, (count, 2)) + np.tile(20.0 * np.arange(each), halls)[:, None]
    truth, slots = (xy, velocity), np.arange(count)
    together = jax.jit(jax.vmap(update_tracks, in_axes=(0, 0, None, None)))
    tracks = jax.tree.map(lambda leaf: np.stack([leaf] * halls), no_tracks(each))
    flat = lambda leaf: np.asarray(leaf).reshape(count, *np.shape(leaf)[2:])
    for k in range(steps):
        detection = (xy + rng.normal(0, 0.05, xy.shape)).reshape(halls, each, 2)
        order = rng.permutation(each)
        frames = [frame(hall[order]) for hall in detection]
        frames = jax.tree.map(lambda *leaves: np.stack(leaves), *frames)
        tracks = together(tracks, frames, jnp.asarray(HERE), jnp.float32(DT))
        if k == 0:
            slots = np.linalg.norm(detection[:, :, None] - tracks.xy_map[:, None], axis=-1)
            slots = (slots.argmin(axis=-1) + each * np.arange(halls)[:, None]).reshape(-1)
        truth = xy, velocity
        kick = rng.normal(size=(2, count, 2))
        change = np.sqrt(DIFFUSION * DT) * kick[0]
        # position noise that goes with that kick: half of it, and a share of its own
        shift = DT * (0.5 * change + np.sqrt(DIFFUSION * DT / 12) * kick[1])
        xy, velocity = xy + DT * velocity + shift, velocity + change
    # two in the same hall may have met
    kept = np.linalg.norm(flat(tracks.xy_map)[slots] - truth[0], axis=-1) < 0.5
    assert kept.mean() > 0.98 and np.all(flat(tracks.valid)[slots[kept]])
    for estimate, true, variance in (
        (tracks.xy_map, truth[0], tracks.xy_var),
        (tracks.velocity_map, truth[1], tracks.velocity_var),
    ):
        squared = (flat(estimate)[slots] - true) ** 2 / flat(variance)[slots, None]
        # mean of 800 χ²₁ variables: 1 ± 5·√(2/800)
        assert abs(squared[kept].mean() - 1.0) < 0.25


def test_the_larger_axis_of_a_detection_counts():
    rng = np.random.default_rng(2)
    for _ in range(20):
        root = rng.normal(0, 0.1, (2, 2))
        cov = root @ root.T + 1e-3 * np.eye(2)
        report = frame([[1.0, 2.0]], capacity=3)
        report.xy_cov[0] = cov
        tracks = after(no_tracks(3), report)
        np.testing.assert_allclose(
            tracks.xy_var[tracks.valid], np.linalg.eigvalsh(cov)[-1:], rtol=1e-4
        )


def test_the_same_frame_again_is_not_counted_twice():
    once = after(settled(), frame([[3.3, 0.05]], capacity=3))
    for dt in (0.0, -0.1, np.nan, -np.inf, 1e-7):
        again = after(once, frame([[3.3, 0.05]], capacity=3), dt=dt)
        jax.tree.map(np.testing.assert_array_equal, again, once)


def test_a_long_pause_leaves_only_what_is_seen():
    for dt in (10.0, 1e30, np.inf):
        tracks = after(settled(), frame([[9.0, 1.0]], capacity=3), dt=dt)
        assert np.all(np.isfinite(tracks.xy_map)) and np.all(np.isfinite(tracks.xy_var))
        np.testing.assert_allclose(places(tracks), [[9.0, 1.0]], atol=1e-6)


# ---- birth, occlusion, death ---------------------------------------------------------


def settled(seconds=4.0, velocity=(0.8, 0.0)):
    """One person who has been seen walking straight for a while."""
    tracks = no_tracks(3)
    for k in range(round(seconds / DT)):
        tracks = after(tracks, frame(np.array([velocity]) * DT * k, capacity=3))
    return tracks


NOTHING = frame(np.zeros((0, 2)), capacity=3)


def test_a_new_person_starts_at_the_detection_with_open_velocity():
    tracks = after(no_tracks(3), frame([[1, 2], [3, 4], [5, 6]], [True, False, True]))
    assert np.sum(tracks.valid) == 2
    np.testing.assert_allclose(np.sort(places(tracks), axis=0), [[1, 2], [5, 6]])
    np.testing.assert_array_equal(tracks.velocity_map[tracks.valid], 0.0)
    np.testing.assert_allclose(tracks.velocity_var[tracks.valid], FIRST_VELOCITY_VAR)
    np.testing.assert_allclose(tracks.xy_var[tracks.valid], people.DETECTION_VAR, rtol=1e-6)


def test_each_kind_starts_as_it_is():
    for kind in Kind:
        report = frame([[1.0, 2.0]], kind=kind, radius=np.nan, capacity=3)
        tracks = after(no_tracks(3), report)
        (slot,) = np.flatnonzero(tracks.valid)
        assert tracks.kind[slot] == kind
        np.testing.assert_allclose(tracks.velocity_var[slot], people.FIRST_VELOCITY_VAR[kind])
        np.testing.assert_allclose(tracks.radius[slot], RADIUS[kind])
        before = tracks.velocity_var[slot]
        grown = after(tracks, NOTHING).velocity_var[slot] - before
        np.testing.assert_allclose(grown, people.DIFFUSION[kind] * DT, rtol=1e-3)


def test_a_straight_walk_is_learned():
    tracks = settled()
    np.testing.assert_allclose(tracks.velocity_map[0], [0.8, 0.0], atol=0.01)
    np.testing.assert_array_equal(tracks.valid, [True, False, False])


def unseen_until_lost(tracks):
    """Seconds that a track outlives its last detection, and the states on the way."""
    states = []
    for _ in range(200):
        tracks = after(tracks, NOTHING)
        states.append(tracks)
        if not tracks.valid[0]:
            break
    return DT * len(states), states


def test_an_occluded_person_walks_on_ever_less_certain_and_is_lost():
    tracks = settled()
    seconds, states = unseen_until_lost(tracks)
    assert 1.0 < seconds <= people.PERSISTENCE + DT
    alive = states[:-1]
    x = np.array([float(s.xy_map[0, 0]) for s in alive])
    np.testing.assert_allclose(np.diff(x), 0.8 * DT, atol=2e-3)
    variance = np.array([float(s.xy_var[0]) for s in alive])
    assert np.all(np.diff(variance) > 0)
    # Someone glimpsed once may be anywhere sooner.
    glimpsed = after(no_tracks(3), frame([[0.0, 0.0]], capacity=3))
    assert 0.3 < unseen_until_lost(glimpsed)[0] < seconds


def test_three_detections_outlive_a_second_of_occlusion():
    for kind in Kind:
        tracks = no_tracks(3)
        for k in range(3):
            tracks = after(tracks, frame([[0.1 * k, 0.0]], kind=kind, capacity=3))
        assert unseen_until_lost(tracks)[0] > 1.0


def test_a_lost_slot_starts_afresh_when_seen_again():
    _, states = unseen_until_lost(settled())
    for _ in range(50):  # long after
        states.append(after(states[-1], NOTHING))
    again = after(states[-1], frame([[9.0, 9.0]], capacity=3))
    assert again.valid[0]
    np.testing.assert_allclose(again.xy_map[0], 9.0)
    np.testing.assert_array_equal(again.velocity_map[0], 0.0)
    np.testing.assert_allclose(again.velocity_var[0], FIRST_VELOCITY_VAR)


def test_back_in_sight_in_time_the_track_goes_on():
    tracks = settled()
    for _ in range(5):
        tracks = after(tracks, NOTHING)
    before = tracks
    later = after(before, frame(before.xy_map[:1] + np.array([0.8 * DT, 0.0]), capacity=3))
    np.testing.assert_array_equal(later.valid, [True, False, False])
    np.testing.assert_allclose(later.velocity_map[0], [0.8, 0.0], atol=0.02)
    assert float(later.xy_var[0]) < float(before.xy_var[0])


def test_behind_a_wall_for_a_second():
    """A walker disappears for 1 s, eight bearings and speeds; the track is the same."""
    for k, speed in enumerate(np.linspace(0.3, 1.6, 8)):
        velocity = speed * np.array([np.cos(k), np.sin(k)])
        rng, tracks = np.random.default_rng(k), no_tracks(3)
        for i in range(30):
            tracks = after(tracks, frame([velocity * DT * i + rng.normal(0, 0.05, 2)], capacity=3))
        for i in range(30, 40):
            tracks = after(tracks, NOTHING)
            assert gaps([velocity * DT * i], tracks) < 0.6
        for i in range(40, 50):
            tracks = after(tracks, frame([velocity * DT * i + rng.normal(0, 0.05, 2)], capacity=3))
            assert gaps([velocity * DT * i], tracks) < 0.25
        np.testing.assert_array_equal(tracks.valid, [True, False, False])


def test_too_fast_an_estimate_becomes_uncertainty():
    tracks = no_tracks(3)
    for k in range(20):
        tracks = after(tracks, frame([[0.38 * k, 0.0]], sd=0.2, capacity=3))
    speed = np.linalg.norm(tracks.velocity_map, axis=-1)
    assert np.all(speed <= people.TOP_SPEED[Kind.PERSON] + 1e-5)
    assert gaps([[0.38 * 19, 0.0]], tracks) < 0.3
    assert tracks.velocity_var[0] > 0.1


# ---- what is no detection ------------------------------------------------------------


def test_a_detection_that_is_not_a_number_is_none():
    tracks = settled()
    nothing = after(tracks, NOTHING)
    for bad in (np.nan, np.inf, -np.inf, 1e20):
        for where in ([0], [1], [0, 1]):
            xy = np.zeros((3, 2), np.float32)
            xy[:2, where] = bad
            got = after(tracks, frame(xy, np.array([True, True, False])))
            jax.tree.map(np.testing.assert_array_equal, got, nothing)


def test_a_covariance_that_is_none_makes_no_detection():
    tracks = settled()
    nothing = after(tracks, NOTHING)
    for bad in (
        [[np.nan, 0.0], [0.0, 0.01]],
        [[0.01, 0.0], [0.0, np.inf]],
        [[-0.01, 0.0], [0.0, 0.01]],
        [[0.01, 0.0], [0.0, -0.001]],
        [[0.01, 0.02], [0.02, 0.01]],
        [[0.01, 0.005], [-0.005, 0.01]],
        [[1e30, 0.0], [0.0, 1e30]],
    ):
        report = frame([[3.2, 0.0]], capacity=3)
        report.xy_cov[0] = bad
        got = after(tracks, report)
        jax.tree.map(np.testing.assert_array_equal, got, nothing)


ODD = st.sampled_from([0.0, 1.0, -1.0, 0.3, 1e-30, 1e9, 1e30, -1e38, np.nan, np.inf, -np.inf])
NUMBER = st.one_of(ODD, st.floats(-5, 5, width=32))
CAPACITY, SLOTS = 6, 4


@st.composite
def any_frame(draw):
    array = lambda *shape: np.array(
        draw(st.lists(NUMBER, min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))),
        np.float32,
    ).reshape(shape)
    whole = lambda: np.array(
        draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=CAPACITY, max_size=CAPACITY)),
        np.int32,
    )
    mask = draw(st.lists(st.booleans(), min_size=CAPACITY, max_size=CAPACITY))
    usual = draw(st.booleans())
    report = frame(array(CAPACITY, 2), np.array(mask), radius=float(draw(NUMBER)))
    if usual:  # most covariances made up of any numbers are none
        return report
    odd: dict[str, Any] = {
        "xy_cov": array(CAPACITY, 2, 2),
        "radius": array(CAPACITY),
        "kind": whole(),
        "identity": whole(),
    }
    return dataclasses.replace(report, **odd)


@settings(max_examples=150)
@given(st.lists(st.tuples(any_frame(), NUMBER), min_size=1, max_size=4), NUMBER)
def test_whatever_comes_in_finite_tracks_come_out(frames, x):
    tracks = no_tracks(SLOTS)
    for report, dt in frames:
        tracks = after(tracks, report, dt=dt, here=np.array([x, 1.0], np.float32))
        for leaf in jax.tree.leaves(tracks):
            assert np.all(np.isfinite(leaf))
        a, b, c = tracks.xy_var, tracks.xy_velocity_cov, tracks.velocity_var
        assert np.all(a > 0) and np.all(c > 0) and np.all(b**2 <= 1.001 * a * c)
        assert np.all((tracks.kind >= 0) & (tracks.kind < len(Kind)))
        assert np.all(tracks.radius > 0)


# ---- late frames ---------------------------------------------------------------------


def test_what_counts_is_when_frames_were_true():
    """A walker at 1 m/s; cycles of .1 s, frames older or younger than usual, or the same."""
    at = lambda time: frame([[time, 0.0]], capacity=CAPACITY)
    cycle = jax.jit(lambda tracks, report: follow(tracks, report, jnp.zeros(2), 0.1))
    rng, ages = np.random.default_rng(12), 0.15
    tracks, true, newest = no_tracks(SLOTS), 0.0, -np.inf
    for k in range(60):
        now = 0.1 * k
        kind = rng.choice(["usual", "again", "old", "jitter"], p=[0.4, 0.2, 0.1, 0.3])
        if k == 0:
            kind = "usual"
        true = {
            "usual": now - ages,
            "again": true,  # nothing new has come
            "old": true - 0.07,  # overtaken by the one before
            "jitter": now - rng.uniform(0.02, 0.3),
        }[kind]
        before = tracks
        report = dataclasses.replace(at(true), age=np.float32(now - true))
        tracks = jax.device_get(cycle(tracks, report))
        stale = true <= newest + 1e-6
        newest = max(newest, true)
        assert np.sum(tracks.valid) == 1
        np.testing.assert_allclose(tracks.age, now - newest, atol=1e-4)
        if stale:
            for field in ("xy_map", "velocity_map", "xy_var", "credit"):
                np.testing.assert_array_equal(getattr(tracks, field), getattr(before, field))
        elif k > 30:
            slot = np.flatnonzero(tracks.valid)[0]
            np.testing.assert_allclose(tracks.xy_map[slot], [newest, 0.0], atol=5e-3)
            np.testing.assert_allclose(tracks.velocity_map[slot], [1.0, 0.0], atol=1e-2)
        true = newest


def test_a_detector_that_is_silent_leaves_tracks_that_age():
    cycle = jax.jit(lambda tracks, report: follow(tracks, report, jnp.zeros(2), 0.1))
    tracks = before = after(no_tracks(SLOTS), frame([[1.0, 0.0]], capacity=CAPACITY))
    for k in range(30):
        age = np.float32(0.1 * k + 0.1 if k % 2 else np.nan)
        report = dataclasses.replace(frame([[1.0, 0.0]], capacity=CAPACITY), age=age)
        tracks = cycle(tracks, report)
    np.testing.assert_array_equal(tracks.valid, before.valid)
    np.testing.assert_allclose(tracks.age, 3.0, rtol=1e-4)
    np.testing.assert_array_equal(tracks.xy_map, before.xy_map)


# ---- who is who ----------------------------------------------------------------------


def same_people(one, other):
    """Equal up to the order of the slots."""
    assert np.sum(one.valid) == np.sum(other.valid)
    key = lambda t: np.lexsort(np.asarray(t.xy_map)[np.asarray(t.valid)].T)
    for field in ("xy_map", "velocity_map", "xy_var", "velocity_var", "credit"):
        ours, theirs = (np.asarray(getattr(t, field))[t.valid][key(t)] for t in (one, other))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.permutations(range(CAPACITY)))
def test_the_order_of_detections_does_not_matter(seed, order):
    rng = np.random.default_rng(seed)
    one = other = no_tracks(SLOTS)
    xy = rng.uniform(-2, 2, (CAPACITY, 2))
    for _ in range(3):
        seen = rng.random(CAPACITY) < 0.8
        report = frame(xy + rng.normal(0, 0.05, xy.shape), seen)
        one = after(one, report)
        other = after(other, jax.tree.map(lambda x: x[order] if np.ndim(x) else x, report))
        same_people(one, other)


def test_people_far_apart_do_not_touch_each_other():
    detections, *_ = walk(4, 20, 3)
    together, alone = no_tracks(4), no_tracks(1)
    seen = np.random.default_rng(4).random((20, 4)) < 0.7
    seen[0, 2] = True
    for k in range(20):
        together = after(together, frame(detections[k], seen[k]))
        alone = after(alone, frame(detections[k, 2:3], seen[k, 2:3]))
        assert alone.valid[0]
        slot = np.linalg.norm(together.xy_map - alone.xy_map[:1], axis=-1).argmin()
        np.testing.assert_allclose(together.xy_map[slot], alone.xy_map[0], rtol=1e-6)
        np.testing.assert_allclose(together.xy_var[slot], alone.xy_var[0], rtol=1e-6)
        assert together.valid[slot]


def test_greedy_pairs_are_nearly_always_the_cheapest():
    """Against SciPy's optimal assignment, on frames of a crowd of 8 in 4 x 4 m."""
    rng, differ, total = np.random.default_rng(6), 0, 300
    pair = jax.jit(associate)
    for _ in range(total):
        truth = rng.uniform(-2, 2, (8, 2))
        seen = truth + rng.normal(0, 0.05, truth.shape)
        spread = np.where(rng.random(8) < 0.3, 0.04, 0.005)
        tracks = truth + np.sqrt(spread)[:, None] * rng.normal(size=truth.shape)
        total_var = (spread + people.DETECTION_VAR)[:, None]
        square = np.sum((seen[None] - tracks[:, None]) ** 2, axis=-1) / total_var
        cost = np.where(square < GATE, square + 2 * np.log(total_var), np.inf)
        got = np.asarray(pair(cost.astype(np.float32)))
        assert len(set(got[got >= 0])) == np.sum(got >= 0)
        assert np.all(np.isfinite(cost[np.flatnonzero(got >= 0), got[got >= 0]]))
        row, column = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e3))
        best = np.full(8, -1)
        best[row] = np.where(np.isfinite(cost[row, column]), column, -1)
        differ += bool(np.any(best != got))
    assert differ <= 0.1 * total, differ


def crossing(gap, seed, swap=0.0, miss=0.0):
    """Largest gap between two people who pass at ``gap`` metres and their tracks; and how
    many tracks there were, frame by frame."""
    rng, tracks = np.random.default_rng(seed), no_tracks(SLOTS)
    worst, count = [], []
    for k in range(60):
        t = DT * k - 3.0
        truth = np.array([[t, gap / 2], [-t, -gap / 2]])
        identity = [7, 8] if rng.random() >= swap else [8, 7]
        seen = rng.random(2) >= miss
        report = frame(
            truth + rng.normal(0, 0.05, (2, 2)), seen, identity=identity, capacity=CAPACITY
        )
        tracks = after(tracks, report)
        worst.append(gaps(truth, tracks).max())
        count.append(np.sum(tracks.valid))
    return np.array(worst[1:]), np.array(count)


def test_people_who_pass_close_by_keep_two_tracks():
    for seed in range(10):
        worst, count = crossing(0.4, seed)
        assert np.all(count == 2) and worst.max() < 0.3


def test_swapped_identities_leave_nobody_uncovered():
    for seed in range(10):
        worst, count = crossing(0.6, seed, swap=0.3)
        assert np.all(count[5:] >= 2) and worst.max() < 0.3
        assert count[-1] == 2


def test_a_wrong_identity_moves_no_track():
    tracks = no_tracks(SLOTS)
    standing = np.array([[1.0, 0.0], [2.5, 0.0]])
    for _ in range(20):
        tracks = after(tracks, frame(standing, identity=[7, 8], capacity=CAPACITY))
    for identity in ([8, 7], [7, 7], [8, 8], [9, 9], [-1, 7]):
        got = after(tracks, frame(standing, identity=identity, capacity=CAPACITY))
        np.testing.assert_allclose(got.xy_map, tracks.xy_map, atol=1e-3)
        np.testing.assert_array_equal(got.valid, tracks.valid)


def test_identities_decide_between_neighbours():
    tracks, standing = no_tracks(SLOTS), np.array([[1.0, 0.0], [1.4, 0.0]])
    for _ in range(20):
        tracks = after(tracks, frame(standing, identity=[7, 8], capacity=CAPACITY))
    # about as far from either; a detection of each lies between them
    moved = np.array([[1.19, 0.18], [1.21, 0.18]])
    for identity in ([7, 8], [8, 7]):
        got = after(tracks, frame(moved, identity=identity, capacity=CAPACITY))
        for slot in np.flatnonzero(tracks.valid):
            place = moved[identity.index(int(tracks.identity[slot]))]
            assert got.identity[slot] == tracks.identity[slot]
            pulled = got.xy_map[slot] - tracks.xy_map[slot]
            assert pulled @ (place - tracks.xy_map[slot]) > 0


def test_two_reports_of_one_person_are_one_track():
    rng, tracks = np.random.default_rng(8), no_tracks(SLOTS)
    for k in range(40):
        truth = np.array([[0.08 * k - 2.0, 1.0]])
        twice = np.repeat(truth, 2, axis=0) + rng.normal(0, 0.05, (2, 2))
        tracks = after(tracks, frame(twice if k % 3 else twice[:1], capacity=CAPACITY))
        assert gaps(truth, tracks) < 0.2 and np.sum(tracks.valid) <= 2
    # ten frames later at the latest there is one
    for k in range(40, 50):
        truth = np.array([[0.08 * k - 2.0, 1.0]])
        tracks = after(tracks, frame(truth + rng.normal(0, 0.05, (1, 2)), capacity=CAPACITY))
    assert np.sum(tracks.valid) == 1


def test_ghosts_and_gaps_leave_no_lasting_tracks_and_lose_nobody():
    rng = np.random.default_rng(9)
    lost = frames = ghostly = 0
    for _ in range(12):
        tracks = no_tracks(SLOTS)
        first, velocity = rng.uniform(-3, 3, (2, 2)), rng.normal(0, 0.6, (2, 2))
        lasting, before = np.zeros(SLOTS, int), tracks
        for k in range(60):
            truth = first + DT * k * velocity
            xy = truth[rng.random(2) >= 0.05]
            xy = xy + rng.normal(0, 0.05, xy.shape)
            if rng.random() < 0.05:
                xy = np.vstack([xy, rng.uniform(-4, 4, (1, 2))])
            tracks = after(tracks, frame(rng.permutation(xy), capacity=CAPACITY))
            if k >= 3:
                frames += 2
                lost += np.sum(gaps(truth, tracks) > 0.35)
            away = np.linalg.norm(tracks.xy_map[:, None] - truth[None], axis=-1).min(axis=1)
            ghost = tracks.valid & (away > 0.5)
            same = np.linalg.norm(tracks.xy_map - before.xy_map, axis=-1) < 0.5
            lasting, before = np.where(ghost, same * lasting + 1, 0), tracks
            ghostly += np.any(ghost)
            assert np.all(DT * lasting < 0.65)
    assert lost == 0, (lost, frames)
    assert ghostly < 0.3 * frames / 2


# ---- more than there is room for ------------------------------------------------------


def test_a_thousand_detections_leave_the_nearest():
    rng = np.random.default_rng(10)
    crowd = rng.uniform(-20, 20, (1000, 2)).astype(np.float32)
    here = np.array([3.0, -2.0], np.float32)
    tracks = no_tracks(8)
    for _ in range(10):
        noisy = crowd + rng.normal(0, 0.03, crowd.shape)
        tracks = after(tracks, frame(rng.permutation(noisy)), here=here)
        assert np.all(tracks.valid)
    away = np.linalg.norm(crowd - here, axis=-1)
    farthest = np.linalg.norm(tracks.xy_map - here, axis=-1).max()
    # whoever is nearer by the margin of displacement has a track, or is the twin of one
    inner = crowd[away < farthest - people.DISPLACEMENT - 0.15]
    assert np.all(gaps(inner, tracks) < people.TWIN_DISTANCE + 0.15)
    assert farthest < np.sort(away)[8 + 4] + people.DISPLACEMENT + 0.3


def test_somebody_near_takes_the_slot_of_the_farthest():
    tracks, far = no_tracks(SLOTS), np.array([[3.0, 0], [4.0, 0], [5.0, 0], [6.0, 0]])
    for _ in range(10):
        tracks = after(tracks, frame(far, capacity=CAPACITY))
    kept = after(tracks, frame([*far, [5.9, 1.0]], capacity=CAPACITY))
    np.testing.assert_allclose(gaps(far, kept), 0.0, atol=0.02)  # not nearer by enough
    taken = after(tracks, frame([*far, [1.0, 1.0]], capacity=CAPACITY))
    assert np.sum(taken.valid) == SLOTS
    near = gaps([*far, [1.0, 1.0]], taken)
    np.testing.assert_allclose(near[[0, 1, 2, 4]], 0.0, atol=0.02)
    assert near[3] > 0.5
    # those who stay keep their slots and what is known of them
    kept = np.isin(np.arange(SLOTS), np.flatnonzero(tracks.xy_map[:, 0] < 5.5))
    np.testing.assert_allclose(taken.xy_map[kept], tracks.xy_map[kept], atol=0.02)
    np.testing.assert_array_equal(taken.xy_var[kept] < tracks.xy_var[kept] * 1.01, True)


def test_a_position_of_the_robot_that_is_not_a_number_does_no_harm():
    here = np.array([np.nan, 0.0], np.float32)
    tracks = after(no_tracks(SLOTS), frame([[1.0, 0.0]], capacity=CAPACITY), here=here)
    np.testing.assert_allclose(places(tracks), [[1.0, 0.0]])


@pytest.mark.parametrize("dt", [np.float32(0.1), np.float32(0.05), np.float32(0.3)])
def test_frames_may_be_far_apart(dt):
    tracks = no_tracks(SLOTS)
    for k in range(round(3.0 / dt)):
        tracks = after(tracks, frame([[0.9 * dt * k, 0.0]], capacity=CAPACITY), dt=dt)
    assert np.sum(tracks.valid) == 1
    np.testing.assert_allclose(tracks.velocity_map[tracks.valid], [[0.9, 0.0]], atol=0.05)


def test_nobody_is_taken_to_walk_through_the_robot():
    """Out of sight they stop at its side; seen there, they are where they are seen."""
    walking = no_tracks(SLOTS)
    for k in range(12):
        walking = after(walking, frame([[-1.5 + 0.1 * k, 0.0]], capacity=CAPACITY), dt=0.1)
    nothing = frame([], capacity=CAPACITY)
    tracks, least, slot = walking, BODY + float(walking.radius[0]), np.arange(0)
    for _ in range(10):
        tracks = after(tracks, nothing, dt=0.1)
        slot = np.flatnonzero(tracks.valid)
        if len(slot):
            assert np.hypot(*tracks.xy_map[slot[0]]) >= least - 1e-5
    assert len(slot)
    np.testing.assert_allclose(tracks.xy_map[slot[0]], [-least, 0.0], atol=0.02)
    np.testing.assert_array_equal(tracks.velocity_map[slot[0]], 0.0)
    seen = after(tracks, frame([[-0.2, 0.0]], capacity=CAPACITY), dt=0.1)
    assert abs(float(seen.xy_map[slot[0], 0])) < least


def test_slopes_are_finite_where_covariances_are_round():
    """The larger eigenvalue of a round one has no slope of its own: it was 0 · ∞."""
    frame = Detections(
        xy_map=jnp.array([[1.0, 2.0], [3.0, -1.0]]),
        xy_cov=jnp.stack([0.01 * jnp.eye(2), jnp.diag(jnp.array([0.01, 0.04]))]),
        radius=jnp.full(2, 0.25),
        kind=jnp.zeros(2, jnp.int32),
        identity=jnp.full(2, -1),
        seen=jnp.ones(2, bool),
        age=jnp.float32(0.0),
    )

    def variances(scale):
        scaled = dataclasses.replace(frame, xy_cov=scale * frame.xy_cov)
        return sound(scaled, jnp.zeros(2))[1]

    values, slopes = jax.jvp(variances, (jnp.float32(1.0),), (jnp.float32(1.0),))
    np.testing.assert_allclose(values, [0.01, 0.04], atol=2e-6)
    np.testing.assert_allclose(slopes, [0.01, 0.04], atol=2e-6)
