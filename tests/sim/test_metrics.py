"""Figures of traces whose values are known beforehand."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.errors import InputError
from astro_jax.sim import metrics
from astro_jax.sim.contact import no_contacts

RATE = 50.0


def clean(**changed):
    counts = {"min_gap_people": 0.4, "min_gap_walls": 0.3, **changed}
    return dataclasses.replace(no_contacts(0), **{k: jnp.asarray(v) for k, v in counts.items()})


def trace(speed, yaw_rate=0.0):
    """Time, poses and twists of a drive with the given speed series."""
    yaw_rate = np.broadcast_to(yaw_rate, speed.shape)
    before = lambda rate: np.concatenate([[0.0], np.cumsum(rate)[:-1]]) / RATE
    yaw = before(yaw_rate)
    poses = np.stack([before(speed * np.cos(yaw)), before(speed * np.sin(yaw)), yaw], axis=1)
    return np.arange(len(speed)) / RATE, poses, np.stack([speed, yaw_rate], axis=1)


def minimum_jerk(duration, peak=0.9):
    s = np.linspace(0.0, 1.0, round(duration * RATE) + 1)
    return peak * 16.0 * s**2 * (1.0 - s) ** 2


# ---- smoothness ----------------------------------------------------------------------


@pytest.mark.parametrize("duration", [1.0, 3.0, 8.0])
def test_sparc_of_minimum_jerk(duration):
    assert -1.6 < metrics.sparc(minimum_jerk(duration), RATE) < -1.4


def slow_sparc(speed, padlevel=4, cutoff=10.0, threshold=0.05):
    """The definition with sums for integrals and no FFT."""
    n = 2 ** (int(np.ceil(np.log2(len(speed)))) + padlevel)
    magnitude = []
    for k in range(int(cutoff * n / RATE) + 1):
        angle = 2.0 * np.pi * k / n * np.arange(len(speed))
        magnitude.append(np.hypot(speed @ np.cos(angle), speed @ np.sin(angle)))
    magnitude = np.array(magnitude) / magnitude[0]
    last = max(k for k, a in enumerate(magnitude) if a >= threshold)
    arc = 0.0
    for k in range(last):
        arc += np.sqrt((1.0 / last) ** 2 + (magnitude[k + 1] - magnitude[k]) ** 2)
    return -arc


def test_sparc_is_the_arc_length_of_the_spectrum():
    rng = np.random.default_rng(0)
    for n in (30, 64, 150):
        speed = 0.2 + rng.random(n)
        assert metrics.sparc(speed, RATE) == pytest.approx(slow_sparc(speed), rel=1e-9)


def test_sparc_falls_with_noise_and_with_stops():
    smooth = minimum_jerk(4.0)
    noise = 0.3 * np.random.default_rng(1).normal(size=len(smooth))
    stops = np.concatenate([minimum_jerk(1.0), np.zeros(50), minimum_jerk(1.0)])
    assert metrics.sparc(smooth + noise, RATE) < metrics.sparc(smooth, RATE) - 0.1
    assert metrics.sparc(stops, RATE) < metrics.sparc(smooth, RATE) - 0.5


@settings(max_examples=30, deadline=None)
@given(
    scale=st.floats(0.2, 1.0),
    wait=st.integers(0, 200),
    backwards=st.booleans(),
)
def test_sparc_ignores_size_sign_and_waiting(scale, wait, backwards):
    movement = 0.3 + minimum_jerk(2.0)
    scaled = scale * movement * (-1.0 if backwards else 1.0)
    waited = np.concatenate([np.zeros(wait), scaled, np.zeros(wait)])
    assert metrics.sparc(waited, RATE) == pytest.approx(metrics.sparc(movement, RATE), rel=1e-9)


@pytest.mark.parametrize(
    ("frequency", "kept"), [(0.5, 0.99), (1.0, 0.98), (3.0, 0.82), (10.0, 0.016)]
)
def test_jerk_of_a_sinusoid(frequency, kept):
    # 20 whole periods of v = a + b sin: jerk is b·(2πf)² sin.
    omega, amplitude = 2.0 * np.pi * frequency, 0.1
    time = np.arange(round(20.0 / frequency * RATE)) / RATE
    speed = 0.5 + amplitude * np.sin(omega * time)
    expected = kept * amplitude * omega**2 / np.sqrt(2.0)
    jerk = metrics.rms_jerk(speed, np.full_like(speed, 0.7), RATE)
    assert jerk == pytest.approx(expected, rel=0.01)


def test_jerk_of_a_circle_is_centripetal():
    # |d²/dt² of v·(cos ωt, sin ωt)| = v·ω².
    yaw = 1.5 * np.arange(500) / RATE
    wrapped = np.arctan2(np.sin(yaw), np.cos(yaw))
    jerk = metrics.rms_jerk(np.full(500, 0.6), wrapped, RATE)
    assert jerk == pytest.approx(0.6 * 1.5**2, rel=0.01)


def test_jerk_of_constant_acceleration_is_none_and_waiting_does_not_dilute():
    ramp = 0.1 + np.arange(100) / 100.0
    assert metrics.rms_jerk(ramp, np.zeros(100), RATE) < 1e-9
    movement = minimum_jerk(2.0)
    waited = np.concatenate([np.zeros(100), movement, np.zeros(100)])
    longer = np.concatenate([np.zeros(900), movement, np.zeros(900)])
    jerk = metrics.rms_jerk(waited, np.zeros(len(waited)), RATE)
    assert jerk > 1.0
    assert metrics.rms_jerk(longer, np.zeros(len(longer)), RATE) == pytest.approx(jerk)


# ---- progress ------------------------------------------------------------------------


def test_frozen_counts_long_rests_only():
    drive, rest = np.full(100, 0.5), lambda seconds: np.zeros(round(seconds * RATE))
    assert metrics.frozen(np.concatenate([drive, rest(9.9), drive]), RATE) == 0.0
    two = np.concatenate([rest(10.0), drive, rest(4.0), drive, 0.04 + rest(12.0)])
    assert metrics.frozen(two, RATE) == pytest.approx(22.0)
    assert metrics.frozen(rest(30.0), RATE) == pytest.approx(30.0)
    assert metrics.frozen(drive, RATE) == 0.0


def test_a_clean_straight_drive():
    figures = metrics.episode_metrics(
        *trace(np.full(201, 0.5)), counts=clean(), shortest_path=1.6, arrived_at=4.0
    )
    assert figures["success"] == 1.0 and figures["timeout"] == 0.0
    assert figures["time"] == pytest.approx(4.0)
    assert figures["path_length"] == pytest.approx(2.0)
    assert figures["path_ratio"] == pytest.approx(1.25)
    assert figures["mean_speed"] == pytest.approx(0.5)
    assert figures["min_clearance"] == figures["min_clearance_walls"] == pytest.approx(0.3)
    assert figures["min_clearance_people"] == pytest.approx(0.4)
    assert figures["rms_jerk"] == pytest.approx(0.0, abs=1e-9) and figures["frozen"] == 0.0


def test_what_follows_the_arrival_does_not_count():
    drive = np.full(201, 0.5)
    rests = np.concatenate([drive, np.zeros(1000)])
    until = {"counts": clean(), "shortest_path": 2.0, "arrived_at": 4.0}
    short = metrics.episode_metrics(*trace(drive), **until)
    assert metrics.episode_metrics(*trace(rests), **until) == short
    never = metrics.episode_metrics(*trace(rests), counts=clean(), shortest_path=2.0)
    assert never["frozen"] == pytest.approx(20.0) and never["timeout"] == 1.0


def test_success_needs_arrival_without_fault_in_a_valid_episode():
    run = lambda counts, arrived_at=4.0: metrics.episode_metrics(
        *trace(np.full(201, 0.5)), counts=counts, shortest_path=2.0, arrived_at=arrived_at
    )
    assert run(clean())["success"] == 1.0
    assert run(clean(), math.inf)["success"] == 0.0
    assert run(clean(contacts=1, passive_violations=1))["success"] == 1.0
    assert run(clean(contacts=1, passive_violations=1, at_fault=1))["success"] == 0.0
    assert run(clean(void=True))["success"] == 0.0
    hit = run(clean(contacts=3, at_fault=2, passive_violations=2, contact_speed=0.7))
    assert (hit["contacts"], hit["at_fault"], hit["passive_violations"]) == (3.0, 2.0, 2.0)
    assert hit["contact_speed"] == pytest.approx(0.7)


def test_a_robot_that_never_moves_has_no_smoothness():
    figures = metrics.episode_metrics(*trace(np.zeros(600)), counts=clean(), shortest_path=2.0)
    assert math.isnan(figures["sparc"]) and math.isnan(figures["rms_jerk"])
    assert figures["path_length"] == 0.0 and figures["frozen"] == pytest.approx(12.0)


def test_bad_traces_are_named():
    time, poses, twists = trace(np.full(50, 0.5))
    run = lambda *trace, shortest_path=1.0: metrics.episode_metrics(
        *trace, counts=clean(), shortest_path=shortest_path
    )
    gap = np.where(time > 0.5, time + 0.1, time)
    for arguments, field in (
        ((time[:1], poses[:1], twists[:1]), "time"),
        ((time[::-1], poses, twists), "time"),
        ((gap, poses, twists), "time"),
        ((time, poses[1:], twists), "poses"),
        ((time, poses, poses), "twists"),
    ):
        with pytest.raises(InputError) as caught:
            run(*arguments)
        assert caught.value.field == field
    with pytest.raises(InputError):
        run(time, poses, twists, shortest_path=0.0)
