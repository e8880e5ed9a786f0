"""What a search has tried so far, in a file: enough to go on as if it had never stopped. [host]

Kept is what was asked for and what came of it, not the optimiser's own state: who resumes asks
the optimiser again, generation by generation, and tells it what it was told.  Nothing is
unpickled, and a record of another search is noticed.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays

FORM, VERSION = "astro_jax tuning", 1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Generation:
    """P members that drove the same B tasks."""

    x: Float[np.ndarray, "P W"]
    """Logarithms of the params."""
    tasks: Int[np.ndarray, "B"]
    outcomes: Float[np.ndarray, "P B 4"]
    """Time or limit (s), jerk (m/s³; NaN: unknown), success, fault."""
    hand: Float[np.ndarray, "B 4"]
    """The same of the hand-tuned params."""
    multiplier: Float[np.ndarray, ""]
    """λ that its contacts were weighed with."""


NAMES = tuple(field.name for field in dataclasses.fields(Generation))


def write_record(path: Path, identity: Mapping[str, Any], done: Sequence[Generation]) -> None:
    """Write all generations, whole or not at all.

    Raises:
      InputError: the place cannot be written.
    """
    arrays = {name: np.stack([getattr(one, name) for one in done]) for name in NAMES}
    write_arrays(path, FORM, VERSION, arrays, identity)


def read_record(path: Path, identity: Mapping[str, Any]) -> list[Generation]:
    """The generations of the search that ``identity`` describes.

    Raises:
      InputError: what ``read_arrays`` refuses, another search, arrays that do not fit together, or
        a number that is not finite.
    """
    arrays, where = read_search(path, FORM, VERSION, identity, NAMES), str(path)
    x, tasks = arrays["x"], arrays["tasks"]
    if x.ndim != 3 or tasks.ndim != 2 or tasks.dtype.kind not in "iu":
        raise InputError("x", x.shape, "generations of members", where)
    (count, members, _), batch = x.shape, tasks.shape[1]
    shapes = {
        "tasks": (count, batch),
        "outcomes": (count, members, batch, 4),
        "hand": (count, batch, 4),
        "multiplier": (count,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise InputError(name, arrays[name].shape, f"a shape of {shape}", where)
    for name in ("x", "multiplier"):
        if not np.isfinite(arrays[name]).all():
            raise InputError(name, "not finite", "finite numbers", where)
    for name in ("outcomes", "hand"):
        # jerk may be unknown
        if not np.isfinite(arrays[name][..., [0, 2, 3]]).all():
            raise InputError(name, "not finite", "finite numbers", where)
    return [Generation(**{name: arrays[name][k] for name in NAMES}) for k in range(count)]


def read_search(
    path: Path, form: str, version: int, identity: Mapping[str, Any], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """The named arrays of a file that the search which ``identity`` describes has written.

    Raises:
      InputError: what ``read_arrays`` refuses, another search, or an array that is not there.
    """
    arrays, note = read_arrays(path, form, version)
    where = str(path)
    if not isinstance(note, dict):
        raise InputError("record", "without its search", "a record of a search", where)
    for name, value in identity.items():
        if note.get(name) != value:
            raise InputError(name, "other than the record's", "what the record was made for", where)
    for name in names:
        if name not in arrays or arrays[name].dtype.kind not in "iuf":
            raise InputError(name, "missing", "an array of numbers", where)
    return dict(arrays)
