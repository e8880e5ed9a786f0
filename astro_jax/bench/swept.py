"""What a sweep over suites is made of: every episode as a task, and how one is done. [host]

A task's id is a digest of everything that decides how its episode comes out: the suite, the case,
the run, its seed, and every setting of robot and planner.  The seed is that of ``bench/suites.py``:
all settings meet the same people and the same noise.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from astro_jax.bench.report import commit, device, plain
from astro_jax.bench.suites import SUITES, Order, Play, checked, named, player, seed_of
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.suites.case import Row, Setup
from astro_jax.sweep.dispatch import Task
from astro_jax.sweep.manifest import (
    Manifest,
    code_digest,
    digest,
    files_digest,
    refuse_twice,
    versions,
)
from astro_jax.sweep.overrides import FILES, resolve
from astro_jax.sweep.spec import Spec

NEEDS_NO_DATA = ("crossing",)
MOST = 5_000_000
"""Episodes of one sweep."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """What a worker is given."""

    order: Order
    setup: Setup
    case: str
    run: int


def play(episode: Episode) -> Row:
    """Drive one episode and judge it; other params than the last one's do not compile again."""
    drive = _player(episode.order, episode.setup.robot, episode.setup.config)
    return {"device": device(), **drive(episode.case, episode.run, episode.setup.params)}


@lru_cache(maxsize=1)
def _player(order: Order, robot: RobotConfig, config: PlannerConfig) -> Play:
    setup = Setup(robot=robot, config=config, params=PlannerParams())
    return player(order, setup=setup)


def tasks_of(spec: Spec, folder: Path | None) -> list[Task]:
    """Every episode of a sweep; those that share what is compiled follow each other.

    Raises:
      InputError: a suite, variant, case, setting or folder that cannot be used; two tasks that are
        the same, as when two settings come to the same values.
    """
    groups: dict[str, list[Task]] = {}
    count = 0
    for part, place in zip(spec.parts, spec.places, strict=True):
        with _told_where(place):
            order = checked(Order(suite=part.suite, variant=part.variant))
        if folder is not None and part.suite not in NEEDS_NO_DATA:
            order = dataclasses.replace(order, folder=folder)
        elif part.suite not in NEEDS_NO_DATA:
            raise InputError("data", "missing", "a folder, or one that ASTRO_JAX_DATA names", place)
        suite, base = SUITES[order.suite], SUITES[order.suite].setup(order.variant)
        names: dict[str, Sequence[str]] = {}
        for number, setting in enumerate(spec.settings):
            setup = resolve(base, setting)
            static = _static(order, setup)
            if static not in names:  # the robot's size may decide who makes an errand
                cases = suite.load(order.folder, setup, order.variant)
                with _told_where(place):
                    names[static] = named(list(cases), part.cases)
            count += len(names[static]) * part.runs
            if count > MOST:
                raise InputError("tasks", count, f"at most {MOST} episodes", spec.source)
            told = _told(spec, setting, setup)
            groups.setdefault(static, []).extend(
                _task(Episode(order=order, setup=setup, case=name, run=run), static, number, told)
                for run in range(part.runs)
                for name in names[static]
            )
    tasks = [task for group in groups.values() for task in group]
    _refuse_same(tasks, spec)
    _refuse_same_seeds(tasks)
    return tasks


def manifest_of(spec: Spec, tasks: Sequence[Task], folder: Path | None) -> Manifest:
    """What the store of these tasks is of."""
    return Manifest(
        code=code_digest(),
        commit=commit(),
        versions=versions(),
        data=files_digest(folder) if folder is not None else "",
        kind=spec.kind,
        swept=spec.swept,
        settings=[dict(setting) for setting in spec.settings],
        tasks=[task.id for task in tasks],
    )


def needs_data(spec: Spec) -> bool:
    """Whether any suite of the spec reads files."""
    return any(part.suite not in NEEDS_NO_DATA for part in spec.parts)


@contextmanager
def _told_where(place: str) -> Iterator[None]:
    """Errors name the place in the spec."""
    try:
        yield
    except InputError as error:
        raise InputError(error.field, error.value, error.expected, place) from error


def _task(episode: Episode, static: str, number: int, told: Mapping[str, Any]) -> Task:
    order, setup = episode.order, episode.setup
    row = {
        "suite": order.suite,
        "variant": order.variant,
        "case": episode.case,
        "run": episode.run,
        "seed": seed_of(order, episode.case, episode.run),
    }
    decides = {**row, "static": static, "params": plain(setup.params)}
    return Task(
        id=digest(decides), group=static, row={"setting": number, **row, **told}, job=episode
    )


def _static(order: Order, setup: Setup) -> str:
    """Digest of what is compiled."""
    what = {"suite": order.suite, "variant": order.variant}
    return digest({**what, "robot": plain(setup.robot), "config": plain(setup.config)})


def _told(spec: Spec, setting: Mapping[str, Any], setup: Setup) -> dict[str, Any]:
    """The values of what varies, columns of the table."""
    told: dict[str, Any] = {}
    for name in spec.swept:
        value: Any = setting.get(name, "") if name in FILES else setup
        if name not in FILES:
            for part in name.split("."):
                value = getattr(value, part)
        told[name] = str(list(value)) if isinstance(value, tuple) else value
    return told


def _refuse_same(tasks: Sequence[Task], spec: Spec) -> None:
    """What is to be driven twice would be counted for two."""
    first: dict[str, Task] = {}
    for task in tasks:
        before, now = first.setdefault(task.id, task).row, task.row
        if now is before:
            continue
        what = f"{now['suite']} {now['case']}"
        if before["setting"] == now["setting"]:
            raise InputError("drive", f"{what} twice", "each case in one part", spec.source)
        pair = f"number {before['setting']} and {now['setting']}"
        expected = f"settings that differ (not so for {what})"
        raise InputError("settings", pair, expected, spec.source)


def _refuse_same_seeds(tasks: Sequence[Task]) -> None:
    """Two runs of a case with one seed would be one episode counted twice."""
    names = ("suite", "variant", "setting", "case", "seed")
    refuse_twice(" ".join(str(task.row[name]) for name in names) for task in tasks)
