"""``bench intent``: sums, intervals, what came too late, and its picture; drives are made up."""

import math
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from astro_jax.bench.intent import Drive, drive_of, summary
from astro_jax.bench.intervals import wilson
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.sim.state import TickLog
from astro_jax.tables import intent_table
from astro_jax.viz.heading import heading_figure

TICK = DEFAULT_PLANNER.gate_period


def drive(seed: int, lead: float, speed: float = 0.4, arrived_at: float = 9.0) -> Drive:
    """A turn of 60° at 4 s that the screen makes ``lead`` seconds before."""
    time = TICK * np.arange(1, 501)
    turn = lambda begins: np.clip(1.0 * (time - begins), 0.0, math.radians(60.0))
    yaw = turn(4.0)
    nothing = np.zeros(len(time), int)
    logged: dict[str, Any] = {
        "time": time,
        "pose_map": np.stack([0.0 * yaw, 0.0 * yaw, yaw], axis=1),
        "twist": np.tile([speed, 0.0], (len(time), 1)),
        "command": np.zeros((len(time), 2)),
        "scale": np.ones_like(time),
        "mode": nothing,
        "reason": nothing,
        "pan": turn(4.0 - lead) - yaw,
        "people_xy": np.zeros((len(time), 1, 2)),
        "contacts": nothing,
    }
    return drive_of(seed, TickLog(**logged), arrived_at)


@pytest.fixture(scope="module")
def report():
    drives = [drive(0, 0.9), drive(1, 0.7, speed=0.0), drive(2, 0.2, speed=-0.2)]
    drives.append(drive(3, 0.8, arrived_at=math.inf))
    return summary(DEFAULT_ROBOT, DEFAULT_PLANNER, drives, 0)


def test_leads_are_summed_by_kind(report):
    rows = {row["turns"]: row for row in report.cases if "turns" in row}
    assert {kind: row["count"] for kind, row in rows.items()} == {
        "on the spot": 1, "in motion": 2, "reversing": 1, "all": 4,
    }  # fmt: skip
    assert rows["all"]["shown_in_time"] == 0.75 and rows["reversing"]["shown_in_time"] == 0.0
    assert report.metrics["shown_in_time"] == 0.75 and report.metrics["arrived"] == 0.75
    (late,) = [row for row in report.cases if "late" in row]
    assert late["seed"] == 2 and late["lead"] == pytest.approx(0.2, abs=0.03)
    assert late["angle_deg"] == pytest.approx(60.0, abs=3.0)


def test_what_exceeds_the_joints_limits_would_show(report):
    assert report.metrics["pan_rate_of_limit"] == pytest.approx(1.0 / DEFAULT_ROBOT.pan_rate)
    # a made-up screen that starts at full rate within one tick
    assert report.metrics["pan_acceleration_of_limit"] > 5.0


def test_the_table_names_what_came_too_late(report, capsys):
    console = Console(width=140)
    console.print(intent_table(report.cases))
    said = capsys.readouterr().out
    assert "75.0%" in said and "late, reversing" in said and "seed 2" in said


@pytest.mark.parametrize(("count", "trials"), [(0, 10), (9, 10), (95, 100), (149, 151)])
def test_the_interval_is_wilsons(count, trials):
    """The shares p from which what was counted is 1.96 standard deviations away."""
    low, high = wilson(count, trials)
    for p in (low, high):
        off = abs(count / trials - p)
        assert off == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / trials), abs=1e-6)
    assert low <= count / trials <= high and low < high
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_picture_marks_every_turn_and_its_lead():
    shown = drive(0, 0.9)
    figure = heading_figure(shown, DEFAULT_ROBOT.pan_limit)
    upper, lower = figure.axes
    assert [text.get_text() for text in upper.texts if "s" in text.get_text()] == ["0.9 s"]
    assert len(lower.get_lines()) == 4
