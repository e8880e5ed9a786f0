"""Learned params beside hand-tuned ones, on what they were not learned from."""

import contextlib
import math

import numpy as np
import pytest

from astro_jax.bench import tuning
from astro_jax.bench.suites import Order
from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError
from astro_jax.learning.closed_loop import Outcome, Search
from astro_jax.learning.descent import Slopes

SEARCH = Search(names=("patience",), population=6, batch=4)


def test_rules_without_fault_count_every_touch():
    row = {"success": False, "collision": True, "time": math.nan, "rms_jerk": 2.0}
    found = tuning.outcome_of(row, 25.0)
    assert found.at_fault and not found.success and found.numbers() == [25.0, 2.0, 0.0, 1.0]
    # run into at rest is a collision of no fault
    excused = tuning.outcome_of({**row, "at_fault": False}, 25.0)
    assert not excused.at_fault


def test_ratios_are_of_drives_that_both_succeeded_in():
    def row(hand, learned, success=True):
        return {
            "hand_success": True,
            "learned_success": success,
            "hand_at_fault": False,
            "learned_at_fault": not success,
            "hand_time": hand,
            "learned_time": learned,
            "hand_jerk": 2.0,
            "learned_jerk": 1.0,
        }

    metrics, intervals = tuning.summed_up(
        [row(10.0, 5.0), row(10.0, 20.0), row(10.0, 10.0), row(10.0, math.nan, False)]
    )
    assert metrics["held_out"] == 4.0
    assert (metrics["success_hand"], metrics["success_learned"]) == (1.0, 0.75)
    assert (metrics["at_fault_hand"], metrics["at_fault_learned"]) == (0.0, 0.25)
    assert metrics["time_ratio"] == pytest.approx(1.0) and metrics["jerk_ratio"] == 0.5
    low, high = intervals["time_ratio"]
    assert 0.5 <= low < 1.0 < high <= 2.0
    assert tuning.summed_up([]) == ({}, {})


@pytest.fixture
def quick(monkeypatch):
    """A suite whose drives take the longer the farther patience is from 6 s; what was driven."""
    driven = []

    def evaluate(wanted):
        driven.extend(task for _, task in wanted)
        times = [10.0 * (1.0 + math.log(params.patience / 6.0) ** 2) for params, _ in wanted]
        return [
            Outcome(success=True, at_fault=False, time=time, limit=60.0, jerk=1.0) for time in times
        ]

    quickly = lambda order, setup, jobs: contextlib.nullcontext(evaluate)
    monkeypatch.setattr(tuning, "evaluator", quickly)
    return driven


def test_judged_on_other_cases_than_it_learned_from(quick):
    order = Order(suite="crossing")
    learned, report = tuning.learn_tune(
        order, None, ["crossing-*"], ["*"], 2, SEARCH, generations=20
    )
    assert learned.patience == pytest.approx(6.0, rel=0.05)
    trained = set(report.config["train"])
    held = {row["case"] for row in report.cases}
    assert trained and held and not trained & held
    driven = {name for name, _ in quick}
    assert held <= driven and driven - held <= trained
    assert len(report.cases) == 2 * len(held)  # both runs of each
    expected = 1.0 / (1.0 + math.log(4.0 / 6.0) ** 2)
    assert report.metrics["time_ratio"] == pytest.approx(expected, rel=0.01)
    assert report.metrics["patience"] == learned.patience


def test_a_descent_is_judged_on_other_cases_than_it_went_down_on(quick, monkeypatch):
    learned_from = []

    def slope_driver(order, setup, names, cycles):
        assert names == ("patience",) and cycles == 40

        def drive(params, tasks):
            learned_from.extend(name for name, _ in tasks)
            away = math.log(params.patience / 6.0)
            outcome = np.tile([1.0 + away**2, 1.0, 0.0], (len(tasks), 1))
            slope = np.zeros((len(tasks), 3, 1))
            slope[:, 0, 0] = 2.0 * away
            return Slopes(outcome=outcome, slope=slope)

        return drive

    monkeypatch.setattr(tuning, "slope_driver", slope_driver)
    order = Order(suite="crossing")
    told = (order, ["crossing-*-00?"], ["crossing-*-00?", "head-on-*-00?"], 2, SEARCH, 40)
    learned, report = tuning.learn_descend(*told, seconds=4.0, rate=0.1)
    assert learned.patience == pytest.approx(6.0, rel=0.02)
    held = {row["case"] for row in report.cases}
    assert all(name.startswith("head-on") for name in held) and len(report.cases) == 2 * 30
    assert set(learned_from) <= set(report.config["train"]) and {n for n, _ in quick} == held
    assert report.metrics["steps"] == 40.0 and report.metrics["time_ratio"] < 1.0
    with pytest.raises(InputError, match="seconds"):
        tuning.learn_descend(*told, seconds=0.1, rate=0.1)


def test_unknown_cases_are_refused(quick):
    with pytest.raises(InputError, match="cases"):
        tuning.learn_tune(Order(suite="crossing"), None, ["nobody"], [], 1, SEARCH, 1)
    assert not quick


def test_walkers_are_taken_all_along_a_recording(tmp_path):
    # twelve people cross one after the other, 8 s each; two more walk side by side
    lines = []
    for person in range(12):
        lines += [f"{100 * person + 10 * k} {person} {0.5 * k} {0.2 * person}" for k in range(25)]
    for friend in (20, 21):
        lines += [f"{5000 + 10 * k} {friend} {0.5 * k} {0.6 * friend - 12}" for k in range(25)]
    (tmp_path / "street.txt").write_text("\n".join(lines))
    drives, left_out = tuning.walkers_in(tmp_path, DEFAULT_ROBOT, 3)
    assert [drive.name for drive in drives] == ["street/0", "street/5", "street/11"]
    assert left_out == {"in company": 2, "beyond the number asked for": 9}
