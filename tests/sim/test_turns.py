"""Turns and leads, on courses whose answers are known."""

import numpy as np
import pytest

from astro_jax.sim.turns import LEAST, LOOKED_BACK, SHOWN, turns_of

RATE = 50.0


def ramp(time, begins, angle, rate):
    """From 0 to ``angle`` (rad) at ``rate`` (rad/s), from ``begins`` on."""
    return np.sign(angle) * np.clip(rate * (time - begins), 0.0, abs(angle))


def log(seconds=12.0):
    return np.arange(round(seconds * RATE)) / RATE


@pytest.mark.parametrize("angle", [0.9, -0.9, 2.5])
@pytest.mark.parametrize("lead", [0.3, 0.7, 1.2])
def test_a_turn_that_is_shown_is_led_by_as_much(angle, lead):
    """The screen is the same course of headings, so much earlier."""
    time = log()
    yaw = ramp(time, 5.0, angle, 1.0) + 0.4
    facing = ramp(time, 5.0 - lead, angle, 1.0) + 0.4
    (turn,) = turns_of(time, yaw, facing - yaw, np.full_like(time, 0.3))
    assert turn.lead == pytest.approx(lead, abs=0.03)
    assert turn.begins == pytest.approx(5.0, abs=0.04)
    assert turn.angle == pytest.approx(angle, abs=0.06)
    assert turn.kind == "in motion"


def test_a_screen_fixed_to_the_base_leads_by_nothing_and_one_that_lags_by_less():
    time = log()
    yaw = ramp(time, 5.0, 1.0, 1.0)
    still = np.zeros_like(time)
    assert turns_of(time, yaw, still, still)[0].lead == pytest.approx(0.0, abs=0.03)
    late = ramp(time, 5.4, 1.0, 1.0) - yaw
    assert turns_of(time, yaw, late, still)[0].lead == pytest.approx(-0.4, abs=0.04)
    never = -yaw
    assert turns_of(time, yaw, never, still)[0].lead < -5.0


def test_a_glance_to_the_side_that_is_taken_back_shows_nothing():
    time = log()
    yaw = ramp(time, 6.0, 1.0, 1.0)
    glance = np.where((time > 4.0) & (time < 5.0), 0.6, 0.0)
    assert turns_of(time, yaw, glance, np.zeros_like(time))[0].lead == pytest.approx(0.0, abs=0.03)
    held = np.where(time > 2.0 - SHOWN, 0.6, 0.0)
    assert turns_of(time, yaw, held, np.zeros_like(time))[0].lead == pytest.approx(LOOKED_BACK)


def test_kinds_and_what_is_no_turn():
    time, still = log(), np.zeros(len(log()))
    yaw = ramp(time, 5.0, 1.0, 1.0)
    kinds = {
        turns_of(time, yaw, still, np.full_like(time, v))[0].kind for v in (-0.2, 0.0, 0.06, 0.5)
    }
    assert kinds == {"reversing", "on the spot", "in motion"}
    slow = ramp(time, 2.0, 1.0, 0.9 * LEAST / 2.0)  # 27° in any two seconds
    assert turns_of(time, slow, still, still) == []
    assert turns_of(time, ramp(time, 2.0, 0.9 * LEAST, 3.0), still, still) == []


def test_turns_follow_one_another():
    """Left, back to the right, and after a pause left again: three, none of them twice."""
    time = log(16.0)
    yaw = ramp(time, 3.0, 1.0, 1.0) - ramp(time, 5.0, 1.2, 1.0) + ramp(time, 10.0, 2.0, 0.8)
    found = turns_of(time, yaw + 50.0, np.zeros_like(time), np.zeros_like(time))
    assert [np.sign(turn.angle) for turn in found] == [1.0, -1.0, 1.0]
    np.testing.assert_allclose([turn.begins for turn in found], [3.0, 5.0, 10.0], atol=0.06)
    wrapped = (yaw + 50.0 + np.pi) % (2 * np.pi) - np.pi
    again = turns_of(time, wrapped, np.zeros_like(time), np.zeros_like(time))
    np.testing.assert_allclose([t.angle for t in again], [t.angle for t in found], atol=1e-9)
