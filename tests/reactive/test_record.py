"""The record of the gate's modes, from columns with a row per tick."""

from typing import Any

import numpy as np
import pytest

from astro_jax.reactive.record import Transition, transitions
from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason

RUNNING, SLOWED, STOPPED, E_STOPPED = (int(mode) for mode in Mode)


def about(value: float) -> Any:
    return pytest.approx(value)


def columns(modes, reasons=None):
    count = len(modes)
    return {
        "time": 0.02 * np.arange(1, count + 1, dtype=np.float32),
        "mode": np.asarray(modes, np.int32),
        "reason": np.asarray(reasons or [0] * count, np.int32),
        "scale": np.linspace(1.0, 0.0, count, dtype=np.float32),
        "twist": np.stack([np.arange(count), -np.arange(count)], axis=1).astype(np.float32),
    }


def test_every_change_is_one_record_with_the_figures_of_its_tick():
    modes = [STOPPED, STOPPED, RUNNING, SLOWED, SLOWED, E_STOPPED]
    found = transitions(**columns(modes, [9, 9, 0, 1, 1, 10]))
    assert found == [
        Transition(
            time=about(0.06),
            before=Mode.STOPPED,
            after=Mode.RUNNING,
            reason=Reason.CLEAR,
            scale=about(0.6),
            twist=(2.0, -2.0),
        ),
        Transition(
            time=about(0.08),
            before=Mode.RUNNING,
            after=Mode.SLOWED,
            reason=Reason.SLOWED,
            scale=about(0.4),
            twist=(3.0, -3.0),
        ),
        Transition(
            time=about(0.12),
            before=Mode.SLOWED,
            after=Mode.E_STOPPED,
            reason=Reason.E_STOP,
            scale=0.0,
            twist=(5.0, -5.0),
        ),
    ]


def test_the_mode_ahead_of_the_first_row_counts():
    (found,) = transitions(**columns([RUNNING, RUNNING]))
    assert found.before == Mode.STOPPED and found.time == about(0.02)
    assert transitions(**columns([RUNNING, RUNNING]), before=Mode.RUNNING) == []
    assert transitions(**columns([])) == []


def test_a_log_cut_in_two_has_the_same_records():
    random = np.random.default_rng(5)
    whole = columns(random.integers(0, 4, 400), list(random.integers(0, 11, 400)))
    for cut in (1, 57, 399):
        first = {name: column[:cut] for name, column in whole.items()}
        rest = {name: column[cut:] for name, column in whole.items()}
        last = Mode(int(first["mode"][-1]))
        assert transitions(**first) + transitions(**rest, before=last) == transitions(**whole)


def test_records_replay_to_the_modes():
    random = np.random.default_rng(6)
    log = columns(np.repeat(random.integers(0, 4, 60), random.integers(1, 9, 60)))
    mode, replayed, left = Mode.STOPPED, [], transitions(**log)
    for now in log["time"]:
        while left and left[0].time <= now:
            assert left[0].before == mode
            mode = left.pop(0).after
        replayed.append(int(mode))
    assert replayed == list(log["mode"])


def test_one_line_for_people():
    (found,) = transitions(**columns([RUNNING], [int(Reason.CLEAR)]))
    assert str(found) == (
        "0.020 s: STOPPED → RUNNING (CLEAR), scale 1.00, +0.000 m/s, +0.000 rad/s"
    )
