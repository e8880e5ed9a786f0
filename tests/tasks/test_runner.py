"""One task at a time; the newest wins; nothing but results comes back."""

import threading

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.tasks import runner as runners
from astro_jax.tasks.nouns import GoTo, Outcome, Stop
from astro_jax.tasks.runner import TaskRunner

from .moments import SETTING, belief

FAR = GoTo(pose=(5.0, 2.5, 0.0))


def outcomes(runner):
    return [(ticket, result.outcome) for ticket, result in runner.results()]


def test_the_newest_task_wins_and_each_has_one_result():
    runner = TaskRunner(SETTING)
    assert runner.give(FAR, 0.0) == 1
    assert runner.tick(belief(0.0)).field is not None
    assert runner.give(Stop(), 0.2) == 2
    assert outcomes(runner) == [(1, Outcome.REPLACED)]
    assert runner.tick(belief(0.2)).field is None
    assert outcomes(runner) == [(2, Outcome.DONE)]
    assert not runner.busy and outcomes(runner) == []


def test_a_cancelled_task_brakes_at_the_next_step():
    runner = TaskRunner(SETTING)
    runner.give(FAR, 0.0)
    runner.tick(belief(0.0))
    runner.cancel()
    assert runner.tick(belief(0.2)).field is None
    runner.cancel()  # nothing to cancel any more
    assert outcomes(runner) == [(1, Outcome.CANCELLED)]


def test_a_refused_task_leaves_the_one_under_way():
    runner = TaskRunner(SETTING)
    runner.give(FAR, 0.0)
    with pytest.raises(InputError):
        runner.give(GoTo(pose=(np.nan, 0.0, 0.0)), 0.2)
    assert runner.tick(belief(0.2)).field is not None
    assert outcomes(runner) == []


def test_the_emergency_stop_ends_the_task_and_refuses_new_ones():
    runner = TaskRunner(SETTING)
    runner.give(FAR, 0.0)
    assert runner.tick(belief(0.0, e_stopped=True)).field is None
    assert outcomes(runner) == [(1, Outcome.E_STOPPED)]
    with pytest.raises(InputError):
        runner.give(FAR, 0.2)
    # released and armed, the old task does not start again by itself
    assert runner.tick(belief(0.4)).field is None
    assert runner.give(FAR, 0.4) == 2


def test_a_defect_stops_the_robot(monkeypatch):
    def broken(*arguments):
        raise RuntimeError("a defect")

    monkeypatch.setattr(runners, "step", broken)
    runner = TaskRunner(SETTING)
    runner.give(FAR, 0.0)
    assert runner.tick(belief(0.0)).field is None
    ((ticket, result),) = runner.results()
    assert (ticket, result.outcome) == (1, Outcome.FAILED) and "a defect" in result.detail


def test_tasks_come_from_any_thread():
    runner = TaskRunner(SETTING)
    runner.tick(belief(0.0))
    threads = [threading.Thread(target=lambda: runner.give(FAR, 0.0)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runner.tick(belief(0.2)).field is not None
    found = outcomes(runner)
    assert found == [(ticket, Outcome.REPLACED) for ticket in range(1, 20)]
