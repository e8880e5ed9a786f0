"""An episode in one file: everything its pictures need, and every array of the run.   [host]

A checked npz archive (``learning/archive.py``), so that ``numpy.load`` reads it as well:

    log.…, ticks.…   the logs' arrays under their path, like ``log.world.pose_map``
    home.…           occupancy, blocked, origin, resolution, start, goal, radius, present
    routes.…         the fields that guided the robot, a leading axis, and since when
                     (``routes.since``, s); the last one of each second, without its leash

and in the manifest's note the settings of robot and planner and what the task layer did.  What
comes back has been compared with what the nouns declare: names, kinds, shapes, finite numbers.
"""

import dataclasses
import math
import operator
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Float, jaxtyped

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.deploy.arrays import flat
from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.learning.demonstrations import FARTHEST
from astro_jax.sim.state import CycleLog, TickLog
from astro_jax.strict_yaml import build
from astro_jax.types import RouteField
from astro_jax.viz.record import EpisodeRecord

_T = TypeVar("_T")
Arrays = dict[str, np.ndarray]

FORM, VERSION = "astro_jax episode", 1
HOME = ("occupancy", "blocked", "origin", "resolution", "start", "goal", "radius", "present")
_BATCH: Any = Float[np.ndarray, "*batch"]
OPEN = ("cost", "candidate_xy_map", "best_cost", "sampled_cost", "people_xy", "announced")
"""Arrays that may hold what is no number: motions without a cost, people who are not there."""
FINEST, COARSEST = 0.005, 1.0
"""Cells of a map that can be drawn, m."""


def write_episode(path: Path, record: EpisodeRecord) -> None:
    """Write it, whole or not at all.

    Raises:
      InputError: the place cannot be written.
    """
    # who walks is followed by a new field several times a second, each as large as the house
    last = {int(since): (since, field) for since, field in record.routes}
    since, fields = zip(*last.values(), strict=True)
    bare = [dataclasses.replace(field, leash=None) for field in fields]
    arrays = {
        **flat(record.log, "log"),
        **flat(record.ticks, "ticks"),
        **flat(jax.tree.map(lambda *leaves: np.stack(leaves), *bare), "routes"),
        **{f"home.{name}": getattr(record, name) for name in HOME},
        "routes.since": np.array(since, np.float64),
    }
    note = {
        "robot": dataclasses.asdict(record.robot),
        "planner": dataclasses.asdict(record.planner),
        "followed": record.followed,
        "doing": record.doing,
    }
    write_arrays(path, FORM, VERSION, {name: np.asarray(a) for name, a in arrays.items()}, note)


def read_episode(path: Path) -> EpisodeRecord:
    """The episode in a file that ``write_episode`` could have written.

    Raises:
      InputError: what ``read_arrays`` refuses; settings that no robot has; an array that is
        missing, unknown, of another kind or shape, not finite, or beyond what can be drawn.
    """
    arrays, note = read_arrays(path, FORM, VERSION)
    where = str(path)
    if not isinstance(note, dict):
        raise InputError("note", note, "the settings of robot and planner", where)
    robot, planner = _settings(note, where)
    left = dict(arrays)
    record = EpisodeRecord(
        robot=robot,
        planner=planner,
        log=_noun(CycleLog, left, "log", _length(left, "log.time", where), where),
        ticks=_noun(TickLog, left, "ticks", _length(left, "ticks.time", where), where),
        routes=_routes(left, where),
        **_home(left, where),
        **_task(note, where),
    )
    if left:
        raise InputError("file", ", ".join(sorted(left)[:3]), "no other arrays", where)
    _check_numbers(arrays, np.asarray(record.log.world.forecast.valid), where)
    return record


def _settings(note: Mapping[str, Any], where: str) -> tuple[RobotConfig, PlannerConfig]:
    for name in ("robot", "planner"):
        if not isinstance(note.get(name), dict):
            raise InputError(name, "missing", "a section of settings", where)
    robot = build(RobotConfig, note["robot"], f"{where}, robot")
    planner = build(PlannerConfig, note["planner"], f"{where}, planner")
    for field, value, expected in [*robot.problems(), *planner.problems(robot)]:
        raise InputError(field, value, expected, where)
    return robot, planner


def _task(note: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Whom the robot followed, and what it did since when."""
    followed, doing = note.get("followed"), note.get("doing")
    if not (followed is None or (type(followed) is int and followed >= 0)):
        raise InputError("followed", followed, "the number of somebody, or null", where)
    if not isinstance(doing, list):
        raise InputError("doing", doing, "a list of [seconds, text]", where)
    steps = []
    for step in doing:
        since, text = step if isinstance(step, list) and len(step) == 2 else (None, None)
        said = isinstance(text, str) and (not text or text.isprintable())
        if not (said and isinstance(since, int | float) and math.isfinite(since)):
            raise InputError("doing", step, "[seconds, text]", where)
        steps.append((float(since), text))
    return {"followed": followed, "doing": tuple(steps)}


def _length(arrays: Arrays, name: str, where: str) -> tuple[int, ...]:
    """The one leading axis of all arrays of a log."""
    shape = np.shape(arrays.get(name, ()))
    if len(shape) != 1 or not shape[0]:
        raise InputError(name, shape, "one axis of times, not empty", where)
    return shape


def _routes(left: Arrays, where: str) -> tuple[tuple[float, RouteField], ...]:
    lead = _length(left, "routes.since", where)
    since = left.pop("routes.since")
    fields = _noun(RouteField, left, "routes", lead, where)
    each = (jax.tree.map(operator.itemgetter(k), fields) for k in range(len(since)))
    return tuple((float(time), field) for time, field in zip(since, each, strict=True))


def _home(left: Arrays, where: str) -> dict[str, Any]:
    hints = {field.name: field.type for field in dataclasses.fields(EpisodeRecord)}
    with jaxtyped("context"):
        found = {name: _array(hints[name], left, f"home.{name}", where) for name in HOME}
    resolution = found["resolution"]
    if not (resolution.ndim == 0 and FINEST <= resolution <= COARSEST):
        expected = f"a number from {FINEST} to {COARSEST}"
        raise InputError("home.resolution", resolution.tolist(), expected, where)
    return {**found, "resolution": float(resolution)}


def _noun(cls: type[_T], left: Arrays, prefix: str, lead: tuple[int, ...], where: str) -> _T:
    """A noun of arrays that are taken out of ``left``; each as its annotation says.

    Axes of one name are of one length within a noun, and ``*batch`` is ``lead`` in all of them.
    """
    values = {}
    with jaxtyped("context"):
        isinstance(np.empty(lead, np.float32), _BATCH)  # what *batch is, from here on
        for field in dataclasses.fields(typing.cast(Any, cls)):
            name = f"{prefix}.{field.name}"
            kinds = typing.get_args(field.type) or (field.type,)
            inner = next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)
            given = any(key == name or key.startswith(f"{name}.") for key in left)
            if not given and field.default is not dataclasses.MISSING:
                values[field.name] = field.default
            elif inner is not None:
                values[field.name] = _noun(typing.cast(type, inner), left, name, lead, where)
            else:
                hint = next(kind for kind in kinds if hasattr(kind, "dim_str"))
                values[field.name] = _array(hint, left, name, where)
    return cls(**values)


def _array(hint: Any, left: Arrays, name: str, where: str) -> np.ndarray:
    """One array, if it is what ``hint`` declares (within the axes that are known by now)."""
    if name not in left:
        raise InputError(name, "missing", "an array", where)
    array = left.pop(name)
    if hint is not float and not isinstance(array, hint.dtype[np.ndarray, hint.dim_str]):
        shape = f"shape {hint.dim_str!r}, axes of one name of one length"
        expected = f"{hint.dtype.__name__.lower()} values of {shape}"
        raise InputError(name, f"{array.dtype} {array.shape}", expected, where)
    return array


def _check_numbers(arrays: Arrays, forecast: np.ndarray, where: str) -> None:
    """Refuse what is not finite or out of reach; of forecasts those of nobody do not count."""
    for name, array in arrays.items():
        last = name.rsplit(".", 1)[-1]
        if not array.size:
            raise InputError(name, array.shape, "at least one number", where)
        if name.startswith("log.world.forecast."):
            array = (np.swapaxes(array, 1, 2) if array.ndim > 3 else array)[forecast]
        if array.dtype.kind == "f" and last not in OPEN and not np.isfinite(array).all():
            raise InputError(name, "not finite", "finite numbers", where)
        place = last in ("pose_map", "origin", "start", "goal", "plan_pose")
        if (place or last == "time") and (np.abs(array) > FARTHEST).any():
            raise InputError(name, "far", f"within ± {FARTHEST:g}", where)
        if last == "resolution" and not (array >= FINEST / 10.0).all():
            raise InputError(name, float(array.min()), f"from {FINEST / 10.0:g} m", where)
    for name in ("log.time", "ticks.time", "routes.since"):
        if not (np.diff(arrays[name]) > 0.0).all():
            raise InputError(name, "falling", "times that rise", where)
