"""Specs: which settings come of them, and what is said of bad ones."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams
from astro_jax.errors import InputError
from astro_jax.strict_yaml import Section
from astro_jax.suites.case import Setup
from astro_jax.sweep.overrides import kind_of, resolve
from astro_jax.sweep.spec import load_spec

CONFIGS = Path(__file__).parents[2] / "configs"
BASE = Setup(robot=DEFAULT_ROBOT, config=PlannerConfig(), params=PlannerParams())
DRIVE = "drive: [{suite: crossing}]\n"


@pytest.fixture
def loaded(tmp_path):
    def load(text: str, drive: str = DRIVE):
        (tmp_path / "spec.yaml").write_text(drive + text)
        return load_spec(tmp_path / "spec.yaml")

    return load


def test_a_grid_is_every_combination(loaded):
    spec = loaded(
        "fixed: {params.lateral: 0.5}\n"
        "vary:\n"
        "  over: {params.patience: [2.0, 4], robot.speed: [0.5, 0.6, 0.7], robot.name: [a, b]}\n"
    )
    every = itertools.product([2.0, 4], [0.5, 0.6, 0.7], "ab")
    assert spec.swept == ("params.patience", "robot.speed", "robot.name")
    assert [tuple(setting[name] for name in spec.swept) for setting in spec.settings] == [*every]
    assert all(setting["params.lateral"] == 0.5 for setting in spec.settings)


def test_sobol_points_fall_once_into_each_of_as_many_cells(loaded):
    text = (
        "vary:\n  kind: sobol\n  count: 64\n  seed: {}\n  over:\n"
        "    params.patience: {{from: 1.0, to: 9.0}}\n"
        "    params.turning: {{from: 0.01, to: 1.0, scale: log}}\n"
        "    config.elites: {{from: 1, to: 64}}\n"
        "    robot.name: {{of: [a, b, c, d]}}\n"
    )
    spec, again, other = (loaded(text.format(seed)) for seed in (3, 3, 4))
    assert spec.settings == again.settings != other.settings
    column = {name: [setting[name] for setting in spec.settings] for name in spec.swept}
    cells = np.floor((np.array(column["params.patience"]) - 1.0) / 8.0 * 64)
    assert sorted(cells) == [*range(64)]
    cells = np.floor(np.log(np.array(column["params.turning"]) / 0.01) / np.log(100.0) * 64)
    assert sorted(cells) == [*range(64)]
    assert sorted(column["config.elites"]) == [*range(1, 65)]
    assert all(column["robot.name"].count(name) == 16 for name in "abcd")


def test_random_integers_are_as_likely_at_the_ends_as_within(loaded):
    spec = loaded(
        "vary: {kind: random, count: 4000, over: {config.elites: {from: 2, to: 5}, "
        "config.descents: {from: 1, to: 4, scale: log}}}\n"
    )
    counts = np.bincount([setting["config.elites"] for setting in spec.settings], minlength=7)
    assert counts[[0, 1, 6]].sum() == 0
    assert np.abs(counts[2:6] - 1000).max() < 4.5 * np.sqrt(4000 * 0.25 * 0.75)
    assert {setting["config.descents"] for setting in spec.settings} == {1, 2, 3, 4}


def test_a_list_says_each_setting(loaded):
    spec = loaded(
        "fixed: {robot: r.yaml}\nvary: {kind: list, settings: [{}, {params.turning: 0.1}]}"
    )
    assert spec.settings == ({"robot": "r.yaml"}, {"robot": "r.yaml", "params.turning": 0.1})
    assert spec.swept == ("params.turning",)


NUMBERS = [
    f"{section}.{field.name}"
    for section, value in (("robot", BASE.robot), ("params", BASE.params))
    for field in dataclasses.fields(value)
    if type(field.default) in (int, float)
]


@given(name=st.sampled_from(NUMBERS), factor=st.floats(0.999, 1.0))
def test_what_is_named_changes_and_nothing_else(name, factor):
    part, field = name.split(".")
    value = factor * getattr(getattr(BASE, part), field)
    try:
        found = resolve(BASE, Section({name: value}, "spec.yaml"))
    except InputError as error:  # at the end of its range, or against another setting
        assert field in str(error)
        return
    assert getattr(getattr(found, part), field) == value
    restored = dataclasses.replace(
        getattr(found, part), **{field: getattr(getattr(BASE, part), field)}
    )
    assert dataclasses.replace(found, **{part: restored}).__dict__ == BASE.__dict__


def test_files_stand_for_whole_parts_and_names_count_on_top_of_them():
    setting = Section(
        {"robot": "robots/jackal.yaml", "planner": "planner/default.yaml", "robot.speed": 1.5},
        str(CONFIGS / "spec.yaml"),
    )
    found = resolve(BASE, setting)
    assert (found.robot.name, found.robot.speed) == ("jackal", 1.5)
    deeper = resolve(BASE, Section({"robot.sensor.beams": 99}, "s"))
    assert deeper.robot.sensor == dataclasses.replace(DEFAULT_ROBOT.sensor, beams=99)


GRID = "vary: {{over: {{{}}}}}\n"
BAD: dict[str, tuple[str, str, int]] = {
    "no suite": ("vary: {over: {params.turning: [1.0]}}", "drive", 0),
    "unknown key": (DRIVE + "seeds: 3\n" + GRID.format("params.turning: [1.0]"), "seeds", 2),
    "unknown section": (DRIVE + GRID.format("param.turning: [1.0]"), "param.turning", 2),
    "unknown setting": (DRIVE + GRID.format("params.patienc: [1.0]"), "patience", 2),
    "a group": (DRIVE + GRID.format("robot.sensor: [1.0]"), "robot.sensor", 2),
    "too deep": (DRIVE + GRID.format("params.turning.x: [1.0]"), "params.turning", 2),
    "no list": (DRIVE + GRID.format("params.turning: 1.0"), "params.turning", 2),
    "a value twice": (DRIVE + GRID.format("params.turning: [1.0, 1.0]"), "each value once", 2),
    "varied and fixed": (
        DRIVE + "fixed: {params.turning: 0.1}\n" + GRID.format("params.turning: [1.0]"),
        "fixed",
        3,
    ),
    "nothing varies": (DRIVE + "vary: {over: {}}", "vary.over", 2),
    "too many": (
        DRIVE
        + GRID.format(
            ", ".join(f"params.{n}: {[*range(60)]}" for n in ("turning", "lateral", "reversing"))
        ),
        "too many",
        2,
    ),
    "a grid has no seed": (DRIVE + "vary: {seed: 1, over: {params.turning: [1.0]}}", "seed", 2),
    "unknown kind": (DRIVE + "vary: {kind: gird, over: {params.turning: [1.0]}}", "kind", 2),
    "no power of two": (
        DRIVE + "vary: {kind: sobol, count: 6, over: {params.turning: {from: 0, to: 1}}}",
        "power of two",
        2,
    ),
    "no number": (
        DRIVE + "vary: {kind: random, count: 6, over: {robot.name: {from: 0, to: 1}}}",
        "robot.name",
        2,
    ),
    "backwards": (
        DRIVE + "vary: {kind: random, count: 6, over: {robot.speed: {from: 1, to: 0.5}}}",
        "grows",
        2,
    ),
    "log of 0": (
        DRIVE + "vary: {kind: random, count: 6, over: {robot.speed: {from: 0, to: 1, scale: log}}}",
        "above 0",
        2,
    ),
    "half an integer": (
        DRIVE + "vary: {kind: random, count: 6, over: {config.people: {from: 0.5, to: 3}}}",
        "integers",
        2,
    ),
    "runs below 1": (
        "drive: [{suite: crossing, runs: 0}]\n" + GRID.format("params.turning: [1.0]"),
        "runs",
        1,
    ),
    "a list of nothing": (DRIVE + "vary: {kind: list, settings: []}", "vary.settings", 2),
    "unknown in a list": (
        DRIVE + "vary:\n  kind: list\n  settings:\n    - {robot.sped: 1.0}\n",
        "robot.speed",
        5,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_spec_is_told_of_by_name_and_line(case, loaded):
    text, needle, line = BAD[case]
    with pytest.raises(InputError) as info:
        loaded(text, "")
    assert needle in str(info.value)
    assert info.value.where.endswith(f"spec.yaml:{line}" if line else "spec.yaml")


@pytest.mark.parametrize(
    ("setting", "needle"),
    [
        ({"params.patience": 0.0}, "params.patience"),
        ({"params.patience": "4"}, "params.patience"),
        ({"config.candidates": 100.5}, "config.candidates"),
        ({"config.candidates": True}, "config.candidates"),
        ({"config.people_stride": 7}, "people_stride"),
        ({"config.intervals": [0.0, 3.0]}, "intervals"),
        ({"robot.speed": 9.0}, "robot.speed"),
        ({"robot": "nowhere.yaml"}, "nowhere.yaml"),
        ({"robot": 3}, "robot"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_line(setting, needle):
    section = Section(setting, "spec.yaml")
    section.lines = dict.fromkeys(setting, 7)
    with pytest.raises(InputError) as info:
        resolve(BASE, section)
    assert needle in str(info.value)
    assert "nowhere" in needle or info.value.where == "spec.yaml:7"


@pytest.mark.parametrize("path", sorted((CONFIGS / "sweeps").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_samples_can_be_used(path):
    spec: Any = load_spec(path)
    assert all(kind_of(name) is not None for name in spec.swept)
    for setting in spec.settings:
        resolve(BASE, setting)
