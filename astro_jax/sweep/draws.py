"""Which settings a sweep tries: a grid, random ones, a Sobol sequence, or a list.    [host]

In: the section ``vary`` of a spec.  Out: names, and a section per setting that remembers the lines
in the spec.  The same spec draws the same settings.

Source of the sequence: Sobol', "Distribution of points in a cube", 1967, scrambled by Owen's
method (SciPy).
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import qmc

from astro_jax.errors import InputError
from astro_jax.strict_yaml import Section, refuse_unknown
from astro_jax.sweep.overrides import kind_of

KINDS = ("grid", "random", "sobol", "list")
MOST = 100_000
"""Settings of one sweep."""
SCALES = ("linear", "log")


def drawn(vary: Section, fixed: Section) -> tuple[tuple[str, ...], list[Section]]:
    """The names that vary, and every setting, each with what is ``fixed``.

    Raises:
      InputError: a kind, a name, a range or a number of settings that makes no sense.
    """
    kind = vary.get("kind", "grid")
    if kind not in KINDS:
        raise InputError("vary.kind", kind, f"one of {', '.join(KINDS)}", vary.where("kind"))
    if kind == "list":
        refuse_unknown(vary, ("kind", "settings"), "a key of a list")
        listed = _sections(vary, "settings")
        names = tuple(dict.fromkeys(name for section in listed for name in section))
        _refuse_fixed(names, listed, fixed)
        return names, [_setting(fixed, section, section) for section in listed]
    refuse_unknown(vary, ("kind", "over", "count", "seed"), f"a key of kind {kind}")
    over = vary.get("over")
    if not isinstance(over, Section) or not over:
        raise InputError("vary.over", over, "names and their values", vary.where("over"))
    _refuse_fixed(over, [over], fixed)
    for name in over:
        kind_of(name, over.where(name))
    if kind == "grid":
        for name in ("count", "seed"):
            if name in vary:
                raise InputError(f"vary.{name}", vary[name], "none in a grid", vary.where(name))
        lines = [_choices(over, name, over[name]) for name in over]
        if math.prod(map(len, lines)) > MOST:
            expected = f"at most {MOST} settings"
            raise InputError("vary.over", "too many", expected, vary.where("over"))
        rows: Iterable[Sequence[Any]] = itertools.product(*lines)
    else:
        unit = _points(kind, len(over), _count(vary, kind), _whole(vary, "seed", 0, 0))
        axes = [_axis(over, name) for name in over]
        rows = [[axis(float(u)) for axis, u in zip(axes, p, strict=True)] for p in unit]
    return tuple(over), [_setting(fixed, over, dict(zip(over, row, strict=True))) for row in rows]


def _setting(fixed: Section, place: Section, values: Mapping[str, Any]) -> Section:
    """One setting; errors in it name the line of ``place``."""
    setting = Section({**fixed, **values}, place.source)
    setting.lines = {**fixed.lines, **{name: place.lines[name] for name in values}}
    return setting


def _sections(vary: Section, key: str) -> list[Section]:
    listed = vary.get(key)
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(item, Section) for item in listed)
    ):
        expected = "a list of mappings such as {params.patience: 2.0}"
        raise InputError(f"vary.{key}", listed, expected, vary.where(key))
    return listed


def _refuse_fixed(names: Iterable[str], places: Sequence[Section], fixed: Section) -> None:
    for name in names:
        if name in fixed:
            where = next(place.where(name) for place in places if name in place)
            raise InputError(name, "varied and fixed", "only one of the two", where)


def _choices(over: Section, name: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise InputError(name, values, "a list of values such as [2.0, 4.0]", over.where(name))
    for k, value in enumerate(values):
        if value in values[:k]:
            raise InputError(name, value, "each value once", over.where(name))
    return values


def _axis(over: Section, name: str):
    """A function from [0, 1) to the values of a name."""
    axis, where = over[name], over.where(name)
    if not isinstance(axis, Section):
        raise InputError(name, axis, "{from: …, to: …} or {of: […]}", where)
    if "of" in axis:
        refuse_unknown(axis, ("of",), "alone")
        values = _choices(over, name, axis["of"])
        return lambda u: values[int(u * len(values))]
    refuse_unknown(axis, ("from", "to", "scale"), "a key of a range")
    low, high = (_number(axis, key) for key in ("from", "to"))
    scale = axis.get("scale", "linear")
    if scale not in SCALES:
        raise InputError(f"{name}.scale", scale, f"one of {', '.join(SCALES)}", where)
    if not low < high:
        raise InputError(name, f"from {low:g} to {high:g}", "a range that grows", where)
    if scale == "log" and low <= 0.0:
        raise InputError(name, low, "numbers above 0 for a log scale", where)
    whole = kind_of(name, where) is int
    if not whole and kind_of(name, where) is not float:
        raise InputError(name, "a range", "{of: […]}: it is no number", where)
    if not whole:
        return lambda u: _between(low, high, scale, u)
    if not (low.is_integer() and high.is_integer()):
        raise InputError(name, f"from {low:g} to {high:g}", "integers", where)
    # each integer has a cell of its own, both ends included
    return lambda u: min(int(_between(low - 0.5, high + 0.5, scale, u) + 0.5), int(high))


def _between(low: float, high: float, scale: str, u: float) -> float:
    return low * (high / low) ** u if scale == "log" else low + u * (high - low)


def _number(axis: Section, key: str) -> float:
    value = axis.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(axis.prefix + key, value, "a number", axis.where(key))
    return float(value)


def _whole(vary: Section, key: str, default: int | None, low: int) -> int:
    value = vary.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError(f"vary.{key}", value, f"an integer from {low}", vary.where(key))
    return value


def _count(vary: Section, kind: str) -> int:
    count = _whole(vary, "count", None, 1)
    if count > MOST:
        raise InputError("vary.count", count, f"at most {MOST} settings", vary.where("count"))
    if kind == "sobol" and count & (count - 1):
        # other numbers lose the balance that the sequence is for
        expected = "a power of two for a Sobol sequence"
        raise InputError("vary.count", count, expected, vary.where("count"))
    return count


def _points(kind: str, axes: int, count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "random":
        return random.random((count, axes))
    return qmc.Sobol(axes, rng=random).random_base2(count.bit_length() - 1)
