"""Shapes and types as they were when something was compiled, and a check against them. [host]

A jitted function that gets another shape compiles anew, for seconds; one that was compiled ahead of
time fails with the compiler's words.  At the boundary it is an error that names the array.
"""

import dataclasses
from typing import Any

import jax

from astro_jax.errors import ShapeError

Kind = tuple[tuple[int, ...], Any]
"""(shape, type)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """Of all arrays in a pytree."""

    structure: Any
    arrays: dict[str, Kind]
    """By dotted path."""


def form_of(tree: object) -> Form:
    """What a function that is compiled for ``tree`` takes for granted."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    return Form(structure=structure, arrays={_dotted(path): _kind(leaf) for path, leaf in leaves})


def check_form(tree: object, form: Form) -> None:
    """Nothing, if ``tree`` has the arrays of ``form`` and no others.

    Raises:
      ShapeError: an array is missing, too many, or of another shape or type.
    """
    leaves, structure = jax.tree.flatten(tree)
    # paths are slow to make, and wanted only if something is wrong
    if structure == form.structure and list(map(_kind, leaves)) == list(form.arrays.values()):
        return
    found, wanted = form_of(tree).arrays, form.arrays
    for path in wanted | found:
        if found.get(path) != wanted.get(path):
            raise ShapeError(path, _shown(found.get(path)), f"{_shown(wanted.get(path))} as armed")
    raise ShapeError("structure", str(structure), str(form.structure))


def _dotted(path: tuple) -> str:
    names = ((getattr(key, name, None) for name in ("name", "key", "idx")) for key in path)
    return ".".join(str(next(n for n in options if n is not None)) for options in names)


def _kind(leaf: Any) -> Kind:
    return getattr(leaf, "shape", ()), getattr(leaf, "dtype", type(leaf))


def _shown(kind: Kind | None) -> str:
    if kind is None:
        return "nothing"
    shape, dtype = kind
    name = getattr(dtype, "name", getattr(dtype, "__name__", str(dtype)))
    return f"{name}[{', '.join(map(str, shape))}]"
