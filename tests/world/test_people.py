"""The tracker against a textbook Kalman filter, and through births and occlusions."""

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.world import people
from astro_jax.world.people import no_tracks, update_tracks

DT = 0.1


class Textbook:
    """x, y, ẋ, ẏ with full matrices in float64 (Bar-Shalom et al. 2001, §5.2, §6.2.2)."""

    def __init__(self, xy):
        self.x = np.array([*xy, 0.0, 0.0])
        self.P = np.diag([people.DETECTION_VAR] * 2 + [people.FIRST_VELOCITY_VAR] * 2)

    def predict(self, dt):
        F = np.eye(4)
        F[0, 2] = F[1, 3] = dt
        one = people.DIFFUSION * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        self.x = F @ self.x
        self.P = F @ self.P @ F.T + np.kron(one, np.eye(2))

    def correct(self, z):
        H = np.eye(2, 4)
        S = H @ self.P @ H.T + people.DETECTION_VAR * np.eye(2)
        K = self.P @ H.T @ np.linalg.inv(S)
        self.x = self.x + K @ (z - H @ self.x)
        I_KH = np.eye(4) - K @ H
        self.P = I_KH @ self.P @ I_KH.T + people.DETECTION_VAR * K @ K.T  # Joseph's form


step = jax.jit(update_tracks, static_argnames="dt")


def walk(count, steps, seed):
    """Noisy detections of people who change their velocity now and then."""
    rng = np.random.default_rng(seed)
    velocity = np.cumsum(rng.normal(0, 0.1, (steps, count, 2)), axis=0) + rng.normal(
        0, 0.7, (count, 2)
    )
    xy = np.cumsum(DT * velocity, axis=0) + rng.uniform(-5, 5, (count, 2))
    return (xy + rng.normal(0, 0.05, xy.shape)).astype(np.float32), xy, velocity


def test_tracks_are_those_of_the_textbook():
    detections, *_ = walk(5, 60, 0)
    seen = np.random.default_rng(1).random((60, 5)) < 0.8
    seen[0] = True
    tracks = no_tracks(5)
    slow = [Textbook(xy) for xy in detections[0].astype(float)]
    for k in range(60):
        tracks = step(tracks, detections[k], seen[k], dt=DT)
        assert np.all(tracks.valid)
        for m, filter in enumerate(slow):
            if k > 0:
                filter.predict(DT)
                if seen[k, m]:
                    filter.correct(detections[k, m].astype(float))
            np.testing.assert_allclose(tracks.xy_map[m], filter.x[:2], atol=2e-4)
            np.testing.assert_allclose(tracks.velocity_map[m], filter.x[2:], atol=5e-4)
            P = filter.P
            np.testing.assert_allclose(tracks.xy_var[m], P[0, 0], rtol=2e-3)
            np.testing.assert_allclose(tracks.xy_velocity_cov[m], P[0, 2], rtol=2e-3, atol=1e-6)
            np.testing.assert_allclose(tracks.velocity_var[m], P[2, 2], rtol=2e-3)
    # The noise settles where the file says it does.
    assert 0.1 < np.sqrt(float(tracks.velocity_var[0])) < 0.2


def settled(seconds=4.0, velocity=(0.8, 0.0)):
    """One person who has been seen walking straight for a while."""
    tracks = no_tracks(3)
    seen = np.array([True, False, False])
    for k in range(round(seconds / DT)):
        xy = np.zeros((3, 2), np.float32)
        xy[0] = np.array(velocity) * DT * k
        tracks = step(tracks, xy, seen, dt=DT)
    return tracks


def test_a_new_person_starts_at_the_detection_with_open_velocity():
    tracks = step(
        no_tracks(3),
        np.array([[1, 2], [3, 4], [5, 6]], np.float32),
        np.array([True, False, True]),
        dt=DT,
    )
    np.testing.assert_array_equal(tracks.valid, [True, False, True])
    np.testing.assert_allclose(np.asarray(tracks.xy_map)[[0, 2]], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(np.asarray(tracks.velocity_map)[[0, 2]], 0.0)
    np.testing.assert_allclose(np.asarray(tracks.velocity_var)[[0, 2]], people.FIRST_VELOCITY_VAR)
    np.testing.assert_allclose(np.asarray(tracks.xy_var)[[0, 2]], people.DETECTION_VAR)


def test_a_straight_walk_is_learned():
    tracks = settled()
    np.testing.assert_allclose(tracks.velocity_map[0], [0.8, 0.0], atol=0.01)
    np.testing.assert_array_equal(tracks.valid, [True, False, False])


def unseen_until_lost(tracks):
    """Seconds that a track outlives its last detection, and the states on the way."""
    states = []
    for _ in range(200):
        tracks = step(tracks, np.zeros((3, 2), np.float32), np.zeros(3, bool), dt=DT)
        states.append(tracks)
        if not tracks.valid[0]:
            break
    return DT * len(states), states


def test_an_occluded_person_walks_on_ever_less_certain_and_is_lost():
    tracks = settled()
    seconds, states = unseen_until_lost(tracks)
    assert 1.0 < seconds <= people.PERSISTENCE + DT
    x = np.array([float(s.xy_map[0, 0]) for s in states])
    np.testing.assert_allclose(np.diff(x), 0.8 * DT, atol=2e-3)
    variance = np.array([float(s.xy_var[0]) for s in states])
    assert np.all(np.diff(variance) > 0)
    # Someone glimpsed once may be anywhere sooner.
    glimpsed = step(
        no_tracks(3), np.zeros((3, 2), np.float32), np.array([True, False, False]), dt=DT
    )
    assert 0.3 < unseen_until_lost(glimpsed)[0] < seconds


def test_a_lost_slot_starts_afresh_when_seen_again():
    _, states = unseen_until_lost(settled())
    for _ in range(50):  # long after
        states.append(step(states[-1], np.zeros((3, 2), np.float32), np.zeros(3, bool), dt=DT))
    seen = np.array([True, False, False])
    again = step(states[-1], np.full((3, 2), 9.0, np.float32), seen, dt=DT)
    assert again.valid[0]
    np.testing.assert_allclose(again.xy_map[0], 9.0)
    np.testing.assert_array_equal(again.velocity_map[0], 0.0)
    np.testing.assert_allclose(again.velocity_var[0], people.FIRST_VELOCITY_VAR)


def test_back_in_sight_in_time_the_track_goes_on():
    tracks = settled()
    for _ in range(5):
        tracks = step(tracks, np.zeros((3, 2), np.float32), np.zeros(3, bool), dt=DT)
    before = tracks
    xy = np.zeros((3, 2), np.float32)
    xy[0] = before.xy_map[0] + jnp.array([0.8 * DT, 0.0])
    after = step(before, xy, np.array([True, False, False]), dt=DT)
    np.testing.assert_allclose(after.velocity_map[0], [0.8, 0.0], atol=0.02)
    assert float(after.xy_var[0]) < float(before.xy_var[0])


def test_a_detection_that_is_not_a_number_is_none():
    tracks = settled()
    nothing = step(tracks, np.zeros((3, 2), np.float32), np.zeros(3, bool), dt=DT)
    for bad in (np.nan, np.inf, -np.inf):
        for where in ([0], [1], [0, 1]):
            xy = np.zeros((3, 2), np.float32)
            xy[:2, where] = bad
            got = step(tracks, xy, np.array([True, True, False]), dt=DT)
            jax.tree.map(np.testing.assert_array_equal, got, nothing)


def test_slots_do_not_touch_each_other():
    detections, *_ = walk(4, 20, 3)
    together, alone = no_tracks(4), no_tracks(1)
    seen = np.random.default_rng(4).random((20, 4)) < 0.7
    for k in range(20):
        together = step(together, detections[k], seen[k], dt=DT)
        alone = step(alone, detections[k, 2:3], seen[k, 2:3], dt=DT)
    np.testing.assert_allclose(together.xy_map[2], alone.xy_map[0], rtol=1e-6)
    np.testing.assert_allclose(together.xy_var[2], alone.xy_var[0], rtol=1e-6)
    assert together.valid[2] == alone.valid[0]


def test_errors_are_as_large_as_the_filter_thinks():
    """Normalised error squared over many walkers of the filter's own model."""
    count, steps = 400, 40
    rng = np.random.default_rng(5)
    velocity = rng.normal(0, 0.6, (count, 2))
    xy = rng.uniform(-5, 5, (count, 2))
    tracks, truth = no_tracks(count), (xy, velocity)
    for _ in range(steps):
        detection = (xy + rng.normal(0, 0.05, xy.shape)).astype(np.float32)
        tracks = step(tracks, jnp.asarray(detection), jnp.ones(count, bool), dt=DT)
        truth = xy, velocity
        kick = rng.normal(size=(2, count, 2))
        change = np.sqrt(people.DIFFUSION * DT) * kick[0]
        # position noise that goes with that kick: half of it, and a share of its own
        shift = DT * (0.5 * change + np.sqrt(people.DIFFUSION * DT / 12) * kick[1])
        xy, velocity = xy + DT * velocity + shift, velocity + change
    for estimate, true, variance in (
        (tracks.xy_map, truth[0], tracks.xy_var),
        (tracks.velocity_map, truth[1], tracks.velocity_var),
    ):
        squared = (np.asarray(estimate) - true) ** 2 / np.asarray(variance)[:, None]
        # mean of 800 χ²₁ variables: 1 ± 5·√(2/800)
        assert abs(squared.mean() - 1.0) < 0.25
