"""The network of ``local/proposal.py`` as a file: arrays with hashes.                     [host]"""

import itertools
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.local.proposal import Layer, Proposal

FORM, VERSION = "astro_jax proposal", 1


def write_proposal(path: Path, proposal: Proposal) -> None:
    """Whole or not at all.

    Raises:
      InputError: the place cannot be written.
    """
    arrays = {
        f"{number}.{name}": np.asarray(getattr(layer, name))
        for number, layer in enumerate(proposal.layers)
        for name in ("weight", "bias")
    }
    write_arrays(path, FORM, VERSION, arrays)


def read_proposal(path: Path) -> Proposal:
    """The network in a file.

    Raises:
      InputError: what ``read_arrays`` refuses, layers that do not fit together, or a number that
        is not finite.
    """
    arrays, _ = read_arrays(path, FORM, VERSION)
    where, count = str(path), len(arrays) // 2
    names = [f"{number}.{name}" for number in range(count) for name in ("weight", "bias")]
    if not names or sorted(names) != sorted(arrays):
        raise InputError("layers", sorted(arrays), "weight and bias of layers from 0 on", where)
    layers = []
    for number in range(count):
        weight, bias = (arrays[f"{number}.{name}"] for name in ("weight", "bias"))
        for array in (weight, bias):
            if array.dtype != np.float32 or not np.isfinite(array).all():
                expected = "finite numbers of single precision"
                raise InputError(f"layer {number}", array.dtype, expected, where)
        if weight.ndim != 2 or bias.shape != weight.shape[1:]:
            raise InputError(f"layer {number}", weight.shape, "a matrix and its bias", where)
        layers.append(Layer(weight=jnp.asarray(weight), bias=jnp.asarray(bias)))
    for number, (one, other) in enumerate(itertools.pairwise(layers)):
        if one.weight.shape[1] != other.weight.shape[0]:
            raise InputError(f"layer {number + 1}", other.weight.shape, "one that fits", where)
    return Proposal(layers=tuple(layers))
