"""Kernels of the route layer, compiled by Numba when they are first called.        [host]

A plain function of NumPy arrays comes in, its compiled twin goes out.  Machine code is kept
beside the source or in the user's cache, whichever can be written (``NUMBA_CACHE_DIR`` names
another place); where none can, it is compiled once per process.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable)


def compiled(function: _F) -> _F:
    """``function`` as machine code: same arguments, same answer.

    It lets go of the interpreter: a search in another thread must not hold up a control loop.
    """
    try:
        return cast(_F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # Numba found no folder that it may write to
        return cast(_F, numba.njit(nogil=True, error_model="numpy")(function))


def inlined(function: _F) -> _F:
    """As ``compiled``, for a function that only kernels call, pasted into each of them."""
    return cast(_F, numba.njit(inline="always", error_model="numpy")(function))
