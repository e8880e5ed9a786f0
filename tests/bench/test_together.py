"""Many episodes at once are the episodes that are driven one by one."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from astro_jax.bench import together as at_once
from astro_jax.bench.guides import Asked, guides
from astro_jax.bench.together import Run, together
from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.guidance import Look
from astro_jax.route.house import HouseMap
from astro_jax.suites import crossing
from astro_jax.suites.drive import driver
from astro_jax.types import Grid

SETUP = crossing.setup()
SMALL = dataclasses.replace(
    SETUP,
    config=dataclasses.replace(
        SETUP.config, candidates=64, near_bodies=2, gradient_steps=0, finalists=4
    ),
)


def run_of(name, seed, seconds, **params):
    case = crossing.load(Path(), SMALL)[name](seed)
    case = dataclasses.replace(case, seconds=seconds)
    return Run(case=case, seed=seed, params=dataclasses.replace(PlannerParams(), **params))


def test_the_same_to_the_last_bit(compiled_quickly):
    """Whatever their lengths; whoever is touched, or has another goal, is done at its own time."""
    near = run_of("crossing-1-001", 2, 4.0)
    goal = np.asarray(near.case.scene.start_map) + np.array([0.6, 0.0, 0.0])
    scene = dataclasses.replace(near.case.scene, goal_map=np.float32(goal))
    struck = run_of("head-on-1.4-003", 4, 4.0)
    # they begin right before the robot
    people = np.asarray(struck.case.scene.recorded_map) - np.array([4.0, 0.0])
    hit = dataclasses.replace(struck.case.scene, recorded_map=np.float32(people))
    runs = [
        run_of("crossing-1-000", 1, 1.0),
        dataclasses.replace(near, case=dataclasses.replace(near.case, scene=scene)),
        dataclasses.replace(
            struck, case=dataclasses.replace(struck.case, scene=hit, touch_ends=True)
        ),
        run_of("crossing-1-000", 1, 2.0, patience=1.0),
        run_of("overtaking-0.5-002", 3, 5.0),
    ]
    one_by_one = driver(SMALL)
    expected = [one_by_one(run.case, run.seed, run.params) for run in runs]
    with guides(1) as guiding:
        found = dict(together(SMALL, guiding)(runs))
    assert sorted(found) == list(range(len(runs)))
    for number, one in enumerate(expected):
        other = found[number]
        jax.tree.map(
            np.testing.assert_array_equal,
            (one.ticks, one.contacts, one.arrived_at, one.routes),
            (other.ticks, other.contacts, other.arrived_at, other.routes),
        )
    assert np.isfinite(expected[1].arrived_at) and expected[2].contacts.contacts > 0
    lengths = [len(trace.ticks.time) for trace in expected]
    assert lengths == [50, 150, 150, 100, 250]


# ---- a device that is too small ------------------------------------------------------

FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")


class Small:
    """In place of ``_driven``: holds so many episodes at its first call, at its second, …"""

    def __init__(self, holds, error=FULL):
        self.holds, self.error, self.tried, self.driven = iter(holds), error, [], []

    def __call__(self, setup, start, advance, guiding, own):
        self.tried.append(len(own))
        if len(own) > next(self.holds):
            raise self.error
        seeds = [run.seed for run in own]
        self.driven += dict.fromkeys(seeds)  # without what a batch is filled up with
        return [f"trace of {seed}" for seed in seeds]


@pytest.fixture
def runs():
    case = crossing.load(Path(), SMALL)["crossing-1-000"](1)
    return [Run(case=case, seed=seed, params=PlannerParams()) for seed in range(100, 111)]


@pytest.mark.parametrize("error", [FULL, MemoryError()], ids=["device", "host"])
def test_what_the_memory_does_not_hold_is_halved_and_nothing_is_driven_twice(
    error, runs, monkeypatch
):
    # after the second four somebody else takes the memory of all but one
    device = Small([4, 4, 4, 4, 1, 1, 1, 1, 1, *[1] * 11], error)
    monkeypatch.setattr(at_once, "_driven", device)
    with guides(1) as guiding:
        drive = together(SMALL, guiding)
        found = list(drive(runs))
        assert device.tried == [16, 8, 4, 4, 4, 2, 1, 1, 1]
        assert found == [(k, f"trace of {run.seed}") for k, run in enumerate(runs)]
        assert device.driven == [run.seed for run in runs]
        # and remembers how much it holds
        assert dict(drive(runs)) == dict(found)
    assert device.tried[9:] == [1] * 11


@pytest.mark.parametrize(
    ("holds", "error", "tried"),
    [(0, FULL, [16, 8, 4, 2, 1]), (0, jax.errors.JaxRuntimeError("INTERNAL: lost"), [16])],
    ids=["not even one", "something else"],
)
def test_what_no_halving_helps_against_is_raised(holds, error, tried, runs, monkeypatch):
    device = Small([holds] * 9, error)
    monkeypatch.setattr(at_once, "_driven", device)
    with guides(1) as guiding, pytest.raises(jax.errors.JaxRuntimeError) as raised:
        list(together(SMALL, guiding)(runs))
    assert raised.value is error and device.tried == tried


# ---- the route layer -----------------------------------------------------------------


def house(width=60):
    """3 m of floor behind a wall, one cell is .1 m."""
    occupancy = np.zeros((30, width), np.int8)
    occupancy[[0, -1]] = occupancy[:, [0, -1]] = 100
    return HouseMap(occupancy=occupancy, resolution=0.1, origin=np.zeros(2), name="floor")


def asked(goal=(5.0, 1.5, 0.0)):
    start = np.array([1.0, 1.5, 0.0])
    return Asked(house_map=house(), robot=DEFAULT_ROBOT, start=start, aim=np.array(goal))


def look(blocked):
    values: Any = np.full((30, 30), -2.0, np.float32)
    cell: Any = np.float32(0.1)
    corner: Any = np.array([1.5, 0.0])
    if blocked:
        values[:20, 15] = 4.0  # from one wall almost to the other
    return Look(
        local_map=Grid(values=values, resolution=cell, origin=corner),
        pose=np.array([1.0, 1.5, 0.0]),
        house_from_map=np.zeros(3),
        standing_map=np.empty((0, 2)),
        walking_map=np.empty((0, 2)),
        time=1.0,
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_only_who_sees_something_new_gets_another_way(processes):
    with guides(processes) as guiding:
        fields = guiding.begin([asked(), asked(), asked()])
        assert guiding.searches(3) == [1, 1, 1]
        assert guiding.look({0: look(False), 2: look(False)}) == {}
        changed = guiding.look({0: look(False), 1: look(True)})
        assert list(changed) == [1] and guiding.searches(3) == [1, 2, 1]
        before, after = (np.asarray(f.cost_to_go.table)[15, 10, 0] for f in (fields[1], changed[1]))
        assert after > before + 0.5
        # a new beginning forgets what was seen
        assert np.array_equal(
            guiding.begin([asked()])[0].cost_to_go.table, fields[1].cost_to_go.table
        )


@pytest.mark.parametrize("processes", [1, 2])
def test_what_cannot_be_asked_is_named_by_whoever_answers(processes):
    with guides(processes) as guiding:
        with pytest.raises(InputError, match="goal"):
            guiding.begin([asked(), asked((0.0, 0.0, 0.0))])
        walled = dataclasses.replace(asked(), house_map=house())
        walled.house_map.occupancy[:, 30] = 100
        with pytest.raises(UnreachableError):
            guiding.begin([asked(), walled])
        # and goes on answering
        assert len(guiding.begin([asked()])) == 1
