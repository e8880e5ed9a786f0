"""Bugs planted in a copy of the gate: they apply, the copy runs, and the ambush finds them."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from astro_jax.bench.surprise import play
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.reactive import gate
from astro_jax.sim.ambush.strata import STRATA


def _module(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
planted = _module("planted", HERE / "planted.py")
SURELY_FOUND = ("margin to things dropped", "people ignored", "emergency stop ignored")


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_a_bug_changes_the_copy_and_nothing_else(bug):
    react = planted.planted(bug)
    assert react is not gate.react and react.__module__ != gate.react.__module__
    changed = planted.sources_with(bug)
    files = {file for file, *_ in bug.changes}
    for file, source in changed.items():
        assert (source != (planted.SOURCES / f"{file}.py").read_text()) == (file in files)


def test_there_are_enough_bugs_and_each_has_a_name_of_its_own():
    assert len({bug.name for bug in planted.BUGS}) == len(planted.BUGS) >= 20


def test_a_text_that_is_no_longer_there_is_an_error():
    with pytest.raises(ValueError, match=r"gaps\.py has .* 0 times"):
        planted.planted(planted.bug("stale", ("gaps", "no such text", "")))


@pytest.mark.soak
@pytest.mark.parametrize("name", SURELY_FOUND)
def test_the_ambush_finds_bugs(name):
    run = _module("planted_run", HERE.parents[1] / "experiments" / "planted_bugs" / "run.py")
    sensor = dataclasses.replace(DEFAULT_ROBOT.sensor, beams=90)
    robot = dataclasses.replace(DEFAULT_ROBOT, sensor=sensor)
    seeds = range(3 * len(STRATA))
    (bug,) = (bug for bug in planted.BUGS if bug.name == name)
    baseline = play(robot, DEFAULT_PLANNER)(seeds)
    outcome = play(robot, DEFAULT_PLANNER, react=planted.planted(bug))(seeds)
    assert run.findings(baseline, outcome)
